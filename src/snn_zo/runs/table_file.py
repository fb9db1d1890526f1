"""Append-only tables: a row is on disk as soon as its epoch is over, and stays there."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from snn_zo.atomic import append, write_atomically
from snn_zo.untrusted import read_lines


class TableFile:
    """A CSV file with one row an epoch. Columns that appear later are added, blank in the rows before."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row, for good; floats are written with the 9 digits that tell any two float32 apart."""
        values = {name: value if isinstance(value, int) else f"{value:.9g}" for name, value in row.items()}
        header = self.columns()
        new = [name for name in values if name not in header]
        if new:
            rows = self.rows()
            header = [*header, *new]
            write_atomically(self.path, _text([header, *([row.get(name, "") for name in header] for row in rows)]))
        append(self.path, _text([[values.get(name, "") for name in header]]))

    def keep(self, wanted: Callable[[dict[str, str]], bool]) -> None:
        """Drop the rows that are not wanted, and one that a crash cut short."""
        header = self.columns()
        kept = [[row[name] for name in header] for row in self.rows() if wanted(row)]
        if header:
            write_atomically(self.path, _text([header, *kept]))

    def columns(self) -> list[str]:
        """Names in the header; none where there is no file yet."""
        return next(csv.reader(self._lines()), [])

    def rows(self) -> list[dict[str, str]]:
        """All rows so far, without one that was cut short."""
        return [row for row in csv.DictReader(self._lines()) if None not in row.values()]

    def epochs(self) -> int:
        """How many epochs from the first one on have a row."""
        found = {row.get("epoch") for row in self.rows()}
        return next(epoch for epoch in count() if str(epoch) not in found)

    def _lines(self) -> list[str]:
        return read_lines(self.path)


def write_matrix(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write rows, the first of which is a header."""
    write_atomically(path, _text(rows))


def write_records(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write records with equal keys below a header."""
    header = list(records[0]) if records else []
    write_atomically(path, _text([header, *([record[name] for name in header] for record in records)]))


def _text(rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
