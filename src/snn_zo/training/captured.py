"""Training whose steps are replayed from a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer

from snn_zo.data.store import Batch
from snn_zo.training.module import SpikingModule
from snn_zo.training.replay import Replay, for_replay
from snn_zo.training.step import Trained


class CapturedModule(SpikingModule):
    """`SpikingModule` with `Replay` for its training steps: backward and update are part of `training_step`.

    To the rest of Lightning nothing changes: steps are counted, schedules step, metrics and callbacks see each batch.
    """

    guards_loss = True
    replay: Replay | None = None

    def new_optimizer(self) -> Optimizer:
        """The optimizer in the form that a graph needs."""
        parameters = list(self.model.parameters())
        return for_replay(self.make_optimizer, parameters, parameters[0].device)

    def on_fit_start(self) -> None:
        """Begin with ordinary steps."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        self.replay = Replay(self.compute, optimizer)

    def training_step(self, batch: Batch, batch_idx: int) -> Trained:
        """The whole step."""
        assert self.replay is not None
        return self.report(self.replay(batch, self.global_step), batch)

    def backward(self, loss: Tensor, *args: object, **kwargs: object) -> None:
        """Nothing: it is part of the training step."""

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Nothing: it is part of the training step."""

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], object] | None = None,
    ) -> None:
        """Do the training step; the update is part of it."""
        assert optimizer_closure is not None
        optimizer_closure()

    def on_validation_start(self) -> None:
        """Validation and checkpoints see the weights that every batch so far has led to."""
        self._finish_steps()

    def on_train_epoch_end(self) -> None:
        """The same without a validation."""
        self._finish_steps()

    def _finish_steps(self) -> None:
        if self.replay is not None:  # not in a validation outside of a training
            self.replay.finish()
