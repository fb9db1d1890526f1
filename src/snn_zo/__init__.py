"""Energy-efficient training of spiking neural networks with local zeroth-order and surrogate spike gradients."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snn_zo.experiment import load_run as load_run
    from snn_zo.ops.spike import spike as spike

__version__ = "0.1.0"

_EXPORTS = {"load_run": "snn_zo.experiment", "spike": "snn_zo.ops.spike"}


def __getattr__(name: str) -> Any:
    # loaded at first use: `import snn_zo` is not worth waiting for torch
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'snn_zo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
