"""What a network did with a recording as one HTML file without scripts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from markupsafe import Markup

from snn_zo.experiment import LoadedRun
from snn_zo.look.images import colour
from snn_zo.look.look import Look
from snn_zo.look.panels import image_of, maps_of, raster_of, shown
from snn_zo.look.seen import KINDS
from snn_zo.look.settings import LookSettings
from snn_zo.page import render
from snn_zo.quantity import percent
from snn_zo.report.dashboard import run_page
from snn_zo.report.dashboard.run_page.axis import linear
from snn_zo.report.dashboard.run_page.picture import COLOURS, Curve, curves
from snn_zo.report.dashboard.run_page.picture import colour as colour_of

POLICY = f"{run_page.POLICY}; img-src data:"
SCORES = 12
"""Classes in the table of scores."""
MISSING = "\N{EN DASH}"


def page(look: Look, run: LoadedRun, settings: LookSettings, report: str | None) -> str:
    """The page.

    Args:
        look: what is shown.
        run: the network.
        settings: how it is shown.
        report: address of the page of the run, if there is one.
    """
    here, drawn = Path(__file__).parent, drawn_values(look)
    return render(
        here / "page.html",
        own_style=run_page.own_style() + Markup((here / "look.css").read_text()),
        policy=POLICY,
        title=title(look),
        about=about(run, settings),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        report=report,
        look=look,
        settings=settings,
        sentences=[outcome(look), *share(look)],
        rows=rows(look),
        image=None if look.image is None else image_of(look.image),
        panels=[(seen, maps_of(look, seen, settings) if seen.is_map else raster_of(seen)) for seen in look.seen],
        colours={"spikes": colour("spikes"), "active": colour("active"), "both": colour(None)},
        scores=_scores(look) if isinstance(look.target, int) else [],
        curves=_curves(look, drawn) if look.over_time is not None else None,
        key={look.names[value]: colour_of(i) for i, value in enumerate(drawn)},
        left_out=len(look.names) - len(drawn),
        percent=percent,
        layout=layout,
    )


def title(look: Look) -> str:
    """Which recording it is."""
    return f"{look.part.capitalize()} recording {look.sample}"


def about(run: LoadedRun, settings: LookSettings) -> str:
    """Which network, and with which weights."""
    words = {"best": "the weights that validation chose", "last": "the last weights"}[settings.checkpoint]
    return f"Run {run.config.name} in {run.config.study}, with {words} (epoch {run.epoch + 1}, step {run.step})."


def outcome(look: Look) -> str:
    """The prediction and the truth."""
    if isinstance(look.target, int):
        true, found = look.names[look.target], look.names[look.predicted]
        truth = "which is right" if look.predicted == look.target else f"but it is {true}"
        return f"The network says {found}, {truth}."
    return f"The network says {shown(look.values)}; true is {shown(look.target)}."


def share(look: Look) -> list[str]:
    """How much of the network took part."""
    hidden = [seen for seen in look.seen if seen.active is not None]
    if not hidden:
        return []
    elements = sum(seen.elements for seen in hidden)
    spiked, active = (
        percent(sum(len(marks.step) for seen in hidden if (marks := seen.marks(kind))) / elements) for kind in KINDS
    )
    return [
        f"Of the {elements:,} elements (neurons at time steps) of its layers {spiked} spiked, and {active} are active: "
        "the others get no gradient in a training step."
    ]


def rows(look: Look) -> list[tuple[str, ...]]:
    """The table of the input and the layers, without its head."""
    shown = [] if look.image is None else [("input", layout(look.image.shape), *[MISSING] * 5)]
    return shown + [
        (
            seen.name,
            layout(seen.features),
            f"{len(seen.spikes.step):,}",
            percent(seen.share("spikes")),
            MISSING if seen.active is None else f"{len(seen.active.step):,}",
            MISSING if seen.active is None else percent(seen.share("active")),
            percent(seen.silent / seen.neurons),
        )
        for seen in look.seen
    ]


def layout(shape: tuple[int, ...]) -> str:
    """How many neurons there are, and how they lie."""
    return " x ".join(map(str, shape))


def _scores(look: Look) -> list[tuple[str, str, str, str]]:
    """Classes by their values of the readout, the true one in any case: name, value, share of the softmax, remark."""
    assert isinstance(look.target, int)
    ranked = (-look.values).argsort(kind="stable").tolist()
    shares = np.exp(look.values - look.values.max())
    shares /= shares.sum()
    kept = [value for i, value in enumerate(ranked) if i < SCORES or value == look.target]
    words = {look.target: "true"} | {ranked[0]: "predicted"}
    if ranked[0] == look.target:
        words = {look.target: "predicted, true"}
    return [
        (look.names[value], f"{look.values[value]:.4g}", percent(float(shares[value])), words.get(value, ""))
        for value in kept
    ]


def drawn_values(look: Look) -> list[int]:
    """The values whose curves are drawn: the true class, and those with the largest scores."""
    first = [look.target] if isinstance(look.target, int) else []
    ranked = (-look.values).argsort(kind="stable").tolist() if first else range(len(look.names))
    return [*first, *(value for value in ranked if value not in first)][:COLOURS]


def _curves(look: Look, drawn: list[int]) -> Markup:
    assert look.over_time is not None
    values = look.over_time[:, drawn]
    ms = np.array([look.ms(step) for step in range(1, look.steps + 1)])
    across = linear("ms", ms, "{:.4g}".format, tight=True)
    up = linear("output", values, "{:.3g}".format, least=1e-3)
    lines = [Curve(look.names[value], ms, look.over_time[:, value]) for value in drawn]
    return curves("Values of the output over time", across, up, lines)
