"""Operations and bytes of a training step from the activity that occurred. docs/energy.md derives every formula.

Sparse counts are those of the algorithm in docs/engine.md in the form that was taken; dense counts are those of full
backpropagation of the same network, in which nothing depends on activity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple, cast

from snn_zo.energy.activity import Activity
from snn_zo.energy.work import Work
from snn_zo.neuron import Neuron, Readout
from snn_zo.strategies import Lookup, Strategy, ZerothOrder
from snn_zo.strategies.draw import WORDS

INDEX = 4
"""Bytes of an index in a list of events."""


BIT = 1 / 8
"""Bytes of a spike in a dense tensor."""


class Schedule(NamedTuple):
    """How the work is laid out.

    Attributes:
        word: bytes of a number.
        group: samples that pass through the network together.
        blocks: that the weights and their gradient are cut into. A block stays in a near memory while a whole group
            passes by; the lists that choose its rows are read anew for each.
    """

    word: int = 4
    group: int = 1
    blocks: int = 1


FP32 = Schedule()


@dataclass(frozen=True)
class Search:
    """How a strategy finds the active elements, and what an active one costs.

    Attributes:
        where: `window` compares |u| with a bound, `drawn` does and draws a random number within it, `everywhere`
            evaluates g at all elements.
        draws: random numbers m of an active element.
        weighs: whether each of them is turned into a weight |z|^a.
        pool: words of the reuse pool; 0 where each number is made when it is needed.
    """

    where: Lookup = "everywhere"
    draws: int = 0
    weighs: bool = False
    pool: int = 0

    @classmethod
    def of(cls, strategy: Strategy) -> Search:
        """The search of a strategy."""
        if strategy.lookup == "drawn":
            drawn = cast("ZerothOrder", strategy)
            return cls("drawn", drawn.samples, drawn.power != 0, drawn.pool)
        return cls(strategy.lookup, draws=int(strategy.stochastic))


def layer(a: Activity, neuron: Neuron, search: Search, bias: bool, plan: Schedule = FP32) -> dict[str, Work]:
    """Work of a layer of neurons, by phase.

    Args:
        a: its activity.
        neuron: leak and reset.
        search: of its strategy.
        bias: whether it has one.
        plan: how it is laid out.
    """
    return {
        "forward": _forward(a, bias, plan),
        "neuron": _update(a, neuron, search, plan) + _errors(a, neuron, plan),
        "grad_weight": _grad_weight(a, bias, plan),
        "grad_input": _grad_input(a, plan),
    }


def readout(
    a: Activity, settings: Readout, bias: bool, plan: Schedule = FP32, every_step: bool = False
) -> dict[str, Work]:
    """Work of a leaky readout, by phase.

    o = beta o + (1 - beta) I is an update and a multiply-add; its reduction over time is in the update's addition. The
    backward pass lets (1 - beta) dL/do decay, and takes dL/dlogits in at each step (sum, mean) or once (max, last).
    Where the loss sees `every_step`, it takes dL/do in at each, and what is scaled has a value for each.
    """
    logits, elements = a.samples * a.neurons, a.rows * a.neurons
    scaled = (settings.reduce == "mean") + (settings.scale != 1)
    taken_in = elements if every_step or settings.reduce in ("sum", "mean") else logits
    factors = (1 + (settings.scale != 1)) * elements if every_step else (1 + scaled) * logits
    state = {"potentials": 2 * elements * plan.word, "adjoints": 2 * elements * plan.word}
    neuron = Work(additions=taken_in, multiply_adds=2 * elements + factors, updates=elements, moved=state)
    if a.forms.weight == "dense":
        weight = _products(a, False, plan)["grad_weight"]
    else:
        additions, w = a.events_in * a.neurons, plan.word
        moved = {"input events": a.events_in * INDEX * plan.blocks}
        moved |= {"adjoints": additions * w, "weight gradient": 2 * additions * w}
        weight = Work(additions, moved=moved) + _passes("stored gradient", a, plan)
    return {
        "forward": _forward(a, bias, plan),
        "neuron": neuron,
        "grad_weight": weight + _bias(a, bias, plan),
        "grad_input": _grad_input(a, plan),
    }


def dense_layer(a: Activity, neuron: Neuron, bias: bool, plan: Schedule = FP32) -> dict[str, Work]:
    """Work of the same layer in full backpropagation: dense products, and g, reset and adjoint at every element.

    The scans over time are fused with the products before them: neither currents nor dL/ds are stored. Between forward
    and backward are kept the potentials (g is computed from them again) and the spikes, a bit each.
    """
    elements, w = a.rows * a.neurons, plan.word
    reset = elements if neuron.reset == "soft" else 0
    attached = 0 if neuron.detach_reset else {"none": 0, "soft": 1, "hard": 2}[neuron.reset] * elements
    moved = {"potentials": 2 * elements * w, "spike bits": elements * BIT} | _scanned(elements, elements, w)
    moved["saved"] += elements * w
    work = Work(reset, 2 * elements + attached, updates=elements, functions=elements, moved=moved)
    return {"neuron": work} | _products(a, bias, plan)


def dense_readout(
    a: Activity, settings: Readout, bias: bool, plan: Schedule = FP32, every_step: bool = False
) -> dict[str, Work]:
    """Work of the same readout with dense products."""
    return readout(a, settings, bias, plan, every_step) | _products(a, bias, plan)


class OptimizerRule(NamedTuple):
    """Operations a parameter, and numbers of its own that the optimizer keeps for it."""

    multiply_adds: int
    additions: int = 0
    functions: int = 0
    state: int = 0


def optimizer_rule(name: str, settings: Mapping[str, object]) -> OptimizerRule | None:
    """Rule of an optimizer of torch.optim; None for one that is not known.

    Args:
        name: of its class.
        settings: of its parameter group.
    """
    decays = int(bool(settings.get("weight_decay")))
    if name in ("Adam", "AdamW"):
        # m, v: 2 and 3; sqrt(v / c) + eps, division; step: 1
        return OptimizerRule(7 + decays, 1, 2, 2)
    if name == "SGD":
        momentum = int(bool(settings.get("momentum")))
        return OptimizerRule(1 + momentum + decays, state=momentum)
    return None


def optimizer(parameters: int, steps: int, rule: OptimizerRule, plan: Schedule = FP32) -> dict[str, Work]:
    """Work of optimizer steps: dense in the parameters whatever the strategy."""
    n = parameters * steps
    moved = {"parameters": 3 * n * plan.word, "optimizer state": 2 * rule.state * n * plan.word}
    return {"optimizer": Work(n * rule.additions, n * rule.multiply_adds, functions=n * rule.functions, moved=moved)}


def optimizer_sizes(parameters: int, rule: OptimizerRule, plan: Schedule = FP32) -> dict[str, float]:
    """Bytes of the optimizer's arrays."""
    return {"parameters": parameters * plan.word, "optimizer state": rule.state * parameters * plan.word}


