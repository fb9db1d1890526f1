"""Normalisation of a layer's weights: each step runs the layer with other weights, so that its sparsity stays."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from snn_zo.energy import normalisation
from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import Schedule
from snn_zo.energy.normalisation import NormalisedActivity, normalised_activity
from snn_zo.energy.work import Work
from snn_zo.neuron import NORMS, NormName
from snn_zo.ops import current_statistics
from snn_zo.ops.analogue import Input
from snn_zo.ops.convolution import Convolution


class Norm(nn.Module):
    """What stands between a layer's parameters and the weights that it computes with.

    Args:
        channels: C_out, of a convolution, or N.

    Attributes:
        gain: [C_out] learned factor of the currents, 1 at first.
        shifts: whether it adds something to every current.
    """

    shifts = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    @abstractmethod
    def forward(
        self, x: Input, weight: Tensor, bias: Tensor | None, convolution: Convolution | None, backend: str
    ) -> tuple[Tensor, Tensor | None]:
        """Weight and bias for an input.

        Args:
            x: of the layer.
            weight, bias: its parameters.
            convolution: which it is; None for a fully connected layer.
            backend: `auto` or the name of a backend.
        """

    @abstractmethod
    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in evaluation, whatever the input."""

    def activity(self, of_layer: Activity, x: Input, fan_out: Tensor | None, group: int) -> Activity:
        """The activity of the layer with what the normalisation is counted from; arguments as of
        `snn_zo.energy.normalisation.normalised_activity`."""
        return of_layer

    @abstractmethod
    def work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """Its operations by phase, in a training step of that activity."""

    @abstractmethod
    def dense_work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """Its operations by phase in full backpropagation."""


class ThresholdBatchNorm(Norm):
    """Batch normalisation of the currents to the scale of the threshold (tdBN; Zheng et al., AAAI 2021, eq. 5 to 7).

    I' = gain * alpha * v_th * (I - mean) / sqrt(variance + eps) + shift, with mean and variance over samples, time
    steps and space. It is folded into weight and bias before the layer runs, which is exact, gradients included.

    In evaluation the statistics are running ones, as of torch.nn.BatchNorm2d: those of each training step enter with
    the weight `momentum`, the variance with Bessel's correction.

    Args:
        channels: as of `Norm`.
        v_th: threshold of the neurons.
        alpha: 1; 1 / sqrt(2) where two such layers feed the same neurons.
        momentum: of the running statistics.
        eps: added to the variance.
    """

    shifts = True
    running_mean: Tensor
    running_variance: Tensor

    def __init__(
        self, channels: int, v_th: float, alpha: float = 1.0, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__(channels)
        self.shift = nn.Parameter(torch.zeros(channels))
        self.scale, self.momentum, self.eps = alpha * v_th, momentum, eps
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(
        self, x: Input, weight: Tensor, bias: Tensor | None, convolution: Convolution | None, backend: str
    ) -> tuple[Tensor, Tensor | None]:
        """See `Norm.forward`.

        Raises:
            ValueError: a training step has a single current a channel, which has no variance.
        """
        if not self.training:
            return self.folded(weight, bias)
        values = x.shape[0] * x.shape[1]
        if convolution is not None:
            _, height, width = convolution.out_shape
            values *= height * width
        if values < 2:
            raise ValueError("norm=tdbn needs more than one current a channel: more samples, time steps or pixels")
        mean, variance = current_statistics(x, weight, convolution, backend)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance.to(self.running_variance.dtype) * (values / (values - 1))
            self.running_variance.lerp_(unbiased, self.momentum)
        return self._fold(weight, mean, variance)

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See `Norm.folded`."""
        return self._fold(weight, self.running_mean, self.running_variance)

    def activity(self, of_layer: Activity, x: Input, fan_out: Tensor | None, group: int) -> NormalisedActivity:
        """See `Norm.activity`."""
        return normalised_activity(of_layer, x, fan_out, group)

    def work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """See `Norm.work`."""
        assert isinstance(activity, NormalisedActivity)
        return normalisation.batch_normalisation(activity, plan)

    def dense_work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """See `Norm.dense_work`."""
        return normalisation.dense_batch_normalisation(activity, plan)

    def _fold(self, weight: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.gain * self.scale / (variance + self.eps).sqrt()
        return _of_channels(factor, weight) * weight, self.shift - factor * mean


class WeightStandardisation(Norm):
    """Weights of mean 0 and variance gain^2 / fan in for each output channel (Qiao et al., 2019, with the scale of
    Brock et al., ICLR 2021), whatever the input: there are no statistics of a batch.

    Args:
        channels: as of `Norm`.
        eps: added to the variance of the weights.
    """

    def __init__(self, channels: int, eps: float = 1e-8) -> None:
        super().__init__(channels)
        self.eps = eps

    def forward(
        self, x: Input, weight: Tensor, bias: Tensor | None, convolution: Convolution | None, backend: str
    ) -> tuple[Tensor, Tensor | None]:
        """See `Norm.forward`."""
        return self.folded(weight, bias)

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See `Norm.folded`."""
        flat = weight.flatten(1)
        variance, mean = torch.var_mean(flat, 1, correction=0)
        factor = self.gain / ((variance + self.eps) * flat.shape[1]).sqrt()
        return _of_channels(factor, weight) * (weight - _of_channels(mean, weight)), bias

    def work(self, activity: Activity, plan: Schedule) -> dict[str, Work]:
        """See `Norm.work`."""
        return normalisation.weight_standardisation(activity, plan)

    dense_work = work


def make_norm(name: NormName | None, channels: int, v_th: float, bias: bool, inputs: int) -> Norm | None:
    """The normalisation of that name; None for none.

    Args:
        name: which.
        channels: as of `Norm`.
        v_th: threshold of the neurons.
        bias: whether the layer has one.
        inputs: of a channel, the fan in.

    Raises:
        ValueError: there is none of that name, or it does not fit the layer.
    """
    if name is None:
        return None
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, or null, got '{name}'")
    if name == "tdbn":
        if bias:
            raise ValueError("norm=tdbn has a shift of its own and takes away whatever a bias adds: bias=false")
        return ThresholdBatchNorm(channels, v_th)
    if inputs < 2:
        raise ValueError("norm=weight needs more than one weight a channel: their variance is made 1")
    return WeightStandardisation(channels)


def normalises_batches(model: nn.Module) -> bool:
    """Whether a network takes statistics of the batches that it is trained on."""
    return any(isinstance(module, ThresholdBatchNorm) for module in model.modules())


def _of_channels(values: Tensor, weight: Tensor) -> Tensor:
    """[C_out] values as factors of a weight [C_out, ...]."""
    return values.view(-1, *[1] * (weight.dim() - 1))
