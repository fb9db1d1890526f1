"""The documentation's examples, run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
QUICK = ("trainer.max_epochs=4", "outputs=outputs")
BLOCK = re.compile(r"^```(?:python|yaml) title=\"([^\"]+)\"\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ snn-zo-train (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of docs/extending.md."""
    folder = tmp_path_factory.mktemp("extending")
    for name, content in BLOCK.findall((DOCS / "extending.md").read_text()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def train(folder: Path, *overrides: str, **variables: str) -> dict:
    """The summary of a run."""
    code = "from snn_zo.cli import train; train()"
    result = python(folder, "-c", code, *overrides, *QUICK, f"name={overrides[-1]}", **variables)
    assert result.returncode == 0, result.stderr
    return json.loads(next(folder.glob(f"outputs/*/{overrides[-1]}/summary.json")).read_text())


def commands() -> list[str]:
    return COMMAND.findall((DOCS / "extending.md").read_text())


def test_extending_has_an_example_of_each():
    assert len(commands()) == 5


@pytest.mark.parametrize("command", commands())
def test_extending_example_trains(folder, command):
    name = command.split()[2].partition("=")[2]
    code = "from snn_zo.cli import train; train()"
    result = python(folder, "-c", code, *command.split(), *QUICK, f"name={name}")
    assert result.returncode == 0, result.stderr
    (run,) = folder.glob(f"outputs/*/{name}")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["metrics"]["test/acc"] > 0.3, "well above chance"
    evaluate = ("-c", "from snn_zo.cli import evaluate; evaluate()", f"run={run}")
    refused = python(folder, *evaluate)
    assert refused.returncode == 1
    assert "SNN_ZO_TRUST=" in refused.stderr
    assert python(folder, *evaluate, SNN_ZO_TRUST=f"{name},multi_gaussian").returncode == 0


def test_extending_mistake_in_a_strategy_is_one_line(folder):
    code = "from snn_zo.cli import train; train()"
    result = python(folder, "-c", code, "--config-dir", "conf", "strategy=multi_gaussian", "strategy.sigma=-1")
    assert result.returncode == 1
    assert result.stderr == "error: strategy.sigma must be a positive number, got -1\n"


def test_strategy_of_an_installed_package_trains_by_name(folder, tmp_path):
    """Built and installed by pip, it needs neither a YAML file nor to be trusted by hand."""
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "multi_gaussian.py").write_text((folder / "multi_gaussian.py").read_text())
    entry_point = re.search(r"^```toml\n(.*?)^```$", (DOCS / "extending.md").read_text(), re.MULTILINE | re.DOTALL)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "multi-gaussian"\nversion = "1"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["multi_gaussian.py"]\n' + entry_point[1]
    )
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(package)], check=True, capture_output=True)
    overrides = ("strategy=multi_gaussian", "strategy.sigma=0.2", "name=run", *QUICK)
    result = python(tmp_path, "-c", "from snn_zo.cli import train; train()", *overrides, PYTHONPATH=str(site))
    assert result.returncode == 0, result.stderr
    (run,) = tmp_path.glob("outputs/*/run")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["method"] == "multi_gaussian"
    assert summary["strategy"]["sigma"] == 0.2
    evaluate = ("-c", "from snn_zo.cli import evaluate; evaluate()", f"run={run}")
    assert python(tmp_path, *evaluate, PYTHONPATH=str(site)).returncode == 0
