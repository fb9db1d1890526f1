"""Networks made of the operations in `snn_zo.ops`."""

from snn_zo.models.feed_forward import FeedForward
from snn_zo.models.output import Output

__all__ = ["FeedForward", "Output"]
