import pytest
import torch

from snn_zo.models import FeedForward, Output
from snn_zo.neuron import REDUCTIONS, Neuron, Readout
from snn_zo.ops import Rows, Spikes, leaky_readout, spiking_linear
from snn_zo.ops.leaky_readout import reduced
from snn_zo.strategies import Draw, LocalZO, Surrogate

B, T, N_IN, C = 3, 9, 6, 4
NEURON, READOUT = Neuron(tau=5.0, v_th=0.5), Readout(tau=4.0, reduce="max")

depths = pytest.mark.parametrize("hidden", [[7], [5, 3, 4], [1, 1], []], ids=str)


def make_model(hidden=(7, 5), strategy=None, seed=0, **settings):
    torch.manual_seed(seed)
    return FeedForward((N_IN,), C, strategy or LocalZO(delta=0.5), hidden, NEURON, READOUT, **{"gain": 3.0, **settings})


def make_data(dtype=torch.float32):
    counts = torch.randint(0, 3, (B, T, N_IN), generator=torch.Generator().manual_seed(1))
    return Spikes.from_dense(counts.to(dtype))


def make_draw(layer=0):
    return Draw(seed=3, layer=layer, step=20, sample=torch.tensor([5, 0, 9]))


@depths
def test_forward_shapes(backend, hidden):
    out = make_model(hidden, backend=backend)(make_data(), make_draw())
    assert isinstance(out, Output)
    assert out.readout.shape == (B, C)
    assert list(out.hidden) == [f"hidden{i + 1}" for i in range(len(hidden))]
    assert [spikes.shape for spikes in out.hidden.values()] == [(B, T, n) for n in hidden]


@depths
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_forward_is_its_operations(backend, hidden, bias):
    """The network is a chain of operations in which layer i draws from stream i."""
    model = make_model(hidden, bias=bias, backend=backend)
    with torch.no_grad():
        for layer in model.layers if bias else ():
            layer.bias.uniform_(-0.3, 0.3)
    out = model(make_data(), make_draw())
    x = make_data()
    *layers, last = model.layers
    for i, layer in enumerate(layers):
        x = spiking_linear(x, layer.weight, layer.bias, NEURON, LocalZO(delta=0.5), make_draw(i), backend)
        got = out.hidden[f"hidden{i + 1}"]
        assert torch.equal(got.to_dense(), x.to_dense())
        assert torch.equal(got.active_elements(), x.active_elements())
        assert torch.equal(got.g, x.g)
    assert torch.equal(out.readout, leaky_readout(x, last.weight, last.bias, READOUT, backend))


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_forward_every_step(backend, reduce):
    """The values of every step, and what they reduce to."""
    torch.manual_seed(0)
    arguments = ((N_IN,), C, LocalZO(delta=0.5), [7], NEURON, Readout(tau=4.0, reduce=reduce, scale=3.0))
    model = FeedForward(*arguments, gain=3.0, backend=backend, every_step=True)
    out = model(make_data(), make_draw())
    model.layers[-1].every_step = False
    alone = model(make_data(), make_draw())
    assert out.over_time.shape == (B, T, C)
    assert alone.over_time is None
    torch.testing.assert_close(out.readout, alone.readout)
    torch.testing.assert_close(out.readout, reduced(out.over_time, reduce))
    assert out.readout.abs().max() > 0.1


def test_forward_layers_draw_apart(backend):
    """Two layers that see the same do not draw the same."""
    model = make_model([N_IN, N_IN], backend=backend)
    with torch.no_grad():
        for layer in model.layers[:2]:
            layer.weight.copy_(torch.eye(N_IN))
    x = Spikes.from_dense(torch.ones(B, T, N_IN))  # 1 > v_th at every step, whatever the reset
    first, second = model(x, make_draw()).hidden.values()
    assert torch.equal(first.to_dense(), second.to_dense())
    assert not torch.equal(first.active_elements(), second.active_elements())


def test_forward_same_draw(backend):
    model = make_model(backend=backend)
    first, second = (model(make_data(), make_draw()).hidden["hidden2"] for _ in range(2))
    assert torch.equal(first.g, second.g)


