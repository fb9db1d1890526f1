"""Gradients of a layer of neurons in sparse form, from errors at a few elements.

With lambda the adjoint of the membrane potential, eps[t] = lambda[t] - beta lambda[t+1] the error that enters at t, and
x_bar[t] = x[t] + beta x_bar[t-1] the trace of the input, a layer's gradients are

    weight      sum over (b, t, n) of eps * x_bar[b, t, :]                  (trace form)
                sum over input events (b, t, i) of lambda[b, t, :]          (adjoint form)
    input       weight^T lambda at the input's active elements
    bias        sum over (b, t) of lambda

eps is 0 outside the active set (soft and no reset), or outside the active set and the layer's own events (hard reset).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import LINE, over_ranges, width_for

SMALL = 1e-6
"""Decay at which sums that are kept relative to it are brought up to date: it is far from the smallest float32, which
the sums, divided by it, must not leave, and comes so rarely that the pass over the sums costs nothing."""

WIDEST_TRACE = 512
"""Inputs that a trace of one range covers at most, so that it stays in the first-level cache while it is added to the
rows of the active elements."""

SOFT, HARD = RESETS.index("soft"), RESETS.index("hard")


class _Membrane(NamedTuple):
    """What a gradient passes through from step to step: leak and threshold, of the gradient's type, the number of the
    reset mode, and whether it passes through the reset."""

    beta: Any
    v_th: Any
    reset: int
    attached: bool

    @classmethod
    def of(cls, neuron: Neuron, dtype: np.dtype[Any]) -> _Membrane:
        number = dtype.type
        return cls(number(neuron.beta), number(neuron.v_th), RESETS.index(neuron.reset), not neuron.detach_reset)


def errors(
    shape: tuple[int, int, int], active: RowArrays, ds: NDArray[Any], g: NDArray[Any], v: NDArray[Any],
    events: RowArrays, neuron: Neuron,
) -> tuple[RowArrays, NDArray[Any]]:  # fmt: skip
    """Where eps is not 0, and its values.

    Args:
        shape: (B, T, N).
        active: rows of the active set.
        ds: [K] g times the gradient at the active elements.
        g: [K] local derivative; v: [K] membrane potential, read for an attached hard reset only.
        events: rows of the layer's own spikes, read for a hard reset only.
        neuron: leak, threshold and reset.
    """
    if neuron.reset == "none" or (neuron.reset == "soft" and neuron.detach_reset):
        return active, ds
    b, t, n = shape
    rows = active if neuron.reset == "soft" else _union(active, events, b * t)
    eps = np.empty(len(rows.col), ds.dtype)
    membrane = _Membrane.of(neuron, ds.dtype)

    def run(first: int, last: int) -> None:
        _errors(active, ds, g, v, events, membrane, t, n, first, last, rows, eps)

    over_ranges(run, b, width_for(b, 1))
    return rows, eps


def _union(a: RowArrays, b: RowArrays, rows: int) -> RowArrays:
    """Rows with room for the indices that are in either; the columns are not yet there."""
    count = np.zeros(rows, np.int64)
    over_ranges(lambda first, last: _count_union(a, b, first, last, count), rows, width_for(rows, 1))
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    return RowArrays(ptr, np.empty(ptr[-1], np.int32))


def weight_by_trace(
    shape: tuple[int, int, int], x: RowArrays, features: int, rows: RowArrays, eps: NDArray[Any], beta: float
) -> NDArray[Any]:
    """[N, N_in] gradient of the weight: |A| * N_in multiply-adds; in parallel over inputs."""
    b, t, n = shape
    leak = eps.dtype.type(beta)

    def run(first: int, last: int) -> NDArray[Any]:
        gradient = np.zeros((n, last - first), eps.dtype)
        _trace(x, rows, eps, leak, b, t, first, last, gradient)
        return gradient

    return np.concatenate(over_ranges(run, features, min(width_for(features, LINE, pieces=1), WIDEST_TRACE)), axis=1)


def weight_by_adjoint(
    shape: tuple[int, int, int], x: RowArrays, features: int, rows: RowArrays, eps: NDArray[Any], beta: float
) -> NDArray[Any]:
    """[N, N_in] gradient of the weight: events * N additions; in parallel over outputs."""
    b, t, n = shape
    leak = eps.dtype.type(beta)

    def run(first: int, last: int) -> NDArray[Any]:
        gradient = np.zeros((features, last - first), eps.dtype)
        _adjoint(x, rows, eps, leak, b, t, first, last, gradient)
        return gradient.T

    return np.concatenate(over_ranges(run, n, width_for(n, LINE, pieces=1)))


def weight_by_dense_adjoint(adjoint: NDArray[Any], x: RowArrays, features: int) -> NDArray[Any]:
    """[N, N_in] gradient of the weight from lambda [B * T, N]: events * N additions; in parallel over outputs."""
    n = adjoint.shape[1]

    def run(first: int, last: int) -> NDArray[Any]:
        gradient = np.zeros((features, last - first), adjoint.dtype)
        _dense_adjoint(x, adjoint, first, last, gradient)
        return gradient.T

    return np.concatenate(over_ranges(run, n, width_for(n, LINE, pieces=1)))


def input_at_active(
    shape: tuple[int, int, int],
    rows: RowArrays,
    eps: NDArray[Any],
    weight: NDArray[Any],
    active: RowArrays | None,
    beta: float,
) -> NDArray[Any]:
    """[K] gradient at the input's active elements (None: at all B * T * N_in), by a decaying sum over weight rows.

    Args:
        shape: (B, T, N) of the layer.
        rows, eps: errors.
        weight: [N, N_in] contiguous.
        active: of the input.
        beta: leak.
    """
    b, t, _ = shape
    gradient = np.empty(len(active.col) if active else b * t * weight.shape[1], eps.dtype)
    at, leak = active or RowArrays.none(), eps.dtype.type(beta)

    def run(first: int, last: int) -> None:
        _input(rows, eps, weight, at, leak, t, first, last, gradient)

    over_ranges(run, b, width_for(b, 1))
    return gradient


def input_from_dense(adjoint: NDArray[Any], weight: NDArray[Any], active: RowArrays) -> NDArray[Any]:
    """[K] gradient at the input's active elements from lambda [B * T, N] and weight [N_in, N]."""
    gradient = np.empty(len(active.col), adjoint.dtype)
    rows = len(adjoint)
    over_ranges(lambda r0, r1: _gather(active, adjoint, weight, r0, r1, gradient), rows, width_for(rows, 1))
    return gradient


