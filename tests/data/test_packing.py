import logging
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import NMNIST, SHD
from snn_zo.data.store import HEADER, EventStore
from tests.data.originals import assert_equal, dense, packed, write_bin, write_shd

PACK = """
import sys
from snn_zo.data.neuromorphic import NMNIST
NMNIST.chunk = int(sys.argv[2])
store = NMNIST(root=sys.argv[1], cache_dir=sys.argv[1] + "/cache", val_fraction=0.25).store("train")
print(len(store), len(store.col))
"""

KILLED = """
import itertools, os, signal
from snn_zo.data import store
columns, calls = store._columns, itertools.count()
def killed(file, *piece):
    if next(calls) == 5:
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return columns(file, *piece)
store._columns = killed
"""


def recording(pixel: int, size: int = 40) -> list[tuple[int, int, int, int]]:
    return [(pixel % 34, pixel // 34, 1000 * t, t % 2) for t in range(size)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """60 training and 20 test recordings; each has a pixel of its own."""
    for part, first, size in (("Train", 0, 60), ("Test", 100, 20)):
        for i in range(size):
            write_bin(tmp_path / f"NMNIST/{part}/{i % 10}/{i:05}.bin", recording(first + i))
    return sorted((tmp_path / "NMNIST/Train").glob("*/*.bin"))


@pytest.fixture
def nmnist(tmp_path: Path) -> Callable[..., NMNIST]:
    def dataset(**settings: object) -> NMNIST:
        folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
        return NMNIST(**folders | {"val_fraction": 0.25} | settings)

    return dataset


def pack(folder: Path, chunk: int = 7, before: str = "", **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", before + PACK, str(folder), str(chunk)]
    return subprocess.Popen(command, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options)


def require_pixels(store: EventStore) -> None:
    """Each recording is the one that its label and origin say."""
    frames = dense(store)
    for sample in range(len(store)):
        (pixel,) = np.flatnonzero(frames[sample].any(0))
        assert pixel % 10 == store.target[sample]
        assert store.origin[sample] == (pixel % 10) * 6 + pixel // 10
        assert frames[sample].sum() == 14


def test_store_in_parallel_equals_one_piece(nmnist, files, tmp_path, monkeypatch):
    """Pieces are read by several processes, and lie in the store in their order."""
    whole = nmnist(cache_dir=str(tmp_path / "other")).store("train")
    require_pixels(whole)
    monkeypatch.setattr(NMNIST, "chunk", 7)
    assert_equal(nmnist().store("train"), whole)


def test_two_builders_at_once(nmnist, files, tmp_path):
    """Both get the same store, and one of them has made it."""
    builders = [pack(tmp_path) for _ in range(2)]
    answers = [builder.communicate(timeout=120) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], answers
    assert answers[0][0] == answers[1][0] == f"60 {60 * 14}\n"
    assert len(list((tmp_path / "cache").glob("*.events"))) == 1
    require_pixels(nmnist().store("train"))


def test_builder_that_is_killed_while_it_writes(nmnist, files, tmp_path):
    """What it leaves is not taken for a store, and swept up by the next one."""
    killed = pack(tmp_path, before=KILLED, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killed.wait(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    (left,) = (path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock")
    assert left.name.startswith(".")
    assert left.stat().st_size > HEADER
    require_pixels(nmnist().store("train"))
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".events", ".lock"]


def full(size: int) -> Callable[[], None]:
    """No file may grow beyond a size, as on a disk that is full then."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_builder_on_a_full_disk(nmnist, files, tmp_path):
    builder = pack(tmp_path, chunk=1000, preexec_fn=full(10_000))
    _, errors = builder.communicate(timeout=120)
    assert builder.returncode == 1
    last = errors.splitlines()[-1]
    assert "DataError: File too large" in last
    assert "set data.cache_dir (or SNN_ZO_CACHE) to a folder with room" in last
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    require_pixels(nmnist().store("train"))


def test_builder_on_a_full_tmpfs(nmnist, files, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(cache)], check=False, capture_output=True
    )
    if mount.returncode:
        pytest.skip("only root can mount a tmpfs")
    try:
        with pytest.raises(DataError, match=r"^No space left on device: .*; set data\.cache_dir"):
            nmnist().store("train")
        assert [path.suffix for path in cache.iterdir()] == [".lock"]
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def test_cache_dir_that_cannot_be_made(nmnist, files, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^Not a directory: .*/file/cache/.*; set data\.cache_dir"):
        nmnist(cache_dir=str(tmp_path / "file" / "cache")).store("train")


def damage(path: Path, place: int) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 4]))


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_found_while_serving_is_mended(nmnist, files, workers, caplog):
    """A byte is flipped after the store was opened: no batch has it, and no recording is lost."""
    dataset = nmnist(batch_size=32, workers=workers)
    expected = dense(dataset.store("train"))
    data = EventDataModule(dataset, seed=0)
    loader = data.train_dataloader()
    for sample in data.splits.train.sample[[3, 30]]:
        damage(dataset.cache_file("train"), HEADER + 2 * 14 * sample)
    for _ in range(2):
        for batch in loader:
            np.testing.assert_array_equal(batch.spikes.to_dense().flatten(2).numpy(), expected[batch.sample.numpy()])
    dataset.store("train").check(np.arange(60))
    if not workers:
        assert caplog.text.count("is damaged; making it again") >= 1


def test_damage_found_at_opening_is_mended(nmnist, files, caplog):
    dataset = nmnist()
    before = dataset.store("train").path.read_bytes()
    damage(dataset.cache_file("train"), len(before) - 10)
    with caplog.at_level(logging.WARNING):
        dataset.store("train")
    assert "making it again" in caplog.text
    assert dataset.cache_file("train").read_bytes() == before


# ---- bad recordings

BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged, 199 bytes"),
    "no bytes": (lambda path: path.write_bytes(b""), "is damaged, 0 bytes"),
    "no events": (lambda path: write_bin(path, [(0, 240, 0, 0)]), "holds no events"),
    "outside": (lambda path: write_bin(path, [(34, 0, 0, 0)]), "outside the 34 x 34 sensor"),
    "order": (lambda path: write_bin(path, [(1, 1, 9, 0), (1, 1, 8, 0)]), "out of order"),
    "gone": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "cannot be read"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_recording_is_an_error(nmnist, files, fault):
    change, what = BAD[fault]
    change(files[17])
    with pytest.raises(DataError, match=what) as error:
        nmnist().store("train")
    assert str(error.value).startswith(str(files[17]))
    assert "remove or replace it" in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_recording_is_an_error_of_another_process(nmnist, files, monkeypatch):
    monkeypatch.setattr(NMNIST, "chunk", 7)
    files[17].write_bytes(b"1")
    with pytest.raises(DataError, match=rf"^{files[17]} is damaged, 1 bytes"):
        nmnist().store("train")


def test_bad_recordings_are_skipped_counted_and_reported(nmnist, files, caplog, tmp_path):
    for i, (change, _) in enumerate(BAD.values()):
        change(files[9 * i + 3])
    write_bin(tmp_path / "NMNIST/Train/backup/1.bin", recording(5))
    dataset = nmnist(on_bad="skip")
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            store = EventDataModule(dataset, seed=0).splits.train.store
        assert f"{len(BAD) + 1} of 61 recordings left out as bad; the first: " in caplog.text
    assert len(store) == 60 - len(BAD)
    require_pixels(store)
    assert len(store.about["bad"]) == len(BAD) + 1
    assert "backup is no class's folder" in store.about["bad"][0]


def test_nothing_but_bad_recordings(nmnist, files):
    for path in files:
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"there are no recordings that can be used: .*0 bytes"):
        nmnist(on_bad="skip").store("train")


def test_wrong_folder_is_told_before_anything_is_read(nmnist, files, tmp_path):
    files[0].write_bytes(b"")
    write_bin(tmp_path / "NMNIST/Train/backup/1.bin", recording(5))
    with pytest.raises(DataError, match=r"NMNIST/Train/backup is no class's folder \(0 to 9\)"):
        nmnist().store("train")


def test_shd_that_is_silent_or_out_of_order(tmp_path):
    times, units = [np.array([0.1, 0.2]) for _ in range(40)], [np.array([3, 4]) for _ in range(40)]
    times[7], units[7] = np.array([]), np.array([])
    times[9] = np.array([0.2, 0.1])
    path = write_shd(tmp_path / "SHD/shd_train.h5", times, units, np.arange(40) % 20)
    folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(DataError, match=f"^{path}, recording 7, holds no events: remove or replace it$"):
        SHD(**folders).store("train")
    store = SHD(**folders, on_bad="skip").store("train")
    assert [reason.split(", ")[1:] for reason in store.about["bad"]] == [
        ["recording 7", "holds no events: remove or replace it"],
        ["recording 9", "holds time stamps that are out of order: remove or replace it"],
    ]
    assert store.origin.tolist() == [i for i in range(40) if i not in (7, 9)]


def test_limit_takes_the_first_of_each_class(nmnist, files):
    store = nmnist(limit=3).store("train")
    assert np.bincount(store.target).tolist() == [3] * 10
    assert store.origin.tolist() == [6 * digit + i for digit in range(10) for i in range(3)]
    frames = dense(store)
    assert [int(np.flatnonzero(frame.any(0))[0]) for frame in frames] == [
        10 * i + d for d in range(10) for i in range(3)
    ]


# ---- size


def test_large_store_needs_no_more_memory_than_its_batches(tmp_path):
    """60,000 recordings as in N-MNIST, 4,000 events each, at T = 300."""
    from snn_zo.data.binning import Grid

    rng = np.random.default_rng(0)
    grid = Grid(34, 34, 1, 1.0, 300)
    length = rng.multinomial(4000, np.full(300, 1 / 300), 100)
    col = np.concatenate([np.sort(rng.choice(1156, size, replace=False)) for size in length.ravel().tolist()])
    piece = packed(length, col.astype(np.int32), np.arange(100) % 10)
    pieces = ((piece, np.arange(100 * i, 100 * i + 100)) for i in range(600))
    EventStore.write(tmp_path / "a.events", grid, pieces, {"bad": []})
    store = EventStore(tmp_path / "a.events")
    assert len(store) == 60_000
    before = private_bytes()
    for _ in range(40):
        batch = store.batch(rng.integers(0, 60_000, 256))
    assert len(batch.spikes.events.col) == 256 * 4000
    assert private_bytes() - before < 60e6, "a few batches of 5 MB, not 500 MB"


def private_bytes() -> int:
    """Memory of this process that is not a file's."""
    status = Path("/proc/self/status").read_text().split("RssAnon:")[1]
    return 1024 * int(status.split()[0])
