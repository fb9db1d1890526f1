import pytest

from snn_zo.config import ConfigError
from snn_zo.config.command_line import arranged


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["study=a", "--config-dir", "conf", "seed=1"], ["--config-dir", "conf", "study=a", "seed=1"]),
        (["seed=0,1", "-m", "study=a"], ["-m", "seed=0,1", "study=a"]),
        (["study=a", "-cd", "x", "--multirun", "seed=1"], ["-cd", "x", "--multirun", "study=a", "seed=1"]),
        (["seed=0,1", "sweeps=quick"], ["--multirun", "seed=0,1", "sweeps=quick"]),
        (["sweeps=quick", "--config-dir", "x"], ["--config-dir", "x", "--multirun", "sweeps=quick"]),
        (["sweeps=quick", "--cfg", "job"], ["--cfg", "job", "sweeps=quick"]),
        (["logger=null"], ["~logger"]),
        (["schedule=false"], ["~schedule"]),
        (["strategy=0.1"], ["strategy='0.1'"]),
        (["experiment=1"], ["experiment='1'"]),
        (["optim=true"], ["optim='true'"]),
        (["schedule=null,cosine"], ["schedule=null,cosine"]),
        (["name=null", "seed=1", "~callbacks.energy"], ["name=null", "seed=1", "~callbacks.energy"]),
        (["--help"], ["--help"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_arranged(arguments, expected):
    assert arranged(arguments, may_sweep=True) == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--bogus"], "unrecognized arguments: --bogus; settings are given as key=value"),
        (["--seed=1"], "unrecognized arguments: --seed=1; settings are given as key=value"),
        (["--cfg", "nothing"], "argument --cfg/-c: invalid choice: 'nothing'"),
        (["--config-dir"], "argument --config-dir/-cd: expected one argument"),
        (["strategy"], "'strategy' is not understood: settings are given as key=value"),
        (["=1"], "'=1' is not understood"),
        (["hydra.launcher=joblib"], "hydra.launcher holds settings: hydra/launcher=joblib would choose others"),
        (["--experimental-rerun", "x"], "--experimental-rerun does not know run folders"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_arranged_mistakes(arguments, line):
    with pytest.raises(ConfigError) as caught:
        arranged(arguments, may_sweep=True)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("argument", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_arranged_sweeps_are_for_training(argument):
    with pytest.raises(ConfigError, match="--multirun is for training"):
        arranged([argument, "seed=0,1"], may_sweep=False)