def adjoint_in_place(ds: NDArray[Any], g: NDArray[Any], u: NDArray[Any], neuron: Neuron) -> None:
    """Turn g * dL/ds, [B, T, N], into lambda.

    Args:
        ds: overwritten.
        g: [B, T, N], read for an attached reset only.
        u: [B, T, N], read for a hard reset only.
        neuron: leak, threshold and reset.
    """
    b, membrane = len(ds), _Membrane.of(neuron, ds.dtype)
    over_ranges(lambda first, last: _adjoint_in_place(ds, g, u, membrane, first, last), b, width_for(b, 1))


def bias_gradient(shape: tuple[int, int, int], rows: RowArrays, eps: NDArray[Any], beta: float) -> NDArray[Any]:
    """[N] gradient of a bias that is added at every step."""
    b, t, n = shape
    trace = np.cumsum(beta ** np.arange(t)).astype(eps.dtype)
    gradient = np.zeros(n, eps.dtype)
    _bias(rows, eps, trace, b, t, gradient)
    return gradient


def column_sums(values: NDArray[Any]) -> NDArray[Any]:
    """[N] sums of [R, N] over rows, in the order of the rows."""
    total = np.zeros(values.shape[1], values.dtype)
    over_ranges(lambda c0, c1: _column_sums(values, c0, c1, total), values.shape[1], width_for(values.shape[1], LINE))
    return total


@numba.njit(nogil=True, cache=True)
def _count_union(a: Any, b: Any, first: int, last: int, count: Any) -> None:
    (ptr_a, col_a), (ptr_b, col_b) = a, b
    for row in range(first, last):
        i, j, both = ptr_a[row], ptr_b[row], 0
        while i < ptr_a[row + 1] and j < ptr_b[row + 1]:
            n_a, n_b = col_a[i], col_b[j]
            # without a branch, as nothing foretells which of the two columns comes first
            both += n_a == n_b
            i += n_a <= n_b
            j += n_b <= n_a
        count[row] = ptr_a[row + 1] - ptr_a[row] + ptr_b[row + 1] - ptr_b[row] - both


