"""What is connected to what in a layer, as far as its operations are counted from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from snn_zo.ops.convolution import Convolution


@dataclass(frozen=True)
class Connection:
    """Sizes of the connection between the inputs of a layer and its neurons.

    Attributes:
        products: multiply-adds of the dense product that makes the current of one sample at one time step.
        weights, biases: how many there are; a bias is read wherever it is added.
        fan_in: weights of a neuron, by which an error of it is multiplied.
        places: numbers that a neuron's inputs are taken from: N_in, in a convolution those of the padded map.
        pooled, sums: inputs that a dense product wants to have summed before, and into how many numbers.
    """

    products: int
    weights: int
    biases: int
    fan_in: int
    places: int
    pooled: int = 0
    sums: int = 0

    @classmethod
    def full(cls, inputs: int, neurons: int) -> Connection:
        """Each input with each neuron."""
        return cls(inputs * neurons, inputs * neurons, neurons, inputs, inputs)

    @classmethod
    def convolved(cls, convolution: Convolution) -> Connection:
        """Each neuron with a patch of the input."""
        sums = math.prod(convolution.pooled_shape)
        square = math.prod(convolution.pool)
        pooled = (sums * square, sums) if square > 1 else (0, 0)
        shape = convolution.weight_shape
        places = math.prod(convolution.padded_shape)
        return cls(convolution.products, math.prod(shape), shape[0], math.prod(shape[1:]), places, *pooled)
