import base64
import re
from dataclasses import replace

import numpy as np
import pytest

from snn_zo.look.look import look
from snn_zo.look.page import outcome, page
from snn_zo.look.settings import LookSettings

SETTINGS = LookSettings("somewhere", sample=3, slices=4)


@pytest.fixture(scope="module")
def seen(convolutional):
    return look(convolutional, SETTINGS)


@pytest.fixture(scope="module")
def shown(seen, convolutional):
    return page(seen, convolutional, SETTINGS, "../report.html")


def test_page_needs_no_other_file_and_no_script(shown):
    assert not re.findall(r"<(script|link|iframe|object)|@import|url\(", shown)
    assert {match[:22] for match in re.findall(r'src="([^"]*)"', shown)} == {"data:image/png;base64,"}
    assert "default-src &#39;none&#39;;" in shown
    assert re.findall(r'href="([^"]*)"', shown) == ["../report.html"]


def test_page_has_a_map_of_each_channel_and_of_each_time(shown):
    """Of the input and of conv1: all channels together in the whole and in 4 parts, each channel, each over time."""
    section = shown.split('<h2 id="layer2">')[1].split("</section>")[0]
    assert section.count("<figure") == 5 + 3 + 3
    assert section.count("<img") == 2 * 5 + 2 * 3 + 3
    for c in range(3):
        assert f"channel {c}<br>" in section
    assert all(base64.b64decode(uri).startswith(b"\x89PNG") for uri in re.findall(r"base64,([^\"]+)", section))


def test_page_has_a_raster_of_a_layer_without_places(shown):
    section = shown.split('<h2 id="layer3">')[1].split("</section>")[0]
    assert section.count("<img") == 1
    assert "Neurons 0 to 5 from top to bottom." in section
    assert "315 ms" in section


def test_page_has_the_shares_of_layers_and_channels(seen, shown):
    for each in seen.seen[1:]:
        assert f"{100 * each.share('spikes'):.3g} % of the elements spiked" in shown
        assert f"{100 * each.share('active'):.3g} % are active" in shown
    conv = seen.seen[1]
    for channel in range(3):
        assert f"{100 * conv.share_of_channel('active', channel):.3g} % active" in shown


def test_page_says_which_channels_are_left_out(seen, convolutional):
    shown = page(seen, convolutional, replace(SETTINGS, channels=2, order="active"), None)
    assert "2 of 3 channels, those with most active elements." in shown
    assert "report.html" not in shown


def test_page_says_what_came_out(seen, shown):
    right, wrong = replace(seen, target=seen.predicted), replace(seen, target=(seen.predicted + 1) % 10)
    assert outcome(right) == f"The network says {seen.predicted}, which is right."
    assert outcome(wrong) == f"The network says {seen.predicted}, but it is {wrong.target}."
    assert outcome(seen) in shown
    values = replace(seen, target=np.array([0.5, -2]), values=np.array([0.25, 1e-5]))
    assert outcome(values) == "The network says 0.25, 1e-05; true is 0.5, -2."


def test_page_of_values_has_no_table_of_classes(seen, convolutional):
    found = replace(
        seen, target=np.array([0.5]), values=np.array([0.25]), names=["value"], over_time=seen.over_time[:, :1]
    )
    shown = page(found, convolutional, SETTINGS, None)
    assert "softmax" not in shown
    assert "Values of the output over time" in shown


def test_page_of_an_input_that_is_no_spikes(seen, convolutional):
    """A picture of its values, by channel, in the place of its spikes."""
    image = np.linspace(-1, 1, 2 * 4 * 5).reshape(2, 4, 5)
    shown = page(replace(seen, seen=seen.seen[1:], image=image), convolutional, SETTINGS, None)
    section = shown.split('<h2 id="input">Input, 2 x 4 x 5</h2>')[1].split("</section>")[0]
    assert section.count("<img") == 2
    assert "From -1, without colour, to 1." in section
    assert '<th scope="row" class="word">input</th><td>2 x 4 x 5</td>' in shown
    assert shown.count(">Input, ") == 1


def test_page_names_are_text(seen, convolutional):
    names = [f"<b onclick=x>{i}" for i in range(10)]
    layers = [seen.seen[0], *(replace(each, name="<script>") for each in seen.seen[1:])]
    shown = page(replace(seen, names=names, seen=layers), convolutional, SETTINGS, None)
    assert "<b " not in shown
    assert "<script>" not in shown
    assert "&lt;b onclick=x&gt;3" in shown
