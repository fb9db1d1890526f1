from pathlib import Path

import pytest
from torch import nn

from snn_zo.atomic import write_json
from snn_zo.config import ConfigError
from snn_zo.runs.checkpoint_file import CheckpointFiles
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.resumable import require_resumable
from snn_zo.runs.table_file import TableFile

MODEL = nn.Linear(7, 3)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of three epochs, the second of which was the best."""
    folder = RunFolder.create(tmp_path / "study", "a run", "stem", lambda _: None)
    for path, epochs in ((folder.best, 2), (folder.last, 3)):
        loops = {"fit_loop": {"epoch_progress": {"current": {"ready": epochs, "processed": epochs}}}}
        CheckpointFiles(MODEL).save_checkpoint({"state_dict": MODEL.state_dict(), "loops": loops}, path)
    for epoch in range(3):
        for path in (folder.metrics, folder.timing):
            TableFile(path).append({"epoch": epoch, "x": 0.5})
    return folder


def damage(path: Path, place: int = 700) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def refusal(folder: RunFolder) -> str:
    with pytest.raises(ConfigError) as raised:
        require_resumable(folder, MODEL)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_require_resumable_of_a_whole_run(folder):
    require_resumable(folder, MODEL)


def test_require_resumable_of_a_run_that_has_no_checkpoint_yet(folder):
    folder.last.unlink()
    folder.metrics.unlink()
    require_resumable(folder, MODEL)


@pytest.mark.parametrize("place", range(0, 2000, 40))
@pytest.mark.parametrize("name", ["best", "last"])
def test_require_resumable_refuses_a_flipped_bit_in_either_checkpoint(folder, name, place):
    damage(getattr(folder, name), place)
    assert refusal(folder).startswith(f"{getattr(folder, name)} is refused: it is damaged, as its checksum says; ")


def test_require_resumable_says_what_the_best_checkpoint_is_good_for(folder):
    damage(folder.last)
    assert refusal(folder).endswith(
        f"; snn-zo-eval run='{folder.path}' tests the best one, and cp '{folder.best}' '{folder.last}' has the run "
        "go on from there"
    )


def test_require_resumable_does_not_go_on_from_the_middle_of_an_epoch(folder):
    loops = {"fit_loop": {"epoch_progress": {"current": {"ready": 2, "processed": 1}}}}
    CheckpointFiles(MODEL).save_checkpoint({"state_dict": MODEL.state_dict(), "loops": loops}, folder.best)
    damage(folder.last)
    assert refusal(folder).endswith(
        f"; snn-zo-eval run='{folder.path}' tests the best one, and rm -r '{folder.checkpoints}' has the run begin at "
        "its first epoch"
    )


def test_require_resumable_says_how_to_begin_anew_where_nothing_is_left(folder):
    damage(folder.last)
    damage(folder.best)
    assert refusal(folder).endswith(f"; rm -r '{folder.checkpoints}' has the run begin at its first epoch")


@pytest.mark.parametrize("name", ["metrics", "timing"])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_require_resumable_misses_rows_that_the_checkpoint_counts(folder, name, lost):
    path = getattr(folder, name)
    TableFile(path).keep(lambda row: row["epoch"] != str(lost))
    line = refusal(folder)
    row = f"{path} has no row of epoch {lost + 1} (epoch {lost} in the file)"
    assert line.startswith(f"{row}, and last.ckpt counts 3 epochs: put the whole file back")
    path.unlink()
    assert f"{path} has no row of epoch 1 (epoch 0 in the file)" in refusal(folder)


def test_require_resumable_takes_a_row_that_was_cut_short_for_none(folder):
    folder.metrics.write_bytes(folder.metrics.read_bytes()[:-1])
    assert "has no row of epoch 3 (epoch 2 in the file)" in refusal(folder)


def test_require_resumable_refuses_a_checkpoint_of_no_training(folder):
    CheckpointFiles(MODEL).save_checkpoint({"state_dict": MODEL.state_dict()}, folder.last)
    assert "says nothing of a training" in refusal(folder)


def test_clear_removes_what_a_killed_writer_has_left(folder):
    write_json(folder.summary, {})
    before = sorted(folder.path.rglob("*"))
    for path in (folder.summary, folder.last):
        path.with_name(f".{path.name}.0a1b2c3d.partial").touch()
    folder.clear()
    assert sorted(folder.path.rglob("*")) == before
