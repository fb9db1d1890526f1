import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.names import BETWEEN, METHODS, Part, mathtext, names, plain
from snn_zo.report.runs import read_runs
from tests.report.synthetic import HOSTILE, write_run


def named(folder, without: str | None = None) -> list[str]:
    return [mathtext(name) for name in names(compare(read_runs([folder])).variants, without)]


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("local_zo", "LocalZO"),
        ("sparse_surrogate", "sparse surrogate"),
        ("ssg", "SSG"),
        ("surrogate", "surrogate (sigmoid)"),
        ("expectation", "expectation of LocalZO"),
        ("local_zo_converse", "LocalZO for a surrogate (sigmoid)"),
    ],
)
def test_names_of_methods_are_those_of_the_papers(tmp_path, method, name):
    write_run(tmp_path, method)
    assert named(tmp_path) == [name]


def test_names_knows_every_strategy():
    from snn_zo.config.sources import root

    assert METHODS.keys() == {path.stem for path in (root() / "conf" / "strategy").glob("*.yaml")}


def test_names_have_settings_as_formulas(tmp_path):
    for samples, rate in ((1, 1e-5), (5, 2e-5), (5, 1e-5), (1, 2e-5)):
        write_run(tmp_path, settings={"strategy.delta": 0.1, "strategy.samples": samples, "optim.lr": rate})
    assert named(tmp_path) == [
        r"LocalZO, $m = 1$, learning rate = $10^{-5}$",
        r"LocalZO, $m = 1$, learning rate = $2 \times 10^{-5}$",
        r"LocalZO, $m = 5$, learning rate = $10^{-5}$",
        r"LocalZO, $m = 5$, learning rate = $2 \times 10^{-5}$",
    ]
    assert named(tmp_path, without="optim.lr")[0] == "LocalZO, $m = 1$"


def test_names_of_different_variants_differ(tmp_path):
    for function in ("sigmoid", "arctan"):
        write_run(tmp_path, "surrogate", settings={"strategy.function": function})
    assert named(tmp_path) == ["surrogate (arctan)", "surrogate (sigmoid)"]
    assert named(tmp_path, without="strategy.function") == ["surrogate", "surrogate (2)"]


def test_mathtext_breaks_between_settings_and_cuts_what_is_too_long():
    name = (Part("LocalZO"), BETWEEN, Part("m = 5", math=True), BETWEEN, Part("x" * 50))
    assert mathtext(name, 20).splitlines() == ["LocalZO, $m = 5$,", "x" * 19 + "…"]


def test_mathtext_of_a_stranger_is_no_formula():
    from matplotlib.mathtext import MathTextParser

    MathTextParser("path").parse(mathtext([Part(HOSTILE), BETWEEN, Part(r"\delta = 0.1", math=True)]))
    assert r"\$x\$" in mathtext([Part(HOSTILE)])


def test_plain_is_as_long_as_it_looks():
    assert len(plain([Part("LocalZO"), BETWEEN, Part(r"\delta = 0.1", math=True)])) == len("LocalZO, d = 0.1")
