"""Which recordings of the test set a network classified correctly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.untrusted import clean, read_lines

HEADER = "recording,label,prediction"
"""How predictions.csv of a classification begins; scores follow."""


class Answers(NamedTuple):
    """What a network made of its test set.

    Attributes:
        recordings: digest of which recordings they are, with their labels.
        correct: [R] whether the prediction is the label, by recording.
    """

    recordings: str
    correct: NDArray[np.bool_]


def read_answers(path: Path, problems: list[str]) -> Answers | None:
    """Those of a predictions.csv; None where there is none, or of another task. What is damaged is a problem."""
    try:
        header, *lines = read_lines(path) or [""]
        if not header.startswith(HEADER):
            return None
        table = np.array([[int(cell) for cell in line.split(",", 3)[:3]] for line in lines], np.int64).reshape(-1, 3)
    except (OSError, ValueError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.append(f"{path.name} cannot be read: {' '.join(clean(said).split())[:200]}")
        return None
    if len(table) < 2:
        return None
    digest = hashlib.sha256(table[:, :2].tobytes()).hexdigest()
    return Answers(digest, table[:, 1] == table[:, 2])
