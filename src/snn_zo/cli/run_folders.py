"""Commands on the folders of runs: test one again, compare many."""

from __future__ import annotations

import argparse
import sys

from snn_zo.cli.surroundings import let_idle_threads_sleep, require_no_trainer_variables
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.config.names import DASHBOARD
from snn_zo.exits import fail, reason, require_printed
from snn_zo.places import expanded
from snn_zo.screen import keep_open


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

    from snn_zo.atomic import write_atomically
    from snn_zo.report import export
    from snn_zo.report.comparison import compare
    from snn_zo.report.runs import read_runs
    from snn_zo.report.table import print_comparison

    files = {arguments.csv: export.runs_csv, arguments.summary: export.summary_csv, arguments.latex: export.latex}
    try:
        comparison = compare(read_runs(arguments.folders))
        print_comparison(comparison)
        for path, text in files.items():
            if path:
                write_atomically(path, text(comparison))
                print(path)
        if not arguments.no_html:
            from snn_zo.report.dashboard import write_dashboard

            page = arguments.html or arguments.folders[0] / DASHBOARD
            write_dashboard(comparison, page)
            print(page)
    except FileNotFoundError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{reason(error)}; --html FILE puts the dashboard elsewhere, --no-html leaves it out")
    require_printed()


def _report_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="snn-zo-report", description="compare runs, by method and settings")
    parser.add_argument("folders", nargs="+", type=expanded, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--csv", type=expanded, metavar="FILE", help="write a line a run")
    parser.add_argument("--summary", type=expanded, metavar="FILE", help="write a line a variant, as CSV")
    parser.add_argument("--latex", type=expanded, metavar="FILE", help="write a table for LaTeX, with booktabs")
    parser.add_argument(
        "--html", type=expanded, metavar="FILE", help=f"the dashboard (default: {DASHBOARD} in the first folder)"
    )
    parser.add_argument("--no-html", action="store_true", help="no dashboard")
    return parser.parse_args()
