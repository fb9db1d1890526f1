"""The runs of a study, found by what they are."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from pathlib import Path

from snn_zo.runs.folder import SUMMARY, RunFolder
from snn_zo.runs.status import precedence


def by_identity(study: Path) -> dict[str, RunFolder]:
    """The run of each experiment that is reported, or resumed.

    Where there are several, `precedence` chooses.

    Args:
        study: folder of run folders.
    """
    found: defaultdict[str, list[tuple[tuple[bool, bool, int], RunFolder]]] = defaultdict(list)
    for path in study.glob(f"*/{SUMMARY}"):
        folder = RunFolder(path.parent)
        summary = folder.read_summary()
        if isinstance(summary.get("identity"), str):
            found[summary["identity"]].append((precedence(summary["status"], path), folder))
    return {identity: max(folders, key=itemgetter(0))[1] for identity, folders in found.items()}
