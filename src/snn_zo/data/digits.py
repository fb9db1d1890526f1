"""Handwritten digits before a simulated event camera: real images that come with scikit-learn, no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from snn_zo.data.camera import Camera
from snn_zo.data.dataset import SeededSplit
from snn_zo.data.direct import Images, as_bits

if TYPE_CHECKING:
    from snn_zo.data.recordings import Listing, Recordings

Code = Literal["saccades", "direct"]
SIZE, SENSOR = 28, 34


@dataclass(frozen=True, kw_only=True)
class Digits(Images, Camera, SeededSplit):
    """The 1,797 8 x 8 digits of scikit-learn (Alpaydin and Kaynak 1998) as 315 ms saccade recordings, or as images.

    Attributes:
        code: `saccades`: 34 x 34 recordings of a simulated event camera; `direct`: 28 x 28 images as they are.
    """

    dt: float = 5.0
    steps: int = 63
    batch_size: int = 64
    val_fraction: float = 0.1
    code: Code = "saccades"

    version = 2
    classes = 10
    shaping = (*Camera.shaping, "code")
    allows = frozenset({"drop", "jitter", "shift", "crop"})
    chunk = 512
    workers_are = "threads"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("code", get_args(Code))

    @property
    def height(self) -> int:
        """Rows of the sensor, or of the image."""
        return SIZE if self.is_analogue else SENSOR

    @property
    def width(self) -> int:
        """Columns of the sensor, or of the image."""
        return self.height

    def listing(self, part: str) -> Listing:
        """All 1,797 digits."""
        import numpy as np
        from sklearn.datasets import load_digits

        from snn_zo.data.recordings import Listing

        return Listing(load_digits().target.astype(np.int64))

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Images, or simulated recordings, of these digits; the same every time."""
        import numpy as np
        from scipy.ndimage import zoom
        from sklearn.datasets import load_digits

        from snn_zo.data.saccade import record

        images = load_digits().images[listing.number] / 16
        larger = zoom(images, (1, SIZE / 8, SIZE / 8), order=1).astype(np.float32)
        if self.is_analogue:
            return as_bits(np.rint(255 * larger).astype(np.uint8), listing.target)
        return record(larger, listing.target)
