import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torchmetrics.classification import MulticlassAccuracy

from snn_zo.headline import Headline
from snn_zo.target import Classes, Continuous
from snn_zo.tasks import MSE, Classification, CrossEntropy, Regression, make_task
from snn_zo.tasks.r2 import R2

S = 200


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def in_batches(metric, *tensors, size=30):
    for first in range(0, len(tensors[0]), size):
        metric.update(*(tensor[first : first + size] for tensor in tensors))
    return metric.compute()


# ---- classification


def test_classification():
    task = make_task(Classes(5), CrossEntropy())
    assert isinstance(task, Classification)
    assert task.headline == Headline("acc", "accuracy", "max", "%")
    assert task.headline.logged("val") == "val/acc"


@pytest.mark.parametrize(("classes", "names"), [(2, ["acc"]), (3, ["acc"]), (4, ["acc", "top3"])])
def test_classification_metrics(classes, names):
    task = make_task(Classes(classes), CrossEntropy())
    readout, y = torch.randn(S, classes), torch.randint(classes, (S,))
    found = in_batches(task.metrics(), task.prediction(readout), y)
    assert list(found) == names
    assert set(names) <= set(task.directions)
    assert float(found["acc"]) == pytest.approx(float((readout.argmax(1) == y).float().mean()))
    if "top3" in names:
        expected = MulticlassAccuracy(classes, top_k=3, average="micro")(readout, y)
        assert torch.equal(found["top3"], expected)


def test_classification_writes_the_confusion_matrix():
    tested = make_task(Classes(3), CrossEntropy()).tested()
    readout = torch.eye(3)[[0, 0, 1, 2, 2]]
    in_batches(tested, readout, torch.tensor([0, 1, 1, 2, 0]), torch.arange(5), size=2)
    assert tested.tables()["confusion"] == [["label\\predicted", 0, 1, 2], [0, 1, 0, 1], [1, 1, 1, 0], [2, 0, 0, 1]]


def test_classification_writes_the_predictions_in_the_order_of_the_recordings():
    tested = make_task(Classes(3), CrossEntropy()).tested()
    scores = torch.tensor([[0.1, 2.5, -1e-7], [1 / 3, 0.0, 7.0]])
    in_batches(tested, scores, torch.tensor([2, 0]), torch.tensor([9, 4]), size=1)
    assert tested.tables()["predictions"] == [
        ["recording", "label", "prediction", "score_0", "score_1", "score_2"],
        [4, 0, 2, "0.333333", "0", "7"],
        [9, 2, 1, "0.1", "2.5", "-1e-07"],
    ]


def test_classification_of_a_device_without_a_share():
    tested = make_task(Classes(3), CrossEntropy()).tested()
    tested.update(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    tested.update(torch.eye(3), torch.arange(3), torch.arange(3))
    assert [row[1:] for row in tested.tables()["confusion"][1:]] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


# ---- regression


def test_regression():
    task = make_task(Continuous(2), MSE())
    assert isinstance(task, Regression)
    assert task.headline == Headline("r2", "R2", "max", "")
    assert task.target.outputs == 2


@pytest.mark.parametrize("size", [1, 3])
def test_regression_metrics(size):
    task = make_task(Continuous(size), MSE())
    y = torch.randn(S, size) * torch.arange(1.0, size + 1) + 4
    readout = y + torch.randn(S, size)
    found = in_batches(task.metrics(), task.prediction(readout), y)
    assert set(found) == {"r2", "mae", "rmse"} == set(task.directions) - {"loss"}
    assert float(found["r2"]) == pytest.approx(r2_score(y.numpy(), readout.numpy()), rel=1e-5)
    assert float(found["mae"]) == pytest.approx(float((readout - y).abs().mean()), rel=1e-5)
    assert float(found["rmse"]) == pytest.approx(float((readout - y).square().mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize(("size", "header"), [(1, ["recording", "predicted", "true"]), (2, None)])
def test_regression_writes_a_table(size, header):
    tested = make_task(Continuous(size), MSE()).tested()
    sample = torch.tensor([7, 2, 5])
    predicted = torch.arange(3.0 * size).view(3, size)
    nothing = torch.zeros(0, size)
    tested.update(nothing, nothing, torch.zeros(0, dtype=torch.int64))
    in_batches(tested, predicted, 0.5 + predicted.double(), sample, size=2)
    first, *rows = tested.tables()["predictions"]
    assert first == (header or ["recording", "predicted_1", "predicted_2", "true_1", "true_2"])
    assert [row[0] for row in rows] == [2, 5, 7]
    values = np.array([row[1:] for row in rows], np.float64)
    np.testing.assert_array_equal(values[:, :size], predicted.numpy()[[1, 2, 0]])
    np.testing.assert_array_equal(values[:, size:], 0.5 + predicted.numpy()[[1, 2, 0]])


# ---- R2


@pytest.mark.parametrize(
    ("offset", "scale"), [(0.0, 1.0), (1000.0, 0.1), (0.0, 1e-4), (0.0, 1e4)], ids=["unit", "far", "small", "large"]
)
def test_r2_is_that_of_sklearn_at_any_scale(offset, scale):
    y = (torch.randn(S, 2, dtype=torch.float64) * scale + offset).float()
    predicted = y + 0.5 * scale * torch.randn(S, 2)
    found = in_batches(R2(2), predicted, y)
    expected = r2_score(y.double().numpy(), predicted.double().numpy())
    assert 0.5 < expected < 0.9
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e5])
def test_r2_of_a_constant_target(value):
    y = torch.full((S, 1), value)
    assert float(in_batches(R2(1), y, y)) == 1
    assert float(in_batches(R2(1), y + 1, y)) == 0


def test_r2_of_one_sample():
    assert float(in_batches(R2(1), torch.tensor([[2.0]]), torch.tensor([[3.0]]))) == 0


def test_r2_of_what_is_no_number():
    assert torch.isnan(in_batches(R2(1), torch.tensor([[1.0], [float("nan")]]), torch.tensor([[1.0], [2.0]])))


def test_tasks_load_no_torch():
    code = (
        "import sys; from snn_zo.tasks import *; from snn_zo.target import Classes; "
        "make_task(Classes(3), CrossEntropy(class_weights=[1, 2, 3])).headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_r2_states_are_of_one_type_whether_or_not_a_device_has_a_sample():
    """Devices gather them, and one without a sample in an epoch sends its own as they began."""
    idle, busy = R2(2), R2(2)
    busy.update(torch.rand(3, 2), torch.rand(3, 2))
    for name in ("count", "total", "squares", "errors"):
        assert getattr(idle, name).dtype == getattr(busy, name).dtype
