"""Pages in one file that need neither a network nor other files."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snn_zo.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_png(path: Path, figure: Figure) -> str:
    """Write a figure; its bytes in base64, for a page."""
    png = _png(figure)
    write_atomically(path, png)
    return base64.b64encode(png).decode()


def embedded_png(figure: Figure) -> str:
    """The bytes of a figure in base64, for a page."""
    return base64.b64encode(_png(figure)).decode()


def _png(figure: Figure) -> bytes:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()


def render(template: Path, **values: Any) -> str:
    """A Jinja template with these values and, as `style`, the style of all our pages."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style = Markup(Path(__file__).with_name("page.css").read_text())
    return environment.from_string(template.read_text()).render(style=style, **values)
