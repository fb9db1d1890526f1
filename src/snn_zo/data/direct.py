"""Direct coding: grey images that the network sees as they are, the same at every time step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from snn_zo.data.binning import Grid
from snn_zo.data.dataset import EventDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Recordings
    from snn_zo.data.store import Batch
    from snn_zo.target import Values

BITS = 8
"""Of the grey value of a pixel."""
_STEP_MS = 1.0


@dataclass(frozen=True, kw_only=True)
class Images(EventDataset):
    """Data sets of grey images, which `code=direct` gives to the network in the place of spikes.

    An event store then keeps an image as its bits: bit b of a pixel is an event of row b. So images are packed, split,
    checked, moved and compared as recordings are, and a batch of them becomes an `Analogue`.

    Attributes:
        code: how an image is coded; a subclass says what there is beside `direct`.
    """

    code: str = "direct"

    without_effect: ClassVar[tuple[str, ...]] = ("start", "downsample", "clip")
    """Settings of recordings that an image has nothing to do with."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_analogue:
            return
        for field in fields(EventDataset):
            if field.name in self.without_effect and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name} has no effect on images as they are: code=direct goes without it")
        for name in {"drop", "jitter"} & set(self.augment.used()):
            raise ValueError(f"augment.{name} is for events: images as they are (code=direct) have none")

    @property
    def is_analogue(self) -> bool:
        """Whether images are given as they are."""
        return self.code == "direct"

    @property
    def merged(self) -> bool:
        """Whether both polarities of a pixel are one input: an image has none."""
        return self.is_analogue or super().merged

    @property
    def grid(self) -> Grid:
        """That of the recordings; of images, a row for each bit."""
        if not self.is_analogue:
            return super().grid
        return Grid(self.height, self.width, 1, _STEP_MS, BITS)

    def presented(self, batch: Batch) -> Batch:
        """What the network sees of a batch: images [B, 1, 1, H, W] with values from 0 to 1, held for `steps`."""
        import torch

        from snn_zo.ops.analogue import Analogue
        from snn_zo.ops.spikes import Spikes

        if not self.is_analogue or not isinstance(batch.spikes, Spikes):
            return batch
        bits = batch.spikes.to_dense()
        weight = 2.0 ** torch.arange(BITS, device=bits.device, dtype=bits.dtype) / (2**BITS - 1)
        values = torch.einsum("btchw,t->bchw", bits, weight).unsqueeze(1)
        return batch._replace(spikes=Analogue(values, self.steps))


def as_bits(images: NDArray[np.uint8], target: Values) -> Recordings:
    """Images [S, H, W] as the recordings that are kept of them."""
    import numpy as np

    from snn_zo.data.recordings import Recordings

    bits = images[:, None] >> np.arange(BITS, dtype=np.uint8)[:, None, None] & 1
    sample, bit, row, column = np.nonzero(bits)
    t = (1000 * _STEP_MS * (bit + 0.5)).astype(np.int64)
    place = (column.astype(np.int16), row.astype(np.int16), np.zeros(len(t), np.int8))
    return Recordings(sample.astype(np.int32), t, *place, target, *images.shape[1:])
