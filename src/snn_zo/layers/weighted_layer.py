"""What layers of spiking neurons with a weight have in common, whether fully connected or a convolution."""

from __future__ import annotations

from torch import Tensor, nn

from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import FP32, Schedule
from snn_zo.energy.work import Work
from snn_zo.layers.layer import Done
from snn_zo.layers.norm import Norm
from snn_zo.layers.spiking_layer import SpikingLayer
from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.convolution import Convolution


class WeightedLayer(SpikingLayer):
    """A layer of spiking neurons whose current is a linear map of the input, given by a weight.

    Attributes:
        weight: [N, N_in], or [C_out, C_in / groups, rows, columns].
        bias: [N] or [C_out], or None.
        norm: what stands between these and the weights that are computed with, or None.
        convolution: which it is; None for a fully connected layer.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    norm: Norm | None
    convolution: Convolution | None = None

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the same layer without a normalisation, as in evaluation: to count, or to export."""
        return (self.weight, self.bias) if self.norm is None else self.norm.folded(self.weight, self.bias)

    def normalised(self, x: Input) -> tuple[Tensor, Tensor | None]:
        """Weight and bias to compute with for an input."""
        if self.norm is None:
            return self.weight, self.bias
        found: tuple[Tensor, Tensor | None] = self.norm(x, self.weight, self.bias, self.convolution, self.backend)
        return found

    @property
    def sizes(self) -> list[nn.Parameter]:
        """See `SpikingLayer.sizes`."""
        return [self.weight if self.norm is None else self.norm.gain]

    @property
    def has_bias(self) -> bool:
        """See `SpikingLayer.has_bias`."""
        return self.bias is not None or (self.norm is not None and self.norm.shifts)

    def activity(self, done: Done) -> Activity:
        """See `Layer.activity`."""
        found = super().activity(done)
        if self.norm is None:
            return found
        group = self.neurons if self.convolution is None else self.convolution.channels // self.convolution.groups
        return self.norm.activity(found, done.x, None if isinstance(done.x, Analogue) else self.fan_out(done.x), group)

    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.work`."""
        work = super().work(activity, plan)
        return work if self.norm is None else _together(work, self.norm.work(activity, plan))

    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.dense_work`."""
        work = super().dense_work(activity, plan)
        return work if self.norm is None else _together(work, self.norm.dense_work(activity, plan))


def _together(work: dict[str, Work], more: dict[str, Work]) -> dict[str, Work]:
    return work | {phase: work[phase] + added for phase, added in more.items()}
