"""The short notation of networks."""

import pytest

from snn_zo.network import Connected, Convolutional, Part, Pooling, parse, parts, shapes, vgg

ELEMENTS = {
    "16c5": Convolutional(16, 5),
    "32c3s2p1g4": Convolutional(32, 3, stride=2, padding=1, groups=4),
    "32c3g4p1s2": Convolutional(32, 3, stride=2, padding=1, groups=4),
    "8c1p0": Convolutional(8, 1),
    "p2": Pooling("sum", 2, 2),
    "a3": Pooling("average", 3, 3),
    "m3s2": Pooling("max", 3, 2),
    "200": Connected(200),
}

MISSPELT = {
    "16k5": "did you mean 16c5[?]",
    "16C5": "did you mean 16c5[?]",
    "2p": "did you mean p2[?]",
    "p2.5": "network holds 'p2.5', which is none of its elements",
    "16c5s2s3": "the forms are 16c5, 16c3s2p1g4, p2, a2, m2, p3s2, 200",
    "conv": "network holds 'conv'",
    "": "network holds ''",
    "0c5": "network holds '0c5': all numbers but the padding must be at least 1",
    "16c5s0": "must be at least 1",
    "16c5g0": "must be at least 1",
    "p0": "must be at least 1",
}


@pytest.mark.parametrize(("text", "element"), ELEMENTS.items(), ids=ELEMENTS)
def test_parse_elements(text, element):
    assert parse(text) == element


@pytest.mark.parametrize(("text", "message"), MISSPELT.items(), ids=MISSPELT)
def test_parse_misspelt(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_parts_fuse_pooling_into_the_convolution_behind_it():
    network = ["16c5", "p2", "32c3", "a2", "8c1", "m2", "4c1", "p3s2", "a2", 20, "p2"]
    assert parts(network) == [
        Part("conv1", "16c5", Convolutional(16, 5)),
        Part("conv2", "32c3", Convolutional(32, 3), pool=2),
        Part("conv3", "8c1", Convolutional(8, 1), pool=2, factor=1 / 4),
        Part("pool1", "m2", Pooling("max", 2, 2)),
        Part("conv4", "4c1", Convolutional(4, 1)),
        Part("pool2", "p3s2", Pooling("sum", 3, 2)),
        Part("pool3", "a2", Pooling("average", 2, 2), factor=1 / 4),
        Part("full1", "20", Connected(20), factor=1 / 4),
        Part("pool4", "p2", Pooling("sum", 2, 2)),
    ]


@pytest.mark.parametrize("network", [[], ["p2"]], ids=str)
def test_parts_without_spikes(network):
    with pytest.raises(ValueError, match="network must have a layer that spikes"):
        parts(network)


def test_shapes_of_the_papers_network():
    assert shapes(parts(["16c5", "p2", "32c3", "p2", "10"]), (2, 34, 34)) == [
        (16, 30, 30),
        (32, 13, 13),
        (32, 6, 6),
        (10,),
    ]


@pytest.mark.parametrize(
    ("network", "in_shape", "message"),
    [
        (["16c5", "p2", "32c31"], (2, 34, 34), r"conv2 \(32c31\): a square of side 31 does not fit into 15 pixels"),
        (["200", "16c5"], (2, 34, 34), r"conv1 \(16c5\): it needs an input of channels, rows and columns, and gets"),
        (["16c5"], (700,), r"conv1 \(16c5\): it needs an input of channels"),
        (["16c5g3"], (2, 34, 34), r"conv1 \(16c5g3\): 2 and 16 channels do not divide into 3 groups"),
        (["p40", "8c1"], (2, 34, 34), r"conv1 \(8c1\): a square of side 40 does not fit into 34 pixels"),
    ],
)
def test_shapes_that_do_not_fit(network, in_shape, message):
    with pytest.raises(ValueError, match=message):
        shapes(parts(network), in_shape)


def test_vgg_has_the_published_channels():
    planned = parts(vgg(1.0))
    channels = [part.element.channels for part in planned if part.spikes]
    assert channels == [64, 128, 256, 256, 512, 512, 512, 512]
    assert shapes(planned, (2, 48, 48))[-1] == (512, 3, 3)
    assert [part.element.channels for part in parts(vgg(0.01)) if part.spikes] == [1, 1, 3, 3, 5, 5, 5, 5]
