"""One run: new, resumed or evaluated again."""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import lightning
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.warnings import PossibleUserWarning
from omegaconf import DictConfig

from snn_zo.atomic import write_json
from snn_zo.callbacks import Checkpoint, EnergyMonitor, KnownMonitors, RunRecord, SparsityMonitor
from snn_zo.compose import backend_of, make_logger, make_module, require_optimizer
from snn_zo.config import Composed, ConfigError
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.data.content import content_of, difference
from snn_zo.data.datamodule import EventDataModule
from snn_zo.extension import begin_from, going_on, longer, origin_of
from snn_zo.headline import Headline
from snn_zo.places import expanded
from snn_zo.quantity import percent
from snn_zo.report.dashboard.run_page import write_run_page
from snn_zo.report.result import print_result
from snn_zo.report.runs import read_runs
from snn_zo.runs.checkpoint_file import load_weights, read_checkpoint
from snn_zo.runs.environment import environment
from snn_zo.runs.folder import CheckpointName, RunFolder
from snn_zo.runs.identity import identity
from snn_zo.runs.log_file import logging_to
from snn_zo.runs.new import beginning, new_run, requeue, resuming
from snn_zo.runs.open import open_run
from snn_zo.runs.process import processes, rank, run_apart
from snn_zo.runs.resumable import require_resumable
from snn_zo.runs.resumed_state import ResumedFiles
from snn_zo.runs.signals import terminate_like_ctrl_c
from snn_zo.runs.status import Status
from snn_zo.runs.summary import NOTHING_MEASURED, Contributor, Summary, headline_entry
from snn_zo.runs.table_file import write_matrix, write_records
from snn_zo.runs.wandb_logger import finish
from snn_zo.training import DivergedError, SpikingModule
from snn_zo.training.devices import OwnTermination, ending_together
from snn_zo.training.rate import set_rate
from snn_zo.training.width import Unreachable, changed, scale_widths, set_active
from snn_zo.untrusted import positive, said

log = logging.getLogger(__name__)


class RunFailed(Exception):
    """A run ended early; the message is one line, the traceback is in its run.log."""


class LoadedRun(NamedTuple):
    """A run that was loaded.

    Attributes:
        module: the LightningModule with the weights of a checkpoint, in evaluation mode; `module.model` is the network.
        data: the DataModule.
        config: the run's config.
        summary: its summary.json.
        step: optimizer steps that the weights have been trained for.
        epoch: in which they were saved, from 0.
    """

    module: SpikingModule
    data: EventDataModule
    config: DictConfig
    summary: Summary
    step: int
    epoch: int


def run(composed: Composed, study: str, overrides: list[str]) -> float:
    """Train, test the best checkpoint, and write a new run folder.

    Args:
        composed: the run's config.
        study: name of the run's study where the settings give none.
        overrides: of the command line.

    Returns:
        The objective: the validation value that the checkpoint is chosen by, of the tested weights.

    Raises:
        ConfigError: the backend does not run here, or the run's name is taken.
        RunFailed: the run ended early.
    """
    backend = backend_of(composed)
    require_optimizer(composed.config)
    return _train_new(composed, new_run(composed, study, overrides), backend)


def _train_new(composed: Composed, folder: RunFolder, backend: str) -> float:
    """Train in a new run folder; the objective."""
    if processes(composed.config) != 1:
        return run_apart(folder)
    with folder.only_here():
        return _execute(composed, folder, backend)


def extend(path: Path, command: DictConfig, overrides: list[str]) -> float:
    """Train a completed run on, as a new run that begins with its state and the rows of its epochs.

    Args:
        path: folder of the completed run, which stays as it is.
        command: config of the command line, of which `trainer.max_epochs` and, where they are given, `logger`,
            `outputs`, `study` and `name` count; the new folder is in the study of the completed run by default.
        overrides: of the command line.

    Raises:
        ConfigError: the run cannot be extended, the data has changed, or the folder's content is not to be trusted.
        DataError: the data is missing or damaged.
        RunFailed: the run ended early.
    """
    source = RunFolder(path)
    composed = open_run(source)
    config = composed.config
    given = {override.lstrip("+").partition("=")[0].partition(".")[0] for override in overrides}
    config.name = command.name
    if not path.is_absolute():  # the place of the new folder is said as that of the old one was
        config.outputs = os.path.relpath(config.outputs)
    for name in given & {"outputs", "study"}:
        config[name] = command[name]
    _choose_logger(config, command if "logger" in given else None)
    backend = backend_of(composed)
    content = _same_data(composed, source)
    loaded = make_module(composed, backend, trains=False)
    require_resumable(source, loaded)
    state = read_checkpoint(source.last, loaded)
    extended = longer(source, composed, state, command.trainer.max_epochs)
    module = make_module(extended, backend)
    fill = functools.partial(begin_from, source, state, extended, module)
    return _train_new(extended, new_run(extended, config.study, overrides, content, fill_further=fill), backend)


