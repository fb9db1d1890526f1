"""The equations of the neuron, dense and by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.spike import fire
from snn_zo.ops.spikes import Rows, Spikes
from snn_zo.strategies import Draw, Strategy


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None) -> Spikes:
    """See `snn_zo.ops.lif.lif`."""
    g = torch.zeros_like(current)
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
        u = v - neuron.v_th
        s = fire(u, g_t)
        u_all.append(u.detach())
        s_all.append(s)
    drawn = None
    if torch.is_grad_enabled():
        u = torch.stack(u_all, 1)
        g.copy_(strategy.gradient(u, draw))
        drawn = int((u.abs() < strategy.reach).sum()) if strategy.stochastic else 0
    return _spikes(torch.stack(s_all, 1), g, drawn)


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
        drawn=drawn,
    )
