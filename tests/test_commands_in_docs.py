"""Every command that README.md, CONTRIBUTING.md and docs/ name: settings and options exist, and Python compiles."""

import argparse
import dataclasses
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from snn_zo import __version__, cli
from snn_zo.bench.settings import BenchSettings, load_strategies
from snn_zo.cli.look import settings
from snn_zo.config import Composed, build
from snn_zo.config.command_line import arranged
from snn_zo.config.literal import as_typed
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.config.schema import DataSettings
from snn_zo.config.sources import register, root
from tests.config.test_presets import values

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
OURS = r"(?:\.venv/bin/)?(?:python (?:train\.py|-m snn_zo\b)|snn-zo|make )"
IN_A_BLOCK = re.compile(rf"^(?:    )?(?:\$ )?({OURS}(?:.*\\\n)*.*)", re.MULTILINE)
IN_A_SENTENCE = re.compile(rf"`({OURS}[^` ]* [^`]+)`")
ERROR = "    error: "
STOPPED = "error: stopped"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = "--config-dir"
"""Option of the commands that need files of the reader's own; tests/test_docs.py writes these and runs the commands."""


class Command(NamedTuple):
    """A command as it would be typed, and what the page says that comes of it, where that is an error."""

    page: str
    words: tuple[str, ...]
    error: str | None


def commands() -> list[Command]:
    found: dict[Command, None] = {}
    for page in PAGES:
        text = page.read_text()
        for match in IN_A_BLOCK.finditer(text):
            after = text[match.end() :].lstrip("\n").splitlines()[:1]
            error = next((line.strip() for line in after if line.startswith(ERROR)), None)
            found[Command(page.name, words(match[1].replace("\\\n", " ")), error)] = None
        for match in IN_A_SENTENCE.finditer(text):
            found[Command(page.name, words(" ".join(match[1].split())), None)] = None
    return [command for command in found if ELSEWHERE not in command.words]


def words(line: str) -> tuple[str, ...]:
    """What a shell makes of a line; whatever is behind a pipe is somebody else's."""
    split = shlex.split(line, comments=True)
    for end in ("|", "&&", ">"):
        split = split[: split.index(end)] if end in split else split
    return tuple(split)


def check_config(name: str, arguments: Sequence[str], build: Callable[[DictConfig], object]) -> None:
    """Compose a command line, in a sweep that of its first and of its last job, and build what it sets."""
    arranged_ = arranged([as_typed(argument) for argument in arguments], name == "train")
    if {argument for argument in arranged_ if argument.startswith("-")} - {"-m", "--multirun"}:
        return  # it asks Hydra for something, as --help does
    overrides = [argument for argument in arranged_ if not argument.startswith("-")]
    register(overrides)
    parser = OverridesParser.create()
    parsed = [parser.parse_override(override) for override in overrides]
    for end in (0, -1) if any(each.is_sweep_override() for each in parsed) else (0,):
        job = [values(each)[end] if each.is_sweep_override() else str(each.input_line) for each in parsed]
        with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
            config = compose(name, job, return_hydra_config=True)
            HydraConfig.instance().set_config(config)
            with open_dict(config):
                del config["hydra"]
            build(config)


def check_data(arguments: Sequence[str]) -> None:
    assert arguments[:1] == ["describe"]
    fields = [field.name for field in dataclasses.fields(DataSettings)]
    check_config("train", arguments[1:], lambda config: build(OmegaConf.masked_copy(config, fields), "", DataSettings))


def check_eval(arguments: Sequence[str]) -> None:
    assert [argument.partition("=")[0] for argument in arguments] == ["run"]


def check_look(arguments: Sequence[str]) -> None:
    assert settings(list(arguments)).run


class Parsed(Exception):
    """The arguments of a command are understood."""


def check_parser(main: Callable[[], None], arguments: Sequence[str]) -> None:
    """Have a command read its arguments with argparse, and do nothing."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(Parsed):
            main()


def check_make(arguments: Sequence[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(arguments) <= set(targets)


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": lambda arguments: check_config("train", arguments, Composed.of),
    "bench": lambda arguments: check_config(
        "bench", arguments, lambda config: load_strategies(build(config, "", BenchSettings).strategies)
    ),
    "data": check_data,
    "eval": check_eval,
    "look": check_look,
    "report": lambda arguments: check_parser(cli.report, arguments),
}


def check(typed: tuple[str, ...]) -> None:
    program, *arguments = typed
    program = program.removeprefix(".venv/bin/")
    if program == "make":
        return check_make(arguments)
    if program == "python" and arguments[0] == "train.py":
        return CHECKS["train"](arguments[1:])
    if program == "python" and arguments[1].startswith("snn_zo.report."):
        module = import_module(arguments[1])
        return None if arguments[1] == "snn_zo.report.theory" else check_parser(module.main, arguments[2:])
    if program == "python":
        program, arguments = arguments[1].replace("snn_zo.", "snn-zo-").replace("snn_zo", "snn-zo"), arguments[2:]
    if program == "snn-zo":
        program, *arguments = arguments
    name = program.removeprefix("snn-zo-")
    return None if name.startswith("--") else CHECKS[name](arguments)


@pytest.mark.parametrize("command", commands(), ids=lambda command: f"{command.page}: {shlex.join(command.words)}")
def test_command_in_docs_is_understood(command):
    if command.error is None or command.error.startswith(STOPPED):
        return check(command.words)
    with pytest.raises(EXPECTED) as raised:
        check(command.words)
    assert f"error: {explain(raised.value)}" == command.error
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_docs_compiles(page):
    for code in PYTHON.findall(page.read_text()):
        compile(code, page.name, "exec")


def test_readme_python_trains_predicts_and_plots(tmp_path):
    code = "\n".join(PYTHON.findall((ROOT / "README.md").read_text()))
    assert "max_epochs=5" in code
    # one epoch of a few batches: what it is about is that it runs
    code = code.replace(
        "max_epochs=5", "max_epochs=1, limit_train_batches=3, limit_val_batches=1, limit_test_batches=1"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^a \d, taken for a \d$", result.stdout, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["raster.png"]


def test_links_in_docs_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]*[.#][^)\s]*)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if "://" not in target:
                place = page.parent / path if path else page
                assert place.exists(), f"{page.name}: {target}"
                assert not anchor or anchor in anchors(place), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == __version__
    assert "/CITATION.cff" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    titles = {reference["title"] for reference in citation["references"]}
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert all(title in readme for title in titles)
    assert all(reference["url"] in readme for reference in citation["references"])


def test_changelog_begins_with_this_version():
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == __version__
