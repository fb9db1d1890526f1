"""What summary.json holds: the one place that names its entries, for whoever writes or reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypedDict, runtime_checkable

from snn_zo.headline import Headline
from snn_zo.runs.status import Status

Fractions = Mapping[str, float]


class CheckpointEntry(TypedDict):
    """Which weights were tested: those of an optimizer step in an epoch, from 0."""

    epoch: int
    step: int


class Origin(TypedDict):
    """The completed run that a run extends: its folder, as it was named then, and the epochs that it had."""

    run: str
    epochs: int


class HeadlineEntry(TypedDict):
    """The metric that the task is judged by, as in `snn_zo.headline.Headline`, with its value on the test set."""

    name: str
    title: str
    value: float | None
    direction: Literal["max", "min"]
    unit: str


class Summary(TypedDict, total=False):
    """The entries of summary.json. What a run folder of somebody else's holds may be anything: `snn_zo.untrusted`
    reads single entries of it.

    Attributes:
        status: where the run stands.
        reason, traceback: why it ended early.
        method, strategy, data, seed: what was run: names of the presets, the strategy's settings.
        identity: of the experiment (`snn_zo.runs.identity`).
        data_content: of the recordings (`snn_zo.data.content`).
        backend: that ran.
        wandb_id: of the run at wandb.
        extends: the run whose training this one goes on with; absent where there is none.
        objective, monitor, mode: validation value by which the weights were chosen, its name, and `max` or `min`.
        checkpoint: the weights that were tested.
        headline: the metric that counts, on the test set.
        metrics: of the test, and of the validation of the tested weights.
        sparsity, dead, dead_layers, paths: see `snn_zo.callbacks.SparsityMonitor`; null where nothing measured them.
        energy: see `snn_zo.callbacks.EnergyMonitor`; null where nothing counted it.
        timing: see `snn_zo.callbacks.RunRecord`.
        gain_factors: by which the weights of each hidden layer were scaled for a wanted share of spiking elements; null
            for none.
        width_factor: by which the strategy's width was scaled for a wanted share of active elements; null for none.
        epochs: that are over.
        parameters: number of trained ones.
    """

    status: Status
    reason: str | None
    traceback: str | None
    method: str
    strategy: object
    data: str
    seed: int
    identity: str
    data_content: Mapping[str, object] | None
    backend: str
    wandb_id: str | None
    extends: Origin
    objective: float
    monitor: str
    mode: str
    checkpoint: CheckpointEntry
    headline: HeadlineEntry
    metrics: Mapping[str, float]
    sparsity: Mapping[str, object] | None
    dead: bool | None
    dead_layers: list[str] | None
    paths: Mapping[str, Mapping[str, int]] | None
    energy: Mapping[str, object] | None
    timing: Mapping[str, float | None]
    gain_factors: Mapping[str, float] | None
    width_factor: float | None
    epochs: int
    parameters: int


def headline_entry(headline: Headline, value: float | None = None) -> HeadlineEntry:
    """The metric as the summary has it, with its value on the test set once that is known."""
    return HeadlineEntry(
        name=headline.name, title=headline.title, value=value, direction=headline.direction, unit=headline.unit
    )


NOTHING_MEASURED = Summary(sparsity=None, dead=None, dead_layers=None, paths=None, energy=None)
"""What is said where no callback measures it."""


@runtime_checkable
class Contributor(Protocol):
    """A callback that has something to say in the summary."""

    def contribution(self) -> Summary:
        """Its entries, at the end of the run."""
