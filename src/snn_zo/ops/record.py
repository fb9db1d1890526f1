"""What an operation did for a layer in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Forward = Literal["events", "dense", "moved"]
WeightGradient = Literal["trace", "adjoint", "dense"]
InputGradient = Literal["scan", "gather", "dense", "moved"]


@dataclass(eq=False)
class Record:
    """The forms in which a layer was computed; the backward pass fills its part in.

    A form is None where there was nothing to choose, or where the backend does not say: then operation counts take the
    sparse one with the fewest operations.

    Attributes:
        forward: the current, from rows of the weight at input `events`, or by a `dense` product; `moved` where spikes
            are, to other places, and there is no current.
        weight_gradient: `trace` (input traces times errors), `adjoint` (adjoints added at input events), or `dense`.
        input_gradient: `scan` (a decaying sum of weight rows), `gather` (a product at each active input), or `dense`;
            `moved` where gradients go back to where spikes came from.
        to_input: whether the input wants a gradient.
        drawn: elements that a stochastic strategy drew a random number for, on a GPU a 0-dim tensor; None where the
            backend does not say.
    """

    forward: Forward | None = None
    weight_gradient: WeightGradient | None = None
    input_gradient: InputGradient | None = None
    to_input: bool = False
    drawn: int | Tensor | None = None

    def forms(self) -> dict[str, str]:
        """The forms that were said, by what they are the form of."""
        forms = {
            "forward": self.forward,
            "weight gradient": self.weight_gradient,
            "input gradient": self.input_gradient,
        }
        return {what: form for what, form in forms.items() if form is not None}
