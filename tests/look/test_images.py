import io

import numpy as np
import pytest
from matplotlib.image import imread

from snn_zo.look.images import BOTH, COLOURS, GAP, SHADES, png, raster, rgba, shaded, shaded_values, strip
from snn_zo.look.seen import Marks, Seen


def seen(neurons, steps, spiked, active):
    """A row of neurons with marks at (step, neuron)."""
    spikes, others = (Marks(*np.array(marks, int).reshape(-1, 2).T) for marks in (spiked, active))
    return Seen("a", (neurons,), steps, spikes, others)


def test_png_is_read_as_it_was_meant():
    levels = np.arange(2 * SHADES + 3, dtype=np.uint8)[:, None].repeat(5, 1)
    found = imread(io.BytesIO(png(levels)), format="png")
    np.testing.assert_allclose(found * 255, rgba(levels), atol=0.5)
    assert rgba(levels)[0, 0].tolist() == [0, 0, 0, 0]
    assert rgba(levels)[SHADES, 0].tolist() == [*COLOURS["spikes"], 255]
    assert rgba(levels)[2 * SHADES, 0].tolist() == [*COLOURS["active"], 255]


def test_shaded_every_count_is_seen_and_the_largest_is_the_darkest():
    counts = np.array([[0, 1, 50], [100, 99, 0]])
    assert shaded(counts, "spikes").tolist() == [[0, 1, 8], [15, 15, 0]]
    assert shaded(counts, "active").tolist() == [[0, 16, 23], [30, 30, 0]]
    assert not shaded(np.zeros((2, 2), int), "active").any()


def test_shaded_values_reach_from_the_smallest_to_the_largest():
    assert shaded_values(np.array([[-1.0, 0.0, 1.0]])).tolist() == [[0, 8, 15]]
    assert not shaded_values(np.full((2, 2), 3.0)).any()


def test_strip_puts_images_a_pixel_apart():
    one, other = np.full((2, 2), 3, np.uint8), np.full((2, 2), 9, np.uint8)
    whole = strip([[one, other], [other, one]])
    assert whole[0].tolist() == [3, 3, GAP, 9, 9]
    assert whole[2].tolist() == [GAP] * 5
    assert whole[4].tolist() == [9, 9, GAP, 3, 3]


def test_raster_has_a_pixel_for_each_element():
    levels, neurons, steps = raster(seen(3, 4, [(0, 0), (1, 2)], [(1, 2), (3, 1)]))
    assert (neurons, steps) == (1, 1)
    assert levels.tolist() == [[SHADES, 0, 0, 0], [0, 0, 0, 2 * SHADES], [0, BOTH, 0, 0]]


@pytest.mark.parametrize(("neurons", "steps"), [(401, 361), (8192, 5000)])
def test_raster_loses_nothing_where_pixels_stand_for_several_elements(neurons, steps):
    levels, by_neuron, by_step = raster(seen(neurons, steps, [(steps - 1, neurons - 1)], [(0, 0)]))
    assert (by_neuron, by_step) == (-(-neurons // 400), -(-steps // 360))
    assert levels[-1, -1] == SHADES
    assert levels[0, 0] == 2 * SHADES
    assert np.count_nonzero(levels) == 2
