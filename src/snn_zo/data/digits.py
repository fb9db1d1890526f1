"""Handwritten digits before a simulated event camera: real images that come with scikit-learn, no download."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.data.dataset import EventDataset, Splits, Subset, stratified

if TYPE_CHECKING:
    from snn_zo.data.recordings import Recordings
    from snn_zo.data.store import EventStore

log = logging.getLogger(__name__)

SENSOR = 34
SIZE = 28


@dataclass(frozen=True, kw_only=True)
class Digits(EventDataset):
    """The 1,797 8 x 8 digits of scikit-learn (Alpaydin and Kaynak 1998) as 315 ms saccade recordings.

    [T, 34 * 34 * 2] inputs, or 34 * 34 with merged polarities; input (p * 34 + y) * 34 + x.

    Attributes:
        test_fraction: share of the recordings held out for the final test; there is no published split.
    """

    dt: float = 5.0
    steps: int = 63
    test_fraction: float = 0.2

    classes = 10
    version = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("test_fraction")
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction leave nothing to train on")

    @property
    def features(self) -> int:
        """34 * 34 pixels, each with one or two polarities."""
        return SENSOR * SENSOR * (2 if self.polarities == "separate" else 1)

    def splits(self) -> Splits:
        """Stratified and seeded: every class has its share in each part."""
        store = self._store()
        test, val, train = stratified(store.label, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(*(Subset(store, index) for index in (train, val, test)))

    def _store(self) -> EventStore:
        from snn_zo.data.store import EventStore

        path = self.cache_file(self.version)
        if path.exists():
            try:
                return EventStore.load(path)
            except ValueError as error:
                log.warning("%s; making it again", error)
        store = EventStore.bin(self.recordings(), self.dt, self.steps, self.polarities)
        store.save(path)
        return store

    @staticmethod
    def recordings() -> Recordings:
        """All 1,797 recordings, simulated in a few seconds, the same every time."""
        import numpy as np
        from scipy.ndimage import zoom
        from sklearn.datasets import load_digits

        from snn_zo.data.saccade import record

        digits = load_digits()
        images = zoom(digits.images / 16, (1, SIZE / 8, SIZE / 8), order=1).astype(np.float32)
        return record(images, digits.target.astype(np.int64))
