"""Operations and bytes of a training step from the activity that occurred. docs/energy.md derives every formula.

Sparse counts are those of the algorithm in docs/engine.md in the form that was taken; dense counts are those of full
backpropagation of the same network, in which nothing depends on activity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from snn_zo.energy.activity import Activity
from snn_zo.energy.work import Work
from snn_zo.neuron import Neuron, Readout
from snn_zo.strategies import Deterministic, Strategy, ZerothOrder

INDEX = 4
"""Bytes of an index in a list of events."""


class Format(NamedTuple):
    """Bytes of a number, and rows and columns of the tiles that a dense product is done in."""

    word: int = 4
    tile: int = 16


FP32 = Format()

BLOCKED = ("weights", "weight gradient")
"""Arrays that are worked on block by block of neurons: what does not fit into a buffer passes through it in pieces."""


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

    where: str = "everywhere"
    draws: int = 0
    weighs: bool = False
    pool: int = 0

    @classmethod
    def of(cls, strategy: Strategy) -> Search:
        """The search of a strategy."""
        if type(strategy).gradient is ZerothOrder.gradient and isinstance(strategy, ZerothOrder):
            return cls("drawn", strategy.samples, strategy.power != 0, strategy.pool)
        if isinstance(strategy, Deterministic) and strategy.reach < inf:
            return cls("window")
        return cls("everywhere", draws=int(strategy.stochastic))


def layer(
    a: Activity, neuron: Neuron, search: Search, bias: bool, to_input: bool, form: Format = FP32
) -> dict[str, Work]:
    """Work of a layer of neurons, by phase.

    Args:
        a: its activity.
        neuron: leak and reset.
        search: of its strategy.
        bias: whether it has one.
        to_input: whether its input wants a gradient.
        form: of numbers.
    """
    return {
        "forward": _forward(a, bias, form),
        "neuron": _update(a, neuron, search, form) + _errors(a, neuron, form),
        "grad_weight": _grad_weight(a, bias, form),
        "grad_input": _grad_input(a, form) if to_input else Work(),
    }


def readout(a: Activity, settings: Readout, bias: bool, form: Format = FP32) -> dict[str, Work]:
    """Work of a leaky readout, by phase.

    o = beta o + (1 - beta) I is an update and a multiply-add; its reduction over time is in the update's addition. The
    backward pass lets (1 - beta) dL/do decay, and takes dL/dlogits in at each step (sum, mean) or once (max, last).
    """
    logits, elements = a.samples * a.neurons, a.rows * a.neurons
    scaled = (settings.reduce == "mean") + (settings.scale != 1)
    taken_in = elements if settings.reduce in ("sum", "mean") else logits
    state = {"potentials": 2 * elements * form.word, "adjoints": 2 * elements * form.word}
    neuron = Work(additions=taken_in, multiply_adds=2 * elements + (scaled + 1) * logits, updates=elements, moved=state)
    additions, w = a.events_in * a.neurons, form.word
    moved = {"input events": a.events_in * INDEX, "adjoints": additions * w, "weight gradient": 2 * additions * w}
    return {
        "forward": _forward(a, bias, form),
        "neuron": neuron,
        "grad_weight": Work(additions, moved=moved) + _bias(a, bias, form) + _whole("stored gradient", a, form),
        "grad_input": _grad_input(a, form),
    }


def dense_layer(a: Activity, neuron: Neuron, bias: bool, to_input: bool, form: Format = FP32) -> dict[str, Work]:
    """Work of the same layer in full backpropagation: dense products, and g, reset and adjoint at every element."""
    elements, w = a.rows * a.neurons, form.word
    reset = 0 if neuron.reset == "none" else elements
    attached = 0 if neuron.detach_reset else {"none": 0, "soft": 1, "hard": 2}[neuron.reset] * elements
    gated = elements if neuron.reset == "hard" else 0
    moved = {"potentials": 2 * elements * w, "saved": 4 * elements * w, "dense adjoints": 3 * elements * w}
    return {
        "forward": _product(a, "currents", form) + _bias(a, bias, form),
        "neuron": Work(
            multiply_adds=reset + 2 * elements + gated + attached, updates=elements, functions=elements, moved=moved
        ),
        "grad_weight": _product(a, "weight gradient", form) + _bias(a, bias, form),
        "grad_input": _product(a, "dense input gradient", form) if to_input else Work(),
    }


def dense_readout(a: Activity, settings: Readout, bias: bool, form: Format = FP32) -> dict[str, Work]:
    """Work of the same readout with dense products."""
    return readout(a, settings, bias, form) | {
        "forward": _product(a, "currents", form) + _bias(a, bias, form),
        "grad_weight": _product(a, "weight gradient", form) + _bias(a, bias, form),
        "grad_input": _product(a, "dense input gradient", form),
    }


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


def optimizer(parameters: int, steps: int, rule: OptimizerRule, form: Format = FP32) -> dict[str, Work]:
    """Work of optimizer steps: dense in the parameters whatever the strategy."""
    n = parameters * steps
    moved = {"parameters": 3 * n * form.word, "optimizer state": 2 * rule.state * n * form.word}
    return {"optimizer": Work(n * rule.additions, n * rule.multiply_adds, functions=n * rule.functions, moved=moved)}


def optimizer_sizes(parameters: int, rule: OptimizerRule, form: Format = FP32) -> dict[str, float]:
    """Bytes of the optimizer's arrays."""
    return {"parameters": parameters * form.word, "optimizer state": rule.state * parameters * form.word}


