"""Arguments that are taken as they are typed, whatever Hydra's grammar makes of them."""

from __future__ import annotations

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

_ONE = ("resume", "outputs")
"""Settings that no sweep varies: a comma is one of the name's."""
_TYPED = (*_ONE, "study", "name", "data.root", "data.cache_dir")


def as_typed(argument: str) -> str:
    """An argument that names a folder, quoted where Hydra would not read it as text: `name=1e5`, `outputs=~/a (b)`."""
    setting, equals, text = argument.partition("=")
    if setting not in _TYPED or not equals:
        return argument
    try:
        override = OverridesParser.create().parse_override(argument)
        varied = override.is_sweep_override() and setting not in _ONE
        if varied or override.value() is None or isinstance(override.value(), str):
            return argument
    except HydraException:
        pass
    return f"{setting}={QuotedString(text, Quote.single).with_quotes()}"
