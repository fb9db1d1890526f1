"""Spike-gradient strategies: what stands in for the derivative of the spike, and the theory between the families."""

from snn_zo.strategies.distributions import DISTRIBUTIONS
from snn_zo.strategies.draw import Draw
from snn_zo.strategies.expectation import Expectation
from snn_zo.strategies.functions import FUNCTIONS, SurrogateFunction
from snn_zo.strategies.sparse_surrogate import SparseSurrogate
from snn_zo.strategies.strategy import Lookup, Strategy
from snn_zo.strategies.surrogate import Dense, Deterministic, Surrogate
from snn_zo.strategies.zeroth_order import LocalZO, LocalZOConverse, ZerothOrder

__all__ = [
    "DISTRIBUTIONS",
    "FUNCTIONS",
    "Dense",
    "Deterministic",
    "Draw",
    "Expectation",
    "LocalZO",
    "LocalZOConverse",
    "Lookup",
    "SparseSurrogate",
    "Strategy",
    "Surrogate",
    "SurrogateFunction",
    "ZerothOrder",
]
