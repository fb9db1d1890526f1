"""Networks made of the operations in `snn_zo.ops`."""

from snn_zo.models.conv import Conv
from snn_zo.models.feed_forward import FeedForward
from snn_zo.models.output import Output
from snn_zo.models.resnet import ResNet
from snn_zo.models.stack import Maker, Stack
from snn_zo.models.vgg import VGG

__all__ = ["VGG", "Conv", "FeedForward", "Maker", "Output", "ResNet", "Stack"]
