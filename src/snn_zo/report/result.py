"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from snn_zo.quantity import decimal, joules, percent
from snn_zo.untrusted import said

PHASES = ("forward", "grad_input", "grad_weight", "neuron", "optimizer", "memory")
SHARES = ("acc", "top3")
"""Ends of the names of metrics that are fractions."""


def score(name: str, value: float) -> str:
    """A metric with its name: an accuracy as a percentage, anything else as a number."""
    return f"{name} {decimal(value) if name.rpartition('/')[2] in SHARES else f'{value:.4g}'}"


def print_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Test accuracy, activity by layer, time, and where everything is."""
    metrics, timing, sparsity = summary["metrics"], summary["timing"], summary["sparsity"]
    console = Console()
    table = Table()
    for column in ("layer", "active", "spike rate", "silent neurons"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for name, values in (sparsity["layers"] | {"all": sparsity} if sparsity else {}).items():
        table.add_row(name, *(percent(values[key]) for key in ("active", "spike_rate", "silent")))
    console.print(table)
    chosen = "" if summary["monitor"] == "val/acc" else f", chosen by {score(summary['monitor'], summary['objective'])}"
    tested = decimal(metrics["test/acc"]) if "test/acc" in metrics else "not tested (trainer.limit_test_batches=0)"
    console.print(f"test accuracy  {tested}   (validation {decimal(metrics['val/acc'])}{chosen})")
    console.print(
        f"training       {timing['fit_s']:.1f} s, {timing['epoch_s']:.2f} s an epoch, "
        f"{timing['samples_per_s']:.0f} samples/s, backend {summary['backend']}"
    )
    if summary["energy"]:
        _print_energy(console, summary["energy"])
    if summary["dead"]:
        console.print(f"dead layers    {', '.join(summary['dead_layers'])}", style="bold red")
    console.print(Text(f"everything in  {said(folder)}"), soft_wrap=True)


def _print_energy(console: Console, energy: dict[str, Any]) -> None:
    """Joules of the training, modelled and measured, and the modelled ones by phase."""
    modelled, measured = energy["modelled"], energy["measured"]
    said = "not modelled"
    if modelled:
        table = Table()
        for name in PHASES:
            table.add_column(name.replace("_", " "), justify="right")
        table.add_row(*(joules(modelled[name]) for name in PHASES))
        console.print(table)
        said = f"{joules(modelled['total'])} modelled ({modelled['table']}), {percent(modelled['ratio'])} of dense"
    console.print(f"energy         {said}; {measured if isinstance(measured, str) else f'{joules(measured)} measured'}")
