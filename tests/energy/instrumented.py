"""The algorithm of docs/engine.md, one number at a time: every operation and every access is counted where it happens.

The loops compute the real spikes and gradients, so a count that belongs to another computation would show. Samples
pass one by one.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping

import torch
from torch import Tensor

from snn_zo.energy.activity import Forms
from snn_zo.neuron import Neuron, Readout
from snn_zo.strategies import Draw, Strategy, ZerothOrder

INDEX, WORD, BIT = 4, 4, 1 / 8


class Meter:
    """Operations and bytes by phase."""

    def __init__(self) -> None:
        self.operations: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.moved: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.used: defaultdict[str, Counter[tuple[str, Hashable]]] = defaultdict(Counter)
        self.phase = "forward"

    def do(self, operation: str) -> Meter:
        self.operations[self.phase][operation] += 1
        return self

    def add(self) -> Meter:
        return self.do("additions")

    def mac(self) -> Meter:
        return self.do("multiply_adds")

    def draw(self, pool: int) -> Meter:
        return self.index("pool") if pool else self

    def bit(self, array: str) -> Meter:
        self.moved[self.phase][array] += BIT
        return self

    def use(self, array: str, *which: Hashable) -> Meter:
        """A number of an array takes part in a dense product."""
        self.used[self.phase][array, which] += 1
        return self

    def uses(self, phase: str) -> dict[tuple[str, float], float]:
        """Bytes used by the array and by how often each of its numbers was used."""
        uses: Counter[tuple[str, float]] = Counter()
        for (array, _), times in self.used[phase].items():
            uses[array, times] += times * (BIT if array == "input bits" else WORD)
        return dict(uses)

    def number(self, array: str) -> Meter:
        self.moved[self.phase][array] += WORD
        return self

    def index(self, array: str) -> Meter:
        self.moved[self.phase][array] += INDEX
        return self


Key = tuple[int, ...]
"""Index of a weight."""


class Layer:
    """A fully connected layer of neurons. Its input holds counts, [B][T][I].

    Each neuron takes its inputs from *places*, where inputs are put; here each has a place of its own.
    """

    masked = False
    """Whether resets are done at every element, and not where there is a spike."""

    def __init__(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, neuron: Neuron, strategy: Strategy, draw: Draw,
        forms: Forms, meter: Meter, blocks: int = 1,
    ) -> None:  # fmt: skip
        self._connect(x, weight, bias, blocks)
        self.neuron, self.strategy, self.draw, self.forms, self.meter = neuron, strategy, draw, forms, meter
        self.beta = math.exp(-neuron.dt / neuron.tau)
        shape = (self.b, self.t, self.n)
        self.v, self.s = torch.zeros(shape, dtype=torch.double).tolist(), torch.zeros(shape).tolist()
        self._forward()
        u = torch.tensor(self.v, dtype=torch.double) - neuron.v_th
        self.g = strategy.gradient(u, draw).tolist()
        self._search(u.tolist())

    def _connect(self, x: Tensor, weight: Tensor, bias: Tensor | None, blocks: int) -> None:
        self.b, self.t, self.i = x.shape
        self.x, self.bias = x.long().tolist(), None if bias is None else bias.tolist()
        self.shape, self.n = weight.shape, self._neurons(weight)
        self.weight: dict[Key, float] = {
            key: float(weight[key]) for key in itertools.product(*map(range, weight.shape))
        }
        self.neurons: list[list[int]] = self._blocks_of_neurons(blocks)
        self.places: list[list[int]] = self._blocks_of_places(blocks)

    def _neurons(self, weight: Tensor) -> int:
        return len(weight)

    def _blocks_of_neurons(self, blocks: int) -> list[list[int]]:
        return cut(self.n, blocks)

    def _blocks_of_places(self, blocks: int) -> list[list[int]]:
        return cut(self.i, blocks)

    def place(self, i: int) -> int:
        """Where an input is put."""
        return i

    def reached(self, i: int, block: list[int]) -> Iterable[tuple[int, Key]]:
        """The neurons of a block that an input reaches, and by which weights."""
        return ((n, (n, i)) for n in block)

    def patch(self, n: int, block: list[int]) -> Iterable[tuple[int, Key]]:
        """The places of a block that a neuron takes its inputs from, and by which weights."""
        return ((i, (n, i)) for i in block)

    def bias_of(self, n: int) -> int:
        """Number of a neuron's bias."""
        return n

    def at_places(self, b: int, t: int) -> Mapping[int, float]:
        """The inputs that are put at each place, summed up."""
        return dict(enumerate(self.x[b][t]))

    def pool(self, b: int, t: int) -> None:
        """What it takes to sum them up for a dense product: nothing, where places are the inputs."""

    def as_tensor(self, gradient: Mapping[Key, float]) -> Tensor:
        """Gradient of the weight."""
        found = torch.zeros(self.shape, dtype=torch.double)
        for key, value in gradient.items():
            found[key] = value
        return found

    def _pass(self, array: str, form: str, ways: int = 1) -> None:
        """All blocks come near, for one sample; a single one stays there, and dense products have their own."""
        for _ in range(ways * len(self.weight) if len(self.neurons) > 1 and form != "dense" else 0):
            self.meter.number(array)

    def _forward(self) -> None:
        for b in range(self.b):
            self.meter.phase = "forward"
            self._pass("stored weights", self.forms.forward)
            for block in self.neurons:
                v = dict.fromkeys(block, 0.0)
                for t in range(self.t):
                    self.meter.phase = "forward"
                    current = self._current(b, t, block)
                    self.meter.phase = "neuron"
                    for n in block:
                        v[n] = self._step(b, t, n, self.beta * v[n] + current[n])

    def _current(self, b: int, t: int, block: list[int]) -> dict[int, float]:
        m, current = self.meter, dict.fromkeys(block, 0.0)
        if self.forms.forward == "dense":
            self.pool(b, t)
            x = self.at_places(b, t)
            for n in block:
                for place, key in self.patch(n, self._all_places()):
                    m.use("input bits", b, t, place).use("stored weights", b, key).do("binary_products")
                    current[n] += x[place] * self.weight[key]
        for i in range(self.i if self.forms.forward != "dense" else 0):
            for _ in range(self.x[b][t][i]):
                m.index("input events")
                for n, key in self.reached(i, block):
                    m.number("weights").add()
                    current[n] += self.weight[key]
        for n in block if self.bias is not None else ():
            m.number("bias").add()
            current[n] += self.bias[self.bias_of(n)]
        return current

    def _all_places(self) -> list[int]:
        return [place for block in self.places for place in block]

    def _step(self, b: int, t: int, n: int, v: float) -> float:
        m = self.meter
        m.number("potentials").do("updates")
        self.v[b][t][n] = v
        if self.masked:
            m.bit("spike bits")
            if self.neuron.reset == "soft":
                m.add()
        if v > self.neuron.v_th:
            self.s[b][t][n] = 1.0
            if not self.masked:
                m.index("events")
            if self.neuron.reset == "soft":
                if not self.masked:
                    m.add()
                v -= self.neuron.v_th / self.beta  # decays before it is felt
            elif self.neuron.reset == "hard":
                v = 0.0
        m.number("potentials")
        return v

    def _search(self, u: list) -> None:
        m, strategy = self.meter, self.strategy
        m.phase = "neuron"
        drawn = isinstance(strategy, ZerothOrder)
        for b in range(self.b):
            for t in range(self.t):
                for n in range(self.n):
                    active = self.g[b][t][n] != 0
                    if strategy.reach == math.inf:
                        m.do("functions")
                    else:
                        m.add()
                        if drawn and abs(u[b][t][n]) < strategy.reach:
                            m.draw(strategy.pool).do("functions").add()
                            if not strategy.pool:
                                m.do("randoms")
                        elif drawn:
                            assert not active
                    if active and drawn:
                        for k in range(strategy.samples):
                            m.mac()
                            if k > 0:
                                m.draw(strategy.pool).add()
                            if k > 0 and k % 4 == 0 and not strategy.pool:
                                m.do("randoms")
                            if strategy.power != 0:
                                m.do("functions")
                    elif active and strategy.reach < math.inf:
                        m.do("functions")
                    if self.forms.everywhere:
                        m.number("saved")
                    elif active:
                        m.index("active set").number("active set")

    def active(self, b: int, t: int, n: int) -> bool:
        return self.forms.everywhere or self.g[b][t][n] != 0

    def live(self, b: int) -> int:
        """Rows up to the last active element."""
        rows = [t for t in range(self.t) for n in range(self.n) if self.active(b, t, n)]
        return max(rows) + 1 if rows else 0

    def errors(self, grad: list) -> None:
        """eps and lambda from dL/ds, which is read at active elements only."""
        m, neuron, beta = self.meter, self.neuron, self.beta
        m.phase = "neuron"
        hard, attached = neuron.reset == "hard", not neuron.detach_reset and neuron.reset != "none"
        everywhere = self.forms.everywhere
        self.eps: list[list[list[tuple[int, float]]]] = [[[] for _ in range(self.t)] for _ in range(self.b)]
        self.adjoint = [[[0.0] * self.n for _ in range(self.t)] for _ in range(self.b)]
        for b in range(self.b):
            later = [0.0] * self.n
            for t in reversed(range(self.live(b))):
                for n in range(self.n):
                    spiked, active, eps = self.s[b][t][n] == 1, self.active(b, t, n), 0.0
                    if spiked and hard and not everywhere:
                        m.index("events").mac()
                    if spiked and hard:
                        eps -= beta * later[n]
                    if active:
                        eps += self._at_active(b, t, n, grad[b][t][n], later[n], hard, attached)
                    if (active or (spiked and hard)) and not everywhere:
                        m.index("errors").number("errors")
                        self.eps[b][t].append((n, eps))
                    if hard or attached or everywhere:
                        m.mac()
                        m.number("adjoints").number("adjoints")
                        if everywhere:
                            m.number("dense adjoints")
                    later[n] = self.adjoint[b][t][n] = eps + beta * later[n]

    def _at_active(self, b, t, n, grad, later, hard, attached) -> float:
        m, neuron, g = self.meter, self.neuron, self.g[b][t][n]
        if self.forms.everywhere:
            m.number("saved")
        else:
            m.index("active set").number("active set").number("active set")
        if attached:
            m.mac()
            if hard:
                m.mac()
            grad -= later * (self.beta * self.v[b][t][n] if hard else neuron.v_th)
        m.mac()
        return g * grad

    def grad_weight(self) -> Tensor:
        m = self.meter
        m.phase = "grad_weight"
        gradient = dict.fromkeys(self.weight, 0.0)
        form = {"trace": self._trace, "adjoint": self._adjoint, "dense": self._dense}[self.forms.weight]
        for b in range(self.b):
            form(b, gradient)
            self._pass("stored gradient", self.forms.weight, 2)
        return self.as_tensor(gradient)

    def _trace(self, b: int, gradient: dict[Key, float]) -> None:
        m = self.meter
        for block in self.places:
            trace, decay = dict.fromkeys(block, 0.0), 1.0
            for t in range(self.live(b)):
                m.mac().do("functions")
                decay *= self.beta
                inverse = 1 / decay
                for i in (i for i in range(self.i) if self.place(i) in trace):
                    for _ in range(self.x[b][t][i]):
                        m.index("input events").number("traces").add().number("traces")
                        trace[self.place(i)] += inverse
                for n, eps in self.eps[b][t]:
                    m.index("errors").number("errors").mac()
                    error = eps * decay
                    for place, key in self.patch(n, block):
                        m.number("traces").number("weight gradient").mac().number("weight gradient")
                        gradient[key] += error * trace[place]

    def _adjoint(self, b: int, gradient: dict[Key, float]) -> None:
        m, adjoint = self.meter, [0.0] * self.n
        for block in self.neurons:
            for t in reversed(range(self.live(b))):
                self._sweep(b, t, block, adjoint)
                for i in range(self.i):
                    for _ in range(self.x[b][t][i]):
                        m.index("input events")
                        for n, key in self.reached(i, block):
                            m.number("adjoints").number("weight gradient").add().number("weight gradient")
                            gradient[key] += adjoint[n]

    def _sweep(self, b: int, t: int, block: list[int], adjoint: list[float]) -> None:
        """lambda of a step from that of the step behind it."""
        m, of_block = self.meter, set(block)
        for n in block:
            if self.forms.everywhere:
                m.number("dense adjoints")
                adjoint[n] = self.adjoint[b][t][n]
            else:
                m.number("adjoints").mac().number("adjoints")
                adjoint[n] *= self.beta
        for n, eps in self.eps[b][t]:
            if n in of_block:
                m.index("errors").number("errors").number("adjoints").add().number("adjoints")
                adjoint[n] += eps

    def _dense(self, b: int, gradient: dict[Key, float]) -> None:
        m = self.meter
        for _ in range(2 * len(self.weight)):
            m.number("stored gradient")
        for t in range(self.t):
            x = self.at_places(b, t)
            for n in range(self.n):
                for place, key in self.patch(n, self._all_places()):
                    m.use("dense adjoints", b, t, n).use("input bits", b, t, place).do("binary_products")
                    gradient[key] += self.adjoint[b][t][n] * x[place]

    def grad_bias(self) -> Tensor:
        m, gradient = self.meter, [0.0] * len(self.bias or ())
        m.phase = "grad_weight"
        for b in range(self.b):
            for t in range(self.t):
                for n, eps in self.eps[b][t]:
                    m.number("bias").mac().number("bias")
                    gradient[self.bias_of(n)] += eps * sum(self.beta**r for r in range(t + 1))
                for n in range(self.n if self.forms.everywhere else 0):
                    m.number("bias").add()
                    gradient[self.bias_of(n)] += self.adjoint[b][t][n]
        return torch.tensor(gradient, dtype=torch.double)

    def grad_input(self, active_in: Tensor | None) -> Tensor:
        """[B, T, I] gradient at the input's active elements."""
        m = self.meter
        m.phase = "grad_input"
        gradient = torch.zeros(self.b, self.t, self.i, dtype=torch.double)
        form = {"scan": self._scan, "gather": self._gather, "dense": self._dense_input}[self.forms.input]
        for b in range(self.b):
            self._pass("stored weights", self.forms.input)
            wanted = torch.ones(self.t, self.i, dtype=torch.bool) if active_in is None else active_in[b]
            form(b, wanted.tolist(), gradient)
        return gradient

    def _scan(self, b: int, wanted: list, gradient: Tensor) -> None:
        m = self.meter
        for block in self.places:
            carry, decay = dict.fromkeys(block, 0.0), 1.0
            for t in reversed(range(self.live(b))):
                m.mac()
                decay *= self.beta
                for n, eps in self.eps[b][t]:
                    m.index("errors").number("errors").do("functions")
                    error = eps / decay
                    for place, key in self.patch(n, block):
                        m.number("weights").number("input gradients").mac().number("input gradients")
                        carry[place] += error * self.weight[key]
                for i in range(self.i):
                    if wanted[t][i] and self.place(i) in carry:
                        m.index("active inputs").number("input gradients").mac().number("active inputs")
                        gradient[b, t, i] = carry[self.place(i)] * decay

    def _gather(self, b: int, wanted: list, gradient: Tensor) -> None:
        m, every = self.meter, list(range(self.n))
        for block in map(set, self.places):
            adjoint = [0.0] * self.n
            for t in reversed(range(self.live(b))):
                if self.forms.everywhere:
                    adjoint = self.adjoint[b][t]
                else:
                    self._sweep(b, t, every, adjoint)
                for i in range(self.i):
                    if wanted[t][i] and self.place(i) in block:
                        m.index("active inputs").number("active inputs")
                        for n, key in self.reached(i, every):
                            m.number("weights").number("adjoints").mac()
                            gradient[b, t, i] += self.weight[key] * adjoint[n]

    def _dense_input(self, b: int, wanted: list, gradient: Tensor) -> None:
        m = self.meter
        for t in range(self.t):
            found: Counter[int] = Counter()
            for n in range(self.n):
                for place, key in self.patch(n, self._all_places()):
                    m.use("dense adjoints", b, t, n).use("stored weights", b, key).do("products")
                    found[place] += self.weight[key] * self.adjoint[b][t][n]
            for i in range(self.i):
                gradient[b, t, i] = found[self.place(i)]


