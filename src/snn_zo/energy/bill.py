"""From activity to Joules: the work of a whole network, priced line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from snn_zo.energy import counts
from snn_zo.energy.activity import Activity, Forms
from snn_zo.energy.counts import OptimizerRule, Schedule, Search
from snn_zo.energy.table import CostTable
from snn_zo.energy.work import OPERATIONS, PHASES, Work

PATTERNS = {
    ("forward", "events"): "rows of spiking inputs",
    ("grad_weight", "adjoint"): "adjoints added at input spikes",
    ("grad_weight", "trace"): "input traces times errors",
    ("grad_input", "scan"): "decaying sum of weight rows",
    ("grad_input", "gather"): "products at active inputs",
    ("forward", "moved"): "entries moved",
    ("grad_input", "moved"): "entries moved back",
}
"""Computation pattern of a phase in a form; dense products otherwise."""

DENSE = Forms("dense", "dense", "dense", everywhere=True)

Line = tuple[str, str, str]
"""Layer, phase, computation pattern."""


class Counted(Protocol):
    """A layer that says its operation counts; `snn_zo.layers.Layer` is one.

    Attributes:
        name: in bills.
    """

    name: str

    @property
    def search(self) -> Search:
        """How active elements are found."""

    def work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """Operations of that activity by phase, in the forms that were taken."""

    def dense_work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """Operations by phase of full backpropagation on the same samples."""


Activities = Sequence[tuple[Counted, Activity]]
"""Layers with what happened in them; a layer comes once for each combination of forms that it was computed in."""


class Bill:
    """Operations, bytes and Joules, by layer, phase and computation pattern. Bills add up.

    Attributes:
        lines: of each line the number of each operation, `operations` in J, and J and bytes of each memory level.
    """

    def __init__(self, lines: Mapping[Line, Mapping[str, float]] | None = None) -> None:
        self.lines: dict[Line, dict[str, float]] = {line: dict(values) for line, values in (lines or {}).items()}

    def charge(self, line: Line, work: Work, sizes: Mapping[str, float], table: CostTable) -> None:
        """Add some work at a table's prices."""
        if work == Work():
            return
        moved = table.bytes_by_level(work, sizes)
        joules = table.price(work, moved)
        values = work.operations() | {"operations J": joules.operations}
        values |= {f"{level} bytes": amount for level, amount in moved.items()}
        self._add(line, values | {f"{level} J": value for level, value in joules.memory.items()})

    @property
    def joules(self) -> float:
        """J of everything."""
        return sum(value for line in self.lines.values() for name, value in line.items() if name.endswith(" J"))

    def seconds(self, table: CostTable) -> float:
        """Modelled delay, all operations at the table's rates."""
        seconds = 0.0
        for (_, _, pattern), values in self.lines.items():
            products = sum(values.get(name, 0) for name in ("products", "binary_products"))
            others = sum(values.get(name, 0) for name in OPERATIONS) - products
            rate = (table.gathered_per_s if pattern in PATTERNS.values() else None) or table.operations_per_s
            seconds += products / (table.products_per_s or table.operations_per_s) + others / rate
        return seconds

    def _add(self, line: Line, values: Mapping[str, float]) -> None:
        own = self.lines.setdefault(line, {})
        for name, value in values.items():
            own[name] = own.get(name, 0) + value

    def __add__(self, other: Bill) -> Bill:
        total = Bill(self.lines)
        total += other
        return total

    def __iadd__(self, other: Bill) -> Bill:
        for line, values in other.lines.items():
            self._add(line, values)
        return self

    def sum(self, suffix: str) -> dict[str, float]:
        """Totals of the columns that end in `suffix`, without it."""
        totals: dict[str, float] = {}
        for values in self.lines.values():
            for name, value in values.items():
                if name.endswith(suffix):
                    totals[name.removesuffix(suffix)] = totals.get(name.removesuffix(suffix), 0) + value
        return totals

    def by_phase(self) -> dict[str, float]:
        """J of each phase's operations, J of all memory accesses, and their total."""
        phases = dict.fromkeys(PHASES, 0.0)
        for (_, phase, _), values in self.lines.items():
            phases[phase] += values["operations J"]
        memory = sum(value for name, value in self.sum(" J").items() if name != "operations")
        return phases | {"memory": memory, "total": sum(phases.values()) + memory}

    def operations(self) -> dict[str, float]:
        """Number of each operation."""
        totals = dict.fromkeys(OPERATIONS, 0.0)
        for values in self.lines.values():
            for name in OPERATIONS:
                totals[name] += values.get(name, 0)
        return totals

    def rows(self) -> Iterator[dict[str, float | str]]:
        """A row a line."""
        for (layer, phase, pattern), values in self.lines.items():
            yield {"layer": layer, "phase": phase, "pattern": pattern, **values}


