"""What is counted: operations, and bytes moved between the arithmetic and the array that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PHASES = ("forward", "grad_input", "grad_weight", "neuron", "optimizer")
OPERATIONS = ("additions", "multiply_adds", "updates", "functions", "randoms")


@dataclass(frozen=True)
class Work:
    """Operations, and bytes by the array that they are read from or written to.

    Attributes:
        additions: of two numbers; a comparison counts as one.
        multiply_adds: products, whether or not something is added to them.
        updates: of a neuron: leak and input (one multiply-add), comparison with the threshold (one addition).
        functions: values of a function of one variable: a surrogate, an inverse distribution function, a root, 1 / x.
        randoms: random 32-bit words generated.
        moved: bytes read or written, by the name of the array.
    """

    additions: float = 0
    multiply_adds: float = 0
    updates: float = 0
    functions: float = 0
    randoms: float = 0
    moved: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __add__(self, other: Work) -> Work:
        names = dict.fromkeys([*self.moved, *other.moved])
        moved = {name: self.moved.get(name, 0) + other.moved.get(name, 0) for name in names}
        return Work(**{name: getattr(self, name) + getattr(other, name) for name in OPERATIONS}, moved=moved)

    def operations(self) -> dict[str, float]:
        """Number of operations of each kind."""
        return {name: getattr(self, name) for name in OPERATIONS}
