"""Files that may be missing, cut short, damaged, or a stranger's.

Nothing in them is executed or instantiated, no link is followed, and nothing in them can stop a report: what cannot be
read is added to a list of problems, in words.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import yaml  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEGABYTE = 2**20
MAX_BYTES = {".yaml": MEGABYTE, ".json": 8 * MEGABYTE, ".csv": 16 * MEGABYTE}
MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_NAME, MAX_CLASSES = 50, 20_000, 1_000, 60, 2_000
MAX_SCALAR, MAX_SAID, MAX_CELLS = 10_000, 4_000, 2**22

AXES = "label\\predicted"
"""The first cell of a confusion matrix: what its rows and its columns are."""

LARGEST = 1e100
"""Numbers of a table that are larger are none: sums of squares of those that are left are finite."""
Table: TypeAlias = "dict[str, NDArray[np.float64]]"


class Confusion(NamedTuple):
    """How many recordings of each class were taken for which.

    Attributes:
        classes: their C names.
        counts: [C][C], true class by row.
    """

    classes: tuple[str, ...]
    counts: list[list[int]]


def clean(text: str, longest: int = MAX_TEXT) -> str:
    """Text that a terminal, a file and a page can show: without escape sequences, lone surrogates, hidden marks."""
    text = text[:longest]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def open_file(path: Path, largest: int) -> BinaryIO:
    """A file, for reading.

    Raises:
        OSError: it is missing, or a link, a device, or has more than `largest` bytes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    about = os.fstat(handle)
    fault = None
    if not stat.S_ISREG(about.st_mode):
        fault = "not a file"
    elif about.st_size > largest:
        fault = f"larger than {largest // MEGABYTE} MB"
    if fault:
        os.close(handle)
        raise OSError(fault)
    return open(handle, "rb")


def read_text(path: Path) -> str:
    """A file's text; see `open_file`."""
    largest = MAX_BYTES[path.suffix]
    with open_file(path, largest) as file:
        return file.read(largest).decode(errors="replace")


def read_file(path: Path) -> Any:
    """Content of a JSON or YAML file; None where it is missing or damaged."""
    try:
        return _parsed(path)
    except Exception:  # yaml lets through whatever its constructors raise
        return None


def read_mapping(path: Path, problems: list[str], wanted: bool = True) -> dict[str, Any]:
    """What a JSON or YAML file holds; empty where that is no mapping. Its absence is a problem if it is `wanted`."""
    try:
        found = _parsed(path)
    except FileNotFoundError:
        problems += [f"{path.name} is missing"] if wanted else []
        return {}
    except Exception as error:  # as above
        return _not_read(path, error, problems)
    if isinstance(found, dict):
        return found
    problems.append(f"{path.name} is no mapping")
    return {}


def _parsed(path: Path) -> Any:
    return (_parse_json if path.suffix == ".json" else _parse_yaml)(read_text(path))


def _parse_json(text: str) -> Any:
    """JSON in which nan and infinity are null."""
    return json.loads(text, parse_constant=lambda _: None)


