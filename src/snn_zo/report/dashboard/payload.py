"""What the figures of the dashboard are drawn from, as JSON in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison
from snn_zo.report.dashboard import schema
from snn_zo.report.dashboard.swept import MOST, TARGET, Swept, swept
from snn_zo.report.interval import Estimate
from snn_zo.report.labels import shown
from snn_zo.report.result import PHASES
from snn_zo.report.runs import Run, Setting
from snn_zo.report.score import title_of
from snn_zo.report.variants import Prices, Variant
from snn_zo.runs.naming import short_names
from snn_zo.runs.status import Status

LEARNING = (Status.COMPLETED, Status.RUNNING, Status.INTERRUPTED)
POINTS, FEWEST, LARGEST = 10_000, 20, 400  # of all curves of one quantity; of one curve
LAYERS = 64  # curves of active fractions and spike rates
CELLS = 300_000  # non-zero ones of all confusion matrices


def embedded(report: Mapping[str, object]) -> Markup:
    """JSON for a script element: nothing in it can end the element or start another."""
    text = json.dumps(report, allow_nan=False, separators=(",", ":"))  # ascii, so without U+2028 and lone surrogates
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def payload(comparison: Comparison, ranked: Sequence[Variant], downloads: Mapping[str, str]) -> schema.Report:
    """The content of the figures.

    Args:
        comparison: the runs and variants.
        ranked: the variants, those of a data set from best to worst; figures refer to their places in this order.
        downloads: texts by file name.
    """
    place = {id(variant): i for i, variant in enumerate(ranked)}
    datasets = [_dataset(comparison, ranked, data, place) for data in dict.fromkeys(v.data for v in ranked)]
    return {
        "datasets": datasets,
        "variants": _variants(ranked, datasets),
        "runs": [_run(run, i) for i, variant in enumerate(ranked) for run in variant.runs],
        "pairs": _pairs(comparison, place),
        "downloads": dict(downloads),
    }


def _dataset(comparison: Comparison, ranked: Sequence[Variant], data: str, place: Mapping[int, int]) -> schema.Dataset:
    here = [variant for variant in ranked if variant.data == data]
    return {
        "name": data,
        "headline": _headline(comparison.headline_of(data)),
        "swept": short_names(list(dict.fromkeys(name for variant in here for name in variant.varied))),
        "sweeps": [_sweep(one, place) for one in swept(here)[:MOST]],
        "target": TARGET,
        "fronts": {
            "active": _fronts(comparison, data, "active", place),
            "joules": _fronts(comparison, data, "joules", place),
        },
    }


def _sweep(found: Swept, place: Mapping[int, int]) -> schema.Sweep:
    lines: list[schema.Line] = [
        {
            "label": line.label,
            "values": list(line.values),
            "variants": [place[id(variant)] for variant in line.variants],
        }
        for line in found.lines
    ]
    return {"name": found.name, "log": found.is_log, "lines": lines}


def _headline(headline: Headline | None) -> schema.Headline:
    if headline is None:
        return {"name": "", "title": title_of(None), "direction": "max", "unit": ""}
    return {
        "name": headline.name,
        "title": headline.title,
        "direction": headline.direction,
        "unit": headline.unit,
    }


def _variants(ranked: Sequence[Variant], datasets: Sequence[schema.Dataset]) -> list[schema.Variant]:
    points = int(np.clip(POINTS // max(len(ranked), 1), FEWEST, LARGEST))
    matrices = _matrices(ranked)
    names = [dataset["name"] for dataset in datasets]
    orders = [prominence(ranked, dataset["name"], dataset["fronts"]) for dataset in datasets]
    styles = {i: style for order in orders for style, i in enumerate(order)}
    return [
        {
            "data": names.index(variant.data),
            "style": styles[i],
            "label": variant.label,
            "method": variant.method,
            "varied": {name: _setting(name, value) for name, value in variant.varied.items()},
            "score": _estimate(variant.estimate("score")),
            "active": _estimate(variant.estimate("active")),
            "joules": _estimate(variant.estimate("joules")),
            "curves": curves(variant, datasets[names.index(variant.data)]["headline"]["name"], points),
            "energy": energy(variant),
            "times": {
                "forward": _mean(variant, "forward_s"),
                "backward": _mean(variant, "backward_s"),
                "epoch": _mean(variant, "epoch_s"),
            },
            "confusion": matrices[i],
        }
        for i, variant in enumerate(ranked)
    ]


def prominence(ranked: Sequence[Variant], data: str, fronts: schema.Fronts) -> list[int]:
    """Places of a data set's variants in the order in which they get colours, and in which there is room for them.

    The best of each method comes first, then the Pareto fronts, then the others.
    """
    here = [i for i, variant in enumerate(ranked) if variant.data == data]
    methods: dict[str, int] = {}
    for i in here:
        methods.setdefault(ranked[i].method, i)
    on_fronts = sorted({i for front in (*fronts["active"], *fronts["joules"]) for i in front})
    return list(dict.fromkeys([*methods.values(), *on_fronts, *here]))


def curves(variant: Variant, metric: str, points: int) -> schema.Curves:
    """Means over seeds, each epoch over those that have reached it, with the lowest and the highest seed.

    Args:
        variant: of its runs those that have learnt.
        metric: name of the one that they are judged by; the loss is shown beside it.
        points: epochs E that are kept.

    Returns:
        Epochs, Joules and seconds, [E]; and for each quantity mean, low and high, [E], or the mean of one seed.
    """
    runs = [run for run in variant.runs if run.status in LEARNING and run.metrics]
    epochs = max((len(column) for run in runs for column in run.metrics.values()), default=0)
    if not epochs:
        return {"x": {}, "y": {}}
    kept = np.unique(np.linspace(0, epochs - 1, min(points, epochs)).round().astype(int))
    x: dict[str, schema.Column] = {"epoch": (kept + 1).tolist()}
    for name, columns in (
        ("joules", [run.metrics.get("energy/so_far") for run in runs]),
        ("seconds", [np.cumsum(run.timing["train_s"]) if "train_s" in run.timing else None for run in runs]),
    ):
        if any(column is not None for column in columns):
            x[name] = _rounded(_spread(columns, epochs)[0][kept])
    there = dict.fromkeys(name for run in runs for name in run.metrics)
    shown_first = dict.fromkeys([f"val/{metric}", "val/loss", f"train/{metric}", "train/loss"])
    wanted = [name for name in shown_first if name in there] + sorted(filter(_is_activity, there))[:LAYERS]
    y: dict[str, schema.Band] = {}
    for name in wanted:
        mean, low, high = (_rounded(part[kept]) for part in _spread([run.metrics.get(name) for run in runs], epochs))
        y[name] = (mean, low, high) if len(runs) > 1 else (mean, None, None)
    return {"x": x, "y": y}


def energy(variant: Variant) -> schema.Energy | None:
    """Modelled J by phase, and of dense products: means over runs that are not dead; None where nothing counted."""
    found = [run.summary["energy"] for run in variant.alive if isinstance(run.summary.get("energy"), dict)]
    modelled = _mean_bill([bill.get("modelled") for bill in found])
    return {"modelled": modelled, "dense": _mean_bill([bill.get("dense") for bill in found])} if modelled else None


def _mean_bill(found: Sequence[object]) -> dict[str, float] | None:
    bills = [bill for bill in found if isinstance(bill, dict)]
    columns = {phase: [_number(bill.get(phase)) for bill in bills] for phase in PHASES}
    known = {phase: [value for value in column if value is not None] for phase, column in columns.items()}
    return {phase: float(np.mean(values)) for phase, values in known.items() if values} or None


def _matrices(ranked: Sequence[Variant]) -> list[schema.Confusion | None]:
    """Confusion matrices summed over seeds, by their non-zero cells, as far as they fit the page."""
    matrices: list[schema.Confusion | None] = []
    room = CELLS
    for variant in ranked:
        known = [run.confusion for run in variant.done if run.confusion]
        found = [np.array(one.counts, np.float64) for one in known if one.classes == known[0].classes]
        total = np.sum(found, 0).ravel()
        index = np.flatnonzero(total)
        room -= len(index)
        if not found or not len(index) or room < 0:
            matrices.append(None)
            continue
        matrices.append(
            {
                "classes": list(known[0].classes),
                "runs": len(found),
                "index": index.tolist(),
                "count": total[index].astype(int).tolist(),
            }
        )
    return matrices


def _run(run: Run, variant: int) -> schema.Run:
    return {
        "variant": variant,
        "name": run.name,
        "dead": bool(run.dead),
        "score": _round(run.score),
        "active": _round(run.active),
        "spike_rate": _round(run.spike_rate),
        "joules": _round(run.joules),
        "epoch_s": _round(run.epoch_s),
    }


def _fronts(comparison: Comparison, data: str, quantity: str, place: Mapping[int, int]) -> list[list[int]]:
    """Variants on the fronts of a data set; one front for each table of prices that energies were modelled with."""
    by_prices: dict[Prices | None, list[int]] = {}
    for variant in comparison.pareto(quantity):
        if variant.data == data:
            prices = variant.prices if quantity == "joules" else None
            by_prices.setdefault(prices, []).append(place[id(variant)])
    return list(by_prices.values())


def _pairs(comparison: Comparison, place: Mapping[int, int]) -> list[schema.Pair]:
    return [
        {
            "a": place[id(pair.a)],
            "b": place[id(pair.b)],
            "difference": _rounded_estimate(pair.overall),
            "wins": pair.wins,
            "ties": pair.ties,
            "n": pair.n,
        }
        for pair in comparison.pairs()
    ]


def _spread(columns: Sequence[NDArray | None], epochs: int) -> tuple[NDArray, NDArray, NDArray]:
    """Mean, lowest and highest of columns of different lengths, [E] each; nan where there is none."""
    stack = np.full((len(columns), epochs), np.nan)
    for row, column in zip(stack, columns, strict=True):
        if column is not None:
            row[: len(column)] = column[:epochs]
    known = np.isfinite(stack)
    count = known.sum(0)
    mean = np.where(known, stack, 0).sum(0) / np.maximum(count, 1)
    low, high = np.where(known, stack, np.inf).min(0), np.where(known, stack, -np.inf).max(0)
    return tuple(np.where(count > 0, part, np.nan) for part in (mean, low, high))  # type: ignore[return-value]


def _is_activity(name: str) -> bool:
    """Of a layer: `sparsity/<layer>/active` or `/spike_rate`."""
    return name.startswith("sparsity/") and name.count("/") > 1 and name.endswith(("/active", "/spike_rate"))


def _mean(variant: Variant, quantity: str) -> float | None:
    estimate = variant.estimate(quantity)
    return None if estimate is None else _round(estimate.mean)


def _estimate(estimate: Estimate | None) -> schema.Estimated | None:
    return None if estimate is None else _rounded_estimate(estimate)


def _rounded_estimate(estimate: Estimate) -> schema.Estimated:
    return _round(estimate.mean), _round(estimate.low), _round(estimate.high), estimate.n


def _rounded(values: NDArray) -> list[float | None]:
    return [_round(value) for value in values.tolist()]


def _round(value: float | None) -> float | None:
    """Five digits, which are enough to draw; None for what JSON cannot say."""
    return float(f"{value:.5g}") if value is not None and np.isfinite(value) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return float(value)


def _setting(name: str, value: Setting) -> float | str:
    """A number as it is, for an axis of numbers; everything else as labels have it."""
    number = _number(value)
    return shown(name, value) if number is None else number
