"""The equations of the neuron, dense and by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snn_zo.neuron import Neuron
from snn_zo.ops.record import Record
from snn_zo.ops.spike import fire, local_derivative
from snn_zo.ops.spikes import Rows, Spikes
from snn_zo.strategies import Draw, Strategy


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None, steps: int) -> Spikes:
    """See `snn_zo.ops.lif.lif`; current [B, T, N], or [B, 1, N] where it is constant."""
    current = current.expand(-1, steps, -1)
    nothing = torch.zeros_like(current)
    if not torch.is_grad_enabled() and forward_ad.unpack_dual(current).tangent is None:
        return _spikes(_run(current, nothing, neuron)[1], nothing, None)
    # once to know u, from which the strategy has ds/du, and once more with it
    with torch.no_grad():
        u, _ = _run(current, nothing, neuron)
        g = local_derivative(strategy, u, draw)
    drawn = int((u.abs() < strategy.reach).sum()) if strategy.stochastic else 0
    return _spikes(_run(current, g, neuron)[1], g, drawn)


def _run(current: Tensor, g: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
    """u and s at all time steps, [B, T, N] each, with ds/du = g."""
    v = s = torch.zeros_like(current[:, 0])
    u_all, s_all = [], []
    for current_t, g_t in zip(current.unbind(1), g.unbind(1), strict=True):
        s_back = s.detach() if neuron.detach_reset else s
        if neuron.reset == "hard":
            v = neuron.beta * v * (1 - s_back) + current_t
        elif neuron.reset == "soft":
            v = neuron.beta * v + current_t - neuron.v_th * s_back
        else:
            v = neuron.beta * v + current_t
        u_all.append(v - neuron.v_th)
        s = fire(u_all[-1], g_t)
        s_all.append(s)
    return torch.stack(u_all, 1), torch.stack(s_all, 1)


def _spikes(s: Tensor, g: Tensor, drawn: int | None) -> Spikes:
    """Events of s, and the active set of g with a handle that leads to s."""
    b, t, n = s.shape
    active = g.flatten().nonzero().squeeze(1)
    return Spikes(
        (b, t, n),
        events=Rows.from_flat(s.detach().flatten().nonzero().squeeze(1), b * t, n),
        active=Rows.from_flat(active, b * t, n),
        g=g.flatten()[active],
        handle=s.flatten()[active],
        record=Record(drawn=drawn),
    )
