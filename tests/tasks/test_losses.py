import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy, log_softmax

from snn_zo.config.sources import choices, root
from snn_zo.models import Output
from snn_zo.target import Classes, Continuous
from snn_zo.tasks import LOSSES, MAE, MSE, TET, CrossEntropy, MSECount, make_task

B, T, C = 5, 7, 4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def output(readout=None, over_time=None):
    return Output(torch.randn(B, C) if readout is None else readout, {}, over_time)


def classes():
    return torch.tensor([0, 3, 1, 1, 2])


def test_losses_are_those_of_conf():
    assert sorted(LOSSES) == choices("loss")
    for name, loss in LOSSES.items():
        assert f"_target_: snn_zo.tasks.{loss.__name__}\n" in (root() / "conf" / "loss" / f"{name}.yaml").read_text()


# ---- cross-entropy


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_by_default_is_that_of_torch_bit_for_bit(dtype):
    readout, other = (torch.randn(B, C, dtype=dtype).requires_grad_() for _ in range(2))
    with torch.no_grad():
        other.copy_(readout)
    ours, theirs = CrossEntropy()(output(readout), classes()), cross_entropy(other, classes())
    ours.backward()
    theirs.backward()
    assert torch.equal(ours, theirs)
    assert torch.equal(readout.grad, other.grad)


def test_cross_entropy_class_weights_are_means_over_samples():
    """Written out; torch divides by the sum of the weights instead."""
    weights, out = [0.5, 2.0, 0.0, 3.0], output()
    found = CrossEntropy(class_weights=weights)(out, classes())
    log_p = log_softmax(out.readout, 1)
    expected = -sum(weights[y] * log_p[i, y] for i, y in enumerate(classes().tolist())) / B
    torch.testing.assert_close(found, expected)
    of_torch = cross_entropy(out.readout, classes(), torch.tensor(weights))
    torch.testing.assert_close(found, of_torch * sum(weights[y] for y in classes().tolist()) / B)


def test_cross_entropy_class_weights_are_the_same_however_a_batch_is_shared_out():
    loss, out, y = CrossEntropy(class_weights=[0.5, 2.0, 0.1, 3.0]), output(), classes()
    parts = [loss(output(out.readout[part]), y[part]) * len(y[part]) / B for part in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(parts), loss(out, y))


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 3.0]])
def test_cross_entropy_label_smoothing(weights):
    """(1 - e) w[y] (-log p_y) + e / C sum over classes of w[c] (-log p_c)."""
    e, out = 0.1, output()
    w, minus_log_p = torch.tensor(weights or [1.0] * C), -log_softmax(out.readout, 1)
    own = (w[classes()] * minus_log_p[torch.arange(B), classes()]).mean()
    expected = (1 - e) * own + e / C * (w * minus_log_p).sum(1).mean()
    torch.testing.assert_close(CrossEntropy(weights, label_smoothing=e)(out, classes()), expected)


def test_cross_entropy_balanced_weights_are_those_of_sklearn():
    y = np.repeat(np.arange(C), [70, 20, 9, 1])
    loss = CrossEntropy(class_weights="balanced").informed(Classes(C), y)
    np.testing.assert_allclose(loss.class_weights, compute_class_weight("balanced", classes=np.arange(C), y=y))
    assert np.mean([loss.class_weights[label] for label in y]) == pytest.approx(1)


def test_cross_entropy_balanced_without_recordings_of_a_class():
    with pytest.raises(ValueError, match=r"class_weights=balanced: class 2 has no recording in the training part"):
        CrossEntropy(class_weights="balanced").informed(Classes(4), np.array([0, 1, 3]))


def test_cross_entropy_balanced_has_to_be_informed():
    loss = CrossEntropy(class_weights="balanced")
    assert loss.asks_for_targets
    with pytest.raises(ValueError, match="has not been informed"):
        loss(output(), classes())


