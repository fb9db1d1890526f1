"""Runs to look at: one that has been trained for a batch, and the same with a convolutional network in its place."""

from pathlib import Path

import pytest
import torch
from torch import nn

from snn_zo import experiment, load_run
from snn_zo.config import Composed
from snn_zo.layers import LeakyReadout, SpikingConv2d, SpikingLinear
from snn_zo.models import Output
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw, LocalZO
from snn_zo.training import SpikingModule
from tests.config.test_build import composed


class Convolutional(nn.Module):
    """2 x 34 x 34 -> 3 channels of 17 x 17 -> 6 neurons -> 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        strategy, neuron = LocalZO(delta=0.3), Neuron(dt=5, v_th=0.5)
        self.conv = SpikingConv2d((2, 34, 34), 3, 3, neuron, strategy, "conv1", padding=1, pool=2)
        self.full = SpikingLinear(self.conv.out_shape, 6, neuron, strategy, "hidden1")
        self.readout = LeakyReadout((6,), 10, Readout(dt=5))

    def forward(self, x: Spikes, draw: Draw | None = None) -> Output:
        conv = self.conv(x, draw and draw.for_layer(0))
        full = self.full(conv, draw and draw.for_layer(1))
        return Output(self.readout(full), {"conv1": conv, "hidden1": full})


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The folder of a run of one batch, whose strategies were scaled for a share of active elements."""
    outputs = tmp_path_factory.mktemp("look")
    limits = [f"trainer.{name}=1" for name in ("max_epochs", *(f"limit_{s}_batches" for s in ("train", "val", "test")))]
    overrides = ["model.hidden=[9,5]", "logger=none", "schedule=none", "name=seen", "trainer.accelerator=cpu"]
    experiment.run(Composed.of(composed(*limits, *overrides, "active=0.02", f"outputs={outputs}")), "digits", [])
    return outputs / "digits" / "seen"


@pytest.fixture(scope="session")
def trained(folder) -> experiment.LoadedRun:
    return load_run(folder)


@pytest.fixture(scope="session")
def convolutional(trained) -> experiment.LoadedRun:
    """The same run with another network."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = SpikingModule(Convolutional(), trained.module.task, seed=5, optimizer=torch.optim.Adam)
    return trained._replace(module=module.eval(), step=7)
