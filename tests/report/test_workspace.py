import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from snn_zo.headline import Headline
from snn_zo.report import workspace
from snn_zo.report.workspace import WorkspaceError, create, varied_settings
from tests.fake_wandb import KEY, FakeWandb, serving
from tests.report.synthetic import ACCURACY, ERROR, R2

pytest.importorskip("wandb_workspaces")

LOCAL_ZO = {
    "method": "local_zo",
    "dataset": "digits",
    "strategy": {"delta": 0.05, "samples": 1},
    "name": "a",
    "seed": 0,
}
SURROGATE = {"method": "surrogate", "dataset": "digits", "strategy": {"slope": 30.0}, "name": "b", "seed": 0}


def config(base: dict, **changes: Any) -> dict:
    return base | changes | {"strategy": base["strategy"] | changes.get("strategy", {})}


def node(name: str, config: dict, headline: Headline = ACCURACY) -> dict:
    """A run as the server describes it."""
    wrapped = json.dumps({key: {"value": value} for key, value in config.items()})
    return {
        "id": name,
        "name": name,
        "config": wrapped,
        "summaryMetrics": json.dumps({"headline": asdict(headline) | {"value": 0.5}}),
        "systemMetrics": "{}",
        "state": "finished",
    }


def command(*arguments: str, url: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"WANDB_BASE_URL": url, "WANDB_API_KEY": key, "HOME": "/nowhere"}
    call = [sys.executable, "-m", "snn_zo.report.workspace", *arguments]
    return subprocess.run(call, env=variables, capture_output=True, text=True, check=False)


def spec(studies: list[str], varied: list[str], headlines: Sequence[Headline] = (ACCURACY,)) -> dict:
    built = workspace.build("me", "snn_zo", studies, varied, headlines)
    return json.loads(built._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))["section"]


def panels(section: dict) -> dict[str, dict]:
    found = [panel for part in section["panelBankConfig"]["sections"] for panel in part["panels"]]
    return {panel["config"]["chartTitle"]: panel for panel in found}


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from leaves(value)
    elif isinstance(node, str):
        yield node


def test_command_saves_the_comparison_of_a_study():
    runs = [
        node("a", config(LOCAL_ZO)),
        node("b", config(LOCAL_ZO, seed=1)),
        node("c", config(LOCAL_ZO, strategy={"delta": 0.5})),
        node("d", config(SURROGATE)),
    ]
    with serving(FakeWandb(runs)) as fake:
        result = command("me/snn_zo", "quick", url=fake.url)
    assert result.returncode == 0, result.stderr
    assert json.loads(fake.said("Runs")["filters"]) == {"group": {"$in": ["quick"]}}
    view = fake.said("UpsertView2")
    assert (view["entityName"], view["projectName"]) == ("me", "snn_zo")
    assert view["displayName"] == "Comparison of quick"
    section = json.loads(view["spec"])["section"]
    (shown,) = section["runSets"]
    assert {"validation accuracy", "test accuracy"} <= panels(section).keys()
    assert [key["name"] for key in shown["grouping"]] == ["method.value", "strategy.value.delta"]
    assert result.stdout == f"{fake.url}/me/snn_zo?nw={view['name'].removeprefix('nw-').removesuffix('-v')}\n"
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "fake", "key", "line"),
    [
        (
            ["me/snn_zo", "quick"], FakeWandb([]), KEY,
            "me/snn_zo holds no run of quick; first: wandb sync outputs/quick/*/wandb/offline-run-*",
        ),
        (["me/snn_zo"], FakeWandb(), KEY, "wandb: Could not find project snn_zo"),
        (["me/snn_zo"], FakeWandb([], mood="Runs"), KEY, "wandb: permission denied"),
        (["me/snn_zo"], FakeWandb([node("a", LOCAL_ZO)], mood="UpsertView2"), KEY, "wandb: permission denied"),
        (
            ["me/snn_zo"], FakeWandb(), "",
            "wandb: no API key (wandb login stores one); without it, snn-zo-report compares run folders",
        ),
        (["snn_zo"], FakeWandb(), KEY, "ENTITY/PROJECT names the place of the runs, as in me/snn_zo; got 'snn_zo'"),
    ],
    ids=["no run", "no project", "not to be read", "not to be written", "no key", "no entity"],
)  # fmt: skip
def test_command_says_in_one_line_what_is_missing(arguments, fake, key, line):
    with serving(fake):
        result = command(*arguments, url=fake.url, key=key)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: {line}\n"


