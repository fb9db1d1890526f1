"""Steps that nobody waits for, with the function itself in the place of its CUDA graph."""

from __future__ import annotations

from functools import partial

import pytest
import torch

pytest.importorskip("triton")

from snn_zo.data.store import Batch
from snn_zo.layers import SpikingLinear
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.ops.backends import INTERPRETED
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import LocalZO
from snn_zo.target import Classes
from snn_zo.tasks import CrossEntropy, make_task
from snn_zo.training import DivergedError, SpikingModule
from snn_zo.training.replay import WARM_UP, Replay, for_replay, reason_against
from snn_zo.training.schedules import cosine, one_cycle

pytestmark = pytest.mark.skipif(not INTERPRETED, reason="TRITON_INTERPRET=1 runs these on a CPU")

CPU = torch.device("cpu")


def make_module(backend="triton"):
    torch.manual_seed(0)
    model = FeedForward(
        (6,), 3, LocalZO(delta=0.3), [5, 4], Neuron(tau=5.0), Readout(tau=4.0), gain=4.0, backend=backend
    )
    optimizer = partial(torch.optim.Adam, lr=2.0**-7)  # the same in float32, which the device keeps it in
    regularizer = SpikeCount(upper=0.1, at_most=0.5, lower=0.1, at_least=1.0)
    return SpikingModule(
        model.double(), make_task(Classes(3), CrossEntropy()), 0, optimizer, regularizer=regularizer, backend=backend
    )


def make_batches(count=6, rates=None, size=3):
    generator = torch.Generator().manual_seed(5)
    batches = []
    for i in range(count):
        x = torch.rand(size, 4, 6, generator=generator) < (rates[i] if rates else 0.3)
        label, sample = torch.randint(3, (size,), generator=generator), torch.arange(size) + size * i
        batches.append(Batch(Spikes.from_dense(x.double()), label, sample))
    return batches


def make_replay(module, capture=lambda work: work):
    return Replay(module.compute, for_replay(module.make_optimizer, module.model.parameters(), CPU), capture)


def ordinary(batches):
    """The same training with the reference backend and no replay."""
    module = make_module("reference")
    optimizer = module.make_optimizer(module.model.parameters())
    losses = []
    for step, batch in enumerate(batches):
        optimizer.zero_grad()
        loss = module.compute(batch, step).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return module, losses


def assert_same_weights(ours, theirs):
    for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_replay_is_ordinary_training():
    """Ordinary steps, replayed steps and a last batch of another size."""
    batches = [*make_batches(WARM_UP + 2), *make_batches(1, size=2)]
    module = make_module()
    replay = make_replay(module)
    losses = [float(replay(batch, step).loss) for step, batch in enumerate(batches)]
    replay.finish()
    expected, expected_losses = ordinary(batches)
    assert losses == pytest.approx(expected_losses)
    assert_same_weights(module, expected)


def test_replay_captures_once():
    captured = []

    def capture(work):
        captured.append(work)
        return work

    replay = make_replay(make_module(), capture)
    for step, batch in enumerate(make_batches(WARM_UP + 3)):
        replay(batch, step)
    assert len(captured) == 1


def test_replay_smaller_batches_stay_ordinary():
    """A last batch of another size, whenever it comes, is neither captured nor lets go of what the graph reads."""
    shapes, held = [], []

    def capture(work):
        shapes.append(replay._batch.spikes.shape)
        return work

    module = make_module()
    replay = make_replay(module, capture)
    batches = [*make_batches(WARM_UP), *make_batches(1, size=2), *make_batches(2), *make_batches(1, size=2)]
    for step, batch in enumerate(batches):
        replay(batch, step)
        if shapes:
            held.append(replay._limits)
    replay.finish()
    assert shapes == [(3, 4, 6)]
    assert all(limits is held[0] for limits in held)
    assert_same_weights(module, ordinary(batches)[0])


def test_replay_that_cannot_be_captured(caplog):
    """One line, and ordinary steps to the same weights."""

    def capture(work):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    batches = make_batches(WARM_UP + 2)
    module = make_module()
    replay = make_replay(module, capture)
    for step, batch in enumerate(batches):
        replay(batch, step)
    assert_same_weights(module, ordinary(batches)[0])
    (record,) = caplog.records
    assert record.message.endswith("cannot be captured: operation not permitted")


def test_replay_learning_rate_after_a_checkpoint():
    """A checkpoint brings the rate back on the CPU; a capture takes a tensor on the device that schedules write to."""
    module = make_module()
    replay = make_replay(module)
    batches = make_batches(WARM_UP + 1)
    for step in range(WARM_UP):
        replay(batches[step], step)
    state = replay.optimizer.state_dict()
    state["param_groups"][0]["lr"] = 0.5
    replay.optimizer.load_state_dict(state)
    replay(batches[WARM_UP], WARM_UP)
    (group,) = replay.optimizer.param_groups
    assert torch.is_tensor(group["lr"])
    assert group["lr"].dtype == torch.float32


