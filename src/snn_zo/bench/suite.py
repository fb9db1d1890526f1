"""A whole benchmark: match the contestants, check them, time them in rounds, measure their memory, report."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from snn_zo.bench.agreement import compare
from snn_zo.bench.calibration import calibrate_activity, calibrate_rates
from snn_zo.bench.contestants import Contestant, Entry, Inputs, ours
from snn_zo.bench.device import Clock, prepare
from snn_zo.bench.memory import peak_bytes, saved_bytes
from snn_zo.bench.peers import peers
from snn_zo.bench.report import print_result, write_numbers, write_page
from snn_zo.bench.result import Result, Row
from snn_zo.bench.settings import BenchSettings, require_known
from snn_zo.bench.timing import fastest, interleaved, summarise
from snn_zo.config import ConfigError
from snn_zo.ops.backends import names_on, resolve
from snn_zo.places import expanded
from snn_zo.runs.environment import environment
from snn_zo.strategies import Strategy


def run(settings: BenchSettings, strategies: dict[str, Strategy], config: DictConfig) -> bool:
    """Measure all cases and write `<outputs>/bench/<name>/`, the numbers anew after each case.

    Args:
        settings: the checked config.
        strategies: by name.
        config: as Hydra composed it, for the record.

    Returns:
        Whether every contestant that is installed has got its numbers.

    Raises:
        ConfigError: device, backend or baseline are not there.
    """
    prepare(settings.device, settings.threads)
    mine = ours(strategies, _backends(settings), settings.graph)
    missing = peers(settings.peers)[1]
    if settings.baseline in missing:
        raise ConfigError(f"baseline={settings.baseline} is not installed: make bench-peers")
    entries = {images: [*mine, *peers(settings.peers, images)[0]] for images in (False, True)}
    _require("baseline", settings.baseline, _names(entries[len(settings.in_shape) > 1]))
    folder = expanded(settings.outputs) / "bench" / settings.name
    folder.mkdir(parents=True, exist_ok=True)  # before the work, lest it cannot be written afterwards
    record = {
        "config": OmegaConf.to_container(config, resolve=True),
        "environment": environment(", ".join(_backends(settings))),
        "not_installed": missing,
    }
    results: list[Result] = []
    done: dict[str, list[Row]] = {}
    for case in settings.cases():
        key = repr(case.settings)
        if key not in done:
            done[key] = measure(case.settings, entries[len(case.settings.in_shape) > 1])
        results.append(Result(case.axis, case.value, done[key]))
        print_result(results[-1], settings.baseline, missing, notes=len(results) == 1)
        write_numbers(folder, results, record)
    write_page(folder, results, settings.baseline, record)
    return not any(row.reason for result in results for row in result.rows)


def measure(case: BenchSettings, entries: list[Entry]) -> list[Row]:
    """The rows of one case; peers stay out where the case is larger than `peer_limit`."""
    size = case.batch * case.steps * sum(case.neurons)
    entries = [entry for entry in entries if not entry.peer or case.peer_limit is None or size <= case.peer_limit]
    inputs = Inputs.random(case)
    start = Start(case)
    rows = {entry.name: Row(entry.name) for entry in entries}
    ready: dict[str, Contestant] = {}
    for entry in entries:
        try:
            contestant = entry.make(case, inputs)
            start.match(contestant, entry.name)
            rows[entry.name].describe(contestant, compare(contestant, inputs))
        except (ValueError, RuntimeError, ImportError) as error:  # what cannot be done is said in the table
            rows[entry.name].reason = " ".join(str(error).split())
        if rows[entry.name].reason is None:
            ready[entry.name] = contestant
    times = interleaved(ready, case.rounds, case.warmup, Clock(case.device))
    baseline = fastest(times, case.baseline)
    for name, timing in summarise(times, baseline).items():
        rows[name].time(timing)
        rows[name].baseline = name == baseline
    for entry in entries if case.memory else ():
        if entry.name in ready:
            if ready[entry.name].whole_step is None:
                rows[entry.name].saved_bytes = saved_bytes(ready[entry.name])
            rows[entry.name].peak_bytes = peak_bytes(entry, ready[entry.name])
    return list(rows.values())


class Start:
    """Matches contestants, beginning where the one before has ended: what computes the same gets the same weights."""

    def __init__(self, case: BenchSettings) -> None:
        self.case = case
        self.scales = [1.0] * len(case.neurons)
        self.widths: dict[str, float] = {}

    def match(self, contestant: Contestant, name: str) -> None:
        """Give the contestant the asked-for spike rate and active fraction.

        Raises:
            Unreachable: it has none such.
        """
        self.scales = calibrate_rates(contestant, self.case.spike_rate, self.scales)
        if self.case.active is not None:
            strategy = name.partition("/")[0]
            width = self.widths.get(strategy, 1.0)
            self.widths[strategy] = calibrate_activity(contestant, self.case.active, width)


def _names(entries: list[Entry]) -> list[str]:
    """What a baseline may be: one of them, or a peer in whichever memory format it is faster."""
    groups = [entry.name.partition("/")[0] for entry in entries if entry.peer]
    return list(dict.fromkeys([entry.name for entry in entries if entry.name not in groups] + groups))


def _backends(settings: BenchSettings) -> list[str]:
    names: list[Any] = list(names_on(settings.device)) if settings.backends is None else settings.backends
    try:
        return [resolve(name, settings.device) for name in names]
    except ValueError as error:
        raise ConfigError(f"backends: {error}") from error


def _require(field: str, name: str, known: list[str]) -> None:
    try:
        require_known(field, [name], known)
    except ValueError as error:
        raise ConfigError(str(error)) from error
