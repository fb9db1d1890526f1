"""From a run folder to pictures in it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from snn_zo.atomic import write_atomically
from snn_zo.experiment import load_run
from snn_zo.look.look import Look, look
from snn_zo.look.page import outcome, page, rows, title
from snn_zo.look.settings import LookSettings
from snn_zo.page import write_png
from snn_zo.places import expanded
from snn_zo.report.dashboard.run_page import write_run_page
from snn_zo.report.runs import read_runs
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.log_file import logging_to
from snn_zo.untrusted import said


def run(settings: LookSettings) -> None:
    """Look at a recording, print what came out, and write `look/<part>-<sample>.html` and `.png` into the run folder.

    Raises:
        ConfigError: the folder is not a run, its content is not to be trusted, or there is no such recording.
        DataError: the data is missing or damaged.
        OSError: the folder cannot be written.
    """
    folder = RunFolder(expanded(settings.run))
    with logging_to(None):
        loaded = load_run(folder.path, settings.checkpoint)
        found = look(loaded, settings)
    _print(found)
    last = "-last" if settings.checkpoint == "last" else ""
    place = folder.look / f"{found.part}-{found.sample}{last}"
    has_page = folder.page.is_file()
    html = place.with_suffix(".html")
    write_atomically(html, page(found, loaded, settings, f"../{folder.page.name}" if has_page else None))
    try:
        from snn_zo.look.figure import draw
    except ModuleNotFoundError:
        print("no PNG: matplotlib is not installed (pip install 'snn_zo[plots]')")
    else:
        png = place.with_suffix(".png")
        write_png(png, draw(found, settings))
        print(said(png))
    print(said(html))
    if has_page:
        _link(folder)


def _print(found: Look) -> None:
    print(said(f"{title(found)} (number {found.recording} in the data set). {outcome(found)}"))
    table = Table()
    for column in ("layer", "neurons", "spikes", "share", "active", "share", "silent neurons"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for row in rows(found):
        table.add_row(*map(said, row))
    Console().print(table)


def _link(folder: RunFolder) -> None:
    """Write the page of the run anew, which says what has been looked at."""
    write_run_page(read_runs([folder.path])[0], folder.page)
