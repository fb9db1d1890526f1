"""Whether a run can be resumed to the same numbers, and what is left of one that cannot."""

from __future__ import annotations

import shlex

from torch import nn

from snn_zo.config import ConfigError
from snn_zo.runs.checkpoint_file import load_weights, read_checkpoint
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.table_file import TableFile
from snn_zo.untrusted import at


def require_resumable(folder: RunFolder, module: nn.Module) -> None:
    """Check what a run is resumed from: its checkpoints and its tables. A run without any begins at its first epoch.

    Args:
        folder: of the run.
        module: of the run.

    Raises:
        ConfigError: something is damaged or missing; the line says what can be done with the rest.
    """
    if not folder.last.exists():
        return
    anew = f"rm -r {shlex.quote(str(folder.checkpoints))} has the run begin at its first epoch"
    try:
        last = load_weights(folder.last, module)
    except ConfigError as error:
        raise ConfigError(f"{error}; {_best_of(folder, module, anew)}") from error
    try:
        if folder.best.exists():
            read_checkpoint(folder.best, module)
    except ConfigError as error:
        raise ConfigError(f"{error}; {anew}") from error
    epochs = at(last, "loops", "fit_loop", "epoch_progress", "current", "processed")
    if not isinstance(epochs, int):
        raise ConfigError(f"{folder.last} is refused: it says nothing of a training; {anew}")
    for path in (folder.metrics, folder.timing):
        if (rows := TableFile(path).epochs()) < epochs:
            raise ConfigError(
                f"{path} has no row of epoch {rows + 1} (epoch {rows} in the file), and {folder.last.name} counts "
                f"{epochs} epochs: put the whole file back, or {anew}"
            )


def _best_of(folder: RunFolder, module: nn.Module, anew: str) -> str:
    """What is left where the last checkpoint is damaged."""
    try:
        epochs = at(read_checkpoint(folder.best, module), "loops", "fit_loop", "epoch_progress", "current")
    except ConfigError:
        return anew
    run, best, last = (shlex.quote(str(path)) for path in (folder.path, folder.best, folder.last))
    whole = at(epochs, "processed") == at(epochs, "ready")  # else it was written within an epoch, which would be lost
    then = f"cp {best} {last} has the run go on from there" if whole else anew
    return f"snn-zo-eval run={run} tests the best one, and {then}"
