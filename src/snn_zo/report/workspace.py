"""The comparison as a wandb workspace, `python -m snn_zo.report.workspace ENTITY/PROJECT [STUDY ...]`.

It shows what has been synced. Confusion matrices and paired comparisons are in the dashboard of `snn-zo-report`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from snn_zo.exits import require_printed
from snn_zo.headline import Headline
from snn_zo.report.result import PHASES
from snn_zo.report.score import headline_of
from snn_zo.runs.identity import flatten
from snn_zo.runs.wandb_server import one_line, unreachable
from snn_zo.screen import keep_open

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

GROUPS = ("dataset", "strategy", "model", "loss", "data", "optim", "schedule", "regularizer", "trainer")
"""Settings, and groups of them, whose values a study may compare."""

ACTIVE, ENERGY = "sparsity/active", "energy/so_far"
MAX_RUNS = 1000


class WorkspaceError(Exception):
    """There is nothing to show, or no way to; the message says what to do."""


def main() -> None:
    """Save the workspace and print its address; exit code 1 and one line where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m snn_zo.report.workspace", description=main.__doc__)
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="where the runs were synced to")
    parser.add_argument("studies", metavar="STUDY", nargs="*", help="names of studies; without any, all are shown")
    arguments = parser.parse_args()
    try:
        print(create(arguments.project, arguments.studies))
    except WorkspaceError as error:
        sys.exit(f"error: {error}")


def create(path: str, studies: Sequence[str] = ()) -> str:
    """Save a workspace that compares the synced runs of these studies, of all without any; its address.

    Args:
        path: entity/project.
        studies: names of studies, which are wandb's groups.

    Raises:
        WorkspaceError: the package, the network, the key, the project or the runs are missing.
    """
    entity, _, project = path.partition("/")
    if not entity or not project or "/" in project:
        raise WorkspaceError(f"ENTITY/PROJECT names the place of the runs, as in me/snn_zo; got '{path}'")
    if find_spec("wandb_workspaces") is None:
        raise WorkspaceError("wandb-workspaces is missing: pip install 'snn_zo[wandb]'")
    if reason := unreachable():
        raise WorkspaceError(f"wandb: {reason}; without it, snn-zo-report compares run folders")
    with _explained():
        configs, headlines = _synced(path, studies)
    if not configs:
        folders = " ".join(f"outputs/{study}/*/wandb/offline-run-*" for study in studies or ("*",))
        raise WorkspaceError(f"{path} holds no run of {' or '.join(studies) or 'ours'}; first: wandb sync {folders}")
    workspace = build(entity, project, studies, varied_settings(configs), headlines)
    with _explained():
        workspace.save()
        return str(workspace.url)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what wandb raises has no base in common
        raise WorkspaceError(f"wandb: {one_line(error)}") from error


def _synced(path: str, studies: Sequence[str]) -> tuple[list[dict[str, Any]], list[Headline]]:
    """Configs of the synced runs, and the metrics that those which are over are judged by."""
    import wandb

    filters = {"group": {"$in": list(studies)}} if studies else {}
    runs = list(wandb.Api().runs(path, filters, per_page=500, lazy=False))
    headlines = dict.fromkeys(headline_of(run.summary_metrics) for run in runs)
    return [run.config for run in runs], [headline for headline in headlines if headline]


