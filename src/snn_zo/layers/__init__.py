"""Layers of spiking networks: each owns its parameters, neuron, strategy and shapes, and says what it did."""

from snn_zo.layers.dropout import Dropout
from snn_zo.layers.flatten import Flatten
from snn_zo.layers.layer import Done, Layer, counted_layers, layers_of, recording
from snn_zo.layers.leaky_readout import LeakyReadout
from snn_zo.layers.merge import Merge
from snn_zo.layers.moving_layer import MovingLayer
from snn_zo.layers.norm import Norm, ThresholdBatchNorm, WeightStandardisation
from snn_zo.layers.pool2d import AdaptivePool2d, Pool2d
from snn_zo.layers.spike_counts import SpikeCounts
from snn_zo.layers.spiking_conv2d import SpikingConv2d
from snn_zo.layers.spiking_layer import SpikingLayer
from snn_zo.layers.spiking_linear import SpikingLinear
from snn_zo.layers.weighted_layer import WeightedLayer

__all__ = [
    "AdaptivePool2d",
    "Done",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReadout",
    "Merge",
    "MovingLayer",
    "Norm",
    "Pool2d",
    "SpikeCounts",
    "SpikingConv2d",
    "SpikingLayer",
    "SpikingLinear",
    "ThresholdBatchNorm",
    "WeightStandardisation",
    "WeightedLayer",
    "counted_layers",
    "layers_of",
    "recording",
]
