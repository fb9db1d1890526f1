"""On a GPU the reference will do for now."""

from snn_zo.ops.pool2d.reference import pool2d

__all__ = ["pool2d"]
