"""What payload.py writes and what the scripts read are the same."""

from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from snn_zo.report.dashboard import HERE, schema

DECLARATIONS = HERE / "scripts" / "payload.d.ts"
NAMES = {float: "number", int: "number", str: "string", bool: "boolean", NoneType: "null"}


def typescript(hint: object) -> str:
    """A type in TypeScript."""
    if hint in NAMES:
        return NAMES[hint]
    if is_typeddict(hint):
        return hint.__name__
    inner = get_args(hint)
    made = {
        list: lambda: f"Array<{typescript(inner[0])}>",
        dict: lambda: f"Record<string, {typescript(inner[1])}>",
        tuple: lambda: f"[{', '.join(map(typescript, inner))}]",
        Literal: lambda: " | ".join(f'"{value}"' for value in inner),
        UnionType: lambda: " | ".join(dict.fromkeys(map(typescript, inner))),
        Union: lambda: " | ".join(dict.fromkeys(map(typescript, inner))),
    }
    return made[get_origin(hint)]()


def interface(shape: type) -> str:
    fields = [f"  {name}: {typescript(hint)};" for name, hint in get_type_hints(shape).items()]
    return "\n".join([f"export interface {shape.__name__} {{", *fields, "}"])


def test_scripts_declare_the_shape_that_python_writes():
    """Where this fails, the declarations are to become what is expected here."""
    shapes = [shape for shape in vars(schema).values() if is_typeddict(shape)]
    head = "// what snn_zo/report/dashboard/schema.py says, which has the words"
    assert DECLARATIONS.read_text() == "\n\n".join([head, *map(interface, shapes)]) + "\n"
