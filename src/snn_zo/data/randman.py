"""Spike times on smooth random manifolds: a classification problem whose difficulty is a setting, without any data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.data.dataset import EventDataset, SeededSplit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings

_PRECISION, _MOST_TERMS = 1e-3, 1000


MOST_DIMENSIONS = 100
"""Of a manifold: points in so many are all equally far from each other."""


@dataclass(frozen=True, kw_only=True)
class Randman(SeededSplit):
    """Random manifolds (Zenke and Vogels 2021): a class is one, a recording a random point x on it.

    Each unit spikes once, at f(x) T dt, where f(x) = prod_d sum_i a_i s_i sin(2 pi (i x_d b_i + c_i)),
    s_i = (i + 1)^-alpha, with random a, b and c for each class, unit and d, is normalised to [0, 1] for each unit over
    the recordings of the class.

    Attributes:
        classes: number of manifolds.
        units: inputs.
        dimensions: of a manifold, D.
        alpha: smoothness.
        samples: recordings of each class.
        manifold_seed: of the manifolds and of the points on them.
    """

    dt: float = 1.0
    steps: int = 100
    batch_size: int = 64
    val_fraction: float = 0.1
    classes: int = 10
    units: int = 100
    dimensions: int = 2
    alpha: float = 2.0
    samples: int = 1000
    manifold_seed: int = 0

    height = 1
    shaping = (*EventDataset.shaping, "classes", "units", "dimensions", "alpha", "samples", "manifold_seed")
    allows = frozenset({"drop", "jitter"})
    workers_are = "threads"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("classes", 2), ("units", 1), ("dimensions", 1), ("samples", 1), ("manifold_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.dimensions > MOST_DIMENSIONS:
            raise ValueError(f"dimensions must be at most {MOST_DIMENSIONS}, got {self.dimensions}")
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"alpha must be a number, 0 or more, got {self.alpha:g}")

    @property
    def width(self) -> int:
        """One channel a unit."""
        return self.units

    @property
    def chunk(self) -> int:
        """A class, so that its manifold is made once."""
        return self.samples

    def listing(self, part: str) -> Listing:
        """Class after class."""
        import numpy as np

        from snn_zo.data.recordings import Listing

        return Listing(np.repeat(np.arange(self.classes), self.samples))

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """These points on their manifolds."""
        import numpy as np

        from snn_zo.data.recordings import Recordings

        times = np.zeros((len(listing), self.units))
        for label in np.unique(listing.label).tolist():
            chosen = listing.label == label
            times[chosen] = self.manifold(label)[listing.number[chosen] % self.samples]
        sample, unit = np.indices(times.shape, np.int32).reshape(2, -1)
        # f = 1 is the end of the last step, which is still in it
        t = np.minimum(times.ravel() * self.steps * self.dt * 1000, self.steps * self.dt * 1000 - 1).astype(np.int64)
        nothing = np.zeros(times.size, np.int16)
        return Recordings(
            sample, t, unit.astype(np.int16), nothing, nothing.astype(np.int8), listing.label, 1, self.units
        )

    def manifold(self, label: int) -> NDArray[np.float64]:
        """[samples, units] f(x), in [0, 1], at the points of a class."""
        import numpy as np

        random = np.random.default_rng((self.manifold_seed, label))
        terms = _MOST_TERMS if self.alpha == 0 else min(math.ceil(_PRECISION ** (-1 / self.alpha)), _MOST_TERMS)
        x = random.random((self.samples, self.dimensions))
        a, b, c = random.random((3, self.units, self.dimensions, terms))
        i = np.arange(terms)
        weight = a * (i + 1.0) ** -self.alpha
        value = np.ones((self.samples, self.units))
        for d in range(self.dimensions):
            for unit in range(self.units):
                phase = np.outer(x[:, d], i * b[unit, d]) + c[unit, d]
                value[:, unit] *= np.sin(2 * np.pi * phase) @ weight[unit, d]
        low, high = value.min(0), value.max(0)
        return (value - low) / np.where(high > low, high - low, 1)