@numba.njit(nogil=True, cache=True)
def _errors(
    active: Any, ds: Any, g: Any, v: Any, events: Any, membrane: Any, steps: int, width: int, first: int, last: int,
    rows: Any, eps: Any,
) -> None:  # fmt: skip
    """Samples first to last of `errors`, into eps and, for a hard reset, the columns of rows."""
    (ptr_a, col_a), (ptr_s, col_s), (ptr, col) = active, events, rows
    beta, v_th, reset, attached = membrane
    # where a row is at its end, `width` stands for the next column: it is larger than any
    none, zero = np.int32(width), ds.dtype.type(0)
    later = np.empty(width, ds.dtype)
    for b in range(first, last):
        later[:] = 0  # lambda[t + 1]
        for t in range(steps - 1, -1, -1):
            row = b * steps + t
            k, s = ptr_a[row], ptr_s[row]
            s_end = ptr_s[row + 1] if reset == HARD else s
            for out in range(ptr[row], ptr[row + 1]):
                n_a = col_a[k] if k < ptr_a[row + 1] else none
                n_s = col_s[s] if s < s_end else none
                n = min(n_a, n_s)
                error = ds[k] if n_a == n else zero
                if attached and n_a == n:
                    error -= g[k] * later[n] * (v_th if reset == SOFT else beta * v[k])
                if n_s == n:
                    error -= beta * later[n]
                col[out], eps[out] = n, error
                k += n_a == n
                s += n_s == n
            for i in range(width):
                later[i] *= beta
            for out in range(ptr[row], ptr[row + 1]):
                later[col[out]] += eps[out]


@numba.njit(nogil=True, cache=True, inline="always")
def _from_column(col: Any, first: int, last: int, column: int) -> int:
    """First position from `first` to `last` whose column is not below `column`."""
    while first < last:
        middle = (first + last) // 2
        if col[middle] < column:
            first = middle + 1
        else:
            last = middle
    return first


@numba.njit(nogil=True, cache=True, inline="always")
def absorb(sums: Any, decay: Any) -> None:
    """Bring sums that are kept relative to a decay up to date.

    What is added to such sums is divided by the decay, and what is read from them multiplied: a step then costs one
    product in place of a pass over all sums. Only before the decay leaves the range of float32 does it go into them.
    """
    for i in range(len(sums)):
        sums[i] *= decay


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _trace(x: Any, rows: Any, eps: Any, beta: Any, batch: int, steps: int, c0: int, c1: int, gradient: Any) -> None:
    """Inputs c0 to c1 of `weight_by_trace`, into [N, c1 - c0]."""
    (x_ptr, x_col), (ptr, col) = x, rows
    width = c1 - c0
    one = eps.dtype.type(1)
    x_bar = np.empty(width, eps.dtype)  # relative to `decay`
    for b in range(batch):
        end = (b + 1) * steps
        if ptr[b * steps] == ptr[end]:
            continue
        x_bar[:] = 0
        decay = one
        for row in range(b * steps, end):
            decay *= beta
            if decay < SMALL:
                absorb(x_bar, decay)
                decay = one
            e, e_end = x_ptr[row], x_ptr[row + 1]
            if c0 > 0:
                e = _from_column(x_col, e, e_end, c0)
            spike = one / decay
            while e < e_end and x_col[e] < c1:
                x_bar[x_col[e] - c0] += spike
                e += 1
            for k in range(ptr[row], ptr[row + 1]):
                error, target = eps[k] * decay, gradient[col[k]]
                for i in range(width):
                    target[i] += error * x_bar[i]
            # no error follows: nothing will read the trace
            if ptr[row + 1] == ptr[end]:
                break


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _adjoint(x: Any, rows: Any, eps: Any, beta: Any, batch: int, steps: int, c0: int, c1: int, gradient: Any) -> None:
    """Neurons c0 to c1 of `weight_by_adjoint`, into [N_in, c1 - c0]."""
    (x_ptr, x_col), (ptr, col) = x, rows
    width = c1 - c0
    adjoint = np.empty(width, eps.dtype)
    for b in range(batch):
        start = b * steps
        if ptr[start] == ptr[start + steps]:
            continue
        adjoint[:] = 0
        for row in range(start + steps - 1, start - 1, -1):
            for i in range(width):
                adjoint[i] *= beta
            k, k_end = ptr[row], ptr[row + 1]
            if c0 > 0:
                k = _from_column(col, k, k_end, c0)
            while k < k_end and col[k] < c1:
                adjoint[col[k] - c0] += eps[k]
                k += 1
            for e in range(x_ptr[row], x_ptr[row + 1]):
                target = gradient[x_col[e]]
                for i in range(width):
                    target[i] += adjoint[i]