def sizes(a: Activity, search: Search, plan: Schedule = FP32) -> dict[str, float]:
    """Bytes of a layer's arrays: of a block of the weights, of one sample at one step, or of a group of samples."""
    w, share = plan.word, plan.group / max(a.samples, 1)
    c = a.connection
    weights, elements, places = c.weights * w, a.rows * a.neurons * share, c.places * w
    return {
        **dict.fromkeys(("weights", "weight gradient"), weights / plan.blocks),
        **dict.fromkeys(("stored weights", "stored gradient"), weights),
        "bias": c.biases * w,
        "potentials": a.neurons * w,
        "adjoints": a.neurons * w,
        "traces": places,
        "input gradients": places,
        "pool": search.pool * INDEX,
        "input events": a.events_in * share * INDEX,
        "events": a.events * share * INDEX,
        "active set": a.active * share * (INDEX + w),
        "active inputs": a.live_active_in * share * (INDEX + w),
        "errors": a.errors * share * (INDEX + w),
        "saved": elements * w,
        "dense adjoints": elements * w,
        "spike bits": elements * BIT,
        "input bits": a.rows * c.places * share * BIT,
        "input values": c.places * a.encoded * plan.group * w,
        "currents": a.neurons * w,
    }


def _forward(a: Activity, bias: bool, plan: Schedule) -> Work:
    if a.forms.forward == "dense":
        return _products(a, bias, plan)["forward"]
    additions = a.reached.events_in
    moved = {"weights": additions * plan.word, "input events": a.events_in * INDEX * plan.blocks}
    return Work(additions, moved=moved) + _bias(a, bias, plan) + _passes("stored weights", a, plan)


