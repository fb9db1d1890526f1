import re
import shutil
import statistics
import subprocess

import pytest

from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison, compare
from snn_zo.report.latex import COLUMNS, columns_named, escape_latex, latex
from snn_zo.report.runs import read_runs
from tests.report.synthetic import ACCURACY, ERROR, HOSTILE, R2, write_every_kind, write_run, write_study


def compared(folder) -> Comparison:
    return compare(read_runs([folder]))


def cells(text: str) -> list[list[str]]:
    """Of a table: two lines of headings, then a row for each variant."""
    lines = [line.removesuffix(r"\\").strip().removeprefix("{}") for line in text.splitlines() if line.endswith(r"\\")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in lines]


def study(folder, scores: dict[str, list[float]], headline: Headline = ACCURACY, **others):
    for method, values in scores.items():
        for seed, value in enumerate(values):
            write_run(folder, method, seed, accuracy=value, headline=headline, **others)
    return compared(folder)


def test_latex_has_as_many_cells_in_each_row(tmp_path):
    comparison = compared(write_every_kind(tmp_path / "study"))
    head, units, *rows = cells(latex(comparison))
    assert len(rows) == len(comparison.of("digits"))
    widths = {sum(2 if cell.startswith(r"\multicolumn{2}") else 1 for cell in line) for line in (head, units)}
    assert widths == set(map(len, rows)) == {8}
    assert "% unknown: no run is completed" in latex(comparison).splitlines()


def test_latex_says_what_the_numbers_are(tmp_path):
    text = latex(study(tmp_path, {"local_zo": [0.95, 0.96, 0.97, 0.98], "surrogate": [0.9, 0.91, 0.92, 0.93]}))
    (caption,) = re.findall(r"\\caption\{(.*)\}", text)
    assert caption.startswith("Spike gradients on digits. Test accuracy: mean over 4 seeds [95\\,\\% interval]")
    assert "best mean in bold" in caption
    assert r"Energy: modelled, of the whole training, priced by 45nm\_fp32." in caption
    assert r"\label{tab:digits}" in text


@pytest.mark.parametrize(
    ("seeds", "spread", "said"),
    [
        (1, "interval", "Test accuracy of one seed;"),
        (3, "interval", r"mean over 3 seeds [95\,\% interval];"),
        (3, "sd", r"mean over 3 seeds $\pm$ standard deviation;"),
        (5, "interval", r"mean over 5 seeds [95\,\% interval];"),
    ],
)
def test_latex_caption_says_what_stands_behind_a_mean(tmp_path, seeds, spread, said):
    values = [0.9 + 0.01 * seed for seed in range(seeds)]
    assert said in latex(study(tmp_path, {"local_zo": values, "ssg": values}), spread=spread)


def test_latex_of_variants_with_different_numbers_of_seeds_counts_them(tmp_path):
    text = latex(study(tmp_path, {"local_zo": [0.9, 0.91], "ssg": [0.9, 0.91, 0.92, 0.93]}), columns=["score"])
    head, _, *rows = cells(text)
    assert head[1] == "Seeds"
    assert [row[1] for row in rows] == ["2", "4"]
    assert r"mean over the seeds [95\,\% interval]" in text


def test_latex_spread_is_the_interval_or_the_deviation_of_the_seeds(tmp_path):
    values = [0.90, 0.92, 0.97]
    comparison = study(tmp_path, {"local_zo": values})
    *_, row = cells(latex(comparison, ["score"]))
    assert row[1:] == ["93.0", "[84.0, 100.0]"], "by Student's t, and no accuracy is above 100 %"
    *_, row = cells(latex(comparison, ["score"], "sd"))
    assert row[1:] == ["93.0", rf"$\pm$ {100 * statistics.stdev(values):.1f}"]


def test_latex_deviation_too_small_for_the_decimals_gets_one_more(tmp_path):
    *_, row = cells(latex(study(tmp_path, {"local_zo": [0.9, 0.9002]}), ["score"], "sd"))
    assert row[1:] == ["90.01", r"$\pm$ 0.01"]


@pytest.mark.parametrize(
    ("headline", "bold"), [(ACCURACY, ["70.0", "70.0"]), (R2, ["0.700", "0.700"]), (ERROR, ["0.500"])]
)
def test_latex_best_is_bold_by_the_direction_of_the_metric(tmp_path, headline, bold):
    text = latex(study(tmp_path, {"local_zo": [0.7], "ssg": [0.5], "surrogate": [0.70001]}, headline))
    assert re.findall(r"\\textbf\{([^}]*)\}", text) == bold


