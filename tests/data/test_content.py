import numpy as np
import pytest

from snn_zo.data.arrays import ArrayDataset
from snn_zo.data.content import content_of, difference
from snn_zo.data.neuromorphic import NMNIST
from tests.data.originals import write_bin


@pytest.fixture
def nmnist(tmp_path):
    """40 training and 20 test recordings in a folder, and what their content is."""

    def make(root: str = "a", cache: str = "cache", **settings):
        folder = tmp_path / root / "NMNIST"
        if not folder.exists():
            rng = np.random.default_rng(0)
            for part, size in (("Train", 40), ("Test", 20)):
                for i in range(size):
                    events = [[*rng.integers(0, 34, 2), 1000 * t, 1] for t in range(60)]
                    write_bin(folder / f"{part}/{i % 10}/{i:03}.bin", events)
        folders = {"root": str(tmp_path / root), "cache_dir": str(tmp_path / cache)}
        return content_of(NMNIST(**folders, val_fraction=0.25, **settings).splits())

    return make


def test_content_is_the_same_wherever_it_lies(nmnist):
    content = nmnist()
    assert content == nmnist("b", "other") == nmnist(batch_size=3, shuffle=False)
    assert content["train"] == {"recordings": 30, "classes": 10}
    assert content["val"] == {"recordings": 10, "classes": 10}
    assert content["test"] == {"recordings": 20, "classes": 10}
    assert difference(content, nmnist("b", "other")) is None


def test_content_with_a_recording_removed(nmnist, tmp_path):
    before = nmnist()
    (tmp_path / "a/NMNIST/Train/3/003.bin").unlink()
    assert difference(before, nmnist()) == "1 recording fewer in train (29, not 30)"
    (tmp_path / "a/NMNIST/Test/3/003.bin").unlink()
    (tmp_path / "a/NMNIST/Test/3/013.bin").unlink()
    assert difference(before, nmnist()) == (
        "1 recording fewer in train (29, not 30), 2 recordings fewer in test (18, not 20), "
        "1 class fewer in test (9, not 10)"
    )


@pytest.mark.parametrize("part", ["Train", "Test"])
@pytest.mark.parametrize("change", ["an event", "the label", "the order"])
def test_content_with_other_recordings(nmnist, tmp_path, part, change):
    before, folder = nmnist(), tmp_path / "a/NMNIST" / part
    one, two = folder / "3/003.bin", folder / "3/013.bin"
    if change == "an event":
        one.write_bytes(bytes([one.read_bytes()[0] ^ 1]) + one.read_bytes()[1:])
    else:
        two = two if change == "the order" else folder / "4/004.bin"
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
    assert difference(before, nmnist()) == "as many recordings, but others"


def test_content_depends_on_the_split(nmnist):
    assert difference(nmnist(), nmnist(split_seed=1)) == "as many recordings, but others"


@pytest.mark.parametrize("earlier", [None, 3, [], {}, {"fingerprint": None}])
def test_difference_from_nothing_known(nmnist, earlier):
    assert difference(earlier, nmnist()) is None


@pytest.mark.parametrize("part", [None, 3, [], {}, {"recordings": "many"}, {"recordings": None, "classes": [1]}])
def test_difference_from_a_summary_that_makes_no_sense(nmnist, part):
    earlier = {"fingerprint": ["x"], "train": part}
    assert difference(earlier, nmnist()) == "as many recordings, but others"


def test_content_with_other_continuous_targets(tmp_path):
    x, y = np.random.default_rng(0).random((40, 7, 5)) < 0.3, np.random.default_rng(1).random((40, 2))

    def content(y: np.ndarray) -> dict:
        return content_of(ArrayDataset(x, y, cache_dir=str(tmp_path)).splits())

    before = content(y)
    assert before["test"] == {"recordings": 8}
    assert content(y) == before
    changed = y.copy()
    changed[3, 1] += 1
    assert difference(before, content(changed)) == "as many recordings, but others"


def test_content_of_labelled_arrays_is_what_it_was(tmp_path):
    """Runs of earlier versions are found again by their content."""
    x = np.arange(40 * 6 * 5).reshape(40, 6, 5) % 7 % 3 == 0
    content = content_of(ArrayDataset(x, np.arange(40) % 4, cache_dir=str(tmp_path)).splits())
    assert content["fingerprint"] == "37dbbb062546d48d"
    assert content["train"] == {"recordings": 28, "classes": 4}
