"""Initial weights with which a wanted share of a network's neurons spikes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from snn_zo.data.store import Batch
from snn_zo.layers import SpikeCounts, SpikingLayer, layers_of
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw
from snn_zo.training.module import SpikingModule
from snn_zo.training.width import Unreachable, computed_on_cpu, rounded, solve


def set_rate(module: SpikingModule, batch: Batch, rate: float) -> dict[str, float]:
    """Scale the weights of each hidden layer by a factor, with which that share of its elements spikes in a batch.

    The network runs once. A layer that is called is scaled first, on the input that it is called with, so that the
    layers behind it see what they will see in training. Where a normalisation sets the size of the currents, its gain
    is scaled in the place of the weights. Biases stay as they are.

    The factors depend on the weights and the batch alone: they are measured on the CPU.

    Args:
        module: has its initial weights, on the CPU.
        batch: of the training part.
        rate: share of the elements (sample, step, neuron) of each hidden layer.

    Returns:
        The factor of each hidden layer, by name, in the order of the calls.

    Raises:
        Unreachable: there is none.
    """
    layers = layers_of(module.model).values()
    hidden = [layer for layer in layers if isinstance(layer, SpikingLayer) and not isinstance(layer, SpikeCounts)]
    factors: dict[str, float] = {}

    def scale_first(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        assert isinstance(layer, SpikingLayer)
        if layer.name not in factors:
            factors[layer.name] = _scale(layer, partial(layer.forward, *args, **named), rate)

    hooks = [layer.register_forward_pre_hook(scale_first, with_kwargs=True) for layer in hidden]
    buffers = {name: buffer.clone() for name, buffer in module.model.named_buffers()}
    try:
        with torch.no_grad(), computed_on_cpu(module.model):
            module.model(batch.spikes, Draw(module.seed, 0, 0, batch.sample))
            for name, buffer in module.model.named_buffers():  # running statistics begin with the training
                buffer.copy_(buffers[name])
    finally:
        for hook in hooks:
            hook.remove()
    return factors


def _scale(layer: SpikingLayer, spikes_of: Callable[[], Spikes], rate: float) -> float:
    """Scale the weights of a layer; the factor."""
    sizes = layer.sizes
    if not sizes:
        raise Unreachable(f"{layer.name} has no weights that could be scaled")
    initial = [size.detach().clone() for size in sizes]

    def scale(factor: float) -> None:
        for size, value in zip(sizes, initial, strict=True):
            size.copy_(factor * value)

    def share(factor: float) -> float:
        scale(factor)
        spikes = spikes_of()
        return int(spikes.event_count) / math.prod(spikes.shape)

    factor = rounded(solve(share, rate, 1.0, f"the share of spiking elements of {layer.name}"))
    scale(factor)
    return factor
