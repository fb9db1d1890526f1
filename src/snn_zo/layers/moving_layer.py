"""What layers have in common that move spikes and have neither weights nor neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import FP32, Schedule
from snn_zo.energy.inference import InferenceCounts
from snn_zo.energy.moves import Move, dense_moved, move_activity, moved
from snn_zo.energy.work import Work
from snn_zo.layers.layer import Done, Layer, Shape
from snn_zo.ops.analogue import Input
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Spikes


@dataclass(eq=False)
class Moved(Record):
    """What was moved.

    Attributes:
        inputs: all of them, without the autograd graph.
        output: what was made of them, without the autograd graph.
    """

    inputs: Sequence[Spikes] = field(default=(), kw_only=True)
    output: Spikes = field(kw_only=True)


class MovingLayer(Layer):
    """A layer whose output spikes are those of its input, somewhere else.

    It has no neurons: no share of active elements or of spikes is reported of it, and no seed reaches it but that of a
    dropout. Work and bytes are counted.

    Args:
        name, in_shape, out_shape: as of `Layer`.
        backend: `auto` or the name of a backend.

    Attributes:
        move: what is done to an entry.
    """

    move = Move()

    def __init__(self, name: str, in_shape: Shape, out_shape: Shape, backend: str = "auto") -> None:
        super().__init__(name, in_shape, out_shape)
        self.backend = backend

    @property
    def additions(self) -> int:
        """Elements that the same layer adds or compares on dense tensors, of one sample at one time step."""
        return self.neurons

    def moved(self, inputs: Sequence[Spikes], output: Spikes) -> Spikes:
        """Note what was done, and give the output back."""
        detached = [each.detach() for each in inputs]
        record = Moved("moved", inputs=detached, output=output.detach())
        record.to_input = any(each.handle.requires_grad for each in inputs)
        self.note(inputs[0], record)
        return output

    def activity(self, done: Done) -> Activity:
        """From the lengths of index lists."""
        record = done.record
        assert isinstance(record, Moved)
        return move_activity(record.inputs, record.output, record.to_input, self.additions)

    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.work`."""
        return moved(activity, self.move, plan)

    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.dense_work`."""
        return dense_moved(activity, self.move, plan)

    def inference(self, x: Input) -> InferenceCounts:
        """No operations: there is no weight that a spike could meet."""
        return InferenceCounts()
