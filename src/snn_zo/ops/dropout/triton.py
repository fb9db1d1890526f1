"""On a GPU the reference will do for now."""

from snn_zo.ops.dropout.reference import dropout

__all__ = ["dropout"]
