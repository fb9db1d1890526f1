"""What is counted: operations, and bytes moved between the arithmetic and the array that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

PHASES = ("forward", "grad_input", "grad_weight", "neuron", "optimizer")
OPERATIONS = ("additions", "multiply_adds", "products", "binary_products", "updates", "functions", "randoms")


@dataclass(frozen=True)
class Work:
    """Operations, and bytes by the array that they are read from or written to.

    Attributes:
        additions: of two numbers; a comparison counts as one.
        multiply_adds: products, whether or not something is added to them.
        products: the multiply-adds of dense matrix products.
        binary_products: the same where one factor is a spike, so that an addition does.
        updates: of a neuron: leak and input (one multiply-add), comparison with the threshold (one addition).
        functions: values of a function of one variable: a surrogate, an inverse distribution function, a root, 1 / x.
        randoms: blocks of four random 32-bit words generated.
        moved: bytes read or written one by one, by the name of the array.
        uses: bytes that dense products use, by the name of the array and how often each of its numbers is used.
    """

    additions: float = 0
    multiply_adds: float = 0
    products: float = 0
    binary_products: float = 0
    updates: float = 0
    functions: float = 0
    randoms: float = 0
    moved: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    uses: Mapping[tuple[str, float], float] = field(default_factory=lambda: MappingProxyType({}))

    def __add__(self, other: Work) -> Work:
        operations = {name: getattr(self, name) + getattr(other, name) for name in OPERATIONS}
        return Work(**operations, moved=_sum(self.moved, other.moved), uses=_sum(self.uses, other.uses))

    def operations(self) -> dict[str, float]:
        """Number of operations of each kind."""
        return {name: getattr(self, name) for name in OPERATIONS}


def _sum(one: Mapping[Any, float], other: Mapping[Any, float]) -> dict[Any, float]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in dict.fromkeys([*one, *other])}
