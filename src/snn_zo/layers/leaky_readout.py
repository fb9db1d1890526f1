"""The leaky readout as a layer."""

from __future__ import annotations

from torch import Tensor

from snn_zo.energy import counts
from snn_zo.energy.activity import Activity, readout_activity
from snn_zo.energy.counts import FP32, Schedule
from snn_zo.energy.inference import InferenceCounts, linear_counts
from snn_zo.energy.work import Work
from snn_zo.layers.layer import Done, Layer, Shape
from snn_zo.layers.spiking_linear import linear_parameters
from snn_zo.neuron import Readout
from snn_zo.ops import Spikes, leaky_readout
from snn_zo.ops.analogue import Input
from snn_zo.ops.record import Record


class LeakyReadout(Layer):
    """Outputs that integrate their input current without spiking; `snn_zo.ops.leaky_readout` has the equation.

    Args:
        in_shape: feature shape of the input; its product is N_in.
        outputs: C.
        readout: time constant, reduction over time and scale.
        name: of the layer.
        bias: whether there is one.
        backend: `auto` or the name of a backend.
        every_step: whether the values of every time step are wanted, in the place of one that is reduced over time.
    """

    def __init__(
        self,
        in_shape: Shape,
        outputs: int,
        readout: Readout,
        name: str = "readout",
        bias: bool = False,
        backend: str = "auto",
        every_step: bool = False,
    ) -> None:
        super().__init__(name, in_shape, (outputs,))
        self.readout, self.backend, self.every_step = readout, backend, every_step
        self.weight, self.bias = linear_parameters(self.inputs, outputs, bias)

    def forward(self, x: Spikes) -> Tensor:
        """[B, C] values of the readout for spikes [B, T, *in_shape]; [B, T, C] of every step."""
        record = Record()
        values = leaky_readout(x, self.weight, self.bias, self.readout, self.backend, record, self.every_step)
        self.note(x, record)
        return values

    def activity(self, done: Done) -> Activity:
        """See `Layer.activity`."""
        assert isinstance(done.x, Spikes)
        return readout_activity(done.x, self.neurons, done.record)

    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.work`."""
        return counts.readout(activity, self.readout, self.bias is not None, plan, self.every_step)

    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.dense_work`."""
        return counts.dense_readout(activity, self.readout, self.bias is not None, plan, self.every_step)

    def inference(self, x: Input) -> InferenceCounts:
        """See `Layer.inference`."""
        return linear_counts(x, self.weight)