def resume(path: Path, command: DictConfig | None = None) -> float:
    """Resume an interrupted run from its last checkpoint, to the same numbers as without the interruption.

    Args:
        path: the run folder.
        command: config whose logger takes the place of the run's, which is not allowed to be online: the folder may be
            anybody's, and would say where it is sent.

    Raises:
        ConfigError: there is nothing to resume, the data has changed, or the folder's content is not to be
            trusted.
        DataError: the data is missing or damaged.
        RunFailed: the run ended early.
    """
    folder = RunFolder(path)
    composed = open_run(folder)
    config = composed.config
    _choose_logger(config, command)
    with folder.only_here():
        if folder.read_summary()["status"] is Status.COMPLETED:
            raise ConfigError(
                f"{path} is completed: there is nothing to resume; with a larger trainer.max_epochs it is extended"
            )
        _same_data(composed, folder)
        backend = backend_of(composed)
        require_resumable(folder, make_module(composed, backend, trains=False))
        if processes(config) == 1:
            return _execute(composed, folder, backend)
    requeue(folder, config)
    return run_apart(folder)


def _choose_logger(config: DictConfig, command: DictConfig | None) -> None:
    """Put the command's logger in the place of a run's, or have that write into the run's folder only."""
    if command is not None:
        config.logger = command.logger
    elif config.get("logger"):
        _log_here(config.logger)


def _log_here(logger: DictConfig) -> None:
    """Have the logger that a run folder names write into that folder only."""
    online = "online" in (logger.get("mode"), os.environ.get("WANDB_MODE"))
    logger.mode = "offline"
    if os.environ.get("WANDB_MODE") == "online":
        os.environ["WANDB_MODE"] = "offline"
    if online:
        print("warning: wandb: a resumed run logs offline; logger.mode=online beside resume= sends it", file=sys.stderr)


def execute(path: Path) -> None:
    """Do the run of a folder that a process of this user has just written, unless it is over.

    Several processes may be told to: one does it, and where a run takes several processes, the others take part.

    Args:
        path: the run folder.

    Raises:
        ConfigError: the backend does not run here.
        RunFailed: the run ended early.
    """
    folder = RunFolder(path)
    try:
        composed = open_run(folder, trusted=True)
        backend = backend_of(composed)
        require_optimizer(composed.config)
        if rank() > 0:
            _take_part(composed, folder, backend)
            return
        with folder.only_here():
            if not folder.read_summary()["status"].has_result:
                require_resumable(folder, make_module(composed, backend, trains=False))
                _execute(composed, folder, backend)
    except ConfigError as error:
        if rank() == 0:
            write_json(folder.summary, folder.read_summary() | {"status": Status.FAILED, "reason": str(error)})
        raise


def load_run(path: str | Path, checkpoint: CheckpointName = "best") -> LoadedRun:
    """A run's network with its weights, its data and its config, for a notebook.

    Args:
        path: the run folder, from any source: nothing in it is executed.
        checkpoint: the weights that validation chose, or the last ones.

    Raises:
        ConfigError: the folder is not a run, or its content is not to be trusted.
    """
    folder = RunFolder(expanded(str(path)))
    composed = open_run(folder)
    module = make_module(composed, backend_of(composed), trains=False)
    weights = folder.best if checkpoint == "best" else folder.last
    found = load_weights(weights, module)
    step, epoch = (positive(found, name) for name in ("global_step", "epoch"))
    if step is None or epoch is None:
        raise ConfigError(f"{weights} is refused: it does not say how long its weights were trained")
    summary = folder.read_summary()
    _restore_width(folder, summary, module)
    data = EventDataModule(composed.settings.data, composed.settings.seed, summary.get("data_content"))
    return LoadedRun(module.eval(), data, composed.config, summary, int(step), int(epoch))


def _restore_width(folder: RunFolder, summary: Summary, module: SpikingModule) -> None:
    """Give the strategies the widths that the run trained with, where a share of active elements was asked for."""
    factor = positive(summary, "width_factor")
    if factor:
        try:
            scale_widths(module, factor)
        except ValueError as error:
            raise ConfigError(f"{folder.summary} is refused: width_factor {factor:g}: {error}") from error


def evaluate(path: Path) -> dict[str, float]:
    """Test a run's best checkpoint again; the metrics that the run itself reported."""
    loaded = load_run(path)
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)
    with logging_to(None):
        trainer = lightning.Trainer(devices=1, plugins=[LightningEnvironment()], **off)  # type: ignore[arg-type]
        return dict(trainer.test(loaded.module, loaded.data, verbose=False)[0])