def test_replay_overflow_is_done_again():
    """Batches that need more room than was planned leave no trace, until they are done again."""
    batches = make_batches(WARM_UP + 3, rates=[0.05] * WARM_UP + [0.05, 0.9, 0.05])
    module = make_module()
    replay = make_replay(module)
    for step in range(WARM_UP + 1):
        replay(batches[step], step)
    replay.plan.rooms = [tuple(1 for _ in room) for room in replay.plan.rooms]
    replay.plan._limits = None
    before = [p.clone() for p in module.model.parameters()]
    replay(batches[WARM_UP + 1], WARM_UP + 1)
    assert all(map(torch.equal, before, module.model.parameters()))
    replay.finish()
    replay(batches[WARM_UP + 2], WARM_UP + 2)
    replay.finish()
    assert_same_weights(module, ordinary(batches)[0])


def test_replay_larger_input():
    """More input events than the buffers hold: captured anew before anything is lost."""
    batches = make_batches(WARM_UP + 2, rates=[0.01] * (WARM_UP + 1) + [1.0], size=8)
    module = make_module()
    replay = make_replay(module)
    for step, batch in enumerate(batches):
        replay(batch, step)
    replay.finish()
    assert_same_weights(module, ordinary(batches)[0])


@pytest.mark.parametrize("at", [0, WARM_UP])
def test_replay_not_finite(at):
    """A loss that is not a number is told, and never reaches the weights."""
    module = make_module()
    compute = module.compute

    def spoil(batch, step):
        result = compute(batch, step)
        return result._replace(loss=result.loss * float("nan")) if int(step) == at else result

    replay = Replay(spoil, for_replay(module.make_optimizer, module.model.parameters(), CPU), lambda work: work)
    batches = make_batches(WARM_UP + 1)
    for step in range(at):
        replay(batches[step], step)
        replay.finish()
    before = [p.clone() for p in module.model.parameters()]

    def diverge():
        replay(batches[at], at)
        replay.finish()

    with pytest.raises(DivergedError, match=f"nan or infinite in step {at + 1}"):
        diverge()
    assert all(map(torch.equal, before, module.model.parameters()))


def test_reason_against():
    adam, sgd = partial(torch.optim.Adam), partial(torch.optim.Rprop)
    assert "takes backend triton on a CUDA device" in reason_against({}, "cpu", adam)
    assert "takes backend triton on a CUDA device" in reason_against({}, "triton", adam)
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        assert reason_against({}, "triton", adam) is None
        assert "Rprop has no fused form" in reason_against({}, "triton", sgd)
        assert "trainer.gradient_clip_val=1.0 is not captured" in reason_against(
            {"gradient_clip_val": 1.0}, "triton", adam
        )
        assert "trainer.devices=2 is not captured" in reason_against({"devices": 2}, "triton", adam)
        assert "trainer.detect_anomaly=True" in reason_against({"detect_anomaly": True}, "triton", adam)
        assert "schedule=one_cycle changes the momentum" in reason_against({}, "triton", adam, partial(one_cycle))
        assert reason_against({}, "triton", adam, partial(cosine)) is None
        layer = SpikingLinear((3,), 2, Neuron(), LocalZO(), "hidden", norm="tdbn")
        assert "norm=tdbn has running statistics" in reason_against({}, "triton", adam, model=layer)


def test_captured_classifier_in_lightning(tmp_path):
    """Lightning counts the steps, logs and validates as with ordinary ones, to the same weights."""
    import lightning

    from snn_zo.training import CapturedModule

    class OnThisMachine(CapturedModule):
        def on_fit_start(self):
            super().on_fit_start()
            self.replay.capture = lambda work: work

    batches = make_batches(WARM_UP + 2)
    weights = []
    for kind, backend in ((OnThisMachine, "triton"), (SpikingModule, "reference")):
        module = make_module(backend)
        module.__class__ = kind
        off = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)
        trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", default_root_dir=tmp_path, **off)
        loader = torch.utils.data.DataLoader(batches, batch_size=None)
        trainer.validate(module, loader, verbose=False)  # there is nothing to settle yet
        trainer.fit(module, loader, loader)
        assert trainer.global_step == 2 * len(batches)
        assert {"train/loss", "train/acc", "val/acc", "loss"} <= set(trainer.callback_metrics)
        weights.append(module)
    assert_same_weights(*weights)