def test_create_without_the_package(monkeypatch):
    monkeypatch.setattr(workspace, "find_spec", lambda _: None)
    with pytest.raises(WorkspaceError, match=r"pip install 'snn_zo\[wandb\]'"):
        create("me/snn_zo")


def test_create_without_a_network(monkeypatch):
    monkeypatch.setattr(workspace, "unreachable", lambda: "no connection to x")
    with pytest.raises(WorkspaceError, match=r"wandb: no connection to x; without it, snn-zo-report"):
        create("me/snn_zo")


def test_varied_settings_are_those_within_a_method():
    configs = [
        config(LOCAL_ZO),
        config(LOCAL_ZO, seed=1),
        config(SURROGATE),
        config(SURROGATE, strategy={"slope": 5.0}),
    ]
    assert varied_settings(configs) == ["strategy.slope"]
    assert varied_settings(configs[:3]) == []
    assert varied_settings([]) == []


def test_varied_settings_of_two_data_sets_name_the_set():
    sets = [config(LOCAL_ZO, dataset=name, data={"steps": steps, "root": name}) for name, steps in (("a", 3), ("b", 4))]
    assert varied_settings(sets) == ["dataset"]
    same = [config(LOCAL_ZO, data={"steps": 3, "root": root}) for root in ("here", "there")]
    assert varied_settings(same) == []


@pytest.mark.parametrize("studies", [["quick"], ["quick", 'it\'s "mine"']])
def test_build_filters_by_study(studies):
    filters = json.dumps(spec(studies, [])["runSets"][0]["filters"])
    assert json.dumps({"section": "run", "name": "group"}) in filters
    assert json.dumps(studies) in filters
    assert "group" not in json.dumps(spec([], [])["runSets"][0]["filters"])


def test_build_panel_groups_by_method_or_by_what_varies():
    alone, varied = (panels(spec([], names))["validation accuracy"]["config"] for names in ([], ["strategy.delta"]))
    assert alone["groupBy"] == "method.value"
    assert "groupBy" not in varied, "it takes the grouping of the list of runs"
    for panel in (alone, varied):
        assert (panel["aggregate"], panel["groupAgg"], panel["groupArea"]) == (True, "mean", "stddev")
        assert (panel["xAxis"], panel["metrics"]) == ("epoch", ["val/acc"])


def test_build_shows_each_metric():
    section = spec([], [], [R2, ERROR])
    shown = panels(section)
    for title, name in (("R2", "r2"), ("mean error", "error")):
        assert shown[f"validation {title}"]["config"]["metrics"] == [f"val/{name}"]
        assert f"summary:test/{name}" in set(leaves(shown[f"test {title} against active fraction"]["config"]))
    assert "settings, activity, energy, R2 and mean error" in shown
    names = [part["name"] for part in section["panelBankConfig"]["sections"]]
    assert {"R2", "R2 against cost", "Mean error", "Mean error against cost"} <= set(names)


def test_build_of_runs_that_are_not_over_shows_no_score():
    shown = panels(spec([], [], []))
    assert {"training loss", "settings, activity and energy"} <= shown.keys()
    assert not [title for title in shown if title.startswith("test ")]


def test_build_names_what_a_run_logs(train, tmp_path):
    quick = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "model.hidden=[20]", "backend=reference")
    result = train(*quick, WANDB_MODE="offline")
    assert result.returncode == 0, result.stderr
    (folder,) = tmp_path.glob("outputs/*/*/wandb")
    leet = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", "."]
    output = subprocess.run(leet, cwd=folder, capture_output=True, check=True).stdout
    records = [json.loads(line) for line in output.splitlines()]
    rows = [record["history"]["item"] for record in records if "history" in record]
    logged = {name for row in rows for name in row}
    section = spec([], ["strategy.delta"])
    shown = panels(section)
    lines = [panel["config"] for panel in shown.values() if panel["viewType"] == "Run History Line Plot"]
    for line in lines:
        regex = line.get("metricRegex")
        metrics = line["metrics"] or [name for name in logged if re.search(regex, name)]
        assert metrics
        for name in metrics:
            assert any({name, line["xAxis"]} <= set(row) for row in rows), "in one row with its x"
    others = {name for panel in shown.values() for name in leaves(panel["config"]) if "/" in name and "^" not in name}
    assert {name.removeprefix("summary:") for name in others} <= logged
    (update,) = (record["config"]["update"] for record in records if "strategy" in str(record.get("config")))
    assert {"method", "strategy"} <= set(update)
    assert "delta" in update["strategy"]
