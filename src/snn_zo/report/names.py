"""What methods and settings are called in a paper, for its tables and its figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from snn_zo.report.labels import short_names, shown
from snn_zo.report.runs import Setting
from snn_zo.report.variants import Variant

SYMBOLS = {
    "strategy.delta": r"\delta",
    "strategy.of.delta": r"\delta",
    "strategy.match.delta": r"\delta",
    "strategy.samples": "m",
    "strategy.match.samples": "m",
    "strategy.b_th": r"B_{\mathrm{th}}",
    "strategy.slope": "k",
    "strategy.surrogate.slope": "k",
    "model.neuron.tau": r"\tau",
}
"""Settings that the papers and docs/theory.md have a letter for."""
WORDS = {
    "optim.lr": "learning rate",
    "data.batch_size": "batch size",
    "trainer.max_epochs": "epochs",
    "active": "active before training",
}
KINDS = ("strategy.z", "strategy.function", "strategy.surrogate.function")
"""Settings whose value says enough alone, in brackets behind the method."""
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "local_zo": ("LocalZO", ()),
    "local_zo_m5": ("LocalZO", ("strategy.samples",)),
    "local_zo_published": ("LocalZO", ("strategy.delta", "strategy.samples")),
    "local_zo_laplace": ("LocalZO", ("strategy.z",)),
    "local_zo_laplace_m5": ("LocalZO", ("strategy.z", "strategy.samples")),
    "local_zo_uniform": ("LocalZO", ("strategy.z",)),
    "local_zo_uniform_m5": ("LocalZO", ("strategy.z", "strategy.samples")),
    "local_zo_converse": ("LocalZO for a surrogate", ("strategy.surrogate.function",)),
    "sparse_surrogate": ("sparse surrogate", ()),
    "ssg": ("SSG", ()),
    "expectation": ("expectation of LocalZO", ()),
    "surrogate": ("surrogate", ("strategy.function",)),
}
"""Of each strategy that comes with the package: its name, and the settings that tell it from others of this name."""


class Part(NamedTuple):
    """A piece of a name: plain text, or TeX's mathematics without its dollars."""

    text: str
    math: bool = False


Name: TypeAlias = tuple[Part, ...]
BETWEEN = Part(", ")
"""Part of a name between its method and its settings."""


def names(variants: Sequence[Variant], without: str | None = None) -> list[Name]:
    """What each variant is called among these: its method, and the settings that its label names.

    Args:
        variants: of one data set.
        without: dotted name of a setting that is not said.
    """
    short = short_names(list(dict.fromkeys(name for variant in variants for name in variant.named)))
    taken = Counter[Name]()
    found: list[Name] = []
    for variant in variants:
        name = _name(variant, short, without)
        taken[name] += 1
        found.append((*name, Part(f" ({taken[name]})")) if taken[name] > 1 else name)
    return found


def setting(name: str, short: str) -> Part:
    """What a setting is called: its letter, or words.

    Args:
        name: dotted.
        short: as a label has it.
    """
    if name in SYMBOLS:
        return Part(SYMBOLS[name], math=True)
    return Part(WORDS.get(name, short.replace("_", " ")))


def slug(text: str) -> str:
    """A name for a file or a label, of small letters, digits and dashes."""
    return "-".join(re.findall("[a-z0-9]+", text.lower())) or "comparison"


def mathtext(name: Sequence[Part], width: int = 1_000) -> str:
    """A name for matplotlib.

    Args:
        name: its parts.
        width: letters of a line; lines are broken between settings, and what does not fit in one is cut.
    """
    lines, used = [""], 0
    for item in items(name):
        length = len(plain(item))
        if used and used + length > width:
            lines, used = [*lines, ""], 0
        item = [Part(f"{plain(item)[: width - 1]}…")] if length > width else item
        lines[-1] += "".join(f"${text}$" if math else text.replace("$", r"\$") for text, math in item)
        used += length
    return "\n".join(line.rstrip() for line in lines)


def plain(name: Iterable[Part]) -> str:
    """A name without TeX's commands, about as long as it is in print."""
    return "".join(re.sub(r"\\[a-z]+|[{}_^]", "", text) + "d" if math else text for text, math in name)


def items(name: Sequence[Part]) -> list[list[Part]]:
    """The method, and each setting; with the comma behind it."""
    found: list[list[Part]] = [[]]
    for part in name:
        found[-1].append(part)
        if part == BETWEEN:
            found.append([])
    return found


def _name(variant: Variant, short: dict[str, str], without: str | None) -> Name:
    title, own = METHODS.get(variant.method, (variant.method.replace("_", " "), ()))
    said = {name: variant.settings[name] for name in own if name in variant.settings}
    said |= {name: variant.varied[name] for name in variant.named}
    said.pop(without or "", None)
    kinds = [shown(name, value).replace("_", " ") for name, value in said.items() if name in KINDS]
    parts = [Part(title + (f" ({', '.join(kinds)})" if kinds else ""))]
    for name, value in said.items():
        if name not in KINDS:
            parts += [BETWEEN, *_set(name, short.get(name, name), value)]
    return (*parts, Part(" (settings unknown)")) if not variant.settings else tuple(parts)


def _set(name: str, short: str, value: Setting) -> list[Part]:
    """A setting and its value."""
    called = setting(name, short)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return [called, Part(f" = {shown(name, value)}")]
    number = _number(value)
    if called.math:
        return [Part(f"{called.text} = {number}", math=True)]
    return [called, Part(" = "), Part(number, math=True)]


def _number(value: float) -> str:
    mantissa, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return {"1": power, "-1": f"-{power}"}.get(mantissa, rf"{mantissa} \times {power}")
