import errno
import gzip
import http.client
import io
import math
import os
import struct
import urllib.error
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from snn_zo.data.errors import DataError
from snn_zo.data.idx import MNIST, FashionMNIST, IdxImages, read_idx
from tests.data.originals import assert_equal

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def contents(samples: int, seed: int = 0) -> dict[str, bytes]:
    """Four IDX files: `samples` training images, half as many test images, and all classes equally often."""
    rng = np.random.default_rng(seed)
    arrays = []
    for size in (samples, samples // 2):
        images = rng.integers(0, 256, (size, 28, 28)) * (rng.random((size, 28, 28)) < 0.5)
        arrays += [images, rng.permutation(np.arange(size) % 10)]
    return dict(zip(NAMES, map(idx, arrays), strict=True))


def put(folder: Path, files: dict[str, bytes], suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content, mtime=0) if suffix else content)
    return folder


def dense(dataset: IdxImages, part: str) -> np.ndarray:
    """[S, T, N] spikes."""
    store = dataset.store(part)
    return store.batch(np.arange(len(store))).spikes.to_dense().flatten(2).numpy()


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No network, and none of this machine's data sets."""

    def urlopen(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(FashionMNIST, "installed", ())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., IdxImages]:
    def dataset(cls: type[IdxImages] = FashionMNIST, **settings: object) -> IdxImages:
        folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
        return cls(**folders | {"val_fraction": 0.25} | settings)

    return dataset


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folder of 40 training and 20 test images."""
    return put(tmp_path / "FashionMNIST" / "raw", contents(40))


@pytest.fixture
def serve(monkeypatch) -> Callable[..., list[str]]:
    """Makes `urlopen` answer with gzipped files; the URLs asked for are listed."""

    def start(files: dict[str, bytes], checksums: bool = True) -> list[str]:
        packed = {name: gzip.compress(content, mtime=0) for name, content in files.items()}
        asked: list[str] = []

        def urlopen(request, timeout):
            assert 0 < timeout < 120
            asked.append(request.full_url)
            return io.BytesIO(packed[request.full_url.rsplit("/", 1)[1].removesuffix(".gz")])

        monkeypatch.setattr("urllib.request.urlopen", urlopen)
        published = {name: (len(content), md5(content).hexdigest()) for name, content in packed.items()}
        if not checksums:
            published = {name: (size, "0" * 32) for name, (size, _) in published.items()}
        monkeypatch.setattr(FashionMNIST, "published", published)
        return asked

    return start


def message(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("dt", "steps", "tau_eff", "threshold"),
    [(1.0, 100, 20.0, 0.2), (0.5, 60, 10.0, 0.35), (2.5, 12, 20.0, 0.2), (0.3, 40, 3.0, 0.6)],
)
def test_latency_equals_a_loop_over_pixels(make, raw, dt, steps, tau_eff, threshold):
    dataset = make(dt=dt, steps=steps, tau_eff=tau_eff, threshold=threshold)
    images = read_idx(raw / "train-images-idx3-ubyte", 3)
    expected = np.zeros((40, steps, 784), np.float32)
    for sample, image in enumerate(images):
        for pixel, grey in enumerate(image.ravel().tolist()):
            x = grey / 255
            if x > threshold:
                step = math.floor(tau_eff * math.log(x / (x - threshold)) / dt)
                if step < steps:
                    expected[sample, step, pixel] = 1
    np.testing.assert_array_equal(dense(dataset, "train"), expected)


def test_latency_at_the_threshold_and_white(make, tmp_path):
    """51 / 255 is the threshold: no spike; 52 / 255 spikes at 20 ln 52 ms and 255 / 255 at 20 ln 1.25 ms."""
    images = np.zeros((1, 28, 28))
    images[0, 0, :4] = 0, 51, 52, 255
    put(tmp_path / "FashionMNIST" / "raw", {NAMES[0]: idx(images), NAMES[1]: idx(np.zeros(1))})
    store = make().store("train")
    assert store.col.tolist() == [3, 2]
    np.testing.assert_array_equal(np.flatnonzero(store.length), [4, 79])


@pytest.mark.parametrize("code", ["latency", "rate"])
def test_labels_and_pixels_keep_their_order(make, raw, code):
    store = make(code=code).store("train")
    np.testing.assert_array_equal(store.target, read_idx(raw / NAMES[1], 1))
    assert store.target.dtype == np.int64
    assert store.inputs == make().inputs == 784
    silent = read_idx(raw / NAMES[0], 3).reshape(40, 784) == 0
    assert not dense(make(code=code), "train").any(1)[silent].any()


def test_latency_does_not_depend_on_the_chunks(make, raw, monkeypatch, tmp_path):
    whole = make().store("train")
    monkeypatch.setattr(FashionMNIST, "chunk", 7)
    assert_equal(make(cache_dir=str(tmp_path / "other")).store("train"), whole)


@pytest.mark.parametrize(("dt", "steps", "max_rate"), [(1.0, 100, 100.0), (2.0, 50, 400.0), (0.3, 80, 3333.0)])
def test_rate_has_binomial_counts(make, raw, dt, steps, max_rate):
    """Bounds that all 31,360 pixels and all steps pass with probability 1 - 1e-6."""
    spikes = dense(make(code="rate", dt=dt, steps=steps, max_rate=max_rate), "train")
    chance = read_idx(raw / NAMES[0], 3).reshape(40, 784) / 255 * max_rate * dt / 1000
    count = spikes.sum(1)
    assert (count[chance == 0] == 0).all()
    tail = 1e-6 / chance.size / 2
    lit = chance > 0
    assert (count[lit] >= binom.ppf(tail, steps, chance[lit])).all()
    assert (count[lit] <= binom.isf(tail, steps, chance[lit])).all()
    # the sum over many pixels is normal: 6 standard deviations
    deviation = np.sqrt((chance * (1 - chance)).sum())
    np.testing.assert_allclose(spikes.sum((0, 2)), chance.sum(), rtol=0, atol=6 * deviation)
    np.testing.assert_allclose(count.sum(), steps * chance.sum(), rtol=0, atol=6 * deviation * math.sqrt(steps))


def test_rate_of_white_pixels_at_the_highest_rate(make, tmp_path):
    images = np.full((3, 28, 28), 255)
    images[:, 14:] = 0
    put(tmp_path / "FashionMNIST" / "raw", {NAMES[0]: idx(images), NAMES[1]: idx(np.arange(3))})
    spikes = dense(make(code="rate", max_rate=1000.0, steps=30), "train")
    assert spikes[:, :, :392].all()
    assert not spikes[:, :, 392:].any()


def test_rate_is_the_same_each_time(make, raw, tmp_path):
    one, two = (make(code="rate", cache_dir=str(tmp_path / name)).store("train") for name in ("one", "two"))
    assert_equal(one, two)


def test_rate_steps_differ_from_each_other(make, raw):
    spikes = dense(make(code="rate", max_rate=500.0, steps=20), "train").reshape(40, 20, 784)
    packed = {np.packbits(spikes[:, step] > 0).tobytes() for step in range(20)}
    assert len(packed) == 20


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("cls", [MNIST, FashionMNIST])
def test_files_plain_and_gzipped(make, tmp_path, cls, suffix):
    files = contents(40)
    folder = put(tmp_path / cls.__name__ / "raw", files, suffix)
    for part, kind, name in (("train", "images-idx3", NAMES[0]), ("test", "labels-idx1", NAMES[3])):
        assert make(cls).file(part, kind) == folder / f"{name}{suffix}"
    splits = make(cls).splits()
    np.testing.assert_array_equal(splits.test.store.target, np.frombuffer(files[NAMES[3]], np.uint8, offset=8))
    images = read_idx(folder / f"{NAMES[0]}{suffix}", 3)
    assert images.shape == (40, 28, 28)
    assert images.tobytes() == files[NAMES[0]][16:]


def test_file_root_comes_before_installed(make, tmp_path, monkeypatch):
    installed = put(tmp_path / "usr", contents(40))
    monkeypatch.setattr(FashionMNIST, "installed", (str(tmp_path / "missing"), str(installed)))
    assert make().file("train", "images-idx3") == installed / NAMES[0]
    own = put(tmp_path / "FashionMNIST" / "raw", contents(60), ".gz")
    assert make().file("train", "images-idx3") == own / f"{NAMES[0]}.gz"
    assert len(make().store("train").target) == 60


def test_file_installed_is_read_without_a_root(make, tmp_path, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "installed", (str(put(tmp_path / "usr", contents(40), ".gz")),))
    dataset = make(root=str(tmp_path / "nowhere"))
    assert len(dataset.splits().test.sample) == 20
    assert not (tmp_path / "nowhere").exists()


def test_root_may_begin_with_a_tilde(make, raw, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make(root="~").file("train", "images-idx3") == raw / NAMES[0]


def test_download_lands_whole_and_once(make, tmp_path, serve):
    files = contents(40)
    asked = serve(files)
    splits = make().splits()
    assert len(splits.test.sample) == 20
    assert sorted(asked) == sorted(f"{FashionMNIST.url}{name}.gz" for name in NAMES)
    folder = tmp_path / "FashionMNIST" / "raw"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    for name in NAMES:
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == files[name]


def test_download_fills_in_what_is_missing(make, raw, serve):
    (raw / NAMES[1]).unlink()
    asked = serve(contents(40))
    make().splits()
    assert asked == [f"{FashionMNIST.url}{NAMES[1]}.gz"]


def test_download_of_another_file(make, tmp_path, serve):
    serve(contents(40), checksums=False)
    with pytest.raises(DataError) as error:
        make().splits()
    assert "checksum" in message(error)
    assert NAMES[0] in message(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("[Errno -3] Temporary failure in name resolution"),
        urllib.error.HTTPError("http://x", 404, "Not Found", None, None),
        TimeoutError("timed out"),
        http.client.IncompleteRead(b"half", 99),
    ],
    ids=["name", "status", "timeout", "incomplete"],
)
def test_download_fails(make, tmp_path, monkeypatch, failure):
    def urlopen(*_, **__):
        raise failure

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    root = tmp_path / "nowhere"
    with pytest.raises(DataError) as error:
        make(root=str(root)).splits()
    text = message(error)
    assert NAMES[0] in text
    assert str(root / "FashionMNIST" / "raw") in text
    assert "data.root" in text
    assert list(tmp_path.iterdir()) == []


def test_download_that_cannot_be_kept(make, tmp_path, serve, monkeypatch):
    serve(contents(40))

    def replace(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(DataError, match="No space left") as error:
        make().splits()
    assert NAMES[0] in message(error)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut": ("", lambda content: content[:-1]),
    "cut header": ("", lambda content: content[:10]),
    "too long": ("", lambda content: content + b"\0"),
    "empty": ("", lambda content: b""),
    "text": ("", lambda content: b"<html>404 Not Found</html>"),
    "type": ("", lambda content: b"\0\0\x0d\3" + content[4:]),
    "first bytes": ("", lambda content: b"\1\0" + content[2:]),
    "dimensions": ("", lambda content: idx(np.zeros(40))),
    "four dimensions": ("", lambda content: idx(np.zeros((40, 28, 28, 1)))),
    "side": ("", lambda content: idx(np.zeros((40, 27, 28)))),
    "fewer": ("", lambda content: idx(np.zeros((39, 28, 28)))),
    "plain named gz": (".gz", lambda content: content),
    "garbage": (".gz", lambda content: b"garbage" * 99),
    "empty gz": (".gz", lambda content: b""),
    "cut gz": (".gz", lambda content: gzip.compress(content)[:-20]),
    "cut gz trailer": (".gz", lambda content: gzip.compress(content)[:-4]),
    "gz checksum": (".gz", lambda content: gzip.compress(content)[:-8] + bytes(8)),
    "gz stream": (".gz", lambda content: gzip.compress(content)[:20] + bytes(range(200))),
    "gz of garbage": (".gz", lambda content: gzip.compress(b"garbage" * 99)),
    "gz of nothing": (".gz", lambda content: gzip.compress(b"")),
    "bomb": ("", lambda content: content[:4] + struct.pack(">3I", 6_700_000, 28, 28) + content[16:]),
    "wide bomb": ("", lambda content: content[:4] + struct.pack(">3I", 40, 2**31, 2**31) + content[16:]),
    "gz bomb": (
        ".gz",
        lambda content: gzip.compress(content[:4] + struct.pack(">3I", 6_700_000, 28, 28) + bytes(10**7)),
    ),
    "gz of more": (".gz", lambda content: gzip.compress(content + bytes(10**7))),
    "gz of a part": (".gz", lambda content: gzip.compress(content[:-1])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_recordings_of_damaged_images(make, raw, tmp_path, damage):
    suffix, change = DAMAGE[damage]
    path = raw / f"{NAMES[0]}{suffix}"
    content = change((raw / NAMES[0]).read_bytes())
    (raw / NAMES[0]).unlink()
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(path) in message(error)
    assert not list((tmp_path / "cache").glob("*.events*"))


@pytest.mark.parametrize(
    "content",
    [idx(np.arange(39) % 10), idx(np.zeros((40, 28, 28))), idx(np.zeros(40))[:-1]],
    ids=["fewer", "images", "cut"],
)
def test_recordings_of_labels_that_do_not_fit(make, raw, content):
    (raw / NAMES[1]).write_bytes(content)
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw) in message(error)


@pytest.mark.parametrize("code", ["latency", "rate"])
def test_recordings_of_a_blank_image(make, raw, code):
    """As where a download was cut and filled up with zeros."""
    images = np.ones((40, 28, 28))
    images[27:] = 0
    (raw / NAMES[0]).write_bytes(idx(images))
    with pytest.raises(DataError, match="image 27, is blank") as error:
        make(code=code).splits()
    assert str(raw / NAMES[0]) in message(error)


@pytest.mark.parametrize("kind", NAMES[:2])
def test_recordings_of_a_file_that_may_not_be_read(make, raw, monkeypatch, kind):
    opened = os.open

    def refuse(name, *arguments, **options):
        if Path(name) == raw / kind:
            raise PermissionError(13, "Permission denied", str(name))
        return opened(name, *arguments, **options)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"cannot be read: permission denied; .*chmod") as error:
        make().splits()
    assert message(error).startswith(str(raw / kind))


@pytest.mark.parametrize("make_one", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_recordings_of_what_is_no_file(make, raw, suffix, make_one):
    (raw / NAMES[0]).unlink()
    make_one(raw / f"{NAMES[0]}{suffix}")
    with pytest.raises(DataError, match="a folder, pipe, socket or device") as error:
        make().splits()
    assert message(error).startswith(str(raw / NAMES[0]))


def test_recordings_of_a_link_to_nothing_are_not_others(make, raw, tmp_path, monkeypatch):
    """The installed files do not stand in for it."""
    monkeypatch.setattr(FashionMNIST, "installed", (str(put(tmp_path / "usr", contents(40))),))
    (raw / NAMES[0]).unlink()
    (raw / NAMES[0]).symlink_to("nothing")
    with pytest.raises(DataError, match="No such file or directory"):
        make().splits()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("FashionMNIST/train-images-idx3-ubyte.gz", "such as FashionMNIST/train-images-idx3-ubyte.gz, and none fits"),
        ("FashionMNIST/raw/train-images.idx3-ubyte", "such as FashionMNIST/raw/train-images.idx3-ubyte, and none fits"),
        ("fashion-mnist/raw/train-images-idx3-ubyte", "the folder must be called FashionMNIST"),
        ("a/FashionMNIST/raw/train-images-idx3-ubyte.gz", "/a/FashionMNIST: set data.root="),
    ],
)
def test_near_miss_is_not_downloaded(make, tmp_path, serve, path, said):
    asked = serve(contents(40))
    put((tmp_path / path).parent, {Path(path).name: b""})
    with pytest.raises(DataError) as error:
        make().splits()
    assert said in message(error)
    assert asked == []


def test_latency_of_a_time_constant_beyond_the_steps(make, raw):
    """Spikes that come after the last step by more than 32 bits of microseconds are no events before the first."""
    assert len(make(tau_eff=1e300, threshold=0.9).store("train").col) == 0


def test_recordings_of_labels_above_nine(make, raw):
    (raw / NAMES[1]).write_bytes(idx(np.arange(40) % 10 + 1))
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw / NAMES[1]) in message(error)


def test_recordings_of_no_images(make, raw):
    (raw / NAMES[0]).write_bytes(idx(np.zeros((0, 28, 28))))
    (raw / NAMES[1]).write_bytes(idx(np.zeros(0)))
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw) in message(error)


def test_cache_is_used(make, raw, monkeypatch):
    before = make().splits()
    monkeypatch.setattr(FashionMNIST, "listing", lambda *_: pytest.fail("the store was not used"))
    after = make(batch_size=3).splits()
    assert_equal(after.train.store, before.train.store)


def test_cache_file_of_a_replaced_file(make, raw):
    before = make().cache_file("train")
    assert len(make().store("train").target) == 40
    put(raw, contents(60, seed=1))
    assert make().cache_file("train") != before
    assert len(make().store("train").target) == 60
    put(raw, contents(40))
    assert make().cache_file("train") == before


def test_cache_file_names_what_shaped_it(make, raw, tmp_path):
    put(tmp_path / "MNIST" / "raw", contents(40))
    changes = [{"dt": 2.0}, {"steps": 9}, {"code": "rate"}, {"tau_eff": 9.0}, {"threshold": 0.3}, {"max_rate": 9.0}]
    names = {make(**change).cache_file("train") for change in [{}, *changes]}
    names |= {make(MNIST).cache_file("train"), make().cache_file("test")}
    assert len(names) == 9
    same = make(batch_size=7, val_fraction=0.3, split_seed=4, shuffle=False)
    assert same.cache_file("train") == make().cache_file("train")


@pytest.mark.parametrize(("val_fraction", "size"), [(0.25, 10), (0.5, 20)])
def test_splits_validation_is_stratified(make, raw, val_fraction, size):
    train, val, _ = make(val_fraction=val_fraction).splits()
    assert [len(train.sample), len(val.sample)] == [40 - size, size]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(40))
    assert np.bincount(val.store.target[val.sample]).tolist() == [size // 10] * 10
    assert np.bincount(train.store.target[train.sample]).tolist() == [(40 - size) // 10] * 10


def test_splits_leave_the_test_part_untouched(make, raw):
    one, two = (make(split_seed=seed).splits() for seed in (0, 1))
    assert not np.array_equal(one.val.sample, two.val.sample)
    for splits in (one, two):
        np.testing.assert_array_equal(splits.test.sample, np.arange(20))
        np.testing.assert_array_equal(splits.test.store.target, read_idx(raw / NAMES[3], 1))


def test_splits_of_too_few_recordings(make, raw):
    (raw / NAMES[1]).write_bytes(idx(np.arange(40) // 39))
    with pytest.raises(DataError, match="40 recordings") as error:
        make().splits()
    message(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code", "temporal"),
        ("code", ""),
        ("threshold", 0.0),
        ("threshold", 1.0),
        ("threshold", -0.2),
        ("threshold", math.nan),
        ("max_rate", 0.0),
        ("max_rate", -1.0),
        ("max_rate", 1000.1),
        ("max_rate", math.nan),
        ("tau_eff", 0.0),
        ("tau_eff", -20.0),
        ("tau_eff", math.nan),
        ("tau_eff", math.inf),
        ("dt", 0.0),
        ("dt", -1.0),
        ("dt", math.nan),
        ("steps", 0),
        ("batch_size", 0),
        ("val_fraction", 0.0),
        ("val_fraction", 1.0),
    ],
)
def test_settings_that_cannot_be(make, name, value):
    with pytest.raises(ValueError, match=f"^{name} must ") as error:
        make(**{name: value})
    message(error)


def test_settings_max_rate_goes_to_one_spike_a_step(make):
    make(dt=2.0, max_rate=500.0)
    with pytest.raises(ValueError, match=r"^max_rate must "):
        make(dt=2.0, max_rate=500.1)
