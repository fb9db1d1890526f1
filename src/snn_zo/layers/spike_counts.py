"""Output neurons whose spikes are counted."""

from __future__ import annotations

from torch import Tensor

from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import FP32, Schedule
from snn_zo.energy.work import Work
from snn_zo.layers.layer import Shape
from snn_zo.layers.spiking_linear import SpikingLinear
from snn_zo.neuron import CountReadout
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw, Strategy


class SpikeCounts(SpikingLinear):
    """A fully connected layer of spiking neurons whose output is the number of each one's spikes.

    Args:
        in_shape: feature shape of the input; its product is N_in.
        outputs: C.
        readout: neurons and scale.
        strategy: local derivative of the spikes.
        name: of the layer.
        bias: whether there is one.
        backend: `auto` or the name of a backend.
    """

    def __init__(
        self,
        in_shape: Shape,
        outputs: int,
        readout: CountReadout,
        strategy: Strategy,
        name: str = "readout",
        bias: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__(in_shape, outputs, readout.neuron, strategy, name, bias, backend)
        self.scale = readout.scale

    def forward(self, x: Spikes, draw: Draw | None = None) -> Tensor:  # type: ignore[override]
        """[B, C] scaled spike counts for spikes [B, T, *in_shape]."""
        return self.scale * super().forward(x, draw).count()

    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.work`; each spike is added to a count."""
        work = super().work(activity, plan)
        return work | {"neuron": work["neuron"] + self._counting(activity, activity.events)}

    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.dense_work`; every element is added to a count."""
        work = super().dense_work(activity, plan)
        return work | {"neuron": work["neuron"] + self._counting(activity, activity.rows * activity.neurons)}

    def _counting(self, activity: Activity, added: int) -> Work:
        scaled = activity.samples * activity.neurons if self.scale != 1 else 0
        return Work(additions=added, multiply_adds=scaled)