def _parse_yaml(text: str) -> Any:
    _require_plain(text)
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _require_plain(text: str) -> None:
    """Plain YAML of the size of a config; loaders recurse in C without a limit, and take quadratic time."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        long = isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR
        if depth > MAX_DEPTH or nodes > MAX_NODES or long or isinstance(event, yaml.AliasEvent):
            raise ValueError("nested too deeply, too long, or with aliases")


def plain_yaml(path: Path) -> str:
    """The text of a YAML file that any loader can be given.

    Raises:
        OSError: it is missing, or a link, a device or larger than such files are.
        ValueError, yaml.YAMLError: it is no YAML, or more than a config needs.
    """
    text = read_text(path)
    _require_plain(text)
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a table that have been written whole; none where there is no file.

    Raises:
        OSError: it is a link, a device or larger than such files are.
        ValueError: it has more cells than such tables have.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return []
    if text.count(",") + text.count("\n") > MAX_CELLS:
        raise ValueError(f"more than {MAX_CELLS} cells")
    # without its line break the last row is still being written
    return list(io.StringIO(text[: text.rfind("\n") + 1], newline=""))


def read_table(path: Path, problems: list[str]) -> Table:
    """Columns of a TableFile, nan where blank, no number or beyond LARGEST; empty where there is none."""
    import numpy as np  # the command line answers without

    try:
        lines = list(csv.reader(read_lines(path)))
    except (OSError, ValueError, csv.Error) as error:
        return _not_read(path, error, problems)
    header, *rows = lines or [[]]
    whole = [row for row in rows if len(row) == len(header)]
    if len(whole) < len(rows):
        problems.append(f"{path.name}: {len(rows) - len(whole)} of {len(rows)} rows are damaged")
    try:
        values = np.array([[float(cell or "nan") for cell in row] for row in whole])
    except ValueError:
        values = np.array([[_float(cell) for cell in row] for row in whole])
        problems.append(f"{path.name} holds what is no number")
    values = np.where(np.abs(values) < LARGEST, values, np.nan).reshape(len(whole), len(header))
    return {clean(name): column for name, column in zip(header, values.T, strict=True)}


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def read_confusion(path: Path, problems: list[str]) -> Confusion | None:
    """A confusion matrix below and beside the names of its classes; None where there is none.

    Runs of the first versions wrote the numbers alone, of classes from 0 on.
    """
    if not os.path.lexists(path):
        return None
    try:
        header, *rows = _with_axes(list(csv.reader(read_lines(path))))
        counts = [[int(cell) for cell in row[1:]] for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        _not_read(path, error, problems)
        return None
    classes, labels = header[1:], [row[0] for row in rows if row]
    least, largest = (end((end(row, default=0) for row in counts), default=0) for end in (min, max))
    is_square = {len(row) for row in counts} == {len(classes)} and labels == classes
    if header[:1] != [AXES] or not is_square or len(classes) > MAX_CLASSES or least < 0 or largest >= 2**53:
        problems.append(f"{path.name} is no confusion matrix")
        return None
    return Confusion(tuple(clean(name, MAX_NAME) for name in classes), counts)


def _with_axes(rows: list[list[str]]) -> list[list[str]]:
    """The rows of a confusion matrix below and beside the names of its classes."""
    if not rows or not rows[0] or not rows[0][0].isdecimal():
        return rows or [[]]
    classes = list(map(str, range(len(rows))))
    return [[AXES, *classes], *([name, *row] for name, row in zip(classes, rows, strict=True))]


def _not_read(path: Path, error: Exception, problems: list[str]) -> dict[str, Any]:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    problems.append(f"{path.name} cannot be read: {' '.join(clean(said).split())[:200]}")
    return {}


def at(value: Any, *names: str) -> Any:
    """What is somewhere in a tree of mappings; None where there is nothing."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def number(value: Any, *names: str) -> float | None:
    """A finite number, see `at`; None where there is none."""
    value = at(value, *names)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        return None
    return float(value)


def positive(value: Any, *names: str) -> float | None:
    """A finite number, 0 or more, see `at`; None where there is none."""
    found = number(value, *names)
    return found if found is not None and found >= 0 else None


def fraction(value: Any, *names: str) -> float | None:
    """A number from 0 to 1, see `at`; None where there is none."""
    found = positive(value, *names)
    return found if found is not None and found <= 1 else None


def line(value: Any, longest: int = MAX_TEXT) -> str | None:
    """Text in one line; None where it is none."""
    return " ".join(clean(value, longest).split()) or None if isinstance(value, str) else None


def said(message: object) -> str:
    """For the terminal: one line, in which nothing that a name, a config or a server says is an order to it."""
    return line(str(message), MAX_SAID) or ""


def text(value: Any, longest: int = MAX_TEXT) -> str | None:
    """Text; None where it is none, or empty."""
    return clean(value, longest) if isinstance(value, str) and value else None
