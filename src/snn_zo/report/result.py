"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from snn_zo.headline import Headline
from snn_zo.quantity import joules, percent
from snn_zo.report.score import headline_of, measured, scored
from snn_zo.untrusted import said

PHASES = ("forward", "grad_input", "grad_weight", "neuron", "optimizer", "memory")


def print_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Test score, activity by layer, time, and where everything is."""
    sparsity = summary["sparsity"]
    console = Console()
    table = Table()
    for column in ("layer", "active", "spike rate", "silent neurons"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for name, values in (sparsity["layers"] | {"all": sparsity} if sparsity else {}).items():
        table.add_row(name, *(percent(values[key]) for key in ("active", "spike_rate", "silent")))
    console.print(table)
    if headline := headline_of(summary):
        console.print(_score(headline, summary), markup=False, soft_wrap=True)
    console.print(f"training       {_times(summary)}", soft_wrap=True)
    if summary["energy"]:
        _print_energy(console, summary["energy"])
    if summary["dead"]:
        console.print(f"dead layers    {', '.join(summary['dead_layers'])}", style="bold red")
    console.print(Text(f"everything in  {said(folder)}"), soft_wrap=True)


def _times(summary: Mapping[str, Any]) -> str:
    """Where the time of the training went, in parts that add up."""
    timing, epochs = summary["timing"], summary["epochs"]
    if not epochs:
        return f"{timing['fit_s']:.1f} s, without a whole epoch, backend {summary['backend']}"
    compiling = f" + {timing['compile_s']:.1f} s compiling" if timing["compile_s"] else ""
    rest = timing["fit_s"] - timing["train_s"] - timing["val_s"] - timing["compile_s"]
    return (
        f"{timing['fit_s']:.1f} s = {epochs} epochs x {timing['train_s'] / epochs:.3g} s + {timing['val_s']:.1f} s "
        f"validation{compiling} + {rest:.1f} s rest; {timing['samples_per_s']:.0f} samples/s, "
        f"backend {summary['backend']}"
    )


def _score(headline: Headline, summary: Mapping[str, Any]) -> str:
    """The headline metric on test and validation, and what chose the weights if that was another one."""
    value, monitor = summary["headline"]["value"], summary["monitor"]
    tested = "not tested (trainer.limit_test_batches=0)" if value is None else scored(headline, value)
    validated = scored(headline, summary["metrics"].get(headline.logged("val")))
    is_own = monitor == headline.logged("val")
    chosen = "" if is_own else f", chosen by {measured(headline, monitor, summary['objective'])}"
    return f"{f'test {headline.title}':<13}  {tested}   (validation {validated}{chosen})"


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
