"""One recording through the network of a run, as in a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from snn_zo.compose import device_of
from snn_zo.config import ConfigError
from snn_zo.data.store import Batch
from snn_zo.experiment import LoadedRun
from snn_zo.layers import Done, LeakyReadout, SpikeCounts, recording
from snn_zo.look.seen import Seen
from snn_zo.look.settings import LookSettings
from snn_zo.ops import Spikes, leaky_readout
from snn_zo.ops.analogue import Analogue
from snn_zo.strategies import Draw
from snn_zo.target import Classes
from snn_zo.untrusted import positive


@dataclass(frozen=True, eq=False)
class Look:
    """What a network does with a recording.

    Attributes:
        part: of the data set.
        sample: place of the recording in it, from 0.
        recording: its number in the data set.
        target: its class, or its [K] values.
        values: [C] of the readout: scores of the classes, or the predicted values.
        over_time: [T, C] the same at each time step; None where the output is no leaky readout and no count of spikes.
        names: of the C values.
        seen: the input, if it is spikes, and each layer that spikes, in the order of their calls.
        image: [C, H, W] of an input that is no spikes, its mean over time; None for spikes.
        steps: T.
        dt, start: time step, and the beginning of the first one, in ms.
    """

    part: str
    sample: int
    recording: int
    target: int | NDArray[np.float64]
    values: NDArray[np.float64]
    over_time: NDArray[np.float64] | None
    names: Sequence[str]
    seen: Sequence[Seen]
    image: NDArray[np.float64] | None
    steps: int
    dt: float
    start: float

    @property
    def predicted(self) -> int:
        """The class with the largest value."""
        return int(self.values.argmax())

    def edges(self, slices: int) -> list[int]:
        """Time steps at which S slices of equal length, or as many as there are steps, begin, and the last one ends."""
        return np.linspace(0, self.steps, min(slices, self.steps) + 1).round().astype(int).tolist()

    def spans(self, edges: Sequence[int]) -> list[str]:
        """When the slices between these are."""
        return [f"{self.ms(begin):g} to {self.ms(end):g} ms" for begin, end in pairwise(edges)]

    def ms(self, step: float) -> float:
        """When a time step begins, in ms."""
        return self.start + self.dt * step


def look(run: LoadedRun, settings: LookSettings) -> Look:
    """Send a recording through the network of a run, with the random draws of the training step that would come next.

    The network is in evaluation mode, so that its prediction is that of the test.

    Raises:
        ConfigError: there is no such recording, or what was active cannot be known.
        DataError: the data is missing or damaged.
    """
    _require_widths(run)
    sample = _place(run, settings)
    batch = run.data.recording(settings.part, sample)
    device = torch.device(device_of(run.config))
    module = run.module.to(device)
    x = batch.spikes.to(device)
    try:
        draw = Draw(module.seed, 0, run.step, batch.sample.to(device))
    except ValueError as error:
        raise ConfigError(f"{settings.run}: a checkpoint of step {run.step} is refused: {error}") from error
    with torch.enable_grad(), recording() as done:
        output = module(x, draw)
    layers = [Seen.of(each.layer.name, each.spikes) for each in done if each.spikes is not None]
    if isinstance(batch.spikes, Spikes):
        layers.insert(0, Seen.of("input", batch.spikes, is_input=True))
    dataset = run.data.dataset
    return Look(
        part=settings.part,
        sample=sample,
        recording=int(batch.sample[0]),
        target=_target(batch),
        values=_array(module.task.prediction(output.readout)[0]),
        over_time=_over_time(done),
        names=_names(run),
        seen=layers,
        image=_image(batch.spikes) if isinstance(batch.spikes, Analogue) else None,
        steps=batch.spikes.shape[1],
        dt=dataset.dt,
        start=dataset.start,
    )


def _require_widths(run: LoadedRun) -> None:
    if run.config.get("active") is not None and not positive(run.summary, "width_factor"):
        raise ConfigError(
            f"active={run.config.active}: summary.json does not say by how much the strategies were scaled for that, "
            "which it does when a run is completed"
        )


def _place(run: LoadedRun, settings: LookSettings) -> int:
    """Place of the recording in its part."""
    numbers = getattr(run.data.splits, settings.part).sample
    if settings.recording is None:
        if not 0 <= settings.sample < len(numbers):
            raise ConfigError(
                f"sample={settings.sample} is none of the {len(numbers)} recordings of the part {settings.part}: "
                f"choose from 0 to {len(numbers) - 1}"
            )
        return settings.sample
    places = np.flatnonzero(numbers == settings.recording)
    if not len(places):
        others = [name for name, subset in run.data.splits._asdict().items() if settings.recording in subset.sample]
        nearest = int(numbers[np.abs(numbers - settings.recording).argmin()])
        hint = f"part={others[0]} holds it" if others else f"the nearest is {nearest}"
        raise ConfigError(f"recording={settings.recording} is not in the part {settings.part}; {hint}")
    return int(places[0])


def _image(x: Analogue) -> NDArray[np.float64]:
    values = _array(x.values[0].mean(0))
    return values if values.ndim == 3 else values.reshape(1, 1, -1)


def _target(batch: Batch) -> int | NDArray[np.float64]:
    target = batch.target[0]
    return _array(target) if target.dim() else int(target)


def _array(values: torch.Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()


def _over_time(done: Sequence[Done]) -> NDArray[np.float64] | None:
    """Values of the readout at each step; of output neurons that spike the counts so far."""
    for each in reversed(done):
        layer = each.layer
        if isinstance(layer, LeakyReadout) and isinstance(each.x, Spikes):
            with torch.no_grad():
                values = leaky_readout(
                    each.x, layer.weight, layer.bias, layer.readout, layer.backend, every_step=True
                )  # fmt: skip
            return _array(values[0])
        if isinstance(layer, SpikeCounts) and each.spikes is not None:
            return _array(layer.scale * each.spikes.to_dense()[0].cumsum(0))
    return None


def _names(run: LoadedRun) -> list[str]:
    """Of the classes, or of the target values."""
    target = run.module.task.target
    if isinstance(target, Classes):
        return [run.data.dataset.class_name(label) for label in range(target.count)]
    return ["value"] if target.outputs == 1 else [f"value {i + 1}" for i in range(target.outputs)]
