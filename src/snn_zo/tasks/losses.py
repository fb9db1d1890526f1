"""Losses: how far the output of a network is from the targets.

They are settings as well, and their module loads without torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from snn_zo._torch import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.models import Output
    from snn_zo.target import Target

BALANCED = "balanced"


class Loss(ABC):
    """A loss, called as loss(output, target); its value is a scalar, the mean over the samples of a batch.

    Attributes:
        every_step: whether it looks at the values of the readout at every time step, `Output.over_time`.
        counts: whether it takes the values of the readout for spike counts.
    """

    every_step: ClassVar[bool] = False
    counts: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            output: of the network.
            target: [B, *shape of the target].
        """

    def require_fit(self, target: Target) -> None:  # noqa: B027 (most fit any)
        """Raise ValueError unless the settings fit the target."""

    @property
    def asks_for_targets(self) -> bool:
        """Whether it has to be `informed` of the targets of the training part before it can be called."""
        return False

    def informed(self, target: Target, targets: NDArray[np.generic]) -> Loss:
        """The loss that knows the targets of the training part.

        Args:
            target: what they are.
            targets: [S, *shape of the target].

        Raises:
            ValueError: it cannot do with these.
        """
        return self


class ClassLoss(Loss):
    """A loss of a classification: targets are classes [B], and the readout has a value for each class."""


class ValueLoss(Loss):
    """A loss of a regression: targets are real numbers [B, K], and the readout has a value for each of them."""


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """Cross-entropy of the softmax of the readout, -log p_y, weighted by class: mean over samples of w[y] (-log p_y).

    The mean is over the number of samples (torch's own divides by the sum of their weights), so that a sample counts
    the same whatever it shares a batch with. Balanced weights have mean 1 over the training part.

    Attributes:
        class_weights: w, a number for each class; `balanced` for S / (C n[c]) with n[c] of the S training recordings of
            class c; None for 1.
        label_smoothing: share of the target's probability that all classes are given alike (Szegedy et al. 2016).
    """

    class_weights: list[float] | str | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        weights = self.class_weights
        if isinstance(weights, str) and weights != BALANCED:
            raise ValueError(f"class_weights must be balanced, a list of numbers or null, got '{weights}'")
        if isinstance(weights, list) and (not all(0 <= weight < math.inf for weight in weights) or not any(weights)):
            raise ValueError(f"class_weights must be numbers, 0 or more, and not all 0, got {list(weights)}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {self.label_smoothing:g}")

    def require_fit(self, target: Target) -> None:
        """There is a weight for each class."""
        weights = self.class_weights
        if weights is not None and weights != BALANCED and len(weights) != target.outputs:
            raise ValueError(f"loss.class_weights must hold {target.outputs} numbers, one a class, got {len(weights)}")

    @property
    def asks_for_targets(self) -> bool:
        """For balanced weights."""
        return self.class_weights == BALANCED

    def informed(self, target: Target, targets: NDArray[np.generic]) -> CrossEntropy:
        """With the weights that balance these targets."""
        if not self.asks_for_targets:
            return self
        import numpy as np

        counts = np.bincount(targets.astype(np.int64), minlength=target.outputs)
        if not counts.all():
            raise ValueError(
                f"loss.class_weights=balanced: class {int(counts.argmin())} has no recording in the training part; "
                "give the weights as a list"
            )
        return replace(self, class_weights=(len(targets) / (target.outputs * counts)).tolist())

    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """See `Loss.__call__`."""
        readout, smoothing = output.readout, self.label_smoothing
        if self.class_weights is None:
            return torch.nn.functional.cross_entropy(readout, target, label_smoothing=smoothing)
        if isinstance(self.class_weights, str):
            raise ValueError("class_weights=balanced: the loss has not been informed of the training part's targets")
        weights = _on_device(tuple(self.class_weights), readout.dtype, readout.device)
        total = torch.nn.functional.cross_entropy(readout, target, weights, label_smoothing=smoothing, reduction="sum")
        return total / len(target)


@dataclass(frozen=True)
class TET(ClassLoss):
    """Temporal efficient training (Deng et al. 2022), a loss of the values o[t] of the readout at every step:

        (1 - lambda) mean over t of cross-entropy(o[t], y) + lambda mean over t and classes of (o[t] - phi)^2

    Attributes:
        lambda_: weight of the second part; the LocalZO paper has 0.05.
        phi: what the second part draws the values to.
    """

    lambda_: float = 0.05
    phi: float = 1.0

    every_step: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.lambda_ <= 1:
            raise ValueError(f"lambda_ must lie in 0 to 1, got {self.lambda_:g}")
        if not math.isfinite(self.phi):
            raise ValueError(f"phi must be a number, got {self.phi:g}")

    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """See `Loss.__call__`."""
        if output.over_time is None:
            raise ValueError("the loss tet takes the readout at every step, and the network gives no Output.over_time")
        o = output.over_time.transpose(1, 2)
        at_each = torch.nn.functional.cross_entropy(o, target[:, None].expand(-1, o.shape[2]))
        return (1 - self.lambda_) * at_each + self.lambda_ * (o - self.phi).square().mean()


@dataclass(frozen=True)
class MSECount(ClassLoss):
    """Mean squared error of each output neuron's rate n / T, spikes a time step, against one of two targets.

    Attributes:
        steps: T; the data's.
        true_rate: target of the neuron of the true class.
        other_rate: target of all other neurons.
    """

    steps: int
    true_rate: float = 0.9
    other_rate: float = 0.1

    counts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        for name, rate in (("true_rate", self.true_rate), ("other_rate", self.other_rate)):
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} must lie in 0 to 1 spikes a time step, got {rate:g}")
        if not self.other_rate < self.true_rate:
            raise ValueError(f"other_rate must be below true_rate, {self.true_rate:g}, got {self.other_rate:g}")

    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """See `Loss.__call__`."""
        rate = output.readout / self.steps
        wanted = torch.full_like(rate, self.other_rate).scatter(1, target[:, None], self.true_rate)
        return (rate - wanted).square().mean()


@dataclass(frozen=True)
class MSE(ValueLoss):
    """Mean squared error, over samples and values."""

    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """See `Loss.__call__`."""
        return torch.nn.functional.mse_loss(output.readout, target.to(output.readout.dtype))


@dataclass(frozen=True)
class MAE(ValueLoss):
    """Mean absolute error, over samples and values."""

    def __call__(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """See `Loss.__call__`."""
        return torch.nn.functional.l1_loss(output.readout, target.to(output.readout.dtype))


LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "tet": TET,
    "mse_count": MSECount,
    "mse": MSE,
    "mae": MAE,
}
"""By the names under which `conf/loss` has them."""


@cache
def _on_device(weights: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Made once: a captured step may not wait for the host. The first to ask may be a test, in inference mode."""
    with torch.inference_mode(False):
        return torch.tensor(weights, dtype=dtype, device=device)
