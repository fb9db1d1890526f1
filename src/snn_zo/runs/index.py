"""The runs of a study, found by what they are."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any

from snn_zo.runs.folder import RunFolder, written


def by_identity(study: Path) -> dict[str, RunFolder]:
    """Of each experiment the run that is to be looked at, or to be gone on with.

    Where there are several that is the latest completed one, else the latest that is not over, else the latest.

    Args:
        study: folder of run folders.
    """
    found: defaultdict[str, list[tuple[Any, RunFolder]]] = defaultdict(list)
    for path in study.glob("*/summary.json"):
        folder = RunFolder(path.parent)
        summary = folder.read_summary()
        if isinstance(summary.get("identity"), str):
            status = summary.get("status")
            rank = (status == "completed", status != "failed", written(path))
            found[summary["identity"]].append((rank, folder))
    return {identity: max(folders, key=itemgetter(0))[1] for identity, folders in found.items()}
