"""What a class or function can be called with, read from its source: to import it could take torch, and seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

SCALARS = ("int", "float", "bool", "str")


class Signature(NamedTuple):
    """The arguments of a class or function, `self` left out.

    Attributes:
        kinds: annotation of each, in the words that `config.build` understands: scalars, lists of them, or `Any`.
        required: those without a default.
        takes_more: whether any other keyword is accepted.
    """

    kinds: dict[str, str]
    required: frozenset[str]
    takes_more: bool


@cache
def signature(target: str) -> Signature | None:
    """The signature of what a dotted name stands for; None where its source does not tell."""
    found = _definition(target)
    return found and _of(*found)


def _of(node: ast.ClassDef | ast.FunctionDef, module: str) -> Signature | None:
    if isinstance(node, ast.FunctionDef):
        return _of_function(node, skip=0)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _of_function(item, skip=1)
    if node.decorator_list:  # as that of a dataclass, which makes one
        return None
    for base in map(ast.unparse, node.bases):
        return signature(base if "." in base else f"{module}.{base}")
    return Signature({}, frozenset(), False)


def _of_function(node: ast.FunctionDef, skip: int) -> Signature:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    pairs = [
        *zip(positional, [*defaults, *node.args.defaults], strict=True),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ][skip:]
    kinds = {argument.arg: _kind(argument.annotation, default) for argument, default in pairs}
    required = frozenset(argument.arg for argument, default in pairs if default is None)
    return Signature(kinds, required, node.args.kwarg is not None)


def _kind(annotation: ast.expr | None, default: ast.expr | None) -> str:
    members = list(_members(annotation)) if annotation else ["Any"]
    if "float" in members and "Tensor" in members:
        members.remove("Tensor")
    if any(member not in (*SCALARS, "None") and not member.startswith("list[") for member in members):
        return "Any"
    if isinstance(default, ast.Constant) and default.value is None:
        members.append("None")
    return " | ".join(dict.fromkeys(members))


def _members(annotation: ast.expr) -> Iterator[str]:
    """The alternatives of a type, sequences of one scalar as `list[float]`."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _members(left)
            yield from _members(right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            yield from _members(inner)
            yield "None"
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=several)):
            for each in several:
                yield from _members(each)
        case ast.Subscript(value=ast.Name(id="list" | "tuple" | "Sequence"), slice=inner):
            items = {_kind(each, None) for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner])} - {"Any"}
            yield f"list[{items.pop()}]" if len(items) == 1 else "Any"
        case _:
            yield ast.unparse(annotation)


def _definition(target: str) -> tuple[ast.ClassDef | ast.FunctionDef, str] | None:
    """The definition that a dotted name leads to, through the imports on its way, and the module that holds it."""
    module, _, name = target.rpartition(".")
    path = _file(module)
    for node in ast.parse(path.read_text()).body if path else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node, module
        if path and isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origin = f"{_imported(node, module, path)}.{alias.name}"
                if (alias.asname or alias.name) == name and origin != target:
                    return _definition(origin)
    return None


def _file(module: str) -> Path | None:
    top, *names = module.split(".")
    try:
        spec = find_spec(top)  # which imports nothing, as it has no parent
    except ValueError:
        return None
    path = Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    for name in names:
        folder = path.parent if path and path.name == "__init__.py" else Path()
        path = next((file for file in (folder / name / "__init__.py", folder / f"{name}.py") if file.is_file()), None)
        if path is None:
            return None
    return path


def _imported(node: ast.ImportFrom, module: str, path: Path) -> str:
    """Dotted name of the module that `from ... import` reads in another."""
    if not node.level:
        return str(node.module)
    up = node.level - (path.name == "__init__.py")
    package = module.split(".")[:-up] if up else module.split(".")
    return ".".join([*package, *filter(None, [node.module])])
