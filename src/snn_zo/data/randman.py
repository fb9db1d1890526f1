"""Spike times on smooth random manifolds: problems whose difficulty is a setting, without any data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.data.dataset import EventDataset, SeededSplit
from snn_zo.target import Continuous, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings

_PRECISION, _MOST_TERMS = 1e-3, 1000
"""Where the sum over i ends: at the weight s_i that is left out, and at this number of terms in any case."""
MOST_DIMENSIONS = 100
"""Of a manifold: points in so many are all equally far from each other."""


@dataclass(frozen=True, kw_only=True)
class RandomManifolds(SeededSplit):
    """Random manifolds (Zenke and Vogels 2021); a recording is a random point x on one of them.

    Each unit spikes once, at f(x) T dt, where f(x) = prod_d sum_i a_i s_i sin(2 pi (i x_d b_i + c_i)),
    s_i = (i + 1)^-alpha, with random a, b and c for each manifold, unit and d, is normalised to [0, 1] for each unit
    over the recordings of the manifold.

    Attributes:
        units: inputs.
        dimensions: of a manifold, D.
        alpha: smoothness.
        samples: recordings of each manifold.
        manifold_seed: of the manifolds and of the points on them.
    """

    dt: float = 1.0
    steps: int = 100
    batch_size: int = 64
    val_fraction: float = 0.1
    units: int = 100
    dimensions: int = 2
    alpha: float = 2.0
    samples: int = 1000
    manifold_seed: int = 0

    height = 1
    shaping = (*EventDataset.shaping, "units", "dimensions", "alpha", "samples", "manifold_seed")
    workers_are = "threads"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("units", "dimensions", "samples")
        if self.manifold_seed < 0:
            raise ValueError(f"manifold_seed must be at least 0, got {self.manifold_seed}")
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
        """The recordings of a manifold, so that it is made once."""
        return self.samples

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """These points on their manifolds."""
        import numpy as np

        from snn_zo.data.recordings import Recordings

        times = np.zeros((len(listing), self.units))
        manifold, point = np.divmod(listing.number, self.samples)
        for one in np.unique(manifold).tolist():
            times[manifold == one] = self.manifold(one)[point[manifold == one]]
        sample, unit = np.indices(times.shape, np.int32).reshape(2, -1)
        # f = 1 is the end of the last step, which is still in it
        t = np.minimum(times.ravel() * self.steps * self.dt * 1000, self.steps * self.dt * 1000 - 1).astype(np.int64)
        nothing = np.zeros(times.size, np.int16)
        return Recordings(
            sample, t, unit.astype(np.int16), nothing, nothing.astype(np.int8), listing.target, 1, self.units
        )

    def points(self, number: int) -> NDArray[np.float64]:
        """[samples, dimensions] x, uniform in [0, 1), of the recordings of a manifold."""
        return self._random(number).random((self.samples, self.dimensions))

    def manifold(self, number: int) -> NDArray[np.float64]:
        """[samples, units] f(x), in [0, 1], at the points of a manifold."""
        import numpy as np

        random = self._random(number)
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

    def _random(self, number: int) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng((self.manifold_seed, number))


@dataclass(frozen=True, kw_only=True)
class Randman(RandomManifolds):
    """Points on random manifolds, each of which is a class (Zenke and Vogels 2021).

    Attributes:
        classes: number of manifolds.
    """

    classes: int = 10

    shaping = (*RandomManifolds.shaping, "classes")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")

    def listing(self, part: str) -> Listing:
        """Class after class."""
        import numpy as np

        from snn_zo.data.recordings import Listing

        return Listing(np.repeat(np.arange(self.classes), self.samples))


@dataclass(frozen=True, kw_only=True)
class RandmanRegression(RandomManifolds):
    """Points x on one random manifold, and K smooth functions of x to be learned from its spike times.

    y_k(x) = sqrt(2 / D) sum_d sin(2 pi (x_d + c_kd)), with random phases c; over the manifold its mean is 0 and its
    variance 1.

    Attributes:
        targets: number of functions K.
    """

    samples: int = 2000
    targets: int = 1

    shaping = (*RandomManifolds.shaping, "targets")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("targets")

    @property
    def target(self) -> Target:
        """The values of the functions."""
        return Continuous(self.targets)

    def listing(self, part: str) -> Listing:
        """The points in the order that they were drawn in."""
        import numpy as np

        from snn_zo.data.recordings import Listing

        phase = np.random.default_rng((self.manifold_seed, 0, 1)).random((self.targets, self.dimensions))
        angle = 2 * np.pi * (self.points(0)[:, None] + phase)
        return Listing(math.sqrt(2 / self.dimensions) * np.sin(angle).sum(2))
