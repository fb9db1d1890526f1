"""What the figures of the dashboard are drawn from, as JSON in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from snn_zo.report.bootstrap import Estimate
from snn_zo.report.comparison import Comparison
from snn_zo.report.result import PHASES
from snn_zo.report.runs import Run
from snn_zo.report.variants import Prices, Variant, short_names, shown

CURVES = ("val/acc", "val/loss", "train/acc", "train/loss")
LEARNING = ("completed", "running", "interrupted")
POINTS, FEWEST, MOST = 10_000, 20, 400  # of all curves of one quantity; of one curve
LAYERS = 64  # curves of active fractions and spike rates
CELLS = 300_000  # non-zero ones of all confusion matrices


def embedded(report: Mapping[str, Any]) -> Markup:
    """JSON for a script element: nothing in it can end the element or start another."""
    text = json.dumps(report, allow_nan=False, separators=(",", ":"))  # ascii, so without U+2028 and lone surrogates
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def payload(comparison: Comparison, ranked: Sequence[Variant], downloads: Mapping[str, str]) -> dict[str, Any]:
    """The content of the figures.

    Args:
        comparison: the runs and variants.
        ranked: the variants, those of a data set from best to worst; figures refer to their places in this order.
        downloads: texts by file name.
    """
    datasets = list(dict.fromkeys(variant.data for variant in ranked))
    place = {id(variant): i for i, variant in enumerate(ranked)}
    points = int(np.clip(POINTS // max(len(ranked), 1), FEWEST, MOST))
    matrices = _matrices(ranked)
    fronts = [_fronts(comparison, data, place) for data in datasets]
    styles = {
        i: style
        for data, front in zip(datasets, fronts, strict=True)
        for style, i in enumerate(prominence(ranked, data, front))
    }
    return {
        "datasets": datasets,
        "variants": [
            {
                "data": datasets.index(variant.data),
                "style": styles[i],
                "label": variant.label,
                "method": variant.method,
                "varied": {name: _setting(name, value) for name, value in variant.varied.items()},
                **{name: _estimate(variant.estimate(name)) for name in ("accuracy", "active", "joules")},
                "curves": curves(variant, points),
                "energy": energy(variant),
                "times": {name: _mean(variant, f"{name}_s") for name in ("forward", "backward", "epoch")},
                "confusion": matrices[i],
            }
            for i, variant in enumerate(ranked)
        ],
        "swept": [
            short_names(list(dict.fromkeys(name for v in ranked if v.data == data for name in v.varied)))
            for data in datasets
        ],
        "runs": [_run(run, i) for i, variant in enumerate(ranked) for run in variant.runs],
        "fronts": fronts,
        "pairs": _pairs(comparison, place),
        "downloads": dict(downloads),
    }


def prominence(ranked: Sequence[Variant], data: str, fronts: Mapping[str, list[list[int]]]) -> list[int]:
    """Places of a data set's variants in the order in which they get colours, and in which there is room for them.

    The best of each method comes first, then the Pareto fronts, then the others.
    """
    here = [i for i, variant in enumerate(ranked) if variant.data == data]
    methods: dict[str, int] = {}
    for i in here:
        methods.setdefault(ranked[i].method, i)
    on_fronts = sorted({i for several in fronts.values() for front in several for i in front})
    return list(dict.fromkeys([*methods.values(), *on_fronts, *here]))


def curves(variant: Variant, points: int) -> dict[str, Any]:
    """Means over seeds, each epoch over those that have reached it, with the lowest and the highest seed.

    Returns:
        `x`: epochs, Joules and seconds, [E]; `y`: for each quantity mean, low and high, [E], or the mean of one seed.
    """
    runs = [run for run in variant.runs if run.status in LEARNING and run.metrics]
    epochs = max((len(column) for run in runs for column in run.metrics.values()), default=0)
    if not epochs:
        return {"x": {}, "y": {}}
    kept = np.unique(np.linspace(0, epochs - 1, min(points, epochs)).round().astype(int))
    x = {"epoch": (kept + 1).tolist()}
    for name, columns in (
        ("joules", [run.metrics.get("energy/so_far") for run in runs]),
        ("seconds", [np.cumsum(run.timing["train_s"]) if "train_s" in run.timing else None for run in runs]),
    ):
        if any(column is not None for column in columns):
            x[name] = _rounded(_spread(columns, epochs)[0][kept])
    there = dict.fromkeys(name for run in runs for name in run.metrics)
    wanted = [name for name in CURVES if name in there] + sorted(filter(_is_activity, there))[:LAYERS]
    y = {}
    for name in wanted:
        mean, low, high = (_rounded(part[kept]) for part in _spread([run.metrics.get(name) for run in runs], epochs))
        y[name] = [mean, low, high] if len(runs) > 1 else [mean, None, None]
    return {"x": x, "y": y}


def energy(variant: Variant) -> dict[str, Any] | None:
    """Modelled J by phase, and of dense products: means over runs that are not dead; None where nothing counted."""
    found = [run.summary["energy"] for run in variant.alive if isinstance(run.summary.get("energy"), dict)]
    parts = {}
    for kind in ("modelled", "dense"):
        bills = [bill[kind] for bill in found if isinstance(bill.get(kind), dict)]
        columns = {phase: [_number(bill.get(phase)) for bill in bills] for phase in PHASES}
        known = {phase: [value for value in column if value is not None] for phase, column in columns.items()}
        parts[kind] = {phase: float(np.mean(values)) for phase, values in known.items() if values} or None
    return parts if parts["modelled"] else None


def _matrices(ranked: Sequence[Variant]) -> list[dict[str, Any] | None]:
    """Confusion matrices summed over seeds, by their non-zero cells, as far as they fit the page."""
    matrices: list[dict[str, Any] | None] = []
    room = CELLS
    for variant in ranked:
        found = [np.array(run.confusion, np.float64) for run in variant.done if run.confusion]
        found = [matrix for matrix in found if matrix.shape == found[0].shape]
        index = np.flatnonzero(sum(found)) if found else np.empty(0, int)
        room -= len(index)
        if not len(index) or room < 0:
            matrices.append(None)
            continue
        count = sum(found)[index // len(found[0]), index % len(found[0])]  # type: ignore[index]
        about = {"classes": len(found[0]), "runs": len(found)}
        matrices.append(about | {"index": index.tolist(), "count": count.astype(int).tolist()})
    return matrices


def _run(run: Run, variant: int) -> dict[str, Any]:
    numbers = {name: _round(getattr(run, name)) for name in ("accuracy", "active", "spike_rate", "joules", "epoch_s")}
    return {"variant": variant, "name": run.name, "dead": bool(run.dead)} | numbers


def _fronts(comparison: Comparison, data: str, place: Mapping[int, int]) -> dict[str, list[list[int]]]:
    """Variants on the fronts of a data set; one front for each table of prices that energies were modelled with."""
    fronts: dict[str, list[list[int]]] = {}
    for quantity in ("active", "joules"):
        by_prices: dict[Prices | None, list[int]] = {}
        for variant in comparison.pareto(quantity):
            if variant.data == data:
                prices = variant.prices if quantity == "joules" else None
                by_prices.setdefault(prices, []).append(place[id(variant)])
        fronts[quantity] = list(by_prices.values())
    return fronts


def _pairs(comparison: Comparison, place: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "a": place[id(pair.a)],
            "b": place[id(pair.b)],
            "difference": _estimate(pair.difference),
            "improvement": _estimate(pair.improvement),
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


def _estimate(estimate: Estimate | None) -> list[float | None] | None:
    return None if estimate is None else [*map(_round, estimate[:3]), estimate.n]


def _rounded(values: NDArray) -> list[float | None]:
    return [_round(value) for value in values.tolist()]


def _round(value: float | None) -> float | None:
    """Five digits, which are enough to draw; None for what JSON cannot say."""
    return float(f"{value:.5g}") if value is not None and np.isfinite(value) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return float(value)


def _setting(name: str, value: Any) -> float | str:
    """A number as it is, for an axis of numbers; everything else as labels have it."""
    number = _number(value)
    return shown(name, value) if number is None else number
