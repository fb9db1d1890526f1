"""Checkpoints on disk: written whole, with a checksum, and read as weights and plain values only."""

from __future__ import annotations

import functools
import io
import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from snn_zo.atomic import write_atomically
from snn_zo.config import ConfigError
from snn_zo.runs.archive import ArchiveError, checked, is_sealed, seal
from snn_zo.untrusted import MEGABYTE, open_file

log = logging.getLogger(__name__)

Checkpoint = dict[str, Any]
"""What Lightning puts into one: weights, states and progress, by name."""

MAX_VALUES = 200_000
"""Tensors, numbers, texts and collections in a checkpoint."""


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning saves and loads a run's checkpoints.

    Lightning's own way may move the file across file systems, where a crash or a full disk takes the previous
    checkpoint with it, and unpickles what it loads.

    Args:
        module: whose checkpoints they are.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def save_checkpoint(self, checkpoint: Checkpoint, path: str | Path, storage_options: object = None) -> None:
        """Write the checkpoint in place of the previous one.

        Raises:
            ConfigError: it could not be read again.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = seal(buffer.getvalue())
        try:
            if len(content) > _most_bytes(self.module):
                raise ArchiveError("larger than a checkpoint of this model may be")
            checked(content)
            _require_small(checkpoint)
        except ArchiveError as error:
            raise ConfigError(f"{path} is not written, as the state of the run would be {error}") from error
        write_atomically(Path(path), content)

    def load_checkpoint(
        self, path: str | Path, map_location: object = "cpu", weights_only: bool | None = None
    ) -> Checkpoint:
        """See `read_checkpoint`."""
        return read_checkpoint(Path(path), self.module)


def read_checkpoint(path: Path, module: nn.Module) -> Checkpoint:
    """A checkpoint, on the CPU.

    Args:
        path: of the file, from any source.
        module: whose checkpoint it is said to be, which tells how large it may be.

    Raises:
        ConfigError: it is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        with open_file(path, _most_bytes(module)) as file:
            content = file.read()
        sealed = is_sealed(content)
        checkpoint: Checkpoint = torch.load(checked(content), map_location="cpu", weights_only=True)
        checkpoint["state_dict"]
        _require_small(checkpoint)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: the run wrote no checkpoint") from error
    except OSError as error:
        raise ConfigError(f"{path} is refused: {error.strerror or error}") from error
    except ArchiveError as error:
        raise ConfigError(f"{path} is refused: it is {error}") from error
    except Exception as error:  # what torch says of it advises to load it all the same
        raise ConfigError(f"{path} is refused: it is damaged, or no checkpoint") from error
    if not sealed:
        _say_unsealed(path)
    return checkpoint


def load_weights(path: Path, module: nn.Module) -> Checkpoint:
    """Put the weights of a checkpoint into a module; the checkpoint.

    Raises:
        ConfigError: see `read_checkpoint`; or they are those of another network.
    """
    checkpoint = read_checkpoint(path, module)
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ConfigError(f"{path} does not fit config.yaml: its weights are those of another network") from error
    return checkpoint


def _most_bytes(module: nn.Module) -> int:
    """Of a checkpoint: weights, an optimizer's moments of them, and much more than that."""
    return 64 * MEGABYTE + 1024 * sum(parameter.numel() for parameter in module.parameters())


@functools.cache
def _say_unsealed(path: Path) -> None:
    log.warning("%s has no checksum of the whole: an earlier version wrote it, and only its parts were checked", path)


def _require_small(checkpoint: Checkpoint) -> None:
    """Refuse what grows where it is used: collections that hold one another many times, tensors that repeat values."""
    left: list[object] = [checkpoint]
    seen = 0
    while left:
        value = left.pop()
        seen += 1
        if seen + len(left) > MAX_VALUES:
            raise ArchiveError(f"one of more than {MAX_VALUES} values")
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            left += value
        elif isinstance(value, Tensor) and value.nbytes > value.untyped_storage().nbytes():
            raise ArchiveError("larger than it seems")
