"""`--help` of the commands whose settings Hydra composes: their groups, and their settings with what the files say."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from snn_zo.cli.pages import Page
from snn_zo.config.remarks import remarks
from snn_zo.config.sources import root

_COLUMN = 42
"""Where remarks begin."""
_WIDEST = 120


def wanted(arguments: list[str]) -> bool:
    """Whether a command line, as Hydra reads it, asks for help."""
    return bool(get_args_parser().parse_known_args(arguments)[0].help)


def text(page: Page, config_name: str, arguments: list[str]) -> str:
    """The help of a command.

    Args:
        page: what is in it.
        config_name: of the config that the command composes.
        arguments: of the command line, which may choose what is shown.

    Raises:
        HydraException: a choice does not exist.
    """
    given = get_args_parser().parse_intermixed_args(arguments)
    parsed = OverridesParser.create().parse_overrides(given.overrides)
    overrides = [str(each.input_line) for each in parsed if not each.is_sweep_override()]
    folders = [root() / "conf", *([Path(given.config_dir).absolute()] if given.config_dir else [])]
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        for folder in folders[1:]:
            loader.config_search_path.append("command-line", f"file://{folder}", anchor=SearchPathQuery("main", None))
        loader.repository.initialize_sources(loader.config_search_path)
        config = loader.load_configuration(config_name, overrides, RunMode.RUN)
        told = _remarks(loader, config_name, overrides, folders)
        chosen = _chosen(config)
        listed = page.groups if page.settings else (*chosen, *page.groups)
        options = {group: loader.get_group_options(group) for group in listed}
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    parts = [
        page.header,
        "Groups, chosen with GROUP=NAME:",
        *(_wrapped(f"{group}: ", ", ".join(names), width) for group, names in options.items() if names),
        "",
        "Settings, changed with KEY=VALUE:",
        *_settings(page, config, chosen, told, width),
        "",
        page.footer.rstrip("\n"),
    ]
    return "\n".join(parts)


def _chosen(config: DictConfig) -> dict[str, str | None]:
    """What is chosen in each group, in the order of the file that lists them; a group within another comes after it."""
    found = {str(group): choice for group, choice in reversed(config.hydra.runtime.choices.items())}
    order = list(found)
    names = [group for group in found if not group.startswith("hydra")]
    names.sort(key=lambda group: (order.index(group.partition("/")[0]), group))
    return {group: found[group] for group in names}


def _remarks(loader: ConfigLoaderImpl, config_name: str, overrides: list[str], folders: list[Path]) -> dict[str, str]:
    """What the files that make up a config say of its settings, by dotted name; and of groups, by `group=choice`."""
    found: dict[str, str] = {}
    for each in loader.compute_defaults_list(config_name, overrides, RunMode.RUN).defaults:
        paths = [path for folder in folders if (path := folder / f"{each.config_path}.yaml").is_file()]
        for path in paths[:1]:
            told, package = remarks(path.read_text()), each.package
            found |= {f"{package}.{name}" if package else name: remark for name, remark in told.of.items()}
            group, _, choice = str(each.config_path).rpartition("/")
            found[f"{group}={choice}"] = told.about
    return found


def _settings(
    page: Page, config: DictConfig, chosen: Mapping[str, str | None], told: Mapping[str, str], width: int
) -> Iterator[str]:
    names = [name for name in map(str, config) if name != "hydra" and (not page.settings or name in page.settings)]
    groups = [name for name in chosen if name in names and isinstance(config._get_node(name), DictConfig)]
    for name in names:
        if name not in groups:
            yield from _lines(config, name, name, told, width)
    for group in groups:
        yield ""
        yield _with_remark(f"{group}={chosen[group]}", told.get(f"{group}={chosen[group]}", ""), width)
        if group not in page.brief:
            for name in map(str, config[group]):
                yield from _lines(config[group], name, f"{group}.{name}", told, width)


def _lines(node: DictConfig, name: str, path: str, told: Mapping[str, str], width: int) -> Iterator[str]:
    """A setting, or the settings of a node, each with its place, value and remark."""
    if name.startswith("_"):
        return
    value, remark = node._get_node(name), told.get(path, "")
    if not isinstance(value, DictConfig) or not value:
        yield _with_remark(f"  {path}={_shown(node, name)}", remark, width)
        return
    if remark or all(key.startswith("_") for key in map(str, value)):
        yield _with_remark(f"  {path}", remark, width)
    for key in map(str, value):
        yield from _lines(value, key, f"{path}.{key}", told, width)


def _shown(node: DictConfig, name: str) -> str:
    """A value as it is typed."""
    raw = OmegaConf.to_container(node, resolve=False)
    assert isinstance(raw, dict)
    value = node[name] if str(raw[name]).startswith("${variable:") else raw[name]
    typed = yaml.safe_dump(value, default_flow_style=True, width=float("inf")).removesuffix("\n").removesuffix("\n...")
    return typed if len(typed) <= 60 else f"{typed[:57]}..."


def _with_remark(setting: str, remark: str, width: int) -> str:
    if not remark:
        return setting
    return _wrapped(f"{setting:{_COLUMN}}  # ", remark, width, " " * _COLUMN + "  # ")


def _wrapped(begin: str, words: str, width: int, indent: str = "    ") -> str:
    return textwrap.fill(begin + words, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
