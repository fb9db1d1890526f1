"""Handwritten digits before a simulated event camera: real images that come with scikit-learn, no download."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.data.camera import Camera
from snn_zo.data.dataset import Splits, Subset, stratified

if TYPE_CHECKING:
    from snn_zo.data.recordings import Recordings

SIZE = 28


@dataclass(frozen=True, kw_only=True)
class Digits(Camera):
    """The 1,797 8 x 8 digits of scikit-learn (Alpaydin and Kaynak 1998) as 315 ms saccade recordings.

    Attributes:
        test_fraction: share of the recordings held out for the final test; there is no published split.
    """

    dt: float = 5.0
    steps: int = 63
    batch_size: int = 64
    val_fraction: float = 0.1
    test_fraction: float = 0.2

    classes = 10
    pixels = 34 * 34

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("test_fraction")
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction leave nothing to train on")

    def splits(self) -> Splits:
        """Stratified and seeded: every class has its share in each part."""
        store = self.store("all")
        test, val, train = stratified(store.label, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(*(Subset(store, sample) for sample in (train, val, test)))

    def recordings(self, part: str) -> Iterable[Recordings]:
        """All 1,797 recordings, simulated in a few seconds, the same every time."""
        import numpy as np
        from scipy.ndimage import zoom
        from sklearn.datasets import load_digits

        from snn_zo.data.saccade import record

        digits = load_digits()
        images = zoom(digits.images / 16, (1, SIZE / 8, SIZE / 8), order=1).astype(np.float32)
        return [record(images, digits.target.astype(np.int64))]
