"""What is in front of the neurons, in dense operations of torch."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from snn_zo.bench.network import connections, features, flat, images


def test_connections_of_a_network():
    first, second, third, readout = connections((2, 34, 34), ["16c5p2", "p2", "32c3p1", "p2", 200], 10)
    assert (first.weight_shape, first.out_shape, first.pools) == ((16, 2, 5, 5), (16, 34, 34), ())
    assert (second.weight_shape, second.in_shape, second.out_shape) == ((32, 16, 3, 3), (16, 34, 34), (32, 17, 17))
    assert (third.weight_shape, third.in_shape, third.neurons) == ((200, 32 * 8 * 8), (32, 17, 17), 200)
    assert (readout.weight_shape, readout.pools) == ((10, 200), ())
    assert [len(connection.pools) for connection in (second, third)] == [1, 1]


def test_connections_know_their_stream():
    """A pooling that no convolution takes in is a layer of the network, and has a number there."""
    network = connections((2, 12, 12), ["4c3", "p2", "6c3", "p2", 5], 3)
    assert [connection.place for connection in network] == [0, 1, 3, 4]


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["4c3"], lambda x, w: conv2d(x, w)),
        (["4c3s2p1g2"], lambda x, w: conv2d(x, w, None, 2, 1, groups=2)),
        (["p2", "4c3p1"], lambda x, w: conv2d(4 * avg_pool2d(x, 2), w, None, 1, 1)),
        (["m3s2", "4c2"], lambda x, w: conv2d(max_pool2d(x, 3, 2), w)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_current_of_a_convolution(layers, expected, channels_last):
    """Whatever the order of the neurons."""
    x = torch.randint(3, (5, 3, 2, 9, 8)).double()
    (connection, _) = connections((2, 9, 8), layers, 3)
    weight = torch.randn(connection.weight_shape, dtype=torch.float64)
    current = connection.current(features(x, channels_last), weight, channels_last)
    assert current.shape == (5, 3, connection.neurons)
    found = images(current.flatten(0, 1), connection.out_shape, channels_last)
    torch.testing.assert_close(found, expected(x.flatten(0, 1), weight))


def test_current_of_a_full_connection_takes_inputs_in_their_order():
    x = torch.randint(2, (4, 3, 2, 5, 6)).double()
    connection = connections((2, 5, 6), [3], 7)[0]
    weight = torch.randn(connection.weight_shape, dtype=torch.float64)
    in_other_order = flat(images(weight, (2, 5, 6), channels_last=False), channels_last=True)
    torch.testing.assert_close(
        connection.current(features(x, channels_last=False), weight, channels_last=False),
        connection.current(features(x, channels_last=True), in_other_order, channels_last=True),
    )


def test_current_pools_in_front_of_a_full_connection():
    x = torch.randint(2, (4, 3, 2, 5, 6)).double()
    connection = connections((2, 5, 6), ["p2", 3], 7)[0]
    weight = torch.randn(3, 2 * 2 * 3, dtype=torch.float64)
    pooled = 4 * avg_pool2d(x.flatten(0, 1), 2)
    expected = (pooled.flatten(1) @ weight.T).view(4, 3, 3)
    torch.testing.assert_close(connection.current(features(x, False), weight, False), expected)
