"""Spike-gradient strategies: what stands in for the derivative of the spike, and the theory between the families."""

from snn_zo.strategies.distributions import DISTRIBUTIONS
from snn_zo.strategies.draw import Draw
from snn_zo.strategies.functions import FUNCTIONS, SurrogateFunction
from snn_zo.strategies.strategy import Kernel, Strategy
from snn_zo.strategies.surrogate import Dense, Deterministic, Expectation, SparseSurrogate, Surrogate
from snn_zo.strategies.zeroth_order import LocalZO, LocalZOConverse, ZerothOrder

__all__ = [
    "DISTRIBUTIONS",
    "FUNCTIONS",
    "Dense",
    "Deterministic",
    "Draw",
    "Expectation",
    "Kernel",
    "LocalZO",
    "LocalZOConverse",
    "SparseSurrogate",
    "Strategy",
    "Surrogate",
    "SurrogateFunction",
    "ZerothOrder",
]