@pytest.mark.parametrize("weights", [None, [1.0] * C])
def test_cross_entropy_with_weights_of_its_own_asks_for_nothing(weights):
    loss = CrossEntropy(weights)
    assert not loss.asks_for_targets
    assert loss.informed(Classes(C), np.array([0])) is loss


# ---- temporal efficient training


@pytest.mark.parametrize(("lambda_", "phi"), [(0.05, 1.0), (0.3, -0.5), (0.0, 1.0), (1.0, 2.0)])
def test_tet_written_out(lambda_, phi):
    o = torch.randn(B, T, C, dtype=torch.float64)
    steps = [
        (1 - lambda_) * cross_entropy(o[:, t], classes()) + lambda_ * ((o[:, t] - phi) ** 2).mean() for t in range(T)
    ]
    torch.testing.assert_close(TET(lambda_, phi)(output(over_time=o), classes()), torch.stack(steps).mean())


def test_tet_takes_every_step():
    assert TET.every_step
    with pytest.raises(ValueError, match=r"takes the readout at every step, and the network gives no Output.over_time"):
        TET()(output(), classes())


# ---- spike counts


def test_mse_count_written_out():
    counts = torch.tensor([[4.0, 0.0, 1.0], [0.0, 0.0, 10.0]])
    loss = MSECount(steps=10, true_rate=0.6, other_rate=0.1)
    expected = ((0.4 - 0.6) ** 2 + 0.1**2 + 0.0**2 + 0.1**2 + 0.1**2 + (1.0 - 0.6) ** 2) / 6
    assert float(loss(output(counts), torch.tensor([0, 2]))) == pytest.approx(expected)


def test_mse_count_is_least_at_its_targets():
    counts = torch.full((B, C), 10.0).scatter(1, classes()[:, None], 90.0)
    assert float(MSECount(steps=100)(output(counts), classes())) == pytest.approx(0, abs=1e-12)


# ---- regression


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mse_and_mae_written_out(dtype):
    predicted = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=dtype).requires_grad_()
    target = torch.tensor([[0.0, 2.0], [1.0, 3.0]])
    assert float(MSE()(output(predicted), target).detach()) == pytest.approx((1 + 0 + 4 + 16) / 4)
    mae = MAE()(output(predicted), target)
    mae.backward()
    assert float(mae.detach()) == pytest.approx((1 + 0 + 2 + 4) / 4)
    assert predicted.grad.dtype == mae.dtype == dtype


# ---- which loss fits which target


@pytest.mark.parametrize("loss", [CrossEntropy(), TET(), MSECount(steps=3)])
def test_make_task_refuses_a_loss_of_classes(loss):
    name = next(name for name, kind in LOSSES.items() if kind is type(loss))
    line = f"^loss={name} is for classes, and the data's targets are real numbers: choose from mse, mae$"
    with pytest.raises(ValueError, match=line):
        make_task(Continuous(2), loss)


@pytest.mark.parametrize("loss", [MSE(), MAE()])
def test_make_task_refuses_a_loss_of_real_numbers(loss):
    name = type(loss).__name__.lower()
    line = f"^loss={name} is for real numbers, and the data's targets are classes: choose from cross_entropy, tet, mse_"
    with pytest.raises(ValueError, match=line):
        make_task(Classes(2), loss)


def test_make_task_refuses_what_is_no_loss():
    with pytest.raises(ValueError, match="loss must be a dataclass and a ClassLoss or ValueLoss"):
        make_task(Classes(2), math.sqrt)


def test_class_weights_that_a_test_asked_for_first_train():
    """A test runs in inference mode, whose tensors autograd does not take."""
    loss, target = CrossEntropy(class_weights=[0.25, 1.75]), torch.tensor([0, 1, 1])
    with torch.inference_mode():
        loss(Output(torch.rand(3, 2, dtype=torch.float64), {}), target)
    readout = torch.rand(3, 2, dtype=torch.float64).requires_grad_()
    loss(Output(readout, {}), target).backward()
    assert readout.grad.any()
