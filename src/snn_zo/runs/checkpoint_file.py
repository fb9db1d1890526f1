"""Checkpoints on disk: written whole, read as weights and plain values only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from snn_zo.atomic import write_atomically
from snn_zo.config import ConfigError


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning saves and loads a run's checkpoints.

    Lightning's own way may move the file across file systems, where a crash or a full disk takes the previous
    checkpoint with it, and unpickles what it loads.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Put the checkpoint in the place of the previous one."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """See `read_checkpoint`."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint, on the CPU.

    Raises:
        ConfigError: it is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"]
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: the run wrote no checkpoint") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} is refused: it is damaged or holds more than weights ({reason})") from error
    return checkpoint
