"""What training costs: operation counts, their price, and what a sensor measures. Counting knows nothing of prices."""

from snn_zo.energy.table import CostTable, Joules, Level
from snn_zo.energy.work import PHASES, Work

__all__ = ["PHASES", "CostTable", "Joules", "Level", "Work"]
