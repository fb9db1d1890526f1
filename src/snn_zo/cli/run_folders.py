"""Commands on the folders of runs: test one again, compare many."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from snn_zo.cli.surroundings import let_idle_threads_sleep, require_no_trainer_variables
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.config.names import DASHBOARD
from snn_zo.exits import fail, reason, require_printed
from snn_zo.places import expanded
from snn_zo.screen import keep_open

if TYPE_CHECKING:
    from snn_zo.report.comparison import Comparison


def evaluate() -> None:
    """`snn-zo eval run=FOLDER`: test the best checkpoint of a run again."""
    keep_open()
    arguments = sys.argv[1:]
    if len(arguments) != 1 or not arguments[0].startswith("run="):
        print("usage: snn-zo-eval run=FOLDER    test the best checkpoint of a run again")
        sys.exit(0 if arguments in (["--help"], ["-h"]) else 1)
    require_no_trainer_variables()
    let_idle_threads_sleep()
    from snn_zo import experiment

    try:
        metrics = experiment.evaluate(expanded(arguments[0].removeprefix("run=")))
    except EXPECTED as error:
        fail(explain(error))
    except OSError as error:
        fail(reason(error))
    for name, value in metrics.items():
        print(f"{name}  {value:.6g}")
    require_printed()


def report() -> None:
    """`snn-zo report FOLDER ...`: compare the runs in these folders."""
    keep_open()
    arguments = _report_arguments()

    from snn_zo.report.comparison import compare
    from snn_zo.report.runs import read_runs
    from snn_zo.report.table import print_comparison

    try:
        comparison = compare(read_runs(arguments.folders))
    except OSError as error:
        fail(reason(error))
    # before the table, whose reader may have seen enough; and one that cannot be written hides nothing
    written, failure = _write_files(comparison, arguments)
    print_comparison(comparison)
    for path in written:
        print(path)
    if failure:
        fail(f"{reason(failure)}; --html FILE puts the dashboard elsewhere, --no-html leaves it out")
    require_printed()


def _write_files(comparison: Comparison, arguments: argparse.Namespace) -> tuple[list[Path], OSError | None]:
    """The files that were asked for and could be written; and why the first of the others could not."""
    from snn_zo.atomic import write_atomically
    from snn_zo.report import export
    from snn_zo.report.dashboard import write_dashboard
    from snn_zo.report.figures import write_figures
    from snn_zo.report.latex import latex

    def text(make: Callable[[Comparison], str]) -> Callable[[Comparison, Path], None]:
        return lambda comparison, path: write_atomically(path, make(comparison))

    page = None if arguments.no_html else arguments.html or arguments.folders[0] / DASHBOARD
    files: list[tuple[Path | None, Callable[[Comparison, Path], object]]] = [
        (arguments.csv, text(export.runs_csv)),
        (arguments.summary, text(export.summary_csv)),
        (arguments.latex, text(partial(latex, columns=arguments.columns, spread=arguments.spread))),
        (arguments.figures, write_figures),
        (page, write_dashboard),
    ]
    written, failure = list[Path](), None
    for path, write in files:
        if path:
            try:
                write(comparison, path)
                written.append(path)
            except OSError as error:
                failure = failure or error
    return written, failure


def _report_arguments() -> argparse.Namespace:
    from snn_zo.report.latex import COLUMNS, DEFAULT, Spread

    parser = argparse.ArgumentParser(prog="snn-zo-report", description="compare runs, by method and settings")
    parser.add_argument("folders", nargs="+", type=expanded, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--csv", type=expanded, metavar="FILE", help="write a line a run")
    parser.add_argument("--summary", type=expanded, metavar="FILE", help="write a line a variant, as CSV")
    parser.add_argument("--latex", type=expanded, metavar="FILE", help="write a table for a paper, in LaTeX")
    parser.add_argument(
        "--columns",
        type=_columns,
        metavar="NAMES",
        help=f"of the table, with commas between (default: {','.join(DEFAULT)}); there are {', '.join(COLUMNS)}",
    )
    parser.add_argument(
        "--spread",
        choices=get_args(Spread),
        help="behind the mean scores of the table: the 95 %% interval (default), or the standard deviation over seeds",
    )
    parser.add_argument(
        "--figures", type=expanded, metavar="FOLDER", help="write the figures for a paper into it, as PDF and SVG files"
    )
    parser.add_argument(
        "--html", type=expanded, metavar="FILE", help=f"the dashboard (default: {DASHBOARD} in the first folder)"
    )
    parser.add_argument("--no-html", action="store_true", help="no dashboard")
    arguments = parser.parse_args()
    if not arguments.latex and (arguments.columns or arguments.spread):
        parser.error("--columns and --spread are for the table that --latex FILE writes")
    arguments.columns, arguments.spread = arguments.columns or DEFAULT, arguments.spread or "interval"
    if arguments.figures:
        _require_matplotlib()
    return arguments


def _columns(text: str) -> tuple[str, ...]:
    from snn_zo.report.latex import columns_named

    try:
        return columns_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _require_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        fail("--figures needs matplotlib, which is not installed: pip install 'snn_zo[plots]'")
