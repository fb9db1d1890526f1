import os
import subprocess
import sys
from pathlib import Path

import pytest

from snn_zo.cli.help import text, wanted
from snn_zo.cli.pages import BENCH, DESCRIBE, TRAIN
from snn_zo.config.sources import register, root

register([])
PAGES = {"train": TRAIN, "bench": BENCH, "describe": DESCRIBE}
EXPLAINED_BY_THEIR_NAMES = {"trainer.log_every_n_steps", "trainer.enable_model_summary"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


def lines(command: str, *arguments: str) -> list[str]:
    """The help of a command."""
    return text(PAGES[command], "bench" if command == "bench" else "train", list(arguments)).splitlines()


def groups(shown: list[str]) -> list[str]:
    """The groups that a help lists."""
    begin = shown.index("Groups, chosen with GROUP=NAME:") + 1
    return [line.partition(":")[0] for line in shown[begin : shown.index("", begin)] if not line.startswith(" ")]


@pytest.mark.parametrize("command", PAGES)
def test_text_says_something_of_every_setting(command):
    settings = [line.strip() for line in lines(command) if line.startswith("  ") and "=" in line.partition("#")[0]]
    settings = [
        line for line in settings if not line.startswith(("#", "python", "snn-zo", "-m", "+", "eval", "strategies=[N"))
    ]
    silent = {line.partition("=")[0] for line in settings if "  # " not in line}
    assert silent - EXPLAINED_BY_THEIR_NAMES == set()
    assert len(settings) > 20


def test_text_of_train_lists_its_groups_in_the_order_of_the_file():
    assert groups(lines("train")) == [
        *("strategy", "data", "model", "model/readout", "loss", "optim", "schedule", "trainer", "callbacks", "logger"),
        *("regularizer", "energy", "experiment", "debug", "sweeps"),
    ]


def test_text_of_other_commands_holds_what_they_take():
    assert groups(lines("bench")) == ["suite", "strategy"]
    assert groups(lines("describe")) == ["data", "experiment"]
    assert not [line for line in lines("describe") if line.strip().startswith(("strategy", "seed", "trainer", "model"))]


def test_text_shows_what_is_chosen():
    shown = lines("train", "strategy=ssg", "-m", "seed=1,2", "optim.lr=0.5", "~callbacks")
    assert any(line.startswith("strategy=ssg  ") and "as published" in line for line in shown)
    assert any(line.startswith("  strategy.b_th=0.2  ") and "# the window" in line for line in shown)
    assert any(line.startswith("  strategy.surrogate.slope=100.0") for line in shown)
    assert any(line.startswith("  optim.lr=0.5  ") for line in shown)
    assert not [line for line in shown if line.startswith("  callbacks.")]


def test_text_is_no_wider_than_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert max(map(len, lines("train"))) <= 120


def test_text_of_a_folder_of_ones_own(tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text("defaults: [local_zo, _self_]\ndelta: 0.7\n")
    shown = lines("train", "--config-dir", str(tmp_path), "strategy=mine")
    assert any(line.startswith("  strategy.delta=0.7 ") for line in shown)
    assert any("mine" in line for line in shown if line.startswith(("strategy:", "    ")))


@pytest.mark.parametrize(
    ("arguments", "asked"), [(["--help"], True), (["seed=1", "-h"], True), (["--hydra-help"], False), ([], False)]
)
def test_wanted(arguments, asked):
    assert wanted(arguments) is asked


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("strategy=", [f"strategy={path.stem}" for path in (root() / "conf" / "strategy").glob("*.yaml")]),
        ("strategy=ssg strategy.b", ["strategy.b_th="]),
        ("optim.l", ["optim.lr="]),
    ],
    ids=["group", "setting of a choice", "setting"],
)
def test_completion(typed, offered):
    """As bash asks for it."""
    line = f"snn-zo-train {typed}"
    variables = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [sys.executable, str(ROOT / "train.py"), "-sc", "query=bash"]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert sorted(result.stdout.split()) == sorted(offered)
