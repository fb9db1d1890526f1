"""Handwritten digits before a simulated event camera: real images that come with scikit-learn, no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.data.camera import Camera
from snn_zo.data.dataset import SeededSplit

if TYPE_CHECKING:
    from snn_zo.data.recordings import Listing, Recordings

SIZE = 28


@dataclass(frozen=True, kw_only=True)
class Digits(Camera, SeededSplit):
    """The 1,797 8 x 8 digits of scikit-learn (Alpaydin and Kaynak 1998) as 315 ms saccade recordings."""

    dt: float = 5.0
    steps: int = 63
    batch_size: int = 64
    val_fraction: float = 0.1

    version = 2
    classes = 10
    height = width = 34
    allows = frozenset({"drop", "jitter", "shift", "crop"})
    chunk = 512
    workers_are = "threads"

    def listing(self, part: str) -> Listing:
        """All 1,797 digits."""
        import numpy as np
        from sklearn.datasets import load_digits

        from snn_zo.data.recordings import Listing

        return Listing(load_digits().target.astype(np.int64))

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Simulated recordings of these digits, the same every time."""
        import numpy as np
        from scipy.ndimage import zoom
        from sklearn.datasets import load_digits

        from snn_zo.data.saccade import record

        images = load_digits().images[listing.number] / 16
        return record(zoom(images, (1, SIZE / 8, SIZE / 8), order=1).astype(np.float32), listing.target)
