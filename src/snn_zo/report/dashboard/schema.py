"""The shape of what the scripts of the page read; scripts/payload.d.ts says it to them, and a test compares the two."""

from __future__ import annotations

from typing import TypedDict

from snn_zo.headline import Direction

Column = list[float | None]
"""[E] values at the epochs that a curve is drawn at."""
Estimated = tuple[float | None, float | None, float | None, int]
"""Mean, both ends of its 95 % interval, number of values."""
Band = tuple[Column, Column | None, Column | None]
"""Mean, lowest and highest of the seeds; of one seed only the mean."""


class Headline(TypedDict):
    """The metric that a data set is judged by, see snn_zo.headline."""

    name: str
    title: str
    direction: Direction
    unit: str


class Fronts(TypedDict):
    """Places of the variants on the Pareto fronts, one front for each table of prices, by what they cost."""

    active: list[list[int]]
    joules: list[list[int]]


class Line(TypedDict):
    """Variants of a method that differ in one setting alone: its values, ascending, and places of the variants."""

    label: str
    values: list[float]
    variants: list[int]


class Sweep(TypedDict):
    """What a figure against one setting is drawn from; `log` for an axis of its values that is logarithmic."""

    name: str
    log: bool
    lines: list[Line]


class Dataset(TypedDict):
    """What concerns all variants of a data set; `swept` has short names of settings by dotted ones.

    `target` is the active fraction that is asked for.
    """

    name: str
    headline: Headline
    swept: dict[str, str]
    sweeps: list[Sweep]
    target: float
    fronts: Fronts


class Curves(TypedDict):
    """Epochs, Joules and seconds, and the quantities at these."""

    x: dict[str, Column]
    y: dict[str, Band]


class Energy(TypedDict):
    """Modelled J by phase, and of dense products."""

    modelled: dict[str, float]
    dense: dict[str, float] | None


class Times(TypedDict):
    """Seconds an epoch."""

    forward: float | None
    backward: float | None
    epoch: float | None


class Confusion(TypedDict):
    """A matrix summed over runs: places of its non-zero cells, row by row, and their counts, and the classes' names."""

    classes: list[str]
    runs: int
    index: list[int]
    count: list[int]


class Variant(TypedDict):
    """Runs that differ in the seed alone; `data` is the place of its data set, `style` of its colour and marker."""

    data: int
    style: int
    label: str
    method: str
    varied: dict[str, float | str]
    score: Estimated | None
    active: Estimated | None
    joules: Estimated | None
    curves: Curves
    energy: Energy | None
    times: Times
    confusion: Confusion | None


class Run(TypedDict):
    """One run; `variant` is the place of its variant."""

    variant: int
    name: str
    dead: bool
    score: float | None
    active: float | None
    spike_rate: float | None
    joules: float | None
    epoch_s: float | None


class Pair(TypedDict):
    """Score of variant `a` minus that of `b`; of `n` seeds, on how many `a` is better, and on how many they tie."""

    a: int
    b: int
    difference: Estimated
    wins: int
    ties: int
    n: int


class Report(TypedDict):
    """Everything; `downloads` has texts by file name."""

    datasets: list[Dataset]
    variants: list[Variant]
    runs: list[Run]
    pairs: list[Pair]
    downloads: dict[str, str]
