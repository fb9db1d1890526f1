"""What the compiled CPU backend refuses, and what its message says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, leaky_readout, lif, spike_count_penalty, spiking_linear
from snn_zo.strategies import Surrogate
from tests.ops.harness import READOUT, REGULARIZER


def operations(dtype: torch.dtype, backend: str) -> dict[str, Callable[[], object]]:
    x, weight = Spikes.from_dense(torch.ones(2, 3, 4, dtype=dtype)), torch.ones(5, 4, dtype=dtype)
    return {
        "spiking_linear": lambda: spiking_linear(x, weight, None, Neuron(), Surrogate(), backend=backend),
        "lif": lambda: lif(torch.ones(2, 3, 4, dtype=dtype), Neuron(), Surrogate(), backend=backend),
        "leaky_readout": lambda: leaky_readout(x, weight, None, READOUT, backend),
        "spike_count_penalty": lambda: spike_count_penalty(x, REGULARIZER, backend),
    }


@pytest.mark.parametrize("op", operations(torch.float32, "cpu"))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_ops_refuse_short_types(op, dtype):
    with pytest.raises(ValueError, match=r"float32 and float64, not in b?float16.*reference") as error:
        operations(dtype, "cpu")[op]()
    assert "\n" not in str(error.value)
    operations(dtype, "reference")[op]()