@numba.njit(nogil=True, cache=True)
def _dense_adjoint(x: Any, adjoint: Any, c0: int, c1: int, gradient: Any) -> None:
    """Neurons c0 to c1 of `weight_by_dense_adjoint`, into [N_in, c1 - c0]."""
    ptr, col = x
    width = c1 - c0
    for row in range(len(adjoint)):
        source = adjoint[row, c0:c1]
        for e in range(ptr[row], ptr[row + 1]):
            target = gradient[col[e]]
            for i in range(width):
                target[i] += source[i]


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _input(
    rows: Any, eps: Any, weight: Any, at: Any, beta: Any, steps: int, first: int, last: int, gradient: Any
) -> None:
    """Samples first to last of `input_at_active`, `at` all inputs where it has no rows."""
    (ptr, col), (at_ptr, at_col) = rows, at
    width = weight.shape[1]
    everywhere, one = len(at_ptr) == 0, eps.dtype.type(1)
    sums = np.empty(width, eps.dtype)  # weight^T lambda, relative to `decay`
    for b in range(first, last):
        sums[:] = 0
        decay = one
        for row in range((b + 1) * steps - 1, b * steps - 1, -1):
            decay *= beta
            if decay < SMALL:
                absorb(sums, decay)
                decay = one
            for k in range(ptr[row], ptr[row + 1]):
                error, source = eps[k] / decay, weight[col[k]]
                for i in range(width):
                    sums[i] += error * source[i]
            if everywhere:
                target = gradient[row * width : (row + 1) * width]
                for i in range(width):
                    target[i] = sums[i] * decay
            else:
                for k in range(at_ptr[row], at_ptr[row + 1]):
                    gradient[k] = sums[at_col[k]] * decay


# the one sum here whose order is left to the compiler, which then adds up several parts of it at once
@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _gather(at: Any, adjoint: Any, weight: Any, first: int, last: int, gradient: Any) -> None:
    """Rows first to last of `input_from_dense`."""
    ptr, col = at
    for row in range(first, last):
        source = adjoint[row]
        for k in range(ptr[row], ptr[row + 1]):
            w = weight[col[k]]
            total = adjoint.dtype.type(0)
            for i in range(len(source)):
                total += w[i] * source[i]
            gradient[k] = total


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _adjoint_in_place(ds: Any, g: Any, u: Any, membrane: Any, first: int, last: int) -> None:
    beta, v_th = membrane.beta, membrane.v_th
    steps, width = ds.shape[1], ds.shape[2]
    for b in range(first, last):
        for t in range(steps - 2, -1, -1):
            now, later = ds[b, t], ds[b, t + 1]
            if membrane.reset == HARD:
                u_now = u[b, t]
                if membrane.attached:
                    g_now = g[b, t]
                    for i in range(width):
                        now[i] -= g_now[i] * beta * (u_now[i] + v_th) * later[i]
                for i in range(width):
                    now[i] += beta * later[i] * (u_now[i] <= 0)
            else:
                if membrane.attached and membrane.reset == SOFT:
                    g_now = g[b, t]
                    for i in range(width):
                        now[i] -= g_now[i] * v_th * later[i]
                for i in range(width):
                    now[i] += beta * later[i]


@numba.njit(nogil=True, cache=True)
def _bias(rows: Any, eps: Any, trace: Any, batch: int, steps: int, gradient: Any) -> None:
    ptr, col = rows
    for b in range(batch):
        for t in range(steps):
            for k in range(ptr[b * steps + t], ptr[b * steps + t + 1]):
                gradient[col[k]] += eps[k] * trace[t]


@numba.njit(nogil=True, cache=True)
def _column_sums(values: Any, c0: int, c1: int, total: Any) -> None:
    part = total[c0:c1]
    for row in range(len(values)):
        source = values[row, c0:c1]
        for i in range(c1 - c0):
            part[i] += source[i]
