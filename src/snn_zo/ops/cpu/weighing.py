"""Which of the elements that a scan has kept are active, and their local derivative, in compiled code.

Strategies decide in float64, by formulas in torch (`ZerothOrder.active_among`). Here a decision is taken where bounds
of the probabilities leave no doubt, and weights are computed where the inverse of their distribution has a formula;
what is in doubt, one or two elements in a hundred, is left to the strategy itself.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from snn_zo.ops.cpu.drawing import BLOCK
from snn_zo.ops.cpu.philox import block
from snn_zo.ops.cpu.positions import LANES, flags, positions
from snn_zo.ops.kept import WORDS
from snn_zo.strategies import Draw, LocalZO, LocalZOConverse, ZerothOrder
from snn_zo.strategies.draw import WORDS as IN_BLOCK
from snn_zo.strategies.draw import pool

CONSTANT, NORMAL, UNIFORM, LAPLACE = range(4)
"""X^a where the survival function of X is given: 1, or the inverse of that of |z|."""

MOST_SAMPLES = 1024
"""Draws up to which the normal distribution's inverse needs no formula for its farthest tail."""


class Weighing(NamedTuple):
    """How an estimate is made of uniform numbers.

    Attributes:
        formula: CONSTANT, NORMAL, UNIFORM or LAPLACE.
        samples: draws m.
        weight: w / m.
        parts: parts of the tables per unit of |u|; 0 where each element has an entry of its own.
        active: [K + 1] float64 first numbers below which an element is active for certain.
        least, most: [K + 1] float64 bounds of P(X > k |u|).
    """

    formula: int
    samples: int
    weight: float
    parts: float
    active: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]

    def exactly(self, strategy: ZerothOrder, u: Tensor) -> Weighing:
        """The same for elements with these u, without a doubt."""
        x = strategy.scale * u.double().abs()
        survival = strategy.threshold.survival(x).numpy()
        return self._replace(parts=0.0, active=strategy.activity(u.double()).numpy(), least=survival, most=survival)


class _Numbers(NamedTuple):
    """Where an element's further random words come from.

    Attributes:
        counter: seed, layer and step.
        sample: [B] int64 indices in the data set.
        size: elements a sample.
        pool: [P] uint32 words to reuse, P a power of two; [0] where each element has its own.
        offset: [B, m - 1] int64 places in the pool that the samples start from.
    """

    counter: tuple[np.uint64, np.uint64, np.uint64]
    sample: NDArray[np.int64]
    size: int
    pool: NDArray[np.uint32]
    offset: NDArray[np.int64]


def weighing(strategy: ZerothOrder) -> Weighing | None:
    """How to weigh for a strategy; None where only the strategy itself knows."""
    formula = _formula(strategy)
    return None if formula is None or strategy.samples > MOST_SAMPLES else _weighing(strategy, formula)


@lru_cache(maxsize=64)
def _weighing(strategy: ZerothOrder, formula: int) -> Weighing:
    near, activity, survival = strategy.bounds
    # copies: torch moves the memory of tensors that are sent to another process, as a strategy may be
    tables = (each.numpy().copy() for each in (activity.least, survival.least, survival.most))
    parts = (len(activity.least) - 1) / near
    return Weighing(formula, strategy.samples, strategy.weight / strategy.samples, parts, *tables)


def _formula(strategy: ZerothOrder) -> int | None:
    # a subclass may change whatever it likes
    if type(strategy) is LocalZO:
        return {"normal": NORMAL, "uniform": UNIFORM, "laplace": LAPLACE}.get(strategy.z)
    return CONSTANT if type(strategy) is LocalZOConverse and strategy.power == 0 else None


def numbers(strategy: ZerothOrder, draw: Draw, size: int) -> _Numbers:
    """Where the further random words of elements come from, `size` of them a sample."""
    counter = (np.uint64(draw.seed), np.uint64(draw.layer), np.uint64(int(draw.step)))
    words, offset = np.zeros(0, np.uint32), np.zeros((0, 0), np.int64)
    if strategy.pool and strategy.samples > 1:
        words = pool(draw.seed, draw.layer, strategy.pool).numpy().astype(np.uint32)
        offset = draw.offset(1, strategy.samples - 1).cpu().numpy()
    sample = draw.sample.cpu().numpy().astype(np.int64, copy=False)
    return _Numbers(counter, sample, size, words, offset)


# Cephes' ndtri, as in torch: coefficients of P0 / Q0 and P1 / Q1
P0 = (-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1, 1.39312609387279679503e1,
      -1.23916583867381258016e0)  # fmt: skip
Q0 = (1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1, -2.25462687854119370527e2,
      2.00260212380060660359e2, -8.20372256168333339912e1, 1.59056225126211695515e1,
      -1.18331621121330003142e0)  # fmt: skip
P1 = (4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1, 4.40805073893200834700e1,
      1.46849561928858024014e1, 2.18663306850790267539e0, -1.40256079171354495875e-1, -3.50424626827848203418e-2,
      -8.57456785154685413611e-4)  # fmt: skip
Q1 = (1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1, 1.50425385692907503408e1,
      2.50464946208309415979e0, -1.42182922854787788574e-1, -3.80806407691578277194e-2,
      -9.33259480895457427372e-4)  # fmt: skip
CENTRE = 2 * math.exp(-2)
"""P(|z| > x) from which on P0 / Q0 holds."""


