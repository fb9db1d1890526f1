"""The runs of a study, found by what they are."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from snn_zo.runs.folder import RunFolder


def by_identity(study: Path) -> dict[str, RunFolder]:
    """Of each experiment the run that is to be looked at, or to be gone on with.

    Where there are several that is the latest completed one, else the latest that is not over, else the latest.

    Args:
        study: folder of run folders.
    """
    found: defaultdict[str, list[tuple[int, int, RunFolder]]] = defaultdict(list)
    for path in study.glob("*/summary.json"):
        folder = RunFolder(path.parent)
        summary = folder.read_summary()
        if isinstance(summary.get("identity"), str):
            rank = {"completed": 2, "failed": 0}.get(summary.get("status", ""), 1)
            found[summary["identity"]].append((rank, path.stat().st_mtime_ns, folder))
    return {identity: max(folders, key=lambda item: item[:2])[2] for identity, folders in found.items()}
