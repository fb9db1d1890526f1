"""The floating-point types that the compiled loops are made for."""

from __future__ import annotations

import torch

SUPPORTED = (torch.float32, torch.float64)


def require_supported(dtype: torch.dtype) -> None:
    """Raise ValueError unless the backend computes in this type."""
    if dtype not in SUPPORTED:
        name = str(dtype).removeprefix("torch.")
        raise ValueError(f"backend 'cpu' computes in float32 and float64, not in {name}; backend=reference does")
