"""Names of studies and runs, which become folders."""

from __future__ import annotations

import os
import re

SWEEP_RECORD, DASHBOARD = "sweep.json", "report.html"
"""Files of a study: how to do its sweep again, and the page that compares its runs, or shows a single one."""
RESERVED = ("wandb", "checkpoints", SWEEP_RECORD, DASHBOARD, "multirun.yaml", "optimization_results.yaml")
"""What has a place of its own beside runs, or in them."""
LONGEST = 200
"""In bytes: file systems take 255, and some files get a longer name while they are written."""


def require_name(setting: str, value: str) -> None:
    """Check a name that a setting gives.

    Raises:
        ValueError: it cannot become a folder, or would be taken for something else.
    """
    if not re.fullmatch(r"\w[\w.+=-]*", value) or len(os.fsencode(value)) > LONGEST:
        raise ValueError(
            f"{setting} becomes a folder: use up to {LONGEST} letters, digits and . + - _ = in '{value}', "
            "a letter or a digit first"
        )
    if value.lower() in RESERVED:
        raise ValueError(
            f"{setting}={value} is reserved, as something else is called that in these folders: choose another"
        )


def automatic_name(text: str) -> str:
    """A name made from the names of presets, which may lie in folders."""
    name = re.sub(r"[^\w.+=-]+", "-", text).lstrip(".+=-")
    name = name.encode()[: LONGEST - 50].decode(errors="ignore")
    return f"{name}_" if not name or name.lower() in RESERVED else name