@numba.njit(inline="always")
def _p0(x: Any) -> Any:
    return (((P0[0] * x + P0[1]) * x + P0[2]) * x + P0[3]) * x + P0[4]


@numba.njit(inline="always")
def _degree_8(x: Any, c: Any) -> Any:
    high = (((c[0] * x + c[1]) * x + c[2]) * x + c[3]) * x + c[4]
    return (((high * x + c[5]) * x + c[6]) * x + c[7]) * x + c[8]


@numba.njit(inline="always")
def _normal(q: Any, x: Any, flag: Any, place: Any) -> None:
    """x with P(|z| > x) = q, the middle of the distribution for all at once and the tail for those that lie there."""
    for j in range(len(q)):
        y = q[j] / 2 - 0.5
        y2 = y * y
        x[j] = -math.sqrt(2 * math.pi) * (y + y * (y2 * _p0(y2) / _degree_8(y2, Q0)))
        flag[j] = q[j] <= CENTRE
    for j in range(len(q), len(flag)):
        flag[j] = 0
    for i in range(positions(flag, place, 0, 0)):
        j = place[i]
        r = math.sqrt(-2 * math.log(q[j] / 2))
        z = 1 / r
        x[j] = r - math.log(r) * z - z * _degree_8(z, P1) / _degree_8(z, Q1)


@numba.njit(inline="always")
def _invert(formula: int, q: Any, x: Any, flag: Any, place: Any) -> None:
    """X^a where S(X) = q."""
    if formula == NORMAL:
        _normal(q, x, flag, place)
    elif formula == UNIFORM:
        for j in range(len(q)):
            x[j] = math.sqrt(3) * (1 - q[j])
    elif formula == LAPLACE:
        for j in range(len(q)):
            x[j] = -math.log(q[j]) / math.sqrt(2)
    else:
        x[: len(q)] = 1


@numba.njit(inline="always")
def _further_words(element: Any, draw: int, numbers: Any, word: Any) -> None:
    """[4, K] random words of a block of each element, of which the first one belongs to this draw."""
    (seed, layer, step), sample, size, pool, offset = numbers
    for j in range(len(element)):
        b = np.uint64(element[j]) // np.uint64(size)
        within = np.uint64(element[j]) - b * np.uint64(size)
        if len(pool) > 0:
            for i in range(4):
                k = min(max(draw + i - 1, 0), offset.shape[1] - 1)
                word[i, j] = pool[(np.int64(within) + offset[b, k]) & (len(pool) - 1)]
        else:
            which = np.uint64(draw // IN_BLOCK)
            word[0, j], word[1, j], word[2, j], word[3, j] = block(
                within, np.uint64(sample[b]), step, which, seed, layer
            )


@numba.njit(nogil=True, cache=True)
def weigh(u: Any, word: Any, element: Any, rule: Any, numbers: Any, g: Any, doubt: Any) -> None:
    """Local derivative of elements that a scan has kept.

    Args:
        u: [K] distance to threshold.
        word: [K] uint32 first random words.
        element: [K] int64 flat indices.
        rule: a `Weighing`.
        numbers: where further random words come from.
        g: [K] is filled, with 0 where an element is not active for certain.
        doubt: [K] bytes are filled: whether g may be something else.
    """
    formula, samples, weight, parts, active, least, most = rule
    part, largest, total = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64)
    q, x, further = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64), np.empty((4, BLOCK), np.uint32)
    flag, place, tail = flags(BLOCK), np.empty(BLOCK + LANES, np.uint32), np.empty(BLOCK + LANES, np.uint32)
    for begin in range(0, len(u), BLOCK):
        here = slice(begin, min(begin + BLOCK, len(u)))
        u_here, word_here, g_here, doubt_here = u[here], word[here], g[here], doubt[here]
        size = len(u_here)
        for j in range(size):
            part[j] = np.uint32(min(abs(np.float64(u_here[j])) * parts, len(active) - 1)) if parts > 0 else begin + j
            largest[j] = (WORDS - word_here[j]) / WORDS
        for j in range(size):
            doubt_here[j] = largest[j] >= active[part[j]]
        if samples > 1:
            for j in range(size):
                largest[j] = -math.expm1(math.log1p(-largest[j]) / samples)
        _invert(formula, largest[:size], total, flag, tail)
        for j in range(size):
            total[j] = 0 if doubt_here[j] else total[j]
        for k in range(1, samples):
            if k == 1 or k % IN_BLOCK == 0:
                _further_words(element[here], k - k % IN_BLOCK, numbers, further)
            for j in range(size):
                below, unsure = (
                    largest[j] + (WORDS - further[k % IN_BLOCK, j]) / WORDS * (1 - largest[j]),
                    doubt_here[j],
                )
                q[j] = below
                flag[j] = (below < least[part[j]]) & (unsure == 0)
                doubt_here[j] = unsure | ((below >= least[part[j]]) & (below < most[part[j]]))
            for j in range(size, BLOCK):
                flag[j] = 0
            found = positions(flag, place, 0, 0)
            for j in range(found):
                # never behind the place that it comes from
                q[j] = q[place[j]]
            _invert(formula, q[:found], x, flag, tail)
            for j in range(found):
                total[place[j]] += x[j]
        for j in range(size):
            g_here[j] = weight * total[j]
