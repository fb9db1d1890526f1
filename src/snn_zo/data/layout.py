"""Files that fit a layout such as NMNIST/Train/*/*.bin, and files that nearly do."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from snn_zo.data.errors import DataError
from snn_zo.data.readable import readable

_ARCHIVES = (".zip", ".tar.gz")
"""Suffixes of the archives that data sets are published in, which may lie beside the recordings."""


def fits(name: str, layout: str) -> bool:
    """Whether the file of this path below the root has a place in the layout."""
    folder, _, file = name.rpartition("/")
    above, _, pattern = layout.rpartition("/")
    return fnmatchcase(file, pattern) and _in_place(folder, above)


@functools.lru_cache(maxsize=1024)
def _in_place(folder: str, layout: str) -> bool:
    return _match(folder.split("/"), layout.split("/"))


def _match(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_match(parts[i:], patterns[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _match(parts[1:], patterns[1:])


def fixed(layout: str) -> str:
    """The part of a layout before the first wildcard."""
    parts = layout.split("/")
    wild = [i for i, part in enumerate(parts) if set(part) & set("*?[")]
    return "/".join(parts[: wild[0]] if wild else parts)


def home_of(layout: str) -> str:
    """The folder below the root that the data set lies in; "." where it has no folder of its own."""
    return fixed(layout).split("/")[0] or "."


def files_below(root: Path, home: str) -> list[str]:
    """Paths below `root` of all files in its folder `home`, in order of folder and name; none where it is not there.

    Links are followed. Hidden files and folders are left out.

    Raises:
        DataError: a folder cannot be listed, or is reached in two ways: links that go round in a circle never end.
    """
    found: list[tuple[str, ...]] = []
    seen: dict[tuple[int, int], Path] = {}

    def stop(error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            with readable(str(error.filename), DataError):
                raise error

    for folder, folders, names in os.walk(root / home, onerror=stop, followlinks=True):
        about = os.stat(folder)
        first = seen.setdefault((about.st_dev, about.st_ino), Path(folder))
        if first != Path(folder):
            raise DataError(f"{folder} is the folder {first} again, by a link: remove the link")
        folders[:] = [name for name in folders if not name.startswith(".")]
        above = Path(folder).relative_to(root).parts
        found += [(*above, name) for name in names if not name.startswith(".")]
    return ["/".join(parts) for parts in sorted(found)]


def left_out(files: Iterable[str], layout: str, others: Iterable[str]) -> list[str]:
    """Files that do not fit a layout, and lie where its recordings belong or would fit with other capitals.

    Args:
        files: paths below the root.
        layout: of the part.
        others: layouts of files that are known to be something else.
    """
    place, suffix, known = fixed(layout).lower(), PurePosixPath(layout).suffix, (layout, *others)

    def meant(name: str) -> bool:
        lower = name.lower()
        inside = not place or lower.startswith(f"{place}/")
        # beside the folders of the parts lie what the data set came in, and its description
        inside &= name.count("/") > 1 or bool(suffix and lower.endswith(suffix))
        return (inside and not lower.endswith(_ARCHIVES)) or fits(lower, layout.lower())

    return [name for name in files if meant(name) and not _any(name, known)]


def near_miss(root: Path, layout: str, others: Sequence[str]) -> str | None:
    """What lies there in place of the recordings of a part, and what it should be called; None if nothing does."""
    home, suffix = home_of(layout), PurePosixPath(layout).suffix
    files = files_below(root, home)
    near = left_out(files, layout, others)
    for name in near:
        parts = name.split("/")
        for depth, (part, pattern) in enumerate(zip(parts, layout.split("/"), strict=False), 1):
            if pattern == "**":
                break
            if not fnmatchcase(part, pattern) and fnmatchcase(part.lower(), pattern.lower()):
                return _misnamed(root, near, parts[:depth], pattern)
    if not near:
        alike = [name for name in files if name.lower().endswith(suffix or "/") or _plain(name) == _plain(layout)]
        near = [name for name in alike if not _any(name, (layout, *others))]
    if near:
        return f"{counted(near)} below {root / home}, such as {near[0]}, and none fits {layout}: move or rename them"
    return _misplaced(root, layout, home) if home != "." else None


def _any(name: str, layouts: Iterable[str]) -> bool:
    return any(fits(name, layout) for layout in layouts)


def _misnamed(root: Path, near: Sequence[str], parts: Sequence[str], pattern: str) -> str:
    """Files whose path has other capitals than the layout in the last of `parts`."""
    if "*" in pattern:
        alike = [name for name in near if name.rpartition("/")[0] == "/".join(parts[:-1])]
        return f"{root.joinpath(*parts[:-1])} holds {counted(alike)}: they must be called {pattern}"
    path = root.joinpath(*parts)
    if path.is_file():
        return f"{path} must be called {pattern}"
    alike = [name for name in near if name.startswith("/".join(parts) + "/")]
    return f"{path} holds {counted(alike)}: the folder must be called {pattern}"


def _misplaced(root: Path, layout: str, home: str) -> str | None:
    """The data set's folder, under another name, or below another root."""
    with suppress(OSError, DataError):
        entries = sorted(entry for entry in root.iterdir() if entry.is_dir())
        for entry in entries:
            if _plain(entry.name) == _plain(home) and entry.name != home:
                return f"{entry} is there: the folder must be called {home}"
        for base in (root.parent, root.parent.parent, *entries):
            if any(fits(name, layout) for name in files_below(base, home)):
                return f"they are in {base / home}: set data.root={base}"
    return None


def _plain(path: str) -> str:
    """The letters and digits of a name."""
    return "".join(filter(str.isalnum, PurePosixPath(path).name.lower()))


def counted(names: Sequence[str]) -> str:
    """How many files of which kind."""
    suffixes = {PurePosixPath(name).suffix for name in names}
    kind = f"{suffixes.pop()} " if len(suffixes) == 1 else ""
    return f"{len(names):,} {kind}file{'s' if len(names) > 1 else ''}"
