"""Images that the network sees as they are."""

import os

import lightning
import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.content import content_of
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.description import run as describe
from snn_zo.data.digits import Digits
from snn_zo.data.direct import BITS, as_bits
from snn_zo.data.errors import DataError
from snn_zo.data.idx import MNIST
from snn_zo.data.resident import ResidentStore, streamed
from snn_zo.ops import Analogue
from tests.data.idx.files import contents, put


def digits(**settings: object) -> Digits:
    return Digits(cache_dir=os.environ["SNN_ZO_CACHE"], code="direct", steps=6, **settings)


def batches(dataset: Digits, seed: int = 0) -> list:
    return list(EventDataModule(dataset, seed=seed).train_dataloader())


def test_digits_are_given_as_they_are():
    dataset = digits(batch_size=200, shuffle=False)
    assert dataset.in_shape == (1, 28, 28)
    images = zoom(load_digits().images / 16, (1, 3.5, 3.5), order=1)
    first = batches(dataset)[0]
    assert isinstance(first.spikes, Analogue)
    assert (first.spikes.shape, first.spikes.features) == ((200, 6, 784), (1, 28, 28))
    values = first.spikes.values[:, 0, 0].numpy()
    np.testing.assert_allclose(values, images[first.sample.numpy()], atol=0.5 / 255 + 1e-6)
    assert values.max() == pytest.approx(1)
    assert torch.equal(first.target, torch.from_numpy(load_digits().target)[first.sample])


def test_bits_of_an_image():
    image = np.array([[[0, 1], [128, 255]]], np.uint8)
    recordings = as_bits(image, np.zeros(1, np.int64))
    assert sorted(zip(recordings.y, recordings.x, recordings.t // 1000, strict=True)) == [
        (0, 1, 0),
        (1, 0, 7),
        *((1, 1, bit) for bit in range(BITS)),
    ]


def test_idx_images_are_given_as_they_are(tmp_path):
    files = contents(40)
    put(tmp_path / "MNIST" / "raw", files)
    folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
    dataset = MNIST(code="direct", steps=4, val_fraction=0.25, batch_size=40, **folders)
    pixels = np.frombuffer(files["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 1, 28, 28)
    (batch,) = EventDataModule(dataset, seed=0).test_dataloader()
    np.testing.assert_allclose(batch.spikes.values[:, 0].numpy(), pixels / 255, atol=1e-6)


def test_shifted_images():
    """Augmentation moves the pixels and keeps what they are."""
    still, moved = (
        batches(digits(batch_size=64, shuffle=False, augment=Augmentation(shift=shift)))[0].spikes.values
        for shift in (0, 3)
    )
    assert not torch.equal(still, moved)
    for before, after in zip(still, moved, strict=True):
        assert after.max() <= before.max()
        assert 0 < after.sum() <= before.sum() * (1 + 1e-6)


def test_images_on_a_device_are_the_same():
    dataset = digits(batch_size=30)
    store, sample = dataset.splits().train
    held = dataset.presented(ResidentStore(store, torch.device("cpu")).batch(sample[:30]))
    loaded = dataset.presented(store.batch(sample[:30]))
    assert torch.equal(held.spikes.values, loaded.spikes.values)
    moved = streamed(loaded, torch.device("cpu"))
    assert torch.equal(moved.spikes.values, loaded.spikes.values)
    assert moved.spikes.steps == 6


def test_content_depends_on_the_images():
    assert content_of(digits().splits()) == content_of(digits(batch_size=3).splits())
    saccades = Digits(cache_dir=os.environ["SNN_ZO_CACHE"])
    assert content_of(saccades.splits())["fingerprint"] != content_of(digits().splits())["fingerprint"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"downsample": 2}, "downsample has no effect on images as they are"),
        ({"start": 5.0}, "start has no effect"),
        ({"clip": "counts"}, "clip has no effect"),
        ({"augment": Augmentation(drop=0.1)}, "augment.drop is for events"),
        ({"augment": Augmentation(jitter=1.0)}, "augment.jitter is for events"),
    ],
)
def test_settings_without_effect_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        digits(**settings)


def test_code_is_one_of_two():
    with pytest.raises(ValueError, match="code must be one of saccades, direct, got 'sacades'"):
        Digits(cache_dir=os.environ["SNN_ZO_CACHE"], code="sacades")


def test_describe_refuses_images(tmp_path):
    with pytest.raises(DataError, match="images as they are"):
        describe(digits(), "digits", tmp_path)


def test_training_on_images_learns():
    """From the data module to the weights: direct coding into a convolution."""
    from snn_zo.models import Conv
    from snn_zo.neuron import Neuron, Readout
    from snn_zo.strategies import Surrogate
    from snn_zo.tasks import CrossEntropy, make_task
    from snn_zo.training import SpikingModule

    lightning.seed_everything(0, verbose=False)
    dataset = digits(batch_size=64)
    neuron, readout = Neuron(dt=5.0, tau=10.0), Readout(dt=5.0, scale=7.0)
    model = Conv(dataset.in_shape, 10, Surrogate(slope=5.0), ["4c5s2"], neuron=neuron, readout=readout)
    task = make_task(dataset.target, CrossEntropy())
    module = SpikingModule(model, task, 0, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-2))
    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", **off)
    data = EventDataModule(dataset, seed=0)
    trainer.fit(module, data)
    assert trainer.test(module, data, verbose=False)[0]["test/acc"] > 0.7
