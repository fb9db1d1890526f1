"""Numbers with their units, as tables, figures and pages show them."""

from __future__ import annotations


def percent(value: float | None) -> str:
    """A fraction as a percentage with three significant digits."""
    return "-" if value is None else f"{100 * value:.3g} %"


def decimal(value: float | None) -> str:
    """A fraction as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"


def joules(value: float) -> str:
    """An energy in J with three significant digits and a prefix of the SI."""
    for prefix, size in (("k", 1e3), ("", 1.0), ("m", 1e-3), ("u", 1e-6)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {prefix}J"
    return f"{value / 1e-9:.3g} nJ"