def training_bill(activities: Activities, parameters: int, steps: int, rule: OptimizerRule, table: CostTable) -> Bill:
    """Price of some training, in the forms that were taken, laid out as costs least.

    Args:
        activities: of the training.
        parameters: number of trained ones.
        steps: of the optimizer.
        rule: of the optimizer.
        table: prices.
    """
    return _cheapest(activities, table, dense=False) + _optimizer_bill(parameters, steps, rule, table)


def dense_bill(activities: Activities, parameters: int, steps: int, rule: OptimizerRule, table: CostTable) -> Bill:
    """Price of full backpropagation on the same samples, laid out as costs least; see `training_bill`."""
    return _cheapest(activities, table, dense=True) + _optimizer_bill(parameters, steps, rule, table)


def pool_bill(layers: Iterable[Counted], table: CostTable) -> Bill:
    """Price of the random words that layers reuse all training."""
    bill = Bill()
    for size in (layer.search.pool for layer in layers):
        if size:
            work = Work(randoms=size, moved={"pool": size * counts.INDEX})
            bill.charge(("all", "neuron", "pool of random words"), work, {"pool": size * counts.INDEX}, table)
    return bill


def _cheapest(activities: Activities, table: CostTable, dense: bool) -> Bill:
    """The bill in the best of groups from one sample to a batch, each phase in the best of numbers of blocks."""
    batch = max((a.samples // max(a.batches, 1) for _, a in activities), default=1)

    def in_groups_of(group: int) -> Bill:
        bill = Bill()
        for layer, a in activities:
            options: dict[str, list[Bill]] = {}
            for blocks in [1] if dense else table.blocks(a.connection.weights * table.word_bytes):
                plan = Schedule(table.word_bytes, min(group, max(a.samples, 1)), blocks)
                sizes = counts.sizes(a, layer.search, plan)
                for phase, work in (layer.dense_work if dense else layer.work)(a, plan).items():
                    option = Bill()
                    line = layer.name, phase, _pattern(phase, DENSE if dense else a.forms)
                    option.charge(line, work, sizes, table)
                    options.setdefault(phase, []).append(option)
            for found in options.values():
                bill += min(found, key=lambda option: option.joules)
        return bill

    return min((in_groups_of(group) for group in _groups(batch)), key=lambda bill: bill.joules)


def _groups(batch: int) -> list[int]:
    """1, 2, 4, ... and the whole batch."""
    return [*(2**i for i in range(batch.bit_length()) if 2**i < batch), max(batch, 1)]


def _optimizer_bill(parameters: int, steps: int, rule: OptimizerRule, table: CostTable) -> Bill:
    bill, plan = Bill(), Schedule(table.word_bytes)
    work = counts.optimizer(parameters, steps, rule, plan)["optimizer"]
    sizes = counts.optimizer_sizes(parameters, rule, plan)
    bill.charge(("all", "optimizer", "every parameter"), work, sizes, table)
    return bill


def _pattern(phase: str, forms: Forms) -> str:
    if phase == "neuron":
        return "neuron update"
    form = {"forward": forms.forward, "grad_weight": forms.weight, "grad_input": forms.input}[phase]
    return PATTERNS.get((phase, str(form)), "dense product")