def test_latex_of_one_variant_has_no_bold(tmp_path):
    text = latex(study(tmp_path, {"local_zo": [0.7, 0.8]}))
    assert r"\textbf" not in text
    assert "bold" not in text


@pytest.mark.parametrize("headline", [ACCURACY, R2, ERROR])
def test_latex_has_even_decimals_in_a_column(tmp_path, headline):
    write_study(
        tmp_path, settings=[{"strategy.delta": d} for d in (0.01, 0.5)], methods=["local_zo"], headline=headline
    )
    write_study(tmp_path, ["surrogate"], headline=headline)
    _, _, *rows = cells(latex(compared(tmp_path)))
    for column in list(zip(*rows, strict=True))[1:]:
        numbers = [re.findall(r"\d+\.\d*", cell) for cell in column]
        assert len({len(number.partition(".")[2]) for found in numbers for number in found}) == 1


def test_latex_leaves_out_columns_without_a_value(tmp_path):
    head, *_ = cells(latex(study(tmp_path, {"local_zo": [0.7, 0.8]})))
    assert "Speed" not in head, "there is no dense surrogate to compare with"


@pytest.mark.parametrize(
    ("headline", "heading", "unit", "cell"),
    [
        (ACCURACY, "Accuracy", r"[\%]", "50.0"),
        (R2, "R2", "", "0.500"),
        (ERROR, "Mean error", "[mV]", "0.500"),
    ],
)
def test_latex_is_headed_by_the_metric(tmp_path, headline, heading, unit, cell):
    head, units, row = cells(latex(study(tmp_path, {"local_zo": [0.5]}, headline)))
    assert (head[1], units[1], row[1]) == (heading, unit, cell)


def test_latex_of_a_negative_score_has_a_minus(tmp_path):
    summary = write_run(tmp_path, accuracy=0.25, headline=R2) / "summary.json"
    summary.write_text(summary.read_text().replace('"value": 0.25', '"value": -0.25'))
    *_, row = cells(latex(compared(tmp_path)))
    assert row[1] == "$-$0.250"


def test_latex_of_the_chosen_columns_in_their_order(tmp_path):
    write_study(tmp_path, ["local_zo", "surrogate"])
    head, *_ = cells(latex(compared(tmp_path), columns_named("speed_up, score")))
    assert head == ["Method", "Speed", r"\multicolumn{2}{c}{Accuracy}"]


def test_columns_named_says_the_nearest():
    with pytest.raises(ValueError, match=r"^activ is not a column; did you mean active"):
        columns_named("score,activ")


def test_latex_keeps_long_names_within_the_text(tmp_path):
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": 0.1, "optim.lr": lr} for lr in (1e-3, 1e-4)])
    text = latex(compared(tmp_path))
    assert r"\begin{tabularx}{\linewidth}" in text
    assert r"LocalZO, \mbox{learning rate = $0.001$}" in text


def test_latex_prints_what_a_stranger_calls_the_metric(tmp_path):
    write_run(tmp_path, headline=Headline("a", "100% of\n\\input{x}", "max", "$"))
    text = latex(compared(tmp_path))
    assert r"100\% of \textbackslash{}input\{x\}" in text
    assert r"[\$]" in text
    assert all("input" not in line.replace(r"\textbackslash{}input", "") for line in text.splitlines())


def test_latex_labels_of_data_sets_differ(tmp_path):
    for seed, headline in enumerate((ACCURACY, R2)):
        write_run(tmp_path, seed=seed, headline=headline)
    assert len(set(re.findall(r"\\label\{(tab:[a-z0-9-]+)\}", latex(compared(tmp_path))))) == 2


def test_escape_latex():
    escaped = escape_latex(HOSTILE + "~^|\ufffd")
    assert not re.search(r"(?<!\\)[&%$#_]", escaped)
    assert not set(escaped) & set("~^<>|\ufffd")
    assert escape_latex("local_zo delta=0.1 m=5") == r"local\_zo delta=0.1 m=5"
    assert escape_latex("a\\b{c}") == r"a\textbackslash{}b\{c\}"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize("spread", ["interval", "sd"])
def test_latex_compiles(tmp_path, spread):
    table = latex(compared(write_every_kind(tmp_path / "study")), list(COLUMNS), spread)
    document = rf"\documentclass{{article}}\usepackage{{booktabs,tabularx}}\begin{{document}}{table}\end{{document}}"
    (tmp_path / "table.tex").write_text(document)
    subprocess.run(["pdflatex", "-halt-on-error", "table.tex"], cwd=tmp_path, check=True, capture_output=True)
