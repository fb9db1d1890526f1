"""A completed run that is trained on equals one that was trained for as long from the start."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from snn_zo import experiment
from snn_zo.callbacks import RunRecord
from snn_zo.config import Composed, ConfigError
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.table_file import TableFile
from tests.config.test_build import composed

SHORT = ("data.limit=10", "data.batch_size=20", "model.hidden=[12]", "logger=none", "trainer.accelerator=cpu")
STEPS = 4
"""Of an epoch: 80 recordings, 20 a batch."""


def trained(outputs: Path, name: str, epochs: int, *overrides: str) -> RunFolder:
    """A run of so many epochs."""
    given = [*SHORT, *overrides, f"trainer.max_epochs={epochs}", f"outputs={outputs}", f"name={name}"]
    experiment.run(Composed.of(composed(*given)), "digits", given)
    return RunFolder(outputs / "digits" / name)


def extended(run: RunFolder, name: str, epochs: int, *overrides: str) -> RunFolder:
    """The run that trains another one on."""
    given = [f"resume={run.path}", f"trainer.max_epochs={epochs}", f"name={name}", *overrides]
    experiment.extend(run.path, composed(*given), given)
    return RunFolder(run.path.parent / name)


def result(run: RunFolder, restarts: tuple[int, ...] = ()) -> dict[str, object]:
    """What a run has found, without what clocks said and where it came from.

    Without the learning rate at the end of the epochs after which a schedule begins anew, too: it is that of the next
    step, which the run that ended there did not have.
    """
    summary = json.loads(run.summary.read_text())
    for name in ("timing", "extends"):
        summary.pop(name, None)
    for name in ("measured", "measurement"):
        summary["energy"].pop(name)
    rows = TableFile(run.metrics).rows()
    for row in rows:
        if int(row["step"]) in restarts:
            del row["lr"]
    return {"summary": summary, "metrics": rows} | {path.name: path.read_text() for path in (run.energy, run.confusion)}


def equal_checkpoints(one: RunFolder, other: RunFolder) -> bool:
    """Weights, optimizer and schedule."""
    for name in ("best", "last"):
        states = [torch.load(getattr(run, name), weights_only=True) for run in (one, other)]
        parts = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step")
        (first, second) = ([state[part] for part in parts] for state in states)
        if str(first) != str(second) or any(not torch.equal(value, second[0][key]) for key, value in first[0].items()):
            return False
    return True


@pytest.mark.parametrize(
    ("schedule", "restarts"),
    [
        (["schedule=none"], []),
        (["schedule=constant", "schedule.warmup=7"], []),
        (["schedule=cosine", "schedule.warmup=0.2"], [f"schedule.restarts=[{2 * STEPS}]"]),
        (["schedule=one_cycle", "optim=sgd"], [f"schedule.restarts=[{2 * STEPS}]"]),
    ],
    ids=lambda value: value[0] if value else "",
)
def test_extend_equals_the_uninterrupted_run(tmp_path, capsys, schedule, restarts):
    """Bit for bit, tables, energy and identity included; the run that it began from stays as it was."""
    short = trained(tmp_path, "short", 2, *schedule)
    before = {path: path.read_bytes() for path in short.path.rglob("*") if path.is_file()}
    capsys.readouterr()
    found = extended(short, "longer", 5)
    anew = ", where the schedule of the learning rate begins anew" if restarts else ""
    assert capsys.readouterr().out.splitlines()[1] == f"from the end of epoch 2 of {short.path} on{anew}"
    whole = trained(tmp_path, "whole", 5, *schedule, *restarts)
    ends = (2 * STEPS,) if restarts else ()
    assert result(found, ends) == result(whole, ends)
    assert equal_checkpoints(found, whole)
    assert before == {path: path.read_bytes() for path in short.path.rglob("*") if path.is_file()}
    summary = json.loads(found.summary.read_text())
    assert summary["extends"] == {"run": str(short.path), "epochs": 2}
    assert OmegaConf.load(found.config).resume == str(short.path)
    assert f"resume={short.path}" in OmegaConf.load(found.overrides)
    assert summary["timing"]["fit_s"] > json.loads(short.summary.read_text())["timing"]["fit_s"]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of two epochs with the default schedule."""
    return trained(tmp_path_factory.mktemp("outputs"), "short", 2)


