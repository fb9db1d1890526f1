"""The page of a study: all of its runs, whichever command made them."""

from __future__ import annotations

from pathlib import Path

from snn_zo.config.names import DASHBOARD
from snn_zo.report.comparison import Comparison, compare
from snn_zo.report.dashboard import write_dashboard
from snn_zo.report.runs import read_runs


def write_study(study: Path) -> Comparison:
    """Write `report.html` of a study's folder; what it compares.

    Raises:
        OSError: the folder holds no run, or the page could not be written.
    """
    comparison = compare(read_runs([study]))
    write_dashboard(comparison, study / DASHBOARD)
    return comparison
