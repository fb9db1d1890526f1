"""Cost of inference in NeuroBench's definitions (Yik et al. 2025): footprint, activation sparsity, operations."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from torch import Tensor, nn

from snn_zo.ops.analogue import Analogue, Input
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
        effective = x.values.flatten(2).count_nonzero((0, 1)) @ weight.count_nonzero(0)
        return InferenceCounts(dense=b * x.products * weight.numel(), macs=int(effective))
    element, times = x.events.flat(n).unique_consecutive(return_counts=True)
    targets = weight.count_nonzero(0)[element % n]
    macs, acs = (int(targets[chosen].sum()) for chosen in (times > 1, times == 1))
    return InferenceCounts(dense=b * t * weight.numel(), macs=macs, acs=acs)


def neuron_counts(spikes: Spikes) -> InferenceCounts:
    """Elements and spikes of a layer of neurons."""
    b, t, n = spikes.shape
    return InferenceCounts(elements=b * t * n, spikes=len(spikes.events.col))
