"""The dashboard's scripts put together, for a page that is one file."""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=const|function)", re.MULTILINE)


def bundled(entry: Path) -> str:
    """One script of a module and all that it imports, each module after those that it needs.

    They share one scope, so a name at the top of a module has to be the only one of its kind.

    Args:
        entry: the module that sets everything going.
    """
    modules: dict[Path, str] = {}

    def add(path: Path) -> None:
        text = path.read_text()
        for name in IMPORT.findall(text):
            needed = (path.parent / name).resolve()
            if needed not in modules:
                add(needed)
        modules[path] = EXPORT.sub("", IMPORT.sub("", text))

    add(entry.resolve())
    return '"use strict";\n' + "\n".join(modules.values())
