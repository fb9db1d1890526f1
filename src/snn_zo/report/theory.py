"""The figures of docs/theory.md, `python -m snn_zo.report.theory FOLDER`: draws of each strategy and closed forms."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snn_zo.page import write_png
from snn_zo.strategies import Draw, LocalZO, LocalZOConverse, Surrogate, ZerothOrder

DELTA = 0.05
DRAWS = 20_000
WEIGHTS = {1: "weight |z|", 0: "gate", -1: "weight 1 / |z|"}
SAMPLES = {1: "tab:blue", 5: "tab:orange"}


def main() -> None:
    """Write the figures into the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m snn_zo.report.theory FOLDER    write the figures of docs/theory.md")
        sys.exit(0 if "--help" in sys.argv else 1)
    folder = Path(sys.argv[1])
    for name, figure in (("estimates", estimates()), ("converse", converse())):
        path = folder / f"{name}.png"
        write_png(path, figure)
        print(path)


def estimates() -> Figure:
    """Each z: mean, share of active draws and standard deviation of the estimate, drawn (dots) and exact (lines)."""
    figure, axes = pyplot.subplots(3, 3, figsize=(11, 8.5), sharex=True, layout="constrained")
    for row, z in zip(axes, ("normal", "uniform", "laplace"), strict=True):
        for samples, colour in SAMPLES.items():
            strategy = LocalZO(z, DELTA, samples)
            u = torch.linspace(-0.2, 0.2, 33, dtype=torch.float64)
            dots = dict(zip(("mean", "activity", "deviation"), drawn(strategy, u), strict=True))
            fine = torch.linspace(-0.2, 0.2, 401, dtype=torch.float64)
            lines = (strategy.expected(fine), strategy.activity(fine), deviation(strategy, fine))
            for axis, (name, values), line in zip(row, dots.items(), lines, strict=True):
                axis.plot(fine, line, color=colour, lw=1, label=f"m = {samples}")
                axis.plot(u, values, ".", color=colour, ms=5)
                axis.set_title(f"{z}: {name}", fontsize=10)
    _finish(axes[-1], axes[0, 0])
    return figure


def converse() -> Figure:
    """Surrogates (lines) and the mean of the zeroth-order estimates that stand for them (dots)."""
    figure, axes = pyplot.subplots(2, 3, figsize=(11, 5.8), sharex=True, layout="constrained")
    cases = (
        *(("sigmoid", 30.63, 1), ("arctan", 20.0, 1), ("gaussian", 20.0, 1)),
        *(("sigmoid", 30.63, 0), ("fast_sigmoid", 20.0, -1), ("triangular", 10.0, 0)),
    )
    for axis, (function, slope, a) in zip(axes.flat, cases, strict=True):
        surrogate = Surrogate(function, slope)
        fine = torch.linspace(-0.2, 0.2, 401, dtype=torch.float64)
        axis.plot(fine, surrogate.expected(fine), color="black", lw=1, label="surrogate")
        u = torch.linspace(-0.2, 0.2, 33, dtype=torch.float64)
        axis.plot(u, drawn(LocalZOConverse(surrogate, a), u)[0], ".", ms=5, label="mean of draws")
        axis.set_title(f"{function}, slope {slope:g}: {WEIGHTS[a]}", fontsize=10)
    _finish(axes[-1], axes[0, 0])
    return figure


def drawn(strategy: ZerothOrder, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean, share of active draws and standard deviation of `DRAWS` estimates at each u, [U]."""
    g = strategy.gradient(u.expand(DRAWS, -1), Draw(0, 0, 0, torch.arange(DRAWS)))
    return g.mean(0), (g != 0).double().mean(0), g.std(0)


def deviation(strategy: LocalZO, u: torch.Tensor) -> torch.Tensor:
    """Exact standard deviation of the estimate, by E[X^2 1(X > x)] = x^2 S(x) + integral of 2 t S(t) over t > x."""
    x = strategy.scale * u.abs()
    t = x[:, None] + torch.linspace(0, 40, 8001, dtype=torch.float64)
    survival = strategy.threshold.survival(t)
    second = x.square() * survival[:, 0] + torch.trapezoid(2 * t * survival, t, dim=1)
    variance = strategy.weight**2 * second - strategy.expected(u).square()
    return (variance.clamp(min=0) / strategy.samples).sqrt()


def _finish(bottom: list[Axes], first: Axes) -> None:
    for axis in bottom:
        axis.set_xlabel("u")
    first.legend(fontsize=8)


if __name__ == "__main__":
    main()
