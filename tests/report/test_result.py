import re
from pathlib import Path

import pytest

from snn_zo.report.result import print_result

TIMING = {"fit_s": 33.0, "train_s": 20.2, "val_s": 1.5, "compile_s": 9.0, "epoch_s": 0.49, "samples_per_s": 2540.4}


def shown(capsys, epochs: int = 40, **timing: float) -> str:
    """The line about the training."""
    summary = {
        "timing": TIMING | timing, "epochs": epochs, "backend": "cpu", "sparsity": None, "energy": None, "dead": False
    }  # fmt: skip
    print_result(Path("run"), summary)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("training")]
    return line


def test_print_result_times_are_apart(capsys):
    line = shown(capsys)
    parts = "40 epochs x 0.505 s + 1.5 s validation + 9.0 s compiling + 2.3 s rest"
    assert line == f"training       33.0 s = {parts}; 2540 samples/s, backend cpu"


@pytest.mark.parametrize("timing", [{}, {"compile_s": 0.0}, {"fit_s": 120.0, "train_s": 87.3}])
def test_print_result_times_add_up(capsys, timing):
    line = shown(capsys, **timing)
    total, each, *others = map(float, re.findall(r"([\d.]+) s\b", line))
    assert 40 * each + sum(others) == pytest.approx(total, abs=40 * 0.005 + 0.2)
    assert ("compiling" in line) == (timing.get("compile_s") != 0)


def test_print_result_without_a_whole_epoch(capsys):
    line = shown(capsys, epochs=0, fit_s=3.0, train_s=0.0)
    assert line == "training       3.0 s, without a whole epoch, backend cpu"
