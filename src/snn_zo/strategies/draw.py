"""Counter-based randomness: the same draw for the same element, whatever the batch, the device or the backend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from snn_zo._torch import torch

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
WORDS = 4
"""32-bit words in one Philox block."""


def require_countable(size: int) -> None:
    """Raise ValueError where a sample has more elements, T * N, than a counter word has values: draws would repeat."""
    if size > _MASK + 1:
        raise ValueError(
            f"a sample has {size} elements (time steps x neurons of a layer), random numbers are counted up to 2^32: "
            "take fewer steps, a smaller layer, or a strategy that draws none"
        )


def philox4x32(
    counter: tuple[torch.Tensor, ...], key: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Philox4x32-10 (Salmon et al. 2011): four 32-bit counter words to four 32-bit random words.

    Args:
        counter: four int64 tensors of one (broadcastable) shape, each in [0, 2^32).
        key: two integers in [0, 2^32).

    Returns:
        Four int64 tensors, each in [0, 2^32).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # int64 products wrap modulo 2^64, which leaves all 64 bits of the unsigned product in place
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


@dataclass(frozen=True)
class Draw:
    """Where in the random stream a layer reads.

    Philox key (seed, layer), counter (element within the sample, sample, step, block).

    Attributes:
        seed: run seed, 0 to 2^32 - 1.
        layer: index of the layer in the network.
        step: optimizer step; a 0-dim int64 tensor where a captured CUDA graph is to read it anew at each replay.
        sample: [B] int64, each sample's index in the data set.
    """

    seed: int
    layer: int
    step: int | torch.Tensor
    sample: torch.Tensor

    def __post_init__(self) -> None:
        for name in ("seed", "layer", "step"):
            value = getattr(self, name)
            if isinstance(value, int) and not 0 <= value <= _MASK:
                raise ValueError(f"Draw.{name} must lie in [0, 2^32), got {value}")

    @classmethod
    def fresh(cls, batch: int, device: torch.device | str = "cpu") -> Draw:
        """A draw keyed by torch's global generator, for code that has no data set and no optimizer step."""
        seed = int(torch.randint(0, _MASK + 1, ()))
        return cls(seed, 0, 0, torch.arange(batch, device=device))

    def for_layer(self, layer: int) -> Draw:
        """The same draw for another layer."""
        return replace(self, layer=layer)

    def step_on(self, device: torch.device) -> torch.Tensor:
        """The step as a 0-dim int64 tensor."""
        if isinstance(self.step, int):
            return torch.full((), self.step, dtype=torch.int64, device=device)
        return self.step.to(device)

    def uniform(self, element: torch.Tensor, size: int, first: int, count: int, pool_size: int = 0) -> torch.Tensor:
        """Uniform numbers on (0, 1], multiples of 2^-32.

        Args:
            element: [K] flat indices into a tensor of B samples with `size` elements each.
            size: elements per sample (T * N).
            first: number of draws of each element to pass over.
            count: draws per element.
            pool_size: 0 for a number of its own for each draw; otherwise draw k of an element reuses word
                (element within the sample + offset k) mod pool_size of `pool`.

        Returns:
            [K, count] float64.

        Raises:
            ValueError: a sample has more than 2^32 elements.
        """
        require_countable(size)
        within, row = element % size, element // size
        if pool_size:
            place = within[:, None] + self.offset(first, count)[row]
            chosen = pool(self.seed, self.layer, pool_size, place.device)[place % pool_size]
        else:
            chosen = self._words(within, self.sample[row], first, count)
        return (2**32 - chosen).double() * 2.0**-32

    def offset(self, first: int, count: int) -> torch.Tensor:
        """[B, count] int64, where in a pool each sample's draws start: the words of an element that no sample has."""
        return self._words(torch.full_like(self.sample, _MASK), self.sample, first, count)

    def _words(self, within: torch.Tensor, sample: torch.Tensor, first: int, count: int) -> torch.Tensor:
        """[K, count] int64 words of elements `within` their sample."""
        blocks = range(first // WORDS, (first + count + WORDS - 1) // WORDS)
        step = self.step_on(within.device).expand_as(within)
        words = [
            word
            for block in blocks
            for word in philox4x32((within, sample, step, torch.full_like(within, block)), (self.seed, self.layer))
        ]
        start = first - blocks.start * WORDS
        return torch.stack(words[start : start + count], dim=-1)


@lru_cache(maxsize=64)
def pool(seed: int, layer: int, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """[size] int64 words that a layer reuses, from a block that no draw reads."""
    i = torch.arange(size, device=device)
    zero = torch.zeros_like(i)
    return philox4x32((i, zero, zero, torch.full_like(i, _MASK)), (seed, layer))[0]
