"""The commands. None of them loads torch until its settings have been checked."""

from snn_zo.cli.hydra_commands import bench, describe, train
from snn_zo.cli.look import look
from snn_zo.cli.run_folders import evaluate, report

__all__ = ["bench", "describe", "evaluate", "look", "report", "train"]