def test_forward_without_draw(backend):
    model = make_model(backend=backend)

    def active(seed):
        torch.manual_seed(seed)
        return [spikes.active_elements().tolist() for spikes in model(make_data()).hidden.values()]

    assert active(4) == active(4)
    assert active(4) != active(5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_forward_eval(backend, mode):
    model = make_model(backend=backend)
    trained = model(make_data(), make_draw())
    with mode():
        out = model(make_data())
        assert torch.equal(out.readout, trained.readout)
        for name, spikes in out.hidden.items():
            assert torch.equal(spikes.to_dense(), trained.hidden[name].to_dense())
    assert sum(spikes.active_count for spikes in out.hidden.values()) == 0


@pytest.mark.parametrize("hidden", [[7], [5, 3, 4], []], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_backward_every_parameter(backend, hidden, bias):
    model = make_model(hidden, Surrogate("sigmoid", slope=2.0), bias=bias, backend=backend)
    out = model(make_data())
    torch.nn.functional.cross_entropy(out.readout, torch.tensor([0, 3, 1])).backward()
    assert len(list(model.parameters())) == (len(hidden) + 1) * (1 + bias)
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_backward_dead_layer(backend):
    """No spike and no active element: gradients are zeros, not missing and not NaN."""
    model = make_model([5], Surrogate("triangular", slope=100.0), gain=1e-6, backend=backend)
    model(make_data()).readout.sum().backward()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.parameters())


def test_forward_float64_module_float32_events(backend):
    model = make_model(bias=True, backend=backend).double()
    events = make_data().events
    out = model(Spikes.from_events((B, T, N_IN), events, torch.float32), make_draw())
    same = model(make_data(torch.float64), make_draw())
    out.readout.sum().backward()
    assert out.readout.dtype == torch.float64
    assert {spikes.handle.dtype for spikes in out.hidden.values()} == {torch.float64}
    assert torch.equal(out.readout, same.readout)
    assert {p.grad.dtype for p in model.parameters()} == {torch.float64}


def test_forward_recorded_events(backend):
    """A single sample of a single event."""
    events = Rows(torch.tensor([0, 0, 1, 1]), torch.tensor([2], dtype=torch.int32))
    out = make_model(backend=backend)(Spikes.from_events((1, 3, N_IN), events))
    assert out.readout.shape == (1, C)
    assert not out.hidden["hidden1"].to_dense()[:, 0].any()


def test_forward_wrong_inputs(backend):
    with pytest.raises(ValueError, match=r"(?=.*\[7, 6\]).*\b5\b"):
        make_model(backend=backend)(Spikes.from_dense(torch.ones(B, T, 5)))


@pytest.mark.parametrize("hidden", [[7], []], ids=["hidden layer", "readout"])
def test_forward_unknown_backend(hidden):
    with pytest.raises(ValueError, match="'nothing' does not run on cpu; these do: auto"):
        make_model(hidden, backend="nothing")(make_data())


@pytest.mark.parametrize("gain", [0.5, 2.5])
def test_init_bounds(gain):
    torch.manual_seed(0)
    model = FeedForward((100,), 30, Surrogate(), [40, 25], NEURON, READOUT, gain=gain, bias=True)
    for layer in model.layers:
        bound = gain / layer.inputs**0.5
        assert 0.95 * bound < layer.weight.max() <= bound
        assert -bound <= layer.weight.min() < -0.95 * bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_init_bias_option():
    assert all(layer.bias is None for layer in make_model().layers)
    assert [layer.bias.shape for layer in make_model(bias=True).layers] == [(7,), (5,), (C,)]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_state_dict_round_trip(backend, bias):
    first, second = (make_model(bias=bias, seed=seed, backend=backend) for seed in (0, 1))
    assert not torch.equal(first(make_data(), make_draw()).readout, second(make_data(), make_draw()).readout)
    names = [f"layers.{i}.{part}" for i in range(3) for part in ("weight", "bias")[: 1 + bias]]
    assert list(first.state_dict()) == names
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(make_data(), make_draw()).readout, second(make_data(), make_draw()).readout)
