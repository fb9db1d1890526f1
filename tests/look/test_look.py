import numpy as np
import pytest
import torch

from snn_zo.config import ConfigError
from snn_zo.look.look import look
from snn_zo.look.maps import SIDE, FeatureMaps
from snn_zo.look.seen import Marks, Seen
from snn_zo.look.settings import LookSettings

SETTINGS = LookSettings("somewhere", sample=3)


@pytest.mark.parametrize("kind", ["trained", "convolutional"])
def test_look_shows_what_a_training_step_would_do(kind, request):
    """Spikes of each layer as dense spikes, and as active what the step after these weights draws."""
    run = request.getfixturevalue(kind)
    found = look(run, SETTINGS)
    batch = run.data.recording("test", 3)
    step = run.module.compute(batch, run.step)
    assert [seen.name for seen in found.seen] == ["input", *step.hidden]
    np.testing.assert_array_equal(
        found.seen[0].counts("spikes", range(found.steps + 1)), batch.spikes.to_dense()[0].numpy()
    )
    for seen, spikes in zip(found.seen[1:], step.hidden.values(), strict=True):
        dense = spikes.to_dense()[0]
        active = torch.zeros(dense.numel()).index_fill_(0, spikes.active_elements(), 1)
        if spikes.channels_last:
            channels, height, width = spikes.features
            active = active.view(-1, height, width, channels).permute(0, 3, 1, 2)
        steps = range(found.steps + 1)
        np.testing.assert_array_equal(seen.counts("spikes", steps), dense.detach().numpy())
        np.testing.assert_array_equal(seen.counts("active", steps), active.view(dense.shape).numpy())
        assert 0 < seen.share("active") < 1
    torch.testing.assert_close(torch.tensor(found.values), step.readout[0].double())
    assert found.over_time.shape == (found.steps, 10)
    torch.testing.assert_close(torch.tensor(found.over_time).mean(0), step.readout[0].double(), rtol=1e-5, atol=1e-6)
    assert found.target == int(batch.target[0])


def test_look_draws_by_the_step_of_the_weights(convolutional):
    first, same, other = (look(convolutional._replace(step=step), SETTINGS).seen[1] for step in (7, 7, 8))
    assert first.active.neuron.tolist() == same.active.neuron.tolist() != other.active.neuron.tolist()
    assert first.spikes.neuron.tolist() == other.spikes.neuron.tolist()


def test_look_of_a_step_that_no_run_has_is_refused(trained):
    with pytest.raises(ConfigError, match=r"a checkpoint of step 4294967296 is refused: Draw\.step must lie in"):
        look(trained._replace(step=2**32), SETTINGS)


@pytest.mark.parametrize("part", ["test", "val", "train"])
def test_look_by_the_number_in_the_data_set(trained, part):
    number = int(getattr(trained.data.splits, part).sample[4])
    by_place, by_number = (
        look(trained, LookSettings("x", part=part, **given)) for given in ({"sample": 4}, {"recording": number})
    )
    assert by_place.recording == by_number.recording == number
    assert by_place.sample == by_number.sample == 4
    assert by_place.values.tolist() == by_number.values.tolist()


def test_look_elsewhere_is_refused(trained):
    splits = trained.data.splits
    of_training, last = int(splits.train.sample[0]), int(splits.test.sample[-1])
    size = len(splits.test.sample)
    for given, words in (
        ({"sample": size}, f"sample={size} is none of the {size} recordings of the part test: choose from 0 to"),
        ({"sample": -1}, "sample=-1 is none"),
        ({"recording": of_training}, f"recording={of_training} is not in the part test; part=train holds it"),
        ({"recording": 10**7}, f"recording=10000000 is not in the part test; the nearest is {last}"),
    ):
        with pytest.raises(ConfigError, match=words):
            look(trained, LookSettings("x", **given))


def test_look_without_the_width_that_the_run_had_is_refused(trained):
    with pytest.raises(ConfigError, match=r"active=0.02: summary.json does not say by"):
        look(trained._replace(summary={**trained.summary, "width_factor": None}), SETTINGS)


def test_load_run_has_the_widths_that_were_trained_with(trained):
    """They were scaled for `active=0.02`, by a factor that the summary has."""
    delta = trained.module.model.layers[0].strategy.delta
    factor = trained.summary["width_factor"]
    assert factor not in (None, 1.0)
    assert delta == pytest.approx(trained.config.strategy.delta * factor)


def test_maps_of_large_layers_count_neighbours_together(convolutional):
    found = look(convolutional, SETTINGS)
    marks = Marks(np.array([0, 0, 62]), np.array([0, 1, 400 * 300 - 1]))
    maps = FeatureMaps.of(found, Seen("a", (1, 300, 400), found.steps, marks, None), SETTINGS)
    assert maps.whole["spikes"].shape == (1, 100, 134)
    assert max(maps.whole["spikes"].shape) <= SIDE
    assert maps.whole["spikes"][0, 0, 0] == 2
    assert maps.whole["spikes"][0, -1, -1] == 1
    assert maps.parts["spikes"][-1].sum() == 1
    assert set(maps.parts) == {"spikes"}


def test_look_edges_are_of_equal_slices(trained):
    found = look(trained, SETTINGS)
    assert found.edges(3) == [0, 21, 42, 63]
    assert found.edges(100) == list(range(64))
    assert found.spans([0, 21, 63]) == ["0 to 105 ms", "105 to 315 ms"]
