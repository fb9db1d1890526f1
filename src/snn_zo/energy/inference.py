"""Cost of inference in NeuroBench's definitions (Yik et al. 2025): footprint, activation sparsity, operations."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.spikes import Spikes


def footprint(model: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@dataclass
class InferenceCounts:
    """Activation sparsity and synaptic operations, summed over batches.

    An effective operation has an input and a weight that are not 0: an accumulate (AC) where the input is a spike, a
    multiply-accumulate (MAC) where it is a count above 1. Biases are no synaptic operations. NeuroBench takes all
    operations of a batch's time step for MACs if one of its inputs is a count above 1; on spikes the two agree exactly.

    Attributes:
        samples: recordings.
        elements, spikes: of the layers of spiking neurons.
        dense: synaptic operations of dense products.
        macs, acs: effective ones.
    """

    samples: int = 0
    elements: int = 0
    spikes: int = 0
    dense: int = 0
    macs: int = 0
    acs: int = 0

    def __add__(self, other: InferenceCounts) -> InferenceCounts:
        return InferenceCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def summary(self, model: nn.Module) -> dict[str, float]:
        """`footprint` in bytes, `activation_sparsity`, and operations a sample."""
        return {
            "footprint": footprint(model),
            "activation_sparsity": (self.elements - self.spikes) / self.elements if self.elements else 0.0,
            "effective_macs": self.macs / self.samples,
            "effective_acs": self.acs / self.samples,
            "dense": self.dense / self.samples,
        }


def linear_counts(x: Input, weight: Tensor) -> InferenceCounts:
    """Synaptic operations of a fully connected layer.

    Args:
        x: [B, T, N_in] its input.
        weight: [N, N_in].
    """
    b, t, n = x.shape
    if isinstance(x, Analogue):
        return _of_values(x.values.flatten(2), weight.count_nonzero(0), b * x.products * weight.numel())
    element, times = x.events.flat(n).unique_consecutive(return_counts=True)
    return _counted(weight.count_nonzero(0)[element % n], times, b * t * weight.numel())


def conv_counts(x: Input, weight: Tensor, convolution: Convolution) -> InferenceCounts:
    """Synaptic operations of a convolutional layer; no operation has a factor from the padding.

    What a fused pooling sums up is a count: an operation with it is one, as it is where the pooling is a layer before.

    Args:
        x: [B, T, C_in, H, W] its input.
        weight: [C_out, C_in / groups, rows, columns].
        convolution: its shapes.
    """
    b, t, _ = x.shape
    if isinstance(x, Analogue):
        pooled = avg_pool2d(x.values.flatten(0, 1), convolution.pool)
        dense = b * x.products * int(convolution.reached().sum())
        return _of_values(pooled.unflatten(0, x.values.shape[:2]).flatten(2), convolution.reached(weight), dense)
    numbers = torch.arange(math.prod(convolution.pooled_shape), device=weight.device).view(convolution.pooled_shape)
    events = int(x.event_count)
    number = convolution.at_inputs(numbers, x.channels_last, outside=-1)[x.events.col[:events]]
    element = x.events.row()[:events] * numbers.numel() + number
    element, times = element[number >= 0].unique(return_counts=True)
    targets = convolution.reached(weight).flatten()[element % numbers.numel()]
    return _counted(targets, times, b * t * int(convolution.reached().sum()))


def _of_values(values: Tensor, targets: Tensor, dense: int) -> InferenceCounts:
    """Of values [B, T, N] that are multiplied with so many weights other than 0 each."""
    return InferenceCounts(dense=dense, macs=int(values.count_nonzero((0, 1)) @ targets.flatten()))


def _counted(targets: Tensor, times: Tensor, dense: int) -> InferenceCounts:
    """Of the weights other than 0 of each element of the input that is not 0, and how often it counts."""
    macs, acs = (int(targets[chosen].sum()) for chosen in (times > 1, times == 1))
    return InferenceCounts(dense=dense, macs=macs, acs=acs)


def neuron_counts(spikes: Spikes) -> InferenceCounts:
    """Elements and spikes of a layer of neurons."""
    b, t, n = spikes.shape
    return InferenceCounts(elements=b * t * n, spikes=len(spikes.events.col))
