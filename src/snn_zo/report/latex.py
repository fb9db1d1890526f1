"""The comparison as tables for a paper, in LaTeX with booktabs."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison
from snn_zo.report.names import Name, Part, items, names, plain, slug
from snn_zo.report.score import is_share, sign_of, title_of
from snn_zo.report.variants import COSTS, RESULTS, Variant

Spread = Literal["interval", "sd"]
"""What stands behind a mean score: its 95 % interval, or the standard deviation of the seeds."""
MISSING = "--"
WIDEST = 22
"""Characters of a name, beyond which names are broken so that the table keeps to the width of the text."""
MOST_DECIMALS = 6
ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "…": r"\ldots{}",
    "\N{REPLACEMENT CHARACTER}": "?",
}


class Column(NamedTuple):
    """A quantity: its heading in two lines, what the caption says of it, and what its values are multiplied by."""

    heading: str
    unit: str
    about: str
    scale: float = 1.0


COLUMNS = {
    "score": Column("", "", ""),
    "val_score": Column("Validation", "", "Validation: the same metric on the validation set"),
    "seeds": Column("Seeds", "", "Seeds: completed runs"),
    "epochs": Column("Epochs", "", "Epochs: of training"),
    "active": Column(
        "Active", "%", "Active: share of (sample, time step, neuron) with a local derivative other than 0", 100
    ),
    "spike_rate": Column("Spikes", "%", "Spikes: share of (sample, time step, neuron) with a spike", 100),
    "joules": Column("Energy", "J", "Energy: modelled, of the whole training"),
    "energy_ratio": Column("Energy", "% dense", r"Energy [\% dense]: in per cent of the energy of dense products", 100),
    "epoch_s": Column("Epoch", "s", "Epoch: time of an epoch of training"),
    "forward_s": Column("Forward", "s", "Forward: time of the forward passes of an epoch"),
    "backward_s": Column("Backward", "s", "Backward: time of the backward passes of an epoch"),
    "speed_up": Column("Speed", "x", "Speed: time of an epoch of the dense surrogate over that of the method"),
}
"""By name, as `--columns` takes it."""
DEFAULT = ("score", "active", "joules", "energy_ratio", "speed_up")


@dataclass(frozen=True)
class Cells:
    """A printed column: a mean for each variant, and what stands behind it, which may be empty."""

    means: list[str]
    spreads: list[str]

    @property
    def empty(self) -> bool:
        """Whether no variant has the quantity."""
        return set(self.means) <= {MISSING}

    @property
    def wide(self) -> bool:
        """Whether it takes two columns of LaTeX."""
        return any(self.spreads)


def columns_named(text: str) -> tuple[str, ...]:
    """The columns of a list with commas.

    Raises:
        ValueError: one is none of COLUMNS; the message says which is nearest.
    """
    chosen = tuple(filter(None, (name.strip() for name in text.split(","))))
    for name in chosen:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{name} is not a column; {hint}choose from {', '.join(COLUMNS)}")
    if not chosen:
        raise ValueError(f"no column is named; choose from {', '.join(COLUMNS)}")
    return tuple(dict.fromkeys(chosen))


def latex(comparison: Comparison, columns: Sequence[str] = DEFAULT, spread: Spread = "interval") -> str:
    """A table for each data set, with caption and label; needs the packages booktabs and tabularx.

    Columns of which no variant has a value are left out, and data sets without a completed run. Within a column all
    numbers have the same decimals. The best mean score is bold, or all that are printed alike, where there are
    several variants.

    Args:
        comparison: the runs and variants.
        columns: names of COLUMNS, in this order; where variants have different numbers of seeds these are added.
        spread: what stands behind the scores.
    """
    lines = [r"% in the preamble: \usepackage{booktabs,tabularx}"]
    labels = Counter[str]()
    for data in comparison.data:
        label = slug(data)
        labels[label] += 1
        label += f"-{labels[label]}" if labels[label] > 1 else ""
        lines += _table(comparison, data, label, columns, spread)
    return "\n".join(lines) + "\n"


def _table(comparison: Comparison, data: str, label: str, columns: Sequence[str], spread: Spread) -> list[str]:
    variants = comparison.of(data)
    if len({len(variant.done) for variant in variants}) > 1 and "seeds" not in columns:
        columns = ("seeds", *columns)
    cells = {name: _cells(comparison, variants, name, spread) for name in columns}
    cells = {name: column for name, column in cells.items() if not column.empty}
    called = names(variants)
    if not cells:
        return [f"% {escape_latex(data)}: no run is completed"]
    rows = [_row(_latex_name(name), cells, i) for i, name in enumerate(called)]
    broken = max(map(len, map(plain, called))) > WIDEST
    first = r">{\hangindent=1em\hangafter=1\raggedright\arraybackslash}X" if broken else "l"
    form = "".join([r"@{}", first, *(r"r@{\,}l" if column.wide else "r" for column in cells.values()), r"@{}"])
    kind, width = ("tabularx", r"{\linewidth}") if broken else ("tabular", "")
    return [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_caption(comparison, data, list(cells), spread)}}}",
        rf"  \label{{tab:{label}}}",
        r"  \smallskip\small\setlength{\tabcolsep}{3pt}",
        rf"  \begin{{{kind}}}{width}{{{form}}}",
        r"    \toprule",
        *_head(comparison.headline_of(data), cells),
        r"    \midrule",
        # a row that begins with [ would be read as an argument of the line break before it
        *(rf"    {{}}{row} \\" for row in rows),
        r"    \bottomrule",
        rf"  \end{{{kind}}}",
        r"\end{table}",
    ]


def _head(headline: Headline | None, cells: dict[str, Cells]) -> list[str]:
    """Headings, and their units in a second line."""
    headings, units = ["Method"], [""]
    for name, column in cells.items():
        heading, unit = COLUMNS[name].heading, COLUMNS[name].unit
        if name in RESULTS[:2]:
            unit = headline.unit if headline else ""
        if name == "score":
            title = title_of(headline)
            heading = title[:1].upper() + title[1:]
        unit = {"": "", "x": r"[$\times$]"}.get(unit, f"[{escape_latex(unit)}]")
        for line, text in ((headings, escape_latex(heading)), (units, unit)):
            line.append(rf"\multicolumn{{2}}{{c}}{{{text}}}" if column.wide else text)
    return [rf"    {' & '.join(line)} \\" for line in (headings, units)]


def _row(name: str, cells: dict[str, Cells], i: int) -> str:
    parts = [name]
    for column in cells.values():
        parts += [column.means[i], column.spreads[i]] if column.wide else [column.means[i]]
    return " & ".join(parts)


def _cells(comparison: Comparison, variants: Sequence[Variant], name: str, spread: Spread) -> Cells:
    scored = name in RESULTS[:2]
    headline = variants[0].headline
    scale = 100.0 if scored and is_share(headline) else COLUMNS[name].scale
    means = [_scaled(_mean(comparison, variant, name), scale) for variant in variants]
    ends = [_spread(variant, name, spread, scale) if scored else () for variant in variants]
    decimals = _decimals(means, ends, 1 if scored and is_share(headline) else None, whole=name == "seeds")
    printed = [MISSING if mean is None else _number(mean, decimals) for mean in means]
    if name == "score":
        printed = _with_best_bold(printed, means, sign_of(headline), decimals)
    return Cells(printed, [_behind(values, decimals) for values in ends])


def _mean(comparison: Comparison, variant: Variant, name: str) -> float | None:
    if name == "seeds":
        return len(variant.done)
    if name == "speed_up":
        return comparison.speed_up(variant)
    found = variant.estimate(name)
    return found.mean if found else None


def _spread(variant: Variant, name: str, spread: Spread, scale: float) -> tuple[float, ...]:
    """Both ends of the interval, or the standard deviation; nothing where there is one seed or none."""
    found = variant.estimate(name)
    if found is None or found.low is None or found.high is None:
        return ()
    if spread == "sd":
        return (scale * statistics.stdev(variant.values(name)),)
    return scale * found.low, scale * found.high


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else scale * value


def _decimals(
    means: Sequence[float | None], ends: Sequence[tuple[float, ...]], least: int | None, *, whole: bool = False
) -> int:
    """Decimals of a column: three digits of its largest number and two of its smallest, or `least`.

    One more where the scatter of a score would be printed as 0.
    """
    sizes = [abs(mean) for mean in means if mean]
    if whole or not sizes:
        return 0 if whole else 1
    needed = least if least is not None else max(2 - _magnitude(max(sizes)), 1 - _magnitude(min(sizes)), 0)
    scatter = [half for values in ends if values and (half := (values[-1] - values[0]) / 2 or values[0])]
    too_coarse = any(len(values) == 1 and 0 < values[0] < 0.5 * 10**-needed for values in ends) and scatter
    return min(needed + bool(too_coarse), MOST_DECIMALS)


def _magnitude(size: float) -> int:
    return math.floor(math.log10(size))


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return f"$-${text[1:]}" if text.startswith("-") else text


def _behind(values: tuple[float, ...], decimals: int) -> str:
    shown = [_number(value, decimals) for value in values]
    return "" if not shown else rf"$\pm$ {shown[0]}" if len(shown) == 1 else f"[{', '.join(shown)}]"


def _with_best_bold(printed: list[str], means: Sequence[float | None], sign: int, decimals: int) -> list[str]:
    known = [sign * mean for mean in means if mean is not None]
    if len(printed) < 2 or not known:
        return printed
    best = _number(sign * max(known), decimals)
    return [rf"\textbf{{{text}}}" if text == best else text for text in printed]


def _caption(comparison: Comparison, data: str, columns: Sequence[str], spread: Spread) -> str:
    variants = comparison.of(data)
    parts = [f"Spike gradients on {escape_latex(data)}"]
    if "score" in columns:
        parts.append(_score_words(variants, comparison.headline_of(data), spread))
    for name in columns:
        about = COLUMNS[name].about
        if name == "joules":
            tables = dict.fromkeys(table for variant in variants if (table := variant.prices[0]))
            about += f", priced by {escape_latex(' and '.join(tables))}" if tables else ""
        parts += [about] if about else []
    if any(variant.dead for variant in variants) and set(columns) & {*COSTS, "speed_up"}:
        parts.append("Runs in which a layer fell silent count for the score alone")
    return ". ".join(parts) + "."


def _score_words(variants: Sequence[Variant], headline: Headline | None, spread: Spread) -> str:
    """What the scores are, over how many seeds, and what bold means."""
    seeds = sorted({len(variant.done) for variant in variants})
    title = escape_latex(title_of(headline))
    many = seeds[-1] > 1
    number = f"{seeds[0]} seed{'s' * many}" if len(seeds) == 1 else "the seeds"
    words = f"Test {title}: mean over {number}" if many else f"Test {title} of one seed"
    if many and spread == "sd":
        words += r" $\pm$ standard deviation"
    elif many:
        words += r" [95\,\% interval]"
    words += "; less is better" if sign_of(headline) < 0 else ""
    return words + ("; best mean in bold" if len(variants) > 1 else "")


def _latex_name(name: Name) -> str:
    """Its settings are not broken between their name and their value."""
    method, *settings = ("".join(map(_latex_part, item)) for item in items(name))
    kept = [setting if len(setting) > 2 * WIDEST else rf"\mbox{{{setting.rstrip()}}}" for setting in settings]
    return " ".join([method.rstrip(), *kept])


def _latex_part(part: Part) -> str:
    return f"${part.text}$" if part.math else escape_latex(part.text)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(ESCAPES.get(character, character) for character in text)
