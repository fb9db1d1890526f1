"""Short names of settings, for labels and for the folders of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from snn_zo.config.names import automatic_name
from snn_zo.runs.identity import matters

TARGET = "._target_"
LAYERS = "model.layers."
"""How the names of settings begin that one layer has of its own."""
PRICES = ("energy.name", "callbacks.energy.table.name")
"""Settings whose value stands for a choice of a whole group, as a target does."""
SHORT = {"strategy.samples": "m", "strategy.match.samples": "m"}

LONGEST = 40
"""Characters of a folder's name that say what was set."""
_NUMBER = re.compile(r"\d+\.\d+(e[-+]?\d+)?")
_SAID = ("strategy", "seed", "sweeps")
"""What a folder's name, or the study's, says in any case."""


def short_names(names: Sequence[str]) -> dict[str, str]:
    """For each dotted name as many of its last parts as tell it from the others; `m` is the paper's for samples.

    What a layer has of its own keeps the layer's name.
    """
    parts = {name: _readable(name).split(".") for name in names}
    short = {}
    for name, own in parts.items():
        others = [other for other in parts.values() if other is not own]
        taken = next((k for k in range(1, len(own)) if not any(other[-k:] == own[-k:] for other in others)), len(own))
        least = len(own) - 2 if name.startswith(LAYERS) else 1
        short[name] = ".".join(own[-max(taken, least) :])
    return short


def _readable(name: str) -> str:
    if name in SHORT:
        return f"{name.rpartition('.')[0]}.{SHORT[name]}"
    return name.removesuffix(".name") if name in PRICES else name.removesuffix(TARGET)


def setting(override: str) -> tuple[str, str]:
    """Dotted name and value of an override; that of a group that is left out, `~schedule`, is `none`."""
    name, _, value = override.lstrip("+~").partition("=")
    value = "none" if override.startswith("~") else value.strip("'\"")
    return name.replace("/", "."), _NUMBER.sub(lambda number: f"{float(number[0]):.4g}", value)


def words(overrides: Sequence[str]) -> list[str]:
    """Overrides as labels have them: `local_zo`, `delta=0.1`, `schedule=none`; the last one of a setting counts.

    Args:
        overrides: of a command line, or of a job of a sweep.
    """
    given = dict(map(setting, overrides))
    short = short_names(list(given))
    return [value if name == "strategy" else f"{short[name]}={value}" for name, value in given.items()]


def run_name(method: str, seed: int, overrides: Sequence[str], study: str) -> str:
    """What a run's folder is called before the time: `local_zo-delta=0.1-hidden=100+100-s0`.

    It has no character that a shell, a file system or a pattern of file names takes for anything else, and leaves out
    what does not fit into LONGEST.

    Args:
        method: the strategy's name.
        seed: of the run.
        overrides: what was set, the most important first.
        study: the study's name, which is not repeated.
    """
    named = [each for each in overrides if _names_a_run(*setting(each), study)]
    said: list[str] = []
    for word in words(named):
        safe = re.sub(r"[^\w.+=-]", "", word.replace(",", "+"))
        if len("-".join([*said, safe])) <= LONGEST:
            said.append(safe)
    return automatic_name("-".join([method, *said, f"s{seed}"]))


def _names_a_run(name: str, value: str, study: str) -> bool:
    return name not in _SAID and value != study and matters(name)
