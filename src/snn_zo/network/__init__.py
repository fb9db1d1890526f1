"""What networks consist of, as configs say it and models make it."""

from snn_zo.network.notation import (
    Connected,
    Convolutional,
    Element,
    Part,
    Pooling,
    PoolKind,
    Shape,
    parse,
    parts,
    shapes,
)
from snn_zo.network.resnet import CONNECTS, DEPTHS, Block, Connect, Placed, Residual, resnet
from snn_zo.network.vgg import vgg

__all__ = [
    "CONNECTS",
    "DEPTHS",
    "Block",
    "Connect",
    "Connected",
    "Convolutional",
    "Element",
    "Part",
    "Placed",
    "PoolKind",
    "Pooling",
    "Residual",
    "Shape",
    "parse",
    "parts",
    "resnet",
    "shapes",
    "vgg",
]
