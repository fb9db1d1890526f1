"""Which runs are the same experiment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

IGNORED = (
    *("outputs", "study", "name", "resume", "rerun", "objectives"),
    *("logger", "callbacks.progress", "data.root", "data.cache_dir", "data.workers"),
)
"""Settings that say where a run is kept, shown or read from, and change nothing about its result."""


def identity(config: DictConfig, content: Mapping[str, object] | None = None) -> str:
    """What two runs share if they are the same experiment: 16 hexadecimal digits of the settings, and 16 of the data.

    Args:
        config: a run's config as `build` leaves it, in which 1 and 1.0 are two things only where they mean two, as
            for trainer.limit_train_batches; it is resolved first, so that what interpolations stand for counts.
        content: of its data, as `content_of` has it; None, and no digits, as long as nobody has looked.
    """
    settings = flatten(OmegaConf.to_container(config, resolve=True))
    digits = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    fingerprint = content.get("fingerprint") if isinstance(content, Mapping) else None
    return f"{digits}-{fingerprint}" if fingerprint else digits


def flatten(content: object) -> dict[str, Any]:
    """A resolved config as {dotted name: value} without what is `IGNORED`; lists stay whole."""
    return {name: value for name, value in _leaves(content, "") if matters(name)}


_OF_IGNORED = tuple(f"{name}." for name in IGNORED)


def matters(name: str) -> bool:
    """Whether a setting, or a group of them, is not among those that are `IGNORED`."""
    return not f"{name}.".startswith(_OF_IGNORED)


def _leaves(node: object, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, node
