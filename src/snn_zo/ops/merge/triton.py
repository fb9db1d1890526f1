"""On a GPU the reference will do for now."""

from snn_zo.ops.merge.reference import merge

__all__ = ["merge"]