def _bias(a: Activity, bias: bool, plan: Schedule) -> Work:
    n = a.rows * a.neurons if bias else 0
    return Work(n, moved={"bias": n * plan.word})


def _passes(array: str, a: Activity, plan: Schedule) -> Work:
    """The blocks of weights brought near, or those of their gradient there and back, once a group; one block stays."""
    ways = 0 if plan.blocks == 1 else 2 if array == "stored gradient" else 1
    return Work(moved={array: ways * a.samples / plan.group * a.connection.weights * plan.word})


def _products(a: Activity, bias: bool, plan: Schedule) -> dict[str, Work]:
    """The three dense products over rows, inputs and neurons, of a group of samples each."""
    if a.encoded:
        return _encoding(a, bias, plan)
    c, w, rows = a.connection, plan.word, a.steps * plan.group
    n = float(a.rows * c.products)
    # how often each number is used; of inputs, on average
    of_input, of_adjoint = c.products / max(c.places, 1), c.products / max(a.neurons, 1)
    of_weight = rows * c.products / max(c.weights, 1)
    bits, weights = {("input bits", of_input): n * BIT}, {("stored weights", of_weight): n * w}
    adjoints = {("dense adjoints", of_adjoint): n * w}
    gradient = {"stored gradient": 2 * a.samples / plan.group * c.weights * w}
    pooling = Work(a.rows * c.pooled, moved={"input bits": a.rows * (c.pooled + c.sums) * BIT})
    return {
        "forward": Work(binary_products=n, uses=bits | weights) + pooling + _bias(a, bias, plan),
        "grad_weight": Work(binary_products=n, moved=gradient, uses=bits | adjoints) + _bias(a, bias, plan),
        "grad_input": Work(products=n, uses=adjoints | weights) if a.forms.input else Work(),
    }


def _encoding(a: Activity, bias: bool, plan: Schedule) -> dict[str, Work]:
    """The products of an analogue input: where it stays as it is, one for all steps of a sample.

    The current of a sample is then added at each step, and its adjoint summed over them before it is multiplied.
    """
    c, w, rows = a.connection, plan.word, a.encoded * plan.group
    n = float(a.samples * a.encoded * c.products)
    values = {("input values", c.products / max(c.places, 1)): n * w}
    weights = {("stored weights", rows * c.products / max(c.weights, 1)): n * w}
    adjoints = {("dense adjoints", c.products / max(a.neurons, 1)): n * w}
    gradient = {"stored gradient": 2 * a.samples / plan.group * c.weights * w}
    held = a.rows * a.neurons if a.encoded < a.steps else 0
    pooled = a.samples * a.encoded * c.pooled
    pooling = Work(pooled, moved={"input values": (pooled + a.samples * a.encoded * c.sums) * w})
    rest = Work(held, moved={"currents": held * w}) + _bias(replace(a, steps=a.encoded), bias, plan)
    return {
        "forward": Work(products=n, uses=values | weights) + pooling + rest,
        "grad_weight": Work(products=n, moved=gradient, uses=values | adjoints) + rest,
        "grad_input": Work(products=n, uses=adjoints | weights) if a.forms.input else Work(),
    }


def _update(a: Activity, neuron: Neuron, search: Search, plan: Schedule) -> Work:
    """Leak, threshold and reset; the search for active elements and their g."""
    elements, w = a.rows * a.neurons, plan.word
    resets = a.events if neuron.reset == "soft" else 0
    moved = {"potentials": 2 * elements * w, "events": a.events * INDEX}
    moved |= {"saved": elements * w} if a.forms.everywhere else {"active set": a.active * (INDEX + w)}
    if search.where == "everywhere":
        return Work(resets, updates=elements, functions=elements, randoms=search.draws * elements, moved=moved)
    if search.where == "window":
        return Work(resets + elements, updates=elements, functions=a.active, moved=moved)
    draws = a.within_reach + (search.draws - 1) * a.active
    # every element has blocks of its own: the first serves the search and three more draws
    blocks = a.within_reach + (ceil(search.draws / WORDS) - 1) * a.active
    weights = search.draws * a.active if search.weighs else 0
    if search.pool:
        moved["pool"] = draws * INDEX
    return Work(
        additions=resets + elements + draws,
        multiply_adds=search.draws * a.active,
        updates=elements,
        functions=a.within_reach + weights,
        randoms=0 if search.pool else blocks,
        moved=moved,
    )


