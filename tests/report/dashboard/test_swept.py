import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard.swept import Line, Swept, answers, swept
from snn_zo.report.runs import read_runs
from tests.report.dashboard.pages import Page, dashboard
from tests.report.synthetic import write_run, write_study

DELTAS = [{"strategy.delta": delta} for delta in (0.02, 0.05, 0.2)]


def found(study) -> list[Swept]:
    variants = compare(read_runs([study])).variants
    return swept(sorted(variants, key=lambda variant: variant.order))


def lines(one: Swept) -> dict[str, tuple[float, ...]]:
    return {line.label: line.values for line in one.lines}


def active(line: Line) -> list[float]:
    return [estimate.mean for variant in line.variants if (estimate := variant.estimate("active"))]


def test_swept_has_a_line_of_each_method_that_has_the_setting(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=DELTAS)
    write_study(tmp_path, ["surrogate", "ssg"])
    (delta,) = found(tmp_path)
    assert (delta.setting, delta.name, delta.is_log) == ("strategy.delta", "delta", True)
    assert lines(delta) == {"local_zo": (0.02, 0.05, 0.2)}
    assert [variant.label for variant in delta.lines[0].variants] == [
        f"local_zo delta={value}" for value in (0.02, 0.05, 0.2)
    ]


def test_swept_joins_only_what_differs_in_one_setting_alone(tmp_path):
    grid = [{"strategy.delta": delta, "strategy.samples": m} for delta in (0.05, 0.2) for m in (1, 5)]
    write_study(tmp_path, ["local_zo"], settings=[*grid, {"strategy.delta": 0.1, "strategy.samples": 20}])
    delta, m = found(tmp_path)
    assert lines(delta) == {"local_zo m=1": (0.05, 0.2), "local_zo m=5": (0.05, 0.2)}
    assert lines(m) == {"local_zo delta=0.05": (1, 5), "local_zo delta=0.2": (1, 5)}
    assert not delta.is_log


def test_swept_has_no_settings_that_change_together_or_are_words(tmp_path):
    pairs = [{"strategy.delta": delta, "optim.lr": lr} for delta, lr in ((0.05, 1e-3), (0.1, 2e-3), (0.2, 4e-3))]
    write_study(tmp_path / "together", ["local_zo"], settings=pairs)
    assert found(tmp_path / "together") == []
    words = [{"strategy.z": z} for z in ("normal", "uniform", "laplace")]
    write_study(tmp_path / "words", ["local_zo"], settings=[*words, {"callbacks.sparsity": False}])
    assert found(tmp_path / "words") == []


def test_swept_speaks_of_strategies_first(tmp_path):
    write_study(tmp_path, ["local_zo"], (0,), [{"optim.lr": lr} for lr in (1e-3, 2e-3)])
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": 0.2}])
    write_run(tmp_path, "local_zo", settings={"strategy.delta": 0.2, "optim.lr": 2e-3})
    assert [one.name for one in found(tmp_path)] == ["delta", "lr"]


def test_answers_interpolate_on_logarithmic_axes(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=DELTAS)
    (delta,) = found(tmp_path)
    _, low, high = active(delta.lines[0])
    target = (low * high) ** 0.5
    assert answers([delta], target) == [
        f"local_zo reaches {100 * target:.3g} % active at delta = 0.1 "
        "(interpolated between 0.05 and 0.2 on logarithmic axes)."
    ]
    assert answers([delta], low) == [f"local_zo reaches {100 * low:.3g} % active at delta = 0.05."]


def test_answers_name_the_nearest_where_none_reaches_it(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=DELTAS[:2])
    (delta,) = found(tmp_path)
    last = active(delta.lines[0])[-1]
    assert last < 0.01
    assert answers([delta]) == [
        f"local_zo: no delta from 0.02 to 0.05 gives 1 % active; the nearest is delta = 0.05, with {100 * last:.3g} %."
    ]


def test_answers_do_not_part_whole_numbers(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.samples": m} for m in (1, 5)])
    assert answers(found(tmp_path)) == ["local_zo reaches 1 % active between m = 1 and 5."]


def test_answers_are_of_strategies_that_are_alive(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=[{"optim.lr": lr} for lr in (1e-3, 2e-3)])
    assert answers(found(tmp_path)) == []
    write_study(tmp_path / "dead", ["local_zo"], settings=DELTAS, dead=True)
    assert answers(found(tmp_path / "dead")) == []


def test_page_has_the_figure_and_the_answer_of_each_data_set(tmp_path):
    write_study(tmp_path / "a", ["local_zo"], settings=DELTAS)
    write_study(tmp_path / "b", ["local_zo"], settings=DELTAS, data="randman")
    page = Page(dashboard(tmp_path))
    text = ["".join(text) for tag, _, text in page.elements if tag == "li"]
    assert [line.split(" reaches")[0] for line in text if "reaches 1 % active at delta" in line] == [
        "digits: local_zo",
        "randman: local_zo",
    ]
    (sweep,) = page.report()["datasets"][1]["sweeps"]
    labels = [variant["label"] for variant in page.report()["variants"]]
    assert [labels[place] for place in sweep["lines"][0]["variants"]] == [
        f"local_zo delta={d}" for d in (0.02, 0.05, 0.2)
    ]


@pytest.mark.parametrize("methods", [[], ["local_zo", "surrogate"]])
def test_page_without_swept_settings_has_no_such_figure(methods, tmp_path):
    write_study(tmp_path, ["ssg", *methods])
    assert not any(attributes.get("id") == "swept" for attributes in Page(dashboard(tmp_path)).all("div"))
