"""What the comments in a config file say of its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import yaml  # type: ignore[import-untyped]


class Remarks(NamedTuple):
    """Comments of a file.

    Attributes:
        about: the first line that the file begins with; empty where that is none.
        of: those of settings, by dotted name: behind a setting, or in the lines above it.
    """

    about: str
    of: dict[str, str]


def remarks(text: str) -> Remarks:
    """Read the comments of a YAML file."""
    lines = text.splitlines()
    header = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    about = next((line.lstrip("# ") for line in lines[:header] if not line.startswith("# @package")), "")
    return Remarks(about, dict(_of(yaml.compose(text), "", lines, header)))


def _of(node: yaml.Node | None, path: str, lines: list[str], header: int) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return
    for key, value in node.value:
        name = f"{path}.{key.value}" if path else str(key.value)
        ends_on_its_line = isinstance(value, yaml.ScalarNode) or value.flow_style
        end = value.end_mark if ends_on_its_line and value.end_mark.column else key.end_mark
        behind = lines[end.line][end.column :].partition("#")[2].strip() if end.line < len(lines) else ""
        line = key.start_mark.line
        remark = behind or (_block(lines, line) if line > header else "")
        if remark:
            yield name, remark
        yield from _of(value, name, lines, header)


def _block(lines: list[str], end: int) -> str:
    """The lines of comment right above a line."""
    begin = end
    while begin and lines[begin - 1].lstrip().startswith("#"):
        begin -= 1
    return " ".join(line.lstrip(" #").strip() for line in lines[begin:end])