def test_extend_twice_and_resume(short, monkeypatch):
    """A run that extends an extended one begins anew twice, and is resumed like any other."""
    longer = extended(short, "longer", 3)
    monkeypatch.setattr(experiment, "write_matrix", lambda *_: 1 / 0)
    with pytest.raises(experiment.RunFailed):
        extended(longer, "longest", 5)
    monkeypatch.undo()
    longest = RunFolder(short.path.parent / "longest")
    experiment.resume(longest.path)
    whole = trained(short.path.parent.parent, "whole", 5, f"schedule.restarts=[{2 * STEPS},{3 * STEPS}]")
    ends = (2 * STEPS, 3 * STEPS)
    assert result(longest, ends) == result(whole, ends)
    assert longest.read_summary()["extends"] == {"run": str(longer.path), "epochs": 3}


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_resume_in_the_midst_of_a_warmup(tmp_path, monkeypatch, schedule):
    """Bit for bit as without the interruption, which comes after 4 of 7 steps of warm-up."""
    overrides = (f"schedule={schedule}", f"schedule.warmup={2 * STEPS - 1}")
    begin = RunRecord.on_train_epoch_start

    def stop(record, trainer, module):
        assert trainer.current_epoch == 0
        begin(record, trainer, module)

    monkeypatch.setattr(RunRecord, "on_train_epoch_start", stop)
    with pytest.raises(experiment.RunFailed):
        trained(tmp_path, "halves", 2, *overrides)
    monkeypatch.undo()
    halves, whole = RunFolder(tmp_path / "digits" / "halves"), trained(tmp_path, "whole", 2, *overrides)
    experiment.resume(halves.path)
    assert result(halves) == result(whole)
    assert equal_checkpoints(halves, whole)


@pytest.mark.parametrize(
    ("changes", "epochs", "line"),
    [
        ({}, 2, "has had 2 epochs: trainer.max_epochs=2 is to be more than that"),
        ({}, -1, "has had 2 epochs: trainer.max_epochs=-1 is to be more than that"),
        ({"summary": {"status": "interrupted"}}, 5, "is not completed: resume it without trainer.max_epochs"),
        ({"summary": {"epochs": 1}}, 5, "ended after 1 epochs, before trainer.max_epochs=2: more of them would change"),
        (
            {"schedule": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "_partial_": True, "max_lr": 0.1}},
            5,
            "OneCycleLR depends on the length of the training, and takes no restarts: begin a new run",
        ),
    ],
    ids=["as many", "endless", "interrupted", "stopped early", "another schedule"],
)
def test_extend_refuses_in_one_line(short, tmp_path, changes, epochs, line):
    run = RunFolder(tmp_path / "outputs" / "digits" / "run")
    shutil.copytree(short.path, run.path)
    run.summary.write_text(json.dumps(json.loads(run.summary.read_text()) | changes.get("summary", {})))
    if "schedule" in changes:
        config = OmegaConf.load(run.config)
        config.schedule = changes["schedule"]
        run.config.write_text(OmegaConf.to_yaml(config))
    command = composed(f"resume={run.path}", "+trainer.max_steps=9", f"trainer.max_epochs={epochs}")
    with pytest.raises(ConfigError, match=line):
        experiment.extend(run.path, command, [])
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]


def test_train_extends_with_nothing_else_changed(train, short):
    refused = train(f"resume={short.path}", "trainer.max_epochs=9", "strategy.delta=0.1", "name=x")
    assert refused.returncode == 1
    line = "resume takes all settings but logger, outputs, study and name from the run folder: drop strategy.delta=0.1"
    assert refused.stderr == f"error: {line}\n"
