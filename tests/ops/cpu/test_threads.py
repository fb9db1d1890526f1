"""Results do not depend on the number of threads, bit for bit; ranges are done in order and survive a fork."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from snn_zo.ops.cpu import threads
from snn_zo.strategies import LocalZO
from tests.ops.cpu.cases import SPARSE, over
from tests.ops.harness import NEURONS, equal, make, train


@over(SPARSE)
def test_network_bit_for_bit_in_any_number_of_threads(strategy, form, set_threads):
    neuron = NEURONS["hard-attached"]
    leaves = make(b=19, t=6, widths=(67, 53, 37, 5), dtype=torch.float32)
    steps = []
    for count in (1, 2, 3, 5):
        set_threads(count)
        steps.append(train("cpu", leaves, neuron, strategy).everything())
    assert all(equal(step, steps[0]) for step in steps[1:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("b", [1, 40])
@pytest.mark.parametrize("reset", ["soft-detached", "hard-attached"])
def test_network_bit_for_bit_wide(reset, b, dtype, form, set_threads):
    """More inputs than one range, and more than one piece of the readout."""
    strategy = LocalZO(delta=0.4, samples=5)
    leaves = make(b=b, t=5, widths=(1037, 131, 29, 5), share=0.1, dtype=dtype)
    steps = []
    for count in (1, 2, 3, 5):
        set_threads(count)
        steps.append(train("cpu", leaves, NEURONS[reset], strategy).everything())
    assert all(equal(step, steps[0]) for step in steps[1:])


@pytest.mark.parametrize("count", [1, 3])
def test_over_ranges_in_order(count, set_threads):
    set_threads(count)
    assert threads.over_ranges(lambda first, last: (first, last), 7, 3) == [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("count", [1, 3])
def test_over_ranges_raises(count, set_threads):
    set_threads(count)
    with pytest.raises(ZeroDivisionError):
        threads.over_ranges(lambda first, last: 1 // (first - 2), 6, 1)
    assert threads.over_ranges(lambda first, last: first, 4, 1) == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_over_ranges_after_fork(set_threads):
    """A child process has none of its parent's threads: it must make its own, not wait for them."""
    set_threads(2)
    threads.over_ranges(lambda first, last: last, 8, 1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        os._exit(threads.over_ranges(lambda first, last: last, 8, 1) != list(range(1, 9)))
    assert os.waitpid(child, 0)[1] == 0
