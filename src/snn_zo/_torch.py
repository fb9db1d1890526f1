"""`torch`, imported at first use.

Strategies, neurons and data descriptions double as the configuration schema, and a misspelt override has to be
answered before anyone waits for torch. Their modules write `from snn_zo._torch import torch`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
else:

    class _Torch:
        def __getattr__(self, name: str) -> Any:
            return getattr(import_module("torch"), name)

    torch = _Torch()