def varied_settings(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Dotted names of the settings, but for the seed, in which runs of one method differ.

    Args:
        configs: of the runs, nested.
    """
    values: dict[tuple[str, str], set[str]] = {}
    for config in configs:
        for name, value in flatten({group: config[group] for group in GROUPS if group in config}).items():
            values.setdefault((str(config.get("method")), name), set()).add(repr(value))
    varied = dict.fromkeys(name for (_, name), found in values.items() if len(found) > 1)
    # what belongs to a data set is said by its name
    return [name for name in varied if "dataset" not in varied or not name.startswith("data.")]


def build(
    entity: str, project: str, studies: Sequence[str], varied: Sequence[str], headlines: Sequence[Headline]
) -> ws.Workspace:
    """The workspace, which no network has seen yet; runs are grouped by method and the settings that vary."""
    import wandb_workspaces.workspaces as ws

    scores = [headline.logged("test") for headline in headlines]

    return ws.Workspace(
        entity,
        project,
        name=f"Comparison of {', '.join(studies) or 'all studies'}",
        sections=list(_sections(varied, headlines)),
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=MAX_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=f"Metric('Group') in {list(studies)!r}" if studies else "",
            groupby=[ws.Config(name) for name in ("method", *varied)],
            pinned_columns=["run:state", *(f"summary:{name}" for name in (*scores, ACTIVE, ENERGY))],
        ),
    )


def _sections(varied: Sequence[str], headlines: Sequence[Headline]) -> Iterator[ws.Section]:
    import wandb_workspaces.reports.v2 as wr

    # a panel groups by one key at most; without one it takes the grouping of the list of runs
    spread: dict[str, Any] = {
        "groupby": None if varied else wr.Config("method"),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
        "aggregate": True,
        "max_runs_to_show": MAX_RUNS,
    }

    def curves(title: str, *names: str, **more: Any) -> wr.LinePlot:
        return wr.LinePlot(title=title, x="epoch", y=list(names), **spread, **more)

    for headline in headlines:
        title, score = headline.title, headline.logged("test")
        name = title[0].upper() + title[1:]
        yield _section(
            name,
            curves(f"validation {title}", headline.logged("val")),
            wr.BarPlot(title=f"test {title}", metrics=[score], **spread),
        )
        yield _section(
            f"{name} against cost",
            _against(f"test {title} against active fraction", ACTIVE, score),
            _against(f"test {title} against modelled J of the training", ENERGY, score),
        )
    yield _section("Loss", curves("training loss", "train/loss"), curves("validation loss", "val/loss"))
    yield _section(
        "Energy",
        wr.BarPlot(title="modelled J of the last epoch", metrics=[f"energy/{phase}" for phase in PHASES], **spread),
        curves("modelled J so far", ENERGY),
        curves("modelled J over those of dense products", "energy/ratio"),
    )
    yield _section(
        "Activity",
        curves("active fraction by layer", metric_regex="^sparsity/[^/]+/active$"),
        curves("spike rate by layer", metric_regex="^sparsity/[^/]+/spike_rate$"),
    )
    yield _section("Settings", _coordinates(varied, headlines))


def _section(name: str, *panels: Any) -> ws.Section:
    import wandb_workspaces.workspaces as ws

    layout = ws.SectionLayoutSettings(columns=min(len(panels), 3), rows=1)
    return ws.Section(name, panels=list(panels), is_open=True, layout_settings=layout)


def _against(title: str, cost: str, score: str) -> wr.ScatterPlot:
    import wandb_workspaces.reports.v2 as wr

    return wr.ScatterPlot(title=title, x=wr.SummaryMetric(cost), y=wr.SummaryMetric(score), log_x=True)


def _coordinates(varied: Sequence[str], headlines: Sequence[Headline]) -> wr.ParallelCoordinatesPlot:
    import wandb_workspaces.reports.v2 as wr

    def column(metric: str, title: str, log: bool) -> wr.ParallelCoordinatesPlotColumn:
        return wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(metric), title, log=log)

    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(name), name) for name in ("method", *varied)]
    columns += [column(ACTIVE, "active", True), column(ENERGY, "J", True)]
    columns += [column(headline.logged("test"), f"test {headline.title}", False) for headline in headlines]
    *others, last = ["settings", "activity", "energy", *(headline.title for headline in headlines)]
    return wr.ParallelCoordinatesPlot(columns, title=f"{', '.join(others)} and {last}")


if __name__ == "__main__":
    keep_open()
    main()
    require_printed()