def _errors(a: Activity, neuron: Neuron, plan: Schedule) -> Work:
    """From the gradient at the spikes to the errors that enter the membrane potential, or to its adjoint everywhere."""
    w = plan.word
    hard, attached = neuron.reset == "hard", not neuron.detach_reset and neuron.reset != "none"
    chained = 0 if not attached else 2 * a.active if hard else a.active
    scan = a.live_rows * a.neurons
    if a.adjoint_everywhere:
        return Work(multiply_adds=a.active + scan + chained, moved=_scanned(a.active, scan, w))
    moved = {"active set": a.active * (INDEX + 2 * w), "errors": a.errors * (INDEX + w)}
    if not (hard or attached):
        return Work(multiply_adds=a.active, moved=moved)
    moved |= {"adjoints": 2 * scan * w, "events": a.live_events * INDEX}
    return Work(multiply_adds=a.active + scan + chained + a.live_events, moved=moved)


def _scanned(active: float, scanned: float, word: int) -> dict[str, float]:
    """Bytes of the adjoint at every element: potentials kept are read, adjoints carried on and stored."""
    return {"saved": active * word, "adjoints": 2 * scanned * word, "dense adjoints": scanned * word}


def _grad_weight(a: Activity, bias: bool, plan: Schedule) -> Work:
    """Blocks are of inputs in the trace form, where errors are read anew for each, and of neurons in the other."""
    w, k = plan.word, plan.blocks
    if a.adjoint_everywhere:
        of_bias = _bias(a, bias, plan)
    else:
        n = a.errors if bias else 0
        of_bias = Work(multiply_adds=n, moved={"bias": 2 * n * w})
    if a.forms.weight == "dense":
        return _products(a, False, plan)["grad_weight"] + of_bias
    of_bias += _passes("stored gradient", a, plan)
    moved = {"input events": a.live_events_in * INDEX}
    if a.forms.weight == "trace":
        products = a.errors * a.connection.fan_in
        moved |= {"errors": a.errors * (INDEX + w) * k, "traces": (2 * a.live_events_in + products) * w}
        moved |= {"weight gradient": 2 * products * w}
        # traces are kept relative to their decay: a factor and its inverse a row, a factor an error
        factors = (a.errors + a.live_rows) * k
        return Work(a.live_events_in, products + factors, functions=a.live_rows * k, moved=moved) + of_bias
    moved["input events"] *= k
    additions = a.reached.live_events_in
    moved |= {"weight gradient": 2 * additions * w, "adjoints": additions * w}
    if a.forms.everywhere:
        moved |= {"dense adjoints": a.live_rows * a.neurons * w}
        return Work(additions, moved=moved) + of_bias
    return Work(additions, moved=moved) + _adjoints(a, plan) + of_bias


def _adjoints(a: Activity, plan: Schedule, times: int = 1) -> Work:
    """The adjoint of a sample decays and takes errors in, from the last live row to the first."""
    w, errors, scan = plan.word, a.errors * times, a.live_rows * a.neurons * times
    return Work(errors, scan, moved={"errors": errors * (INDEX + w), "adjoints": 2 * (scan + errors) * w})


def _grad_input(a: Activity, plan: Schedule) -> Work:
    """Blocks are of inputs."""
    w, k = plan.word, plan.blocks
    if a.forms.input is None:
        return Work()
    if a.forms.input == "dense":
        return _products(a, False, plan)["grad_input"]
    moved: dict[str, float] = {"active inputs": a.live_active_in * (INDEX + w)}
    if a.forms.input == "gather":
        products = a.reached.live_active_in
        moved |= {"weights": products * w, "adjoints": products * w}
        gathered = Work(multiply_adds=products, moved=moved) + _passes("stored weights", a, plan)
        return gathered if a.adjoint_everywhere else gathered + _adjoints(a, plan, k)
    products = a.errors * a.connection.fan_in
    moved |= {"errors": a.errors * (INDEX + w) * k, "weights": products * w}
    moved |= {"input gradients": (2 * products + a.live_active_in) * w}
    # sums are kept relative to their decay: a factor a row, its inverse an error
    factors = a.live_rows * k + a.live_active_in
    scanned = Work(multiply_adds=products + factors, functions=a.errors * k, moved=moved)
    return scanned + _passes("stored weights", a, plan)
