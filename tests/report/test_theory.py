import subprocess
import sys

import pytest
import torch

pytest.importorskip("matplotlib")

from snn_zo.report.theory import deviation, drawn
from snn_zo.strategies import LocalZO


@pytest.mark.parametrize(("z", "relative"), [("normal", 0.756), ("uniform", 0.577), ("laplace", 1.0)])
def test_deviation_at_the_threshold(z, relative):
    strategy, u = LocalZO(z, 0.05, 1), torch.zeros(1, dtype=torch.float64)
    assert float(deviation(strategy, u) / strategy.expected(u)) == pytest.approx(relative, abs=5e-4)


@pytest.mark.parametrize("z", ["normal", "uniform", "laplace"])
@pytest.mark.parametrize("samples", [1, 3])
def test_deviation_is_that_of_draws(z, samples):
    strategy, u = LocalZO(z, 0.1, samples), torch.linspace(-0.1, 0.1, 9, dtype=torch.float64)
    torch.testing.assert_close(drawn(strategy, u)[2], deviation(strategy, u), rtol=0.05, atol=0)


def test_main_writes_the_figures(tmp_path):
    subprocess.run([sys.executable, "-m", "snn_zo.report.theory", str(tmp_path)], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"estimates.png", "converse.png"}
