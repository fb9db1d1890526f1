"""Building checked objects from config nodes, and saying in one line what is wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from omegaconf import BooleanNode, DictConfig, FloatNode, IntegerNode, OmegaConf, StringNode
from omegaconf.errors import OmegaConfBaseException, ValidationError

from snn_zo.config.schema import SCHEMAS

_SCALARS: dict[str, Any] = {"int": IntegerNode, "float": FloatNode, "bool": BooleanNode, "str": StringNode}


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one line for the user."""


def unknown(path: str, key: str, known: Iterable[str]) -> ConfigError:
    """The answer to a setting that does not exist."""
    known = sorted(known)
    full = f"{path}.{key}" if path else key
    near = get_close_matches(key, known, n=1)
    if near:
        nearest = f"{path}.{near[0]}" if path else near[0]
        return ConfigError(f"{full} is not a setting; did you mean {nearest}?")
    return ConfigError(f"{full} is not a setting; {path or 'the config'} has {', '.join(known)}")


def build(node: DictConfig, path: str, schema: type | None = None) -> Any:
    """The object that a node describes, with every key, type and value checked.

    The schema is the dataclass named by `_target_` (or its stand-in in `SCHEMAS`), whose `__post_init__` checks the
    values. A node whose target is no dataclass is returned as it is, for Hydra to instantiate.

    Args:
        node: a config node.
        path: its place in the config, for messages.
        schema: dataclass to use in place of the target.

    Raises:
        ConfigError: a key is unknown, or a value is missing, of the wrong type or impossible.
    """
    schema = schema or _schema(node, path)
    if schema is None:
        return node
    fields = {field.name: field for field in dataclasses.fields(schema)}
    values = {}
    for key in map(str, node):
        if key.startswith("_"):
            continue
        if key not in fields:
            raise unknown(path, key, fields)
        values[key] = _value(node, key, f"{path}.{key}" if path else key, fields[key])
    try:
        return schema(**values)
    except TypeError as error:
        raise ConfigError(f"{path or 'config'}: {error}") from error
    except ValueError as error:
        first_word = str(error).split(maxsplit=1)[0]
        place = "" if not path else f"{path}." if first_word in fields else f"{path}: "
        raise ConfigError(f"{place}{error}") from error


def _schema(node: DictConfig, path: str) -> type | None:
    """The dataclass that a node's target is or stands for."""
    target = node.get("_target_")
    if target is None:
        return None
    if target in SCHEMAS:
        return SCHEMAS[target]
    module, _, name = str(target).rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}._target_: cannot import '{target}' ({error})") from error
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


def _value(node: DictConfig, key: str, path: str, field: dataclasses.Field[Any]) -> Any:
    """One setting, checked against its field's annotation."""
    annotation = str(field.type)
    try:
        value = node[key]
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from error
    if isinstance(value, DictConfig) and not annotation.startswith("dict["):
        return build(value, path) if "_target_" in value and annotation != "Any" else value
    kind, _, alternative = annotation.partition(" | ")
    optional = alternative == "None" or field.default is None
    try:
        if kind in _SCALARS:
            return _SCALARS[kind](value, is_optional=optional)._value()
        if kind == "list[int]":
            return [IntegerNode(item, is_optional=False)._value() for item in value]
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"{path} must be of type {annotation}, got '{value}'") from error
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
