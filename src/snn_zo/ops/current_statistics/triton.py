"""On a GPU torch's dense operations."""

from snn_zo.ops.current_statistics.reference import current_statistics

__all__ = ["current_statistics"]