def _execute(composed: Composed, folder: RunFolder, backend: str) -> float:
    """Fit, from the last checkpoint if there is one, test, and say in summary.json how it ended."""
    settings, earlier = composed.settings, folder.read_summary()
    summary: Summary = {
        **beginning(composed, earlier.get("data_content")),
        "status": Status.RUNNING,
        "backend": backend,
        "wandb_id": earlier.get("wandb_id"),
    }
    if origin := origin_of(earlier):
        summary["extends"] = origin
    folder.clear()
    write_json(folder.environment, environment(backend))
    write_json(folder.summary, summary)
    print(said(f"{settings.method} on {settings.dataset}, seed {settings.seed} -> {folder.path}"), flush=True)
    if origin:
        print(said(going_on(origin, composed)), flush=True)
    with logging_to(folder.log), terminate_like_ctrl_c(), _saying_compilation(backend) as compiled:
        logger: WandbLogger | None = None
        try:
            summary["data_content"] = _same_data(composed, folder)
            summary["identity"] = identity(composed.config, summary["data_content"])
            write_json(folder.summary, summary)
            logger = make_logger(composed.config, folder, summary)
            result = _fit_and_test(composed, folder, backend, logger, compiled)
            completed: Summary = {**summary, **result, "status": Status.COMPLETED}
            write_json(folder.summary, completed)  # what cannot be written down has not been completed
            summary = completed
        except BaseException as error:
            log.info("the run ended early", exc_info=True)
            interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
            reason = "stopped by a signal" if interrupted else _reason(error)
            summary["status"], summary["reason"] = Status.INTERRUPTED if interrupted else Status.FAILED, reason
            summary["traceback"] = None if interrupted else traceback.format_exc()
            _write_how_it_ended(folder, summary)
            hint = f"; {resuming(folder.path)} goes on" if folder.last.exists() else ""
            raise RunFailed(f"{reason}; details in {folder.log}{hint}") from error
        finally:
            _close(logger, summary)
    print_result(folder.path, summary)
    write_page(folder)
    return float(summary["objective"])


def write_page(folder: RunFolder) -> None:
    """Write a run's page and say where it is; that this fails is no reason to fail a run whose results are saved."""
    try:
        write_run_page(read_runs([folder.path])[0], folder.page)
        print(f"to look at     {said(folder.page)}", flush=True)
    except Exception as error:
        print(said(f"no page of the run (snn-zo report {folder.path} writes it): {_reason(error)}"), file=sys.stderr)


def _saying_compilation(backend: str) -> AbstractContextManager[Callable[[], float]]:
    """Say that kernels are being compiled, when they are; the value is for how many seconds they have been."""
    if backend != "cpu":
        return nullcontext(lambda: 0.0)
    from snn_zo.ops.cpu.compilation import watching

    return watching(lambda: print("compiling kernels, which takes about 10 s: later runs load them", flush=True))


def _same_data(composed: Composed, folder: RunFolder) -> dict[str, object]:
    """The content of a run's data.

    Raises:
        ConfigError: the run has been trained on another one.
        DataError: the data is missing or damaged.
    """
    content = content_of(composed.settings.data.splits())
    changed = difference(folder.read_summary().get("data_content"), content)
    if changed and folder.last.exists():
        raise ConfigError(
            f"{folder.path} was trained on other data, and now there are {changed}: put the former recordings back, or "
            "begin a new run"
        )
    return content


def _take_part(composed: Composed, folder: RunFolder, backend: str) -> None:
    """Fit and test beside the process of rank 0, which alone writes and speaks."""
    with logging_to(None), terminate_like_ctrl_c():
        _fit_and_test(composed, folder, backend, logger=None)


def _fit_and_test(
    composed: Composed,
    folder: RunFolder,
    backend: str,
    logger: WandbLogger | None,
    compiled: Callable[[], float] = lambda: 0.0,
) -> Summary:
    """Train, load the checkpoint that validation chose, test it once; what the summary says of it."""
    last = str(folder.last) if folder.last.exists() else None
    settings, config = composed.settings, composed.config
    lightning.seed_everything(settings.seed, verbose=False)
    data = EventDataModule(settings.data, settings.seed)
    module = make_module(composed, backend)
    initial = _set_shares(composed, module, data)
    record = RunRecord(folder, compiled)
    headline = module.task.headline
    checkpoint, callbacks = _callbacks(config, folder, headline)
    trainer = _trainer(config, module, folder, [*callbacks, record, OwnTermination()], logger)
    with ending_together(trainer):
        trainer.fit(module, data, ckpt_path=last)
        if checkpoint.best is None:  # training ended before the first validation was due
            trainer.validate(module, data, verbose=False)
        assert checkpoint.best is not None
        load_weights(checkpoint.best_path, module)
        tested = trainer.test(module, data, verbose=False)  # nothing where trainer.limit_test_batches is 0
    if tested and trainer.is_global_zero:
        for name, rows in module.tested.tables().items():
            write_matrix(folder.tested(name), rows)
    value = tested[0].get(headline.logged("test")) if tested else None
    summary = Summary(
        headline=headline_entry(headline, value),
        metrics={**(tested[0] if tested else {}), **checkpoint.best.metrics},
        epochs=trainer.current_epoch,
        parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
    )
    summary |= {**initial, **NOTHING_MEASURED}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Contributor):
            summary |= callback.contribution()
        if isinstance(callback, EnergyMonitor) and callback.bill.lines and trainer.is_global_zero:
            write_records(folder.energy, list(callback.bill.rows()))
        if isinstance(callback, SparsityMonitor) and callback.channels and trainer.is_global_zero:
            write_records(folder.channels, callback.records())
    return summary