def sizes(a: Activity, search: Search, form: Format = FP32) -> dict[str, float]:
    """Bytes of a layer's arrays: what belongs to weights or to one sample at one step, or to a batch."""
    w, batches = form.word, max(a.batches, 1)
    elements, inputs = a.rows * a.neurons / batches, a.rows * a.inputs / batches
    return {
        **dict.fromkeys((*BLOCKED, "stored weights", "stored gradient"), a.inputs * a.neurons * w),
        "bias": a.neurons * w,
        "potentials": a.neurons * w,
        "adjoints": a.neurons * w,
        "traces": a.inputs * w,
        "input gradients": a.inputs * w,
        "operands": form.tile * max(a.inputs, a.neurons) * w,
        "pool": search.pool * INDEX,
        "input events": a.events_in / batches * INDEX,
        "events": a.events / batches * INDEX,
        "active set": a.active / batches * (INDEX + w),
        "active inputs": a.live_active_in / batches * (INDEX + w),
        "errors": a.errors / batches * (INDEX + w),
        "saved": 2 * elements * w,
        "dense adjoints": elements * w,
        "currents": elements * w,
        "dense inputs": inputs * w,
        "dense input gradient": inputs * w,
    }


def _forward(a: Activity, bias: bool, form: Format) -> Work:
    if a.forms.forward == "dense":
        return _product(a, "currents", form) + _bias(a, bias, form)
    additions = a.events_in * a.neurons
    moved = {"weights": additions * form.word, "input events": a.events_in * INDEX}
    return Work(additions, moved=moved) + _bias(a, bias, form) + _whole("stored weights", a, form)


def _bias(a: Activity, bias: bool, form: Format) -> Work:
    n = a.rows * a.neurons if bias else 0
    return Work(n, moved={"bias": n * form.word})


def _whole(array: str, a: Activity, form: Format) -> Work:
    """Weights brought to the buffer, or their gradient written back, once a batch."""
    return Work(moved={array: a.batches * a.inputs * a.neurons * form.word})


def _product(a: Activity, result: str, form: Format) -> Work:
    """A dense product over rows, inputs and neurons.

    Operands are read once from where they lie, and rows * inputs * neurons / tile times from a buffer.
    """
    n, w = a.rows * a.inputs * a.neurons, form.word
    rows = {
        "dense inputs": a.rows * a.inputs * w, "currents": 2 * a.rows * a.neurons * w,
        "dense adjoints": a.rows * a.neurons * w, "dense input gradient": a.rows * a.inputs * w,
    }  # fmt: skip
    read = n / form.tile * w
    moved = {
        "currents": {"dense inputs", "currents"},
        "weight gradient": {"dense inputs", "dense adjoints"},
        "dense input gradient": {"dense adjoints", "dense input gradient"},
    }[result]
    traffic: dict[str, float] = {name: rows[name] for name in sorted(moved)}
    if result == "weight gradient":
        stored, traffic = "stored gradient", traffic | {"operands": 2 * read}
    else:
        stored, traffic = "stored weights", traffic | {"operands": read, "weights": read}
    return Work(multiply_adds=n, moved=traffic) + _whole(stored, a, form)


