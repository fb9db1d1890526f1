"""Differentiable operations on spikes. Each is a folder with one file a backend; `reference` defines correct."""

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops.analogue import Analogue
from snn_zo.ops.current_statistics import current_statistics
from snn_zo.ops.dropout import dropout
from snn_zo.ops.leaky_readout import leaky_readout
from snn_zo.ops.lif import lif
from snn_zo.ops.merge import merge
from snn_zo.ops.pool2d import adaptive_pool2d, pool2d
from snn_zo.ops.spike import spike
from snn_zo.ops.spike_count_penalty import spike_count_penalty
from snn_zo.ops.spikes import Rows, Spikes
from snn_zo.ops.spiking_conv2d import spiking_conv2d
from snn_zo.ops.spiking_linear import spiking_linear

__all__ = [
    "Analogue",
    "Neuron",
    "Readout",
    "Rows",
    "Spikes",
    "adaptive_pool2d",
    "current_statistics",
    "dropout",
    "leaky_readout",
    "lif",
    "merge",
    "pool2d",
    "spike",
    "spike_count_penalty",
    "spiking_conv2d",
    "spiking_linear",
]
