"""Local zeroth-order strategies: two-point estimates of the spike's derivative at the neuron itself."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from snn_zo._torch import torch
from snn_zo.strategies.distributions import DISTRIBUTIONS, Distribution
from snn_zo.strategies.draw import Draw
from snn_zo.strategies.registry import lookup
from snn_zo.strategies.strategy import Lookup, Strategy, require_count, require_pool, require_positive
from snn_zo.strategies.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

    from snn_zo.strategies.thresholds import Threshold

RESOLUTION = 2.0**-32
"""The smallest number that a draw can give: an element less likely to be active than this draws nothing."""


BOUNDS = 1024
"""Parts of the tables of `ZerothOrder.bounds`."""

TAIL = 1e-3
"""Activity at which the table ends: a heavy tail would stretch it over parts that hold everything at once."""


class Bound(NamedTuple):
    """[BOUNDS + 1] float64 that a probability is at least and at most, of which the first ones are for equal parts of
    0 <= |u| < `Bounds.near`, and the last one is for what lies beyond."""

    least: torch.Tensor
    most: torch.Tensor


class Bounds(NamedTuple):
    """Bounds of P(active | u) and of P(X > k |u|) over the parts of a half width `near`."""

    near: float
    activity: Bound
    survival: Bound


class ZerothOrder(Strategy):
    """G(u) = mean over m draws of w X^a 1(k |u| < X), X a random threshold.

    The published estimator is X = |z|, k = 1 / delta, a = 1, w = 1 / (2 delta). Draws are lazy and exact for every
    weight: the first uniform number V of an element decides whether the largest of its m thresholds exceeds k |u|
    (V < P(active | u)); only an active element draws the other m - 1, from the distribution cut at that maximum.

    `pool` words may be drawn once and reused (a power of two; 0 for a number of its own for each draw): draw k of
    element i takes word (i + offset k of its sample and step) mod pool, so that elements `pool` apart share numbers.
    """

    stochastic: ClassVar[bool] = True
    samples: int
    pool: int = 0

    @property
    @abstractmethod
    def scale(self) -> float:
        """k: thresholds are compared with k |u|."""

    @property
    @abstractmethod
    def weight(self) -> float:
        """w."""

    @property
    @abstractmethod
    def power(self) -> int:
        """a."""

    @property
    @abstractmethod
    def threshold(self) -> Threshold:
        """Distribution of X."""

    def activity(self, u: torch.Tensor) -> torch.Tensor:
        return self._activity(self.scale * u.abs())

    def _activity(self, x: torch.Tensor) -> torch.Tensor:
        """1 - (1 - S(x))^m."""
        survival = self.threshold.survival(x)
        return survival if self.samples == 1 else -torch.expm1(self.samples * torch.log1p(-survival))

    @cached_property
    def reach(self) -> float:
        """|u| from which on no element is active: no draw is small enough."""

        return self._where_activity_falls_to(RESOLUTION)

    def _where_activity_falls_to(self, probability: float) -> float:
        """|u| at which P(active | u) passes a probability, by bisection, from above."""

        def above(x: float) -> bool:
            return float(self._activity(torch.tensor(x, dtype=torch.float64))) > probability

        high = 1.0
        while above(high):
            high *= 2
        low = 0.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if above(middle) else (low, middle)
        return high / self.scale

    @cached_property
    def _b_th(self) -> float:
        """E max X / k by quadrature over [0, inf) mapped to the unit interval."""
        from scipy.integrate import quad

        if not self.threshold.has_mean:
            return math.inf

        def activity(x: float) -> float:
            return float(self._activity(torch.tensor(x, dtype=torch.float64)))

        return float(quad(activity, 0, 1)[0] + quad(activity, 1, math.inf)[0]) / self.scale

    @property
    def b_th(self) -> float:
        return self._b_th

    @property
    def lookup(self) -> Lookup:
        return "drawn" if type(self).gradient is ZerothOrder.gradient else "everywhere"

    def gradient(self, u: torch.Tensor, draw: Draw | None = None) -> torch.Tensor:
        samples = len(u) if u.dim() else 1
        draw = draw or Draw.fresh(samples, u.device)
        size = u.numel() // max(samples, 1) or 1
        flat = u.detach().reshape(-1)
        g = torch.zeros_like(flat)
        near = (flat.abs() < self.reach).nonzero().squeeze(1)
        active, values = self.active_among(
            flat[near], draw.uniform(near, size, 0, 1, self.pool).squeeze(1), near, size, draw
        )
        g[near[active]] = values
        return g.view_as(u)

    def active_among(
        self, u: torch.Tensor, v: torch.Tensor, element: torch.Tensor, size: int, draw: Draw
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The active ones of K elements within reach, and their local derivative.

        Args:
            u: [K] distance to threshold.
            v: [K] float64, each element's first uniform number.
            element: [K] flat indices into B samples of `size` elements.
            size: elements a sample.
            draw: randomness of the other numbers.

        Returns:
            [A] positions among the K, ascending, and [A] values of the type of u.
        """
        x = self.scale * u.double().abs()
        active = (v < self._activity(x)).nonzero().squeeze(1)
        return active, self._mean_weight(x[active], v[active], element[active], size, draw).to(u.dtype)

    def estimate(self, u: torch.Tensor, v: torch.Tensor, element: torch.Tensor, size: int, draw: Draw) -> torch.Tensor:
        """[K] local derivative at all of K elements, 0 at the inactive ones; arguments as of `active_among`.

        No shape depends on what is active, so that a GPU can go on without telling the host.
        """
        x = self.scale * u.double().abs()
        g = self._mean_weight(x, v, element, size, draw)
        return torch.where(v < self._activity(x), g, 0.0).to(u.dtype)

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds of P(active | u), and of P(X > k |u|), which the activity of more than one draw is made of."""
        near = self._where_activity_falls_to(TAIL)
        # from a little before each part to a little behind it, so that rounding of |u| / near cannot matter
        part = torch.arange(BOUNDS + 1, dtype=torch.float64)
        start, end = (part - 0.001).clamp(min=0) * (near / BOUNDS), (part + 1.001) * (near / BOUNDS)

        def bound(values: Callable[[torch.Tensor], torch.Tensor]) -> Bound:
            least = values(self.scale * end) * (1 - 1e-9)
            least[-1] = 0
            return Bound(least, values(self.scale * start) * (1 + 1e-9))

        return Bounds(near, bound(self._activity), bound(self.threshold.survival))

    def _mean_weight(
        self, x: torch.Tensor, v: torch.Tensor, element: torch.Tensor, size: int, draw: Draw
    ) -> torch.Tensor:
        """Estimate at active elements, [K], from the uniform number v that placed their largest threshold."""
        largest = v if self.samples == 1 else -torch.expm1(torch.log1p(-v) / self.samples)
        total = self._power(largest)
        if self.samples > 1:
            rest = draw.uniform(element, size, 1, self.samples - 1, self.pool)
            below = largest[:, None] + rest * (1 - largest[:, None])
            exceeds = below < self.threshold.survival(x)[:, None]
            total = total + torch.where(exceeds, self._power(below), 0.0).sum(1)
        return self.weight / self.samples * total

    def _power(self, survival: torch.Tensor) -> torch.Tensor:
        """X^a where S(X) is given."""
        if self.power == 0:
            return torch.ones_like(survival)
        x = self.threshold.inverse_survival(survival)
        return x if self.power == 1 else x.pow(self.power)


@dataclass(frozen=True)
class LocalZO(ZerothOrder):
    """The local zeroth-order estimate: mean over m draws of |z| / (2 delta) 1(|u| < delta |z|).

    Mukhoty et al. 2023, equation 5. Support: the whole line for normal and Laplace z, |u| < sqrt(3) delta for
    uniform z. P(active | u) = 1 - F(|u| / delta)^m with F the distribution function of |z|.

    Attributes:
        z: `normal`, `uniform` (on [-sqrt 3, sqrt 3]) or `laplace` (scale 1 / sqrt 2): unit variance each.
        delta: zeroth-order step, in units of u.
        samples: number of draws m.
        pool: words to reuse; 0 for none.
    """

    z: str = "normal"
    delta: float = 0.05
    samples: int = 1
    pool: int = 0

    def __post_init__(self) -> None:
        require_positive(delta=self.delta)
        require_count(self.samples)
        require_pool(self.pool)
        lookup(DISTRIBUTIONS, "z", self.z)

    @cached_property
    def threshold(self) -> Distribution:
        return DISTRIBUTIONS[self.z]()

    @property
    def scale(self) -> float:
        return 1 / self.delta

    @property
    def weight(self) -> float:
        return 1 / (2 * self.delta)

    @property
    def power(self) -> int:
        return 1

    def expected(self, u: torch.Tensor) -> torch.Tensor:
        return self.threshold.expectation(u.abs() / self.delta) / self.delta

    def primitive(self, u: torch.Tensor) -> torch.Tensor:
        """The smooth step whose derivative is `expected`, up to a constant."""
        return self.threshold.step(u / self.delta)

    def scaled(self, factor: float) -> LocalZO:
        return replace(self, delta=factor * self.delta)


@dataclass(frozen=True)
class LocalZOConverse(ZerothOrder):
    """The zeroth-order estimate whose expectation is a given surrogate g: c |z|^a / (2 delta) 1(|u| < delta |z|).

    Converse theorem (Mukhoty et al. 2023, theorem 2, for a = 1): z has the density
    -(delta^2 / c) |x|^-a g'(delta |x|), c = -2 delta^(1 + a) * integral of t^-a g'(t) over t > 0, and exists where c is
    finite. delta cancels, as delta |z| has the density of -t^-a g'(t), so only the surrogate's slope is left to
    choose. a = 0 makes the weight constant, g(0): a Bernoulli gate with P(active | u, m = 1) = g(u) / g(0), which
    exists for every surrogate.

    Attributes:
        surrogate: the expectation to meet.
        a: exponent of the weight: 1 (the paper's), 0 or -1.
        samples: number of draws m.
        pool: words to reuse; 0 for none.

    Raises:
        ValueError: no density exists for this surrogate and a.
    """

    surrogate: Surrogate
    a: int = 1
    samples: int = 1
    pool: int = 0

    def __post_init__(self) -> None:
        require_count(self.samples)
        require_pool(self.pool)
        if self.a not in (-1, 0, 1):
            raise ValueError(f"a must be -1, 0 or 1, got {self.a}")
        function, a = self.surrogate.g, self.a
        if a >= function.order_at_zero + 1:
            raise ValueError(
                f"no density for {function.name} with a = {a}: the integral of t^-{a} g'(t) diverges at 0, where "
                "g'(0+) is not 0; use a = 0 (a gate) or a = -1"
            )
        if function.tail_order + a <= 1:
            raise ValueError(
                f"no density for {function.name} with a = {a}: the integral of t^{-a} g'(t) diverges at infinity; "
                "use a = 0 (a gate)"
            )

    @cached_property
    def threshold(self) -> Threshold:
        return self.surrogate.g.threshold(self.a)

    @property
    def scale(self) -> float:
        return self.surrogate.slope

    @cached_property
    def weight(self) -> float:
        return self.surrogate.g.amplitude * self.threshold.mass

    @property
    def power(self) -> int:
        return self.a

    def expected(self, u: torch.Tensor) -> torch.Tensor:
        return self.surrogate.expected(u)

    def scaled(self, factor: float) -> LocalZOConverse:
        return replace(self, surrogate=replace(self.surrogate, slope=self.surrogate.slope / factor))