def _update(a: Activity, neuron: Neuron, search: Search, form: Format) -> Work:
    """Leak, threshold and reset; the search for active elements and their g."""
    elements, w = a.rows * a.neurons, form.word
    resets = a.events if neuron.reset == "soft" else 0
    moved = {"potentials": 2 * elements * w, "events": a.events * INDEX}
    moved |= {"saved": 2 * elements * w} if a.forms.everywhere else {"active set": a.active * (INDEX + w)}
    if search.where == "everywhere":
        return Work(resets, updates=elements, functions=elements, randoms=search.draws * elements, moved=moved)
    if search.where == "window":
        return Work(resets + elements, updates=elements, functions=a.active, moved=moved)
    draws = a.within_reach + (search.draws - 1) * a.active
    weights = search.draws * a.active if search.weighs else 0
    if search.pool:
        moved["pool"] = draws * INDEX
    return Work(
        additions=resets + elements + draws,
        multiply_adds=search.draws * a.active,
        updates=elements,
        functions=a.within_reach + weights,
        randoms=0 if search.pool else draws,
        moved=moved,
    )


def _errors(a: Activity, neuron: Neuron, form: Format) -> Work:
    """From the gradient at the spikes to the errors that enter the membrane potential, or to its adjoint everywhere."""
    w = form.word
    hard, attached = neuron.reset == "hard", not neuron.detach_reset and neuron.reset != "none"
    chained = 0 if not attached else 2 * a.active if hard else a.active
    scan = a.live_rows * a.neurons
    if a.forms.everywhere:
        moved = {"saved": (1 + hard) * a.active * w, "dense adjoints": 3 * a.active * w}
        return Work(multiply_adds=a.active + scan + chained, moved=moved)
    moved = {"active set": a.active * (INDEX + 2 * w), "errors": a.errors * (INDEX + w)}
    if not (hard or attached):
        return Work(multiply_adds=a.active, moved=moved)
    moved |= {"adjoints": 2 * scan * w, "events": a.live_events * INDEX}
    return Work(multiply_adds=a.active + scan + chained + a.live_events, moved=moved)


def _grad_weight(a: Activity, bias: bool, form: Format) -> Work:
    w = form.word
    if a.forms.everywhere:
        of_bias = _bias(a, bias, form)
    else:
        n = a.errors if bias else 0
        of_bias = Work(multiply_adds=n, moved={"bias": 2 * n * w})
    if a.forms.weight == "dense":
        return _product(a, "weight gradient", form) + of_bias
    of_bias += _whole("stored gradient", a, form)
    moved = {"input events": a.live_events_in * INDEX}
    if a.forms.weight == "trace":
        products = a.errors * a.inputs
        moved |= {"errors": a.errors * (INDEX + w), "traces": (2 * a.live_events_in + products) * w}
        moved |= {"weight gradient": 2 * products * w}
        # traces are kept relative to their decay: a factor and its inverse a row, a factor an error
        return Work(a.live_events_in, products + a.errors + a.live_rows, functions=a.live_rows, moved=moved) + of_bias
    additions, scan = a.live_events_in * a.neurons, a.live_rows * a.neurons
    moved |= {"weight gradient": 2 * additions * w}
    if a.forms.everywhere:
        moved |= {"dense adjoints": scan * w, "adjoints": additions * w}
        return Work(additions, moved=moved) + of_bias
    moved |= {"errors": a.errors * (INDEX + w), "adjoints": (2 * scan + 2 * a.errors + additions) * w}
    return Work(additions + a.errors, scan, moved=moved) + of_bias


def _grad_input(a: Activity, form: Format) -> Work:
    w = form.word
    if a.forms.input == "dense":
        return _product(a, "dense input gradient", form)
    moved: dict[str, float] = {"active inputs": a.live_active_in * (INDEX + w)}
    if a.forms.input == "gather":
        products = a.live_active_in * a.neurons
        moved |= {"weights": products * w, "adjoints": products * w}
        return Work(multiply_adds=products, moved=moved) + _whole("stored weights", a, form)
    products = a.errors * a.inputs
    moved |= {"errors": a.errors * (INDEX + w), "weights": products * w}
    moved |= {"input gradients": (2 * products + a.live_active_in) * w}
    # sums are kept relative to their decay: a factor a row, its inverse an error
    scanned = Work(multiply_adds=products + a.live_rows + a.live_active_in, functions=a.errors, moved=moved)
    return scanned + _whole("stored weights", a, form)