def _set_shares(composed: Composed, module: SpikingModule, data: EventDataModule) -> Summary:
    """Scale the weights for a share of spiking elements that is asked for, then the width of the strategy for one of
    active elements; the factors, which a resumed run has again."""
    rate, active = composed.settings.rate, composed.settings.active
    summary = Summary(gain_factors=None, width_factor=None)
    if rate is None and active is None:
        return summary
    batch = next(iter(data.train_dataloader()))
    lines = []
    if rate is not None:
        with _refused(f"rate={rate:g}"):
            factors = summary["gain_factors"] = set_rate(module, batch, rate)
        scaled = ", ".join(f"{name} {factor:g}" for name, factor in factors.items())
        lines.append(f"weights x {scaled}: {percent(rate)} of the elements of each hidden layer spike before training")
    if active is not None:
        with _refused(f"active={active:g}"):
            factor = summary["width_factor"] = set_active(module, batch, active)
        strategy = composed.settings.strategy
        now = ", ".join(changed(strategy, strategy.scaled(factor))) or "the strategies of single layers"
        lines.append(f"width x {factor:g}: {percent(active)} of the elements are active before training; {now}")
    for line in lines if rank() == 0 else ():
        print(said(line), flush=True)
    return summary


@contextmanager
def _refused(setting: str) -> Iterator[None]:
    """Raise ConfigError where a share that is asked for is out of reach."""
    try:
        yield
    except Unreachable as error:
        raise ConfigError(f"{setting}: {error}") from error


def _callbacks(
    config: DictConfig, folder: RunFolder, headline: Headline
) -> tuple[Checkpoint, list[lightning.Callback]]:
    """The one that chooses the weights, which every run has, and all that the config asks for."""
    named = {name: callback for name, callback in (instantiate(config.get("callbacks")) or {}).items() if callback}
    found = [callback for callback in named.values() if isinstance(callback, Checkpoint)]
    if len(found) > 1:
        raise ConfigError("callbacks: a run has one Checkpoint, which chooses what is tested; leave out the others")
    checkpoint = found[0] if found else Checkpoint(headline.logged("val"), headline.direction)
    checkpoint.dirpath = folder.checkpoints.resolve()
    return checkpoint, [KnownMonitors(named), *named.values(), *([] if found else [checkpoint])]


def _trainer(
    config: DictConfig,
    module: SpikingModule,
    folder: RunFolder,
    callbacks: list[lightning.Callback],
    logger: WandbLogger | None,
) -> lightning.Trainer:
    """Lightning's, with nothing of its own that the config does not ask for."""
    # with several devices, the data module shares out the batches, and callbacks put together what they count
    warnings.filterwarnings("ignore", "It is recommended to use `self.log", PossibleUserWarning)
    own: dict[str, object] = {"default_root_dir": str(folder.path), "use_distributed_sampler": False}
    if not any(isinstance(callback, ProgressBar) for callback in callbacks):
        own["enable_progress_bar"] = False
    make_trainer = instantiate(config.trainer, _partial_=True, **own)
    files = ResumedFiles(module)
    # Lightning starts the processes of a run itself, whatever tasks a cluster has allotted
    plugins = [files, LightningEnvironment()]
    summary = make_trainer.keywords.get("enable_model_summary", False)
    files.trainer = make_trainer(
        callbacks=callbacks, logger=logger or False, plugins=plugins, enable_model_summary=summary
    )
    return files.trainer


def _write_how_it_ended(folder: RunFolder, summary: Summary) -> None:
    """On a full disk this may not hide why the run ended."""
    try:
        write_json(folder.summary, summary)
    except OSError as error:
        log.error("summary.json could not be written: %s", _reason(error))


def _close(logger: WandbLogger | None, summary: Summary) -> None:
    """End the wandb run, which may not hide how the run itself ended."""
    try:
        finish(logger, summary)
    except Exception as error:
        log.error("wandb: %s", _reason(error))


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, (*EXPECTED, DivergedError)):
        return explain(error)
    return " ".join(f"{type(error).__name__}: {error}".split())
