"""From activity to Joules: the work of a whole network, priced line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from torch import nn

from snn_zo.energy import counts
from snn_zo.energy.activity import Activity, Forms, layer_activity, readout_activity
from snn_zo.energy.counts import OptimizerRule, Schedule, Search
from snn_zo.energy.table import CostTable
from snn_zo.energy.work import OPERATIONS, PHASES, Work
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Strategy

PATTERNS = {
    ("forward", "events"): "rows of spiking inputs",
    ("grad_weight", "adjoint"): "adjoints added at input spikes",
    ("grad_weight", "trace"): "input traces times errors",
    ("grad_input", "scan"): "decaying sum of weight rows",
    ("grad_input", "gather"): "products at active inputs",
}
"""Computation pattern of a phase in a form; dense products otherwise."""

DENSE = Forms("dense", "dense", "dense", everywhere=True)

Line = tuple[str, str, str]
"""Layer, phase, computation pattern."""


class Chain(Protocol):
    """A network that can be counted: layers of spiking neurons one after the other, and a leaky readout.

    Attributes:
        layers: nn.Linear of each layer, the readout's last.
        strategy, neuron, readout: settings.
    """

    layers: nn.ModuleList
    strategy: Strategy
    neuron: Neuron
    readout: Readout


class Network(NamedTuple):
    """What of a network its work depends on.

    Attributes:
        names: of the layers.
        biased: whether each has a bias.
        classes: of the readout.
        search, neuron, readout: settings.
        parameters: number of trained ones.
    """

    names: tuple[str, ...]
    biased: tuple[bool, ...]
    classes: int
    search: Search
    neuron: Neuron
    readout: Readout
    parameters: int

    @classmethod
    def of(cls, model: nn.Module) -> Network:
        """The network of a `Chain`.

        Raises:
            ValueError: the model is none.
        """
        missing = [name for name in ("layers", "strategy", "neuron", "readout") if not hasattr(model, name)]
        if missing:
            raise ValueError(f"{type(model).__name__} has no attribute {', '.join(missing)}")
        chain = cast("Chain", model)
        layers = cast("list[nn.Linear]", list(chain.layers))
        if not all(isinstance(layer, nn.Linear) for layer in layers):
            raise ValueError(f"{type(model).__name__}.layers are not all nn.Linear")
        names = (*(f"hidden{i + 1}" for i in range(len(layers) - 1)), "readout")
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        biased = tuple(layer.bias is not None for layer in layers)
        search = Search.of(chain.strategy)
        return cls(names, biased, layers[-1].out_features, search, chain.neuron, chain.readout, parameters)

    def observe(self, x: Spikes, hidden: Sequence[Spikes]) -> list[Activity]:
        """Activity of each layer in a training step, after its backward pass.

        Raises:
            ValueError: the number of layers differs, or the backend does not say what it drew.
        """
        if len(hidden) != len(self.names) - 1:
            raise ValueError(f"{len(self.names)} layers, but spikes of {len(hidden)} hidden ones")
        drawn = self.search.where == "drawn"
        chain = [x, *hidden]
        layers = [layer_activity(chain[i], chain[i + 1], self.neuron.reset, drawn) for i in range(len(hidden))]
        return [*layers, readout_activity(chain[-1], self.classes)]


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


def training_bill(
    network: Network, activities: Iterable[tuple[int, Activity]], steps: int, rule: OptimizerRule, table: CostTable
) -> Bill:
    """Price of some training, in the forms that were taken, laid out as costs least.

    Args:
        network: that was trained.
        activities: (index of the layer, its activity) pairs.
        steps: of the optimizer.
        rule: of the optimizer.
        table: prices.
    """
    bill = _cheapest(network, list(activities), table, dense=False)
    _charge_optimizer(bill, network, steps, rule, table)
    return bill


def pool_bill(network: Network, table: CostTable) -> Bill:
    """Price of the random words that the layers reuse all training."""
    bill, size = Bill(), network.search.pool
    words = size * (len(network.names) - 1)
    work = Work(randoms=words, moved={"pool": words * counts.INDEX})
    if size:
        bill.charge(("all", "neuron", "pool of random words"), work, {"pool": size * counts.INDEX}, table)
    return bill


def dense_bill(
    network: Network, activities: Iterable[tuple[int, Activity]], steps: int, rule: OptimizerRule, table: CostTable
) -> Bill:
    """Price of full backpropagation on the same samples, laid out as costs least; see `training_bill`."""
    bill = _cheapest(network, list(activities), table, dense=True)
    _charge_optimizer(bill, network, steps, rule, table)
    return bill


def _cheapest(network: Network, activities: list[tuple[int, Activity]], table: CostTable, dense: bool) -> Bill:
    """The bill in the best of groups from one sample to a batch, each phase in the best of numbers of blocks."""
    batch = max((a.samples // max(a.batches, 1) for _, a in activities), default=1)

    def in_groups_of(group: int) -> Bill:
        bill = Bill()
        for i, a in activities:
            options: dict[str, list[Bill]] = {}
            for blocks in [1] if dense else table.blocks(a.inputs * a.neurons * table.word_bytes):
                plan = Schedule(table.word_bytes, min(group, max(a.samples, 1)), blocks)
                sizes = counts.sizes(a, network.search, plan)
                for phase, work in _work(network, i, a, plan, dense).items():
                    option = Bill()
                    line = network.names[i], phase, _pattern(phase, DENSE if dense else a.forms)
                    option.charge(line, work, sizes, table)
                    options.setdefault(phase, []).append(option)
            for found in options.values():
                bill += min(found, key=lambda option: option.joules)
        return bill

    return min((in_groups_of(group) for group in _groups(batch)), key=lambda bill: bill.joules)


def _work(network: Network, i: int, a: Activity, plan: Schedule, dense: bool) -> dict[str, Work]:
    bias = network.biased[i]
    if network.names[i] == "readout":
        count = counts.dense_readout if dense else counts.readout
        return count(a, network.readout, bias, plan)
    if dense:
        return counts.dense_layer(a, network.neuron, bias, i > 0, plan)
    return counts.layer(a, network.neuron, network.search, bias, i > 0, plan)


def _groups(batch: int) -> list[int]:
    """1, 2, 4, ... and the whole batch."""
    return [*(2**i for i in range(batch.bit_length()) if 2**i < batch), max(batch, 1)]


def _charge_optimizer(bill: Bill, network: Network, steps: int, rule: OptimizerRule, table: CostTable) -> None:
    plan = Schedule(table.word_bytes)
    work = counts.optimizer(network.parameters, steps, rule, plan)["optimizer"]
    sizes = counts.optimizer_sizes(network.parameters, rule, plan)
    bill.charge(("all", "optimizer", "every parameter"), work, sizes, table)


def _pattern(phase: str, forms: Forms) -> str:
    if phase == "neuron":
        return "neuron update"
    form = {"forward": forms.forward, "grad_weight": forms.weight, "grad_input": forms.input}[phase]
    return PATTERNS.get((phase, form), "dense product")