class Dense(Layer):
    """The same layer in full backpropagation."""

    masked = True


class Output(Layer):
    """A leaky readout, from the same parts: its adjoint is known once dL/dlogits is."""

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        settings: Readout,
        forms: Forms,
        meter: Meter,
        blocks: int = 1,
        every_step: bool = False,
    ) -> None:
        self._connect(x, weight, bias, blocks)
        self.settings, self.forms, self.meter, self.every_step = settings, forms, meter, every_step
        self.over_time = [[[0.0] * self.n for _ in range(self.t)] for _ in range(self.b)]
        self.beta = math.exp(-settings.dt / settings.tau)
        self.logits, self.peak = [[0.0] * self.n for _ in range(self.b)], [[0] * self.n for _ in range(self.b)]
        for b in range(self.b):
            meter.phase = "forward"
            self._pass("stored weights", self.forms.forward)
            self._sample(b)

    def _sample(self, b: int) -> None:
        m, reduce = self.meter, self.settings.reduce
        o, total = [0.0] * self.n, [-math.inf if reduce == "max" else 0.0] * self.n
        for block, t in itertools.product(self.neurons, range(self.t)):
            m.phase = "forward"
            current = self._current(b, t, block)
            m.phase = "neuron"
            for n in block:
                m.number("potentials").mac().do("updates").number("potentials")
                o[n] = self.beta * o[n] + (1 - self.beta) * current[n]
                if self.every_step:
                    if self.settings.scale != 1:
                        m.mac()
                    self.over_time[b][t][n] = o[n] * self.settings.scale
                elif reduce == "max" and o[n] > total[n]:
                    total[n], self.peak[b][n] = o[n], t
                elif reduce in ("sum", "mean"):
                    total[n] += o[n]
                elif reduce == "last":
                    total[n], self.peak[b][n] = o[n], t
        for n in range(0 if self.every_step else self.n):
            if reduce == "mean":
                m.mac()
                total[n] /= self.t
            if self.settings.scale != 1:
                m.mac()
                total[n] *= self.settings.scale
            self.logits[b][n] = total[n]

    def backward(self, grad: list) -> None:
        m, settings = self.meter, self.settings
        m.phase = "neuron"
        self.adjoint = [[[0.0] * self.n for _ in range(self.t)] for _ in range(self.b)]
        share = (1 - self.beta) * settings.scale
        if settings.reduce == "mean" and not self.every_step:
            share /= self.t
        for b in range(self.b):
            for n in range(self.n):
                if not self.every_step:
                    m.mac()
                    once = share * grad[b][n]
                now = 0.0
                for t in reversed(range(self.t)):
                    m.number("adjoints").mac().number("adjoints")
                    now *= self.beta
                    if self.every_step:
                        m.mac().add()
                        now += share * grad[b][t][n]
                    elif settings.reduce in ("sum", "mean") or t == self.peak[b][n]:
                        m.add()
                        now += once
                    self.adjoint[b][t][n] = now

    def live(self, b: int) -> int:
        """All rows."""
        return self.t

    def grad_weight(self) -> Tensor:
        m, gradient = self.meter, dict.fromkeys(self.weight, 0.0)
        m.phase = "grad_weight"
        for b in range(self.b):
            if self.forms.weight == "dense":
                self._dense(b, gradient)
            else:
                self._pass("stored gradient", self.forms.weight, 2)
                for block, t in itertools.product(self.neurons, range(self.t)):
                    for i in range(self.i):
                        for _ in range(self.x[b][t][i]):
                            m.index("input events")
                            for n, key in self.reached(i, block):
                                m.number("adjoints").number("weight gradient").add().number("weight gradient")
                                gradient[key] += self.adjoint[b][t][n]
            for _ in range(self.t * self.n if self.bias is not None else 0):
                m.number("bias").add()
        return self.as_tensor(gradient)


def cut(size: int, blocks: int) -> list[list[int]]:
    """Indices in so many blocks."""
    return [list(range(k * size // blocks, (k + 1) * size // blocks)) for k in range(blocks)]
