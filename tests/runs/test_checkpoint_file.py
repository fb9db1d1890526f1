import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from snn_zo.config import ConfigError
from snn_zo.runs.archive import seal
from snn_zo.runs.checkpoint_file import CheckpointFiles, read_checkpoint

MODEL = nn.Linear(7, 3)


def saved(folder: Path, **more: object) -> Path:
    path = folder / "last.ckpt"
    CheckpointFiles(MODEL).save_checkpoint({"state_dict": MODEL.state_dict(), "epoch": 1} | more, path)
    return path


def entries() -> dict[str, bytes]:
    """Of a checkpoint as torch writes it."""
    torch.save({"state_dict": MODEL.state_dict()}, buffer := io.BytesIO())
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, entry in content.items():
            archive.writestr(name, entry)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    """What is said of a checkpoint: one line, that advises nothing dangerous."""
    with pytest.raises(ConfigError) as raised:
        read_checkpoint(path, MODEL)
    line = str(raised.value)
    assert line.startswith(f"{path} is ")
    assert "\n" not in line
    assert not any(word in line for word in ("weights_only", "safe_globals", "trust", "SNN_ZO_TRUST"))
    return line


def test_save_checkpoint_can_be_read_by_torch_and_as_an_archive(tmp_path):
    path = saved(tmp_path)
    for mapped in (False, True):
        content = torch.load(path, weights_only=True, mmap=mapped)
        assert torch.equal(content["state_dict"]["weight"], MODEL.weight)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"snn_zo sha256 ")
    assert torch.equal(read_checkpoint(path, MODEL)["state_dict"]["bias"], MODEL.bias)


def test_read_checkpoint_refuses_each_flipped_bit(tmp_path):
    path = saved(tmp_path)
    content = path.read_bytes()
    places = [*random.Random(0).sample(range(len(content)), 150), *range(len(content) - 110, len(content))]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        assert refusal(path) == f"{path} is refused: it is damaged, as its checksum says"


@pytest.mark.parametrize("kept", [0, 1, 21, 22, 77, 78, 500, -1])
def test_read_checkpoint_refuses_what_is_cut_short(tmp_path, kept):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path) == f"{path} is refused: it is damaged, as its checksum says"


def test_read_checkpoint_of_an_earlier_version_is_said_and_checked_by_its_parts(tmp_path, caplog):
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": MODEL.state_dict()}, path)
    assert torch.equal(read_checkpoint(path, MODEL)["state_dict"]["bias"], MODEL.bias)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"{path} has no checksum of the whole"
    ]
    content = path.read_bytes()
    place = content.index(MODEL.weight.detach().numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert refusal(path) == f"{path} is refused: it is damaged"


def test_read_checkpoint_that_is_missing(tmp_path):
    assert refusal(tmp_path / "best.ckpt").endswith("is missing: the run wrote no checkpoint")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "not a file"),
        (os.mkdir, "not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "Too many levels of symbolic links"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "larger than 64 MB"),
    ],
)
def test_read_checkpoint_of_what_is_no_file_of_its_size_is_refused_at_once(tmp_path, make, said):
    path = tmp_path / "last.ckpt"
    make(path)
    assert refusal(path) == f"{path} is refused: {said}"


def deflated(content: dict[str, bytes]) -> bytes:
    content["archive/data/0"] = bytes(16 << 20)
    return rewritten(content, zipfile.ZIP_DEFLATED)


def overlapping(content: dict[str, bytes]) -> bytes:
    """Each further entry of the directory says that its content is that of the first tensor."""
    for number in range(2, 1000):
        content[f"archive/data/{number}"] = b""
    content["archive/data/0"] = bytes(1 << 20)
    archive = bytearray(rewritten(content))
    place = archive.index(b"PK\x01\x02")
    size = struct.pack("<II", 1 << 20, 1 << 20)
    while archive[place : place + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", archive, place + 28)
        if b"/data/" in archive[place + 46 : place + 46 + name]:
            archive[place + 20 : place + 28] = size
        place += 46 + name + extra + comment
    return bytes(archive)


def many(content: dict[str, bytes]) -> bytes:
    return rewritten(content | {f"archive/data/{number}": b"" for number in range(11_000)})


def twice(content: dict[str, bytes]) -> bytes:
    """Two storages with one entry, as names end at a zero for torch."""
    name = b"X\x01\x00\x00\x001"
    assert name in content["archive/data.pkl"]
    content["archive/data.pkl"] = content["archive/data.pkl"].replace(name, b"X\x03\x00\x00\x000\x00x")
    return rewritten(content)


def constructor(module: str, name: str) -> Callable[[dict[str, bytes]], bytes]:
    """Something that torch's unpickler admits, called with two thousand million."""

    def make(content: dict[str, bytes]) -> bytes:
        call = b"c" + f"{module}\n{name}\n".encode() + b"J" + struct.pack("<i", 2_000_000_000) + b"\x85R."
        return rewritten(content | {"archive/data.pkl": b"\x80\x02" + call})

    return make


def long_pickle(content: dict[str, bytes]) -> bytes:
    return rewritten(content | {"archive/data.pkl": b"\x80\x02" + b"]" * (2 << 20) + b"."})


def shared(content: dict[str, bytes]) -> bytes:
    """A list of lists of lists, each twice the same: small here, without end for whoever walks through it."""
    nested: list = []
    for _ in range(60):
        nested = [nested, nested]
    return rewritten(content | {"archive/data.pkl": pickle.dumps({"state_dict": nested}, protocol=2)})


BOMBS = {
    "deflated": (deflated, "compressed, or larger than it seems"),
    "overlapping": (overlapping, "compressed, or larger than it seems"),
    "many": (many, "an archive of more than 10000 entries"),
    "twice": (twice, "damaged"),
    "bytearray": (constructor("builtins", "bytearray"), "more than weights and plain values: it names"),
    "FloatTensor": (constructor("torch", "FloatTensor"), "more than weights and plain values: it names"),
    "UntypedStorage": (constructor("torch.storage", "UntypedStorage"), "more than weights and plain values: it names"),
    "os": (constructor("posix", "system"), "more than weights and plain values: it names 'posix system'"),
    "long": (long_pickle, "one with more than 1 MB of other things than tensors"),
    "shared": (shared, "one of more than 200000 values"),
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("bomb", BOMBS)
def test_read_checkpoint_refuses_what_takes_more_memory_than_it_has_bytes(tmp_path, bomb, sealed):
    """A seal says that a file is whole, and nothing of who made it."""
    make, said = BOMBS[bomb]
    path, archive = tmp_path / "last.ckpt", make(entries())
    path.write_bytes(seal(archive) if sealed else archive)
    tracemalloc.start()
    assert refusal(path).startswith(f"{path} is refused: it is {said}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


def test_checkpoint_of_a_tensor_that_repeats_values_is_neither_written_nor_read(tmp_path):
    repeated = torch.zeros(1).expand(1 << 30)
    with pytest.raises(ConfigError, match="is not written, as the state of the run would be larger than it seems"):
        saved(tmp_path, repeated=repeated)
    torch.save({"state_dict": {}, "repeated": repeated}, path := tmp_path / "last.ckpt")
    assert refusal(path) == f"{path} is refused: it is larger than it seems"


def test_checkpoint_of_more_than_plain_values_is_not_written(tmp_path):
    with pytest.raises(ConfigError, match=r"last\.ckpt is not written, .* it names 'pathlib.* PosixPath'"):
        saved(tmp_path, path=tmp_path)
    assert not (tmp_path / "last.ckpt").exists()
