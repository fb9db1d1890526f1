"""The figures of a run's page: learning, activity of the layers, and what the test showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from snn_zo.headline import Headline
from snn_zo.quantity import percent
from snn_zo.report.dashboard.run_page.axis import Axis, linear, logarithmic, whole_numbers
from snn_zo.report.dashboard.run_page.matrix import matrix
from snn_zo.report.dashboard.run_page.picture import Curve, colour, curves, points
from snn_zo.report.runs import Run
from snn_zo.report.score import is_share, sign_of
from snn_zo.untrusted import at, positive, read_table

AxisOf: TypeAlias = "Callable[[NDArray[np.float64]], Axis]"
"""What makes the axis of finite values."""
STAGES = {"train": "training", "val": "validation"}
ACTIVITY = {"active": "Active fraction", "spike_rate": "Spike rate", "silent": "Silent neurons"}
POINTS = 400
"""Epochs of a curve that are drawn."""
DOTS = 1_500
"""Recordings that are drawn."""
DECADE = 10
"""From the smallest to the largest activity, beyond which an axis is logarithmic."""
LAYERS = 14
"""Curves that can be told apart."""
TARGETS = 4
"""Continuous targets that have a figure."""
CLASSES = 200
"""Classes of a matrix that is drawn."""


@dataclass(frozen=True)
class Figure:
    """A picture with a heading, the colours in it by name, and a note."""

    title: str
    picture: Markup
    key: dict[str, str] = field(default_factory=dict)
    note: str = ""


def learning(run: Run) -> list[Figure]:
    """Loss and the metric that the run is judged by, of training and validation, and a learning rate that changes."""
    found = [_stages(run, "loss", "Loss", partial(linear, "loss", shown="{:.3g}".format))]
    if headline := run.headline:
        title = f"{headline.title}{', less is better' if sign_of(headline) < 0 else ''}"
        found.append(_stages(run, headline.name, title[:1].upper() + title[1:], partial(score_axis, headline)))
    rate = run.metrics.get("lr", np.empty(0))
    if len(set(rate[np.isfinite(rate)].tolist())) > 1:
        axis = partial(linear, "learning rate", shown="{:.3g}".format)
        found.append(_over_epochs(run, "Learning rate", {"learning rate": rate}, axis))
    return [figure for figure in found if figure]


def score_axis(headline: Headline, values: NDArray[np.float64]) -> Axis:
    """An axis of values of the metric; of shares at least two points long."""
    if is_share(headline):
        return linear(headline.title, values, percent, least=0.02)
    unit = f", {headline.unit}" if headline.unit else ""
    return linear(f"{headline.title}{unit}", values, "{:.3g}".format)


def activity(run: Run) -> list[Figure]:
    """Active fraction, spike rate and silent neurons of the layers over epochs."""
    return [figure for measure, title in ACTIVITY.items() if (figure := _activity(run, measure, title))]


def _activity(run: Run, measure: str, title: str) -> Figure | None:
    parts = {name: name.split("/") for name in run.metrics}
    layers = {
        "/".join(part[1:-1]): run.metrics[name]
        for name, part in parts.items()
        if len(part) > 2 and part[0] == "sparsity" and part[-1] == measure
    }
    drawn = dict(list(layers.items())[:LAYERS])
    values = np.concatenate([column[np.isfinite(column)] for column in drawn.values()] or [np.empty(0)])
    if len(values) and values.max() > DECADE * values.min():  # what is 0 has no place on a logarithmic axis
        drawn = {name: np.where(column > 0, column, np.nan) for name, column in drawn.items()}
        axis = partial(logarithmic, title.lower(), shown=percent)
    else:
        axis = partial(linear, title.lower(), shown=percent, least=0.001)
    left_out = len(layers) - len(drawn)
    note = f"{left_out} more layers are in metrics.csv." if left_out else ""
    return _over_epochs(run, title, drawn, axis, note)


def _stages(run: Run, metric: str, title: str, axis: AxisOf) -> Figure | None:
    columns = {word: run.metrics.get(f"{stage}/{metric}") for stage, word in STAGES.items()}
    return _over_epochs(run, title, {word: column for word, column in columns.items() if column is not None}, axis)


def _over_epochs(
    run: Run, title: str, columns: dict[str, NDArray[np.float64]], axis: AxisOf, note: str = ""
) -> Figure | None:
    """Columns [E] over epochs, which count from 1; the epoch whose weights were tested is marked."""
    drawn = [Curve(name, *_thinned(run, column)) for name, column in columns.items() if np.isfinite(column).any()]
    if not drawn:
        return None
    values = np.concatenate([one.y for one in drawn])
    across = whole_numbers("epoch", max(int(one.x.max()) for one in drawn))
    label = f"{title} over epochs: {', '.join(one.name for one in drawn)}"
    tested = positive(at(run.summary, "checkpoint", "epoch"))
    mark = None if tested is None or tested + 1 > across.high else (tested + 1, "tested")
    picture = curves(label, across, axis(values[np.isfinite(values)]), drawn, mark)
    key = {one.name: colour(i) for i, one in enumerate(drawn)} if len(drawn) > 1 else {}
    return Figure(title, picture, key, note)


def _thinned(run: Run, column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Epochs and values of a column, where it has any: at most POINTS of each."""
    known = np.flatnonzero(np.isfinite(column))
    kept = known[np.unique(np.linspace(0, len(known) - 1, min(POINTS, len(known))).round().astype(int))]
    epoch = run.metrics.get("epoch", np.arange(float(len(column))))
    return epoch[kept] + 1, column[kept]


def tested(run: Run) -> list[Figure]:
    """The confusion matrix, or predicted against true values of each continuous target."""
    if run.confusion:
        classes, counts = run.confusion.classes, np.array(run.confusion.counts, np.float64)
        if len(classes) > CLASSES:
            return []
        note = "Test recordings of each class by the class that was predicted; shade: share of the true class."
        return [Figure("Confusion matrix", matrix("Confusion matrix of the test set", classes, counts), note=note)]
    return list(_values(run))


def _values(run: Run) -> Iterator[Figure]:
    table = read_table(run.folder.predictions, [])
    numbers = [name.removeprefix("true") for name in table if name.startswith("true")]
    unit = f", {run.headline.unit}" if run.headline and run.headline.unit not in ("", "%") else ""
    for number in [number for number in numbers if f"predicted{number}" in table][:TARGETS]:
        true, predicted = table[f"true{number}"], table[f"predicted{number}"]
        known = np.flatnonzero(np.isfinite(true) & np.isfinite(predicted))
        if not len(known):
            continue
        kept = known[np.unique(np.linspace(0, len(known) - 1, min(DOTS, len(known))).round().astype(int))]
        both = np.concatenate([true[kept], predicted[kept]])
        across, up = (linear(f"{what} value{unit}", both, "{:.3g}".format) for what in ("true", "predicted"))
        title = f"Predicted and true values{f', target {number[1:]}' if number else ''}"
        some = f" {len(kept)} of {len(known)} are drawn." if len(kept) < len(known) else ""
        note = f"Each point is a test recording; on the line a prediction is right.{some}"
        yield Figure(title, points(title, across, up, Curve("", true[kept], predicted[kept])), note=note)
