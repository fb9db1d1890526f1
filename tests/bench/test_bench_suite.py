"""Whole benchmarks, in this process and from the command line."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snn_zo.bench import suite
from snn_zo.bench.contestants import Entry
from snn_zo.config import ConfigError
from snn_zo.strategies import LocalZO
from tests.bench.test_agreement import WrongGradient
from tests.bench.tiny import IMAGES, SIZES, composed

FILES = {"bench.json", "bench.csv", "bench.png", "bench.html"}
FEW = ("strategies=[local_zo]", "backends=[cpu]", "peers=[unbind]")


def run(tmp_path: Path, *overrides: str) -> tuple[bool, dict]:
    """A benchmark in this process: whether all got their numbers, and bench.json."""
    parts = composed("suite=quick", *SIZES, f"outputs={tmp_path}", *overrides)
    complete = suite.run(*parts)
    return complete, json.loads((tmp_path / "bench" / "quick" / "bench.json").read_text())


def bench(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """`snn-zo-bench` in a folder of its own."""
    variables = os.environ | {"SNN_ZO_OUTPUTS": str(tmp_path / "outputs"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "snn_zo.bench", *overrides]
    return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)


def test_run_writes_what_it_found(tmp_path):
    complete, found = run(tmp_path, "peers=[loop,unbind]")
    assert complete
    folder = tmp_path / "bench" / "quick"
    assert {path.name for path in folder.iterdir()} == FILES
    (case,) = found["cases"]
    rows = {row["contestant"]: row for row in case["rows"]}
    assert {"local_zo/cpu", "surrogate/reference", "loop", "unbind"} <= set(rows)
    for row in rows.values():
        assert row["reason"] is None
        assert row["step_ms"] >= row["forward_ms"] > 0
        assert row["faster_low"] <= row["faster"] <= row["faster_high"]
        assert row["gradient_error"] < 1e-4
    assert rows["unbind"]["faster"] == 1
    table = list(csv.DictReader((folder / "bench.csv").open()))
    assert [row["contestant"] for row in table] == list(rows)
    assert float(table[0]["step_ms"]) == rows["local_zo/cpu"]["step_ms"]
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "bench.html").read_text()
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert "href=" not in page
    assert all(name in page for name in rows)


def test_run_sweep(tmp_path, capsys):
    sweep = "sweep={steps:[6,12],batch:[8,16]}"
    complete, found = run(tmp_path, *FEW, sweep, "peer_limit=2600")
    assert complete
    cases = [(case["axis"], case["value"], [row["contestant"] for row in case["rows"]]) for case in found["cases"]]
    both, alone = ["local_zo/cpu", "unbind"], ["local_zo/cpu"]
    assert cases == [("steps", 6, both), ("steps", 12, both), ("batch", 8, both), ("batch", 16, alone)]
    assert found["cases"][1]["rows"] == found["cases"][2]["rows"], "the same case is measured once"
    assert found["cases"][3]["rows"][0]["faster"] is None, "no ratio without the baseline"
    assert "steps = 6" in capsys.readouterr().out


def test_run_images(tmp_path, capsys):
    """The baseline is whichever memory format is faster."""
    pytest.importorskip("spikingjelly")
    peers = ("peers=[unbind,spikingjelly]", "baseline=spikingjelly", "strategies=[local_zo]", "backends=[cpu]")
    complete, found = run(tmp_path, *IMAGES, *peers)
    assert complete
    rows = {row["contestant"]: row for row in found["cases"][0]["rows"]}
    assert list(rows) == ["local_zo/cpu", "unbind", "spikingjelly/channels_last", "spikingjelly/contiguous"]
    jelly = [row for name, row in rows.items() if name.startswith("spikingjelly/")]
    assert [row["baseline"] for row in jelly] == [row["step_ms"] == min(r["step_ms"] for r in jelly) for row in jelly]
    assert [row["faster"] for row in rows.values() if row["baseline"]] == [1]
    assert len(rows["unbind"]["spike_rates"]) == 3
    assert "times spikingjelly's speed" in capsys.readouterr().out


def test_run_refuses_a_dead_layer(tmp_path, capsys):
    complete, found = run(tmp_path, *FEW, "input_rate=0")
    assert not complete
    for row in found["cases"][0]["rows"]:
        assert row["reason"] == "dead: spike rate of hidden1 is 0 whatever the scale"
        assert row["step_ms"] is row["faster"] is None
    out = capsys.readouterr().out
    assert "refused: dead" in out
    assert "whatever the scale" in (tmp_path / "bench" / "quick" / "bench.html").read_text()


def test_run_refuses_a_wrong_gradient(tmp_path, capsys, monkeypatch):
    def wrong(settings, inputs):
        return WrongGradient(settings, inputs, LocalZO(), "reference")

    original = suite.ours
    monkeypatch.setattr(suite, "ours", lambda *arguments: [*original(*arguments), Entry("wrong/one", wrong)])
    complete, found = run(tmp_path, *FEW)
    assert not complete
    rows = {row["contestant"]: row for row in found["cases"][0]["rows"]}
    assert rows["wrong/one"]["reason"] == "wrong gradient: weight 1 is off by 0.01 of its norm"
    assert rows["wrong/one"]["faster"] is rows["wrong/one"]["step_ms"] is None
    assert rows["local_zo/cpu"]["faster"] > 0
    assert "refused: wrong gradient" in capsys.readouterr().out


def test_run_lists_what_is_not_installed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("snn_zo.bench.peers._installed", lambda name: False)
    complete, found = run(tmp_path, "strategies=[local_zo]", "backends=[cpu]")
    assert complete
    assert found["not_installed"] == ["snntorch", "spikingjelly"]
    assert capsys.readouterr().out.count("not installed") == 2
    with pytest.raises(ConfigError, match="baseline=snntorch is not installed: make bench-peers"):
        run(tmp_path, "baseline=snntorch")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("backends=[gpu]", "backends: backend 'gpu' does not run on cpu; these do: auto, cpu, reference"),
        ("baseline=unbin", "baseline: there is no 'unbin'; did you mean unbind?"),
        ("hidden=[5,16c3]", "hidden: conv1 (16c3): it needs an input of channels, rows and columns, and gets [5]"),
        ("baseline=loop", "baseline: there is no 'loop'; choose from local_zo/cpu, unbind"),
    ],
)
def test_run_mistake(tmp_path, override, message):
    with pytest.raises(ConfigError, match="^" + re.escape(message)):
        run(tmp_path, *FEW, override)


def test_bench_from_the_command_line(tmp_path):
    """One contestant gets its numbers, memory among them, and one is refused."""
    window = "strategies=[local_zo,{sparse_surrogate:{surrogate:{function:rectangular}}}]"
    result = bench(tmp_path, "suite=quick", *SIZES, *FEW, window, "active=0.9", "memory=true", "name=mine")
    assert result.returncode == 1
    assert result.stderr == ""
    assert "refused: unmatched" in result.stdout
    folder = tmp_path / "outputs" / "bench" / "mine"
    assert f"everything in  {folder}" in result.stdout
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    fine, refused, unbind = json.loads((folder / "bench.json").read_text())["cases"][0]["rows"]
    assert fine["saved_bytes"] > 0 < fine["faster"]
    assert unbind["saved_bytes"] > 0
    assert refused["saved_bytes"] is refused["faster"] is None


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("suite=stepp", "error: suite=stepp does not exist; did you mean suite=step?"),
        ("batchh=3", "error: batchh is not a setting; did you mean batch?"),
        ("neuron.reset=sof", "error: neuron.reset must be one of soft, hard, none, got 'sof'"),
        ("strategies=[local_zoo]", "error: strategies: there is no 'local_zoo'; did you mean local_zo?"),
        ("outputs=/dev/null/x", "error: Not a directory: /dev/null/x"),
    ],
)
def test_bench_mistake_is_one_line(tmp_path, override, line):
    result = bench(tmp_path, override)
    assert result.returncode == 1
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
