"""Cost of inference in NeuroBench's definitions (Yik et al. 2025): footprint, activation sparsity, operations."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from snn_zo.ops.spikes import Spikes


def footprint(model: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class InferenceCounts:
    """Activation sparsity and synaptic operations, summed over batches.

    An effective operation has an input and a weight that are not 0: an accumulate (AC) where the input is a spike, a
    multiply-accumulate (MAC) where it is a count above 1. Biases are no synaptic operations. NeuroBench takes all
    operations of a batch's time step for MACs if one of its inputs is a count above 1; on spikes the two agree exactly.
    """

    def __init__(self) -> None:
        self._samples = self._elements = self._spikes = self._dense = 0
        self._macs = self._acs = 0

    def add(self, x: Spikes, hidden: Sequence[Spikes], weights: Sequence[Tensor]) -> None:
        """Count a batch.

        Args:
            x: [B, T, N_in] the input.
            hidden: spikes of the hidden layers.
            weights: [N, N_in] of each layer, the readout's last.
        """
        self._samples += x.shape[0]
        for spikes in hidden:
            b, t, n = spikes.shape
            self._elements += b * t * n
            self._spikes += len(spikes.events.col)
        for spikes, weight in zip((x, *hidden), weights, strict=True):
            b, t, n = spikes.shape
            element, times = spikes.events.flat(n).unique_consecutive(return_counts=True)
            targets = weight.count_nonzero(0)[element % n]
            self._dense += b * t * weight.numel()
            self._acs += int(targets[times == 1].sum())
            self._macs += int(targets[times > 1].sum())

    def summary(self, model: nn.Module) -> dict[str, float]:
        """`footprint` in bytes, `activation_sparsity`, and operations a sample."""
        return {
            "footprint": footprint(model),
            "activation_sparsity": (self._elements - self._spikes) / self._elements if self._elements else 0.0,
            "effective_macs": self._macs / self._samples,
            "effective_acs": self._acs / self._samples,
            "dense": self._dense / self._samples,
        }
