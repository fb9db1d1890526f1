"""Looking a name up in a registry of classes, with an answer for a misspelt one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


def lookup(registry: Mapping[str, T], what: str, name: str) -> T:
    """The entry called `name`.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.
    """
    if name in registry:
        return registry[name]
    near = get_close_matches(name, registry, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"{what} '{name}' does not exist; {hint}choose from {', '.join(registry)}")
