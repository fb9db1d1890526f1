"""Lightning callbacks: what a run measures of itself and shows."""

from snn_zo.callbacks.checkpoint import Checkpoint
from snn_zo.callbacks.energy import EnergyMonitor
from snn_zo.callbacks.finite_loss import FiniteLoss
from snn_zo.callbacks.known_monitors import KnownMonitors
from snn_zo.callbacks.progress import progress_bar
from snn_zo.callbacks.record import RunRecord
from snn_zo.callbacks.sparsity import SparsityMonitor

__all__ = [
    "Checkpoint",
    "EnergyMonitor",
    "FiniteLoss",
    "KnownMonitors",
    "RunRecord",
    "SparsityMonitor",
    "progress_bar",
]
