"""What the operations have to compute, from the equations alone: dense, in plain autograd, sharing no code with them.

`Layer.adjoint` and `trace` are the hand-derived backward pass of docs/engine.md, which autograd has to agree with.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from snn_zo.neuron import Neuron, Readout
from snn_zo.strategies import Draw, Strategy


class Step(torch.autograd.Function):
    """s = 1(u > 0), ds/du = g."""

    @staticmethod
    def forward(ctx, u, g):
        ctx.save_for_backward(g)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx, grad):
        (g,) = ctx.saved_tensors
        return grad * g, None


class Layer(NamedTuple):
    """[B, T, N] spikes with their autograd graph, membrane potential and local derivative."""

    s: Tensor
    v: Tensor
    g: Tensor

    @property
    def active(self) -> Tensor:
        """Ascending flat indices of the active elements."""
        return self.g.flatten().nonzero().squeeze(1)

    def adjoint(self, grad: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
        """(lambda, eps) for grad = dL/ds: lambda[t] = eps[t] + beta lambda[t+1] is dL/dI[t]."""
        s, v, g, beta = self.s.detach(), self.v, self.g, leak(neuron)
        after = torch.zeros_like(grad[:, 0])
        lambdas, eps = torch.zeros_like(grad), torch.zeros_like(grad)
        for t in reversed(range(grad.shape[1])):
            if neuron.reset == "none" or (neuron.reset == "soft" and neuron.detach_reset):
                eps[:, t] = g[:, t] * grad[:, t]
            elif neuron.reset == "soft":
                eps[:, t] = g[:, t] * (grad[:, t] - neuron.v_th * after)
            elif neuron.detach_reset:
                eps[:, t] = g[:, t] * grad[:, t] - beta * s[:, t] * after
            else:
                eps[:, t] = g[:, t] * (grad[:, t] - beta * v[:, t] * after) - beta * s[:, t] * after
            after = lambdas[:, t] = eps[:, t] + beta * after
        return lambdas, eps


def leak(settings: Neuron | Readout) -> float:
    return math.exp(-settings.dt / settings.tau)


def membrane(current: Tensor, neuron: Neuron, g: Tensor) -> tuple[Tensor, Tensor]:
    beta, v_th = leak(neuron), neuron.v_th
    v, s = [torch.zeros_like(current[:, 0])], [torch.zeros_like(current[:, 0])]
    for t in range(current.shape[1]):
        reset = s[-1].detach() if neuron.detach_reset else s[-1]
        if neuron.reset == "soft":
            v.append(beta * v[-1] + current[:, t] - v_th * reset)
        elif neuron.reset == "hard":
            v.append(beta * v[-1] * (1 - reset) + current[:, t])
        else:
            v.append(beta * v[-1] + current[:, t])
        s.append(Step.apply(v[-1] - v_th, g[:, t]))
    return torch.stack(v[1:], 1), torch.stack(s[1:], 1)


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None = None) -> Layer:
    """Two passes: the first finds u, at which the strategy gives g; the second is differentiated."""
    v, _ = membrane(current.detach(), neuron, torch.zeros_like(current))
    g = strategy.gradient(v - neuron.v_th, draw)
    v, s = membrane(current, neuron, g)
    return Layer(s, v.detach(), g)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    current = torch.einsum("bti,ni->btn", x, weight)
    return current if bias is None else current + bias


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride=1, padding=0, groups=1, pool=1) -> Tensor:
    """[B, T, N] of inputs [B, T, C, H, W]: sums over squares, torch's convolution, channels last."""
    samples = len(x)
    x = torch.nn.functional.avg_pool2d(x.flatten(0, 1), pool, divisor_override=1)
    current = torch.nn.functional.conv2d(x, weight, bias, stride, padding, groups=groups)
    return current.permute(0, 2, 3, 1).reshape(samples, -1, current[0].numel())


def spiking_linear(x: Tensor, weight: Tensor, bias: Tensor | None, neuron, strategy, draw=None) -> Layer:
    return lif(linear(x, weight, bias), neuron, strategy, draw)


def spiking_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, neuron, strategy, draw=None, **options) -> Layer:
    return lif(convolution(x, weight, bias, **options), neuron, strategy, draw)


def over_time(x: Tensor, weight: Tensor, bias: Tensor | None, settings: Readout) -> Tensor:
    """o[t] = (1 - beta) * sum over r <= t of beta^(t - r) I[r]."""
    beta, steps = leak(settings), torch.arange(x.shape[1])
    lag = steps[:, None] - steps
    decay = torch.where(lag >= 0, (1 - beta) * beta ** lag.clamp(min=0).to(x.dtype), 0.0)
    return torch.einsum("tr,brc->btc", decay, linear(x, weight, bias))


def readout(x: Tensor, weight: Tensor, bias: Tensor | None, settings: Readout) -> Tensor:
    """`over_time`, reduced."""
    o = over_time(x, weight, bias, settings)
    if settings.reduce == "max":
        first = (o == o.amax(1, keepdim=True)).int().cumsum(1).cumsum(1) == 1
        return (o * first).sum(1)
    return {"sum": o.sum(1), "mean": o.mean(1), "last": o[:, -1]}[settings.reduce]


def trace(x: Tensor, neuron: Neuron) -> Tensor:
    """x_bar[t] = x[t] + beta x_bar[t-1]."""
    steps = [x[:, 0]]
    for t in range(1, x.shape[1]):
        steps.append(x[:, t] + leak(neuron) * steps[-1])
    return torch.stack(steps, 1)
