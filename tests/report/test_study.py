import pytest

from snn_zo.cli.hydra_commands import _page_kept_up, _study_of_longer
from snn_zo.config import Composed
from snn_zo.report.study import write_study
from tests.config.test_build import composed
from tests.report.synthetic import write_run


def test_write_study_compares_all_runs(tmp_path):
    paths = [write_run(tmp_path / "mine", seed=seed) for seed in range(2)]
    assert len(write_study(tmp_path / "mine").runs) == 2
    page = (tmp_path / "mine" / "report.html").read_text()
    assert all(path.name in page for path in paths)


def test_write_study_without_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        write_study(tmp_path)


def test_page_of_a_study_is_kept_up_however_a_run_ends(tmp_path):
    first = write_run(tmp_path, seed=0)
    write_study(tmp_path)
    failed = write_run(tmp_path, seed=1, status="failed")
    with pytest.raises(SystemExit), _page_kept_up(tmp_path):
        raise SystemExit(1)
    page = (tmp_path / "report.html").read_text()
    assert first.name in page
    assert failed.name in page


def test_page_of_a_study_is_not_begun_by_a_single_run(tmp_path):
    with _page_kept_up(tmp_path / "study"):
        write_run(tmp_path / "study")
    assert not (tmp_path / "study" / "report.html").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "x"), "No space left on device: x"),
        (ValueError("of a damaged run"), "ValueError: of a damaged run"),
    ],
)
def test_page_of_a_study_that_cannot_be_written_is_said(tmp_path, monkeypatch, capsys, error, said):
    write_run(tmp_path)
    write_study(tmp_path)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("snn_zo.report.study.write_dashboard", fails)
    with _page_kept_up(tmp_path):
        pass
    assert capsys.readouterr().err == f"error: {tmp_path}/report.html is what it was: {said}\n"


@pytest.mark.parametrize(
    ("given", "study"),
    [([], "there/mine"), (["study=other"], "there/other"), (["outputs=here"], "here/mine"),
     (["outputs=here", "study=other"], "here/other")],
)  # fmt: skip
def test_study_of_a_run_that_extends_another(tmp_path, given, study):
    given = [each.replace("here", str(tmp_path / "here")) for each in given]
    settings = Composed.of(composed(*given)).settings
    assert _study_of_longer(tmp_path / "there" / "mine" / "run", settings, given) == tmp_path / study
