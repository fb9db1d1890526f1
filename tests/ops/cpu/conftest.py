import pytest
import torch

from tests.ops.cpu.cases import LAYER


@pytest.fixture
def set_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=["trace", "adjoint"])
def form(request, monkeypatch):
    """The form of a weight's gradient, whatever it costs."""
    monkeypatch.setattr(LAYER, "ADDITION", 1e12 if request.param == "trace" else -1e12)
    return request.param
