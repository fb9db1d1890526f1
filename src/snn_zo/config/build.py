"""Building checked objects from config nodes, and saying in one line what is wrong with them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, get_origin

from omegaconf import BooleanNode, DictConfig, FloatNode, IntegerNode, ListConfig, OmegaConf, StringNode
from omegaconf.errors import OmegaConfBaseException, ValidationError

from snn_zo.config.limits import OF_THE_RUN, check_values
from snn_zo.config.monitors import FOLLOW, FOLLOWERS
from snn_zo.config.schema import CALLED_WITH, OF_ONES_OWN, SCHEMAS
from snn_zo.config.signature import signature
from snn_zo.config.sources import choices, groups
from snn_zo.config.trainer import ELSEWHERE, TRAINERS

_SCALARS: dict[str, Any] = {"int": IntegerNode, "float": FloatNode, "bool": BooleanNode, "str": StringNode}
_FOR_HYDRA = ("_target_", "_partial_", "_recursive_", "_convert_")


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one line for the user."""


def unknown(path: str, key: str, known: Iterable[str]) -> ConfigError:
    """The answer to a setting that does not exist."""
    if "/" in key and not path:
        return unknown_group(key)
    known = sorted(known)
    full = f"{path}.{key}" if path else key
    if path == "model.layers":
        return ConfigError(f"{full} is in no file of the config: +{full}.neuron.tau=5 or the like adds to it")
    near = get_close_matches(key, known, n=1)
    if near:
        nearest = f"{path}.{near[0]}" if path else near[0]
        return ConfigError(f"{full} is not a setting; did you mean {nearest}?")
    what_there_is = f"; {path or 'the config'} has {', '.join(known)}" if known else ""
    return ConfigError(f"{full} is not a setting{what_there_is}")


def unknown_group(key: str) -> ConfigError:
    """The answer to `group`, `group@package` or `group=choice` of which nothing is chosen."""
    group, at, _ = key.partition("@")
    known = groups()
    if group not in known:
        near = get_close_matches(group, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
        return ConfigError(f"{group} is not a group; {hint}")
    if at:
        return ConfigError(
            f"nothing is chosen at {key}: {group}=NAME changes what the config chooses, +{key}=NAME adds a choice"
        )
    return ConfigError(f"{group}: that is not what is chosen; ~{group} leaves out whatever is")


def absent(node: DictConfig, path: str, key: str) -> ConfigError:
    """The answer to a change of what a node does not hold: it may be a setting that no file gives.

    Args:
        node: a config node.
        path: its place in the config.
        key: what it does not hold.
    """
    target = str(node.get("_target_"))
    known = signature(target)
    elsewhere = ELSEWHERE if target in TRAINERS else {}
    names = set(known.kinds) - {*elsewhere, *OF_THE_RUN.get(target, ())} if known else set()
    if key in elsewhere:
        return _not_for_a_config(path, key, elsewhere[key])
    if key in names:
        return ConfigError(f"{_join(path, key)} is in no file of the config: +{_join(path, key)}=... adds it")
    return unknown(path, key, {*names, *map(str, node)} - {*_FOR_HYDRA})


def build(node: DictConfig, path: str, schema: type | None = None) -> Any:
    """The object that a node describes, with every key, type and value checked.

    The schema is the dataclass named by `_target_` (or its stand-in in `SCHEMAS`), whose `__post_init__` checks the
    values. A node whose target is no dataclass is returned as it is, for Hydra to instantiate. Values are written back
    into the node as they were understood: a 1 where a float is wanted is 1.0 from then on, and stays 1 elsewhere.

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
    _require_known(node, path, fields)
    values = {}
    for name, field in fields.items():
        if name in node:
            values[name] = _value(node, field, _join(path, name), schema)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise not_given(_join(path, name))
    try:
        return schema(**values)
    except ValueError as error:
        raise _impossible(path, fields, error) from error


def check_call(node: DictConfig, path: str, given: Iterable[str] = ()) -> None:
    """Check keys, types and values of a node that is for Hydra to call, without importing what it names.

    Args:
        node: a config node.
        path: its place in the config, for messages.
        given: names of further arguments that it is called with.

    Raises:
        ConfigError: as `build`.
    """
    target = str(node._target_)
    known = signature(target)
    if known is None:
        _imported(target, path)
        return
    missing = [] if known.takes_more else [name for name in given if name not in known.kinds]
    if missing:
        raise ConfigError(f"{path}._target_: {target} cannot be used here, as it takes no {missing[0]}")
    kinds = {name: kind for name, kind in known.kinds.items() if name not in (*given, *OF_THE_RUN.get(target, ()))}
    if not known.takes_more:
        _require_known(node, path, kinds, ELSEWHERE if target in TRAINERS else {})
    if target in FOLLOWERS:  # the task fills in what is open
        kinds = {name: kind for name, kind in kinds.items() if name not in FOLLOW or node.get(name) is not None}
    values = {name: _typed(node, name, _join(path, name), kind) for name, kind in kinds.items() if name in node}
    for name in sorted(known.required & kinds.keys() - values.keys()):
        raise not_given(_join(path, name))
    try:
        check_values(target, values)
    except ValueError as error:
        raise _impossible(path, kinds, error) from error


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _require_known(
    node: DictConfig, path: str, known: Iterable[str], elsewhere: Mapping[str, str] = MappingProxyType({})
) -> None:
    """All keys of a node are settings; of those that are made `elsewhere`, the answer says where."""
    for key in map(str, node):
        if key in elsewhere:
            raise _not_for_a_config(path, key, elsewhere[key])
        if key not in known and key not in _FOR_HYDRA:
            raise unknown(path, key, set(known) - elsewhere.keys())


def _not_for_a_config(path: str, key: str, instead: str) -> ConfigError:
    return ConfigError(f"{_join(path, key)} is not for a config: {instead}")


def _impossible(path: str, names: Iterable[str], error: ValueError) -> ConfigError:
    first_word = str(error).split(maxsplit=1)[0]
    place = "" if not path else f"{path}." if first_word in names else f"{path}: "
    return ConfigError(f"{place}{error}")


def not_given(path: str, value: object = None) -> ConfigError:
    """The answer to nothing, or to a plain value, where settings belong."""
    names = choices(path)
    if names:
        shown = "null" if value is None else value
        return ConfigError(f"{path}={shown} does not exist; choose from {', '.join(names)}")
    return ConfigError(f"{path} is missing" if value is None else f"{path} must be a group of settings, got '{value}'")


def _schema(node: DictConfig, path: str) -> type | None:
    """The dataclass that a node's target is or stands for."""
    target = node.get("_target_")
    if target is None:
        return None
    if target in SCHEMAS:
        return SCHEMAS[target]
    found = _imported(str(target), path)
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


def _imported(target: str, path: str) -> object:
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}._target_: cannot import '{target}' ({error})") from error


def _value(node: DictConfig, field: dataclasses.Field[Any], path: str, schema: type) -> object:
    """One setting, checked against its field in a schema."""
    value, annotation = _read(node, field.name, path), str(field.type)
    if CALLED_WITH in field.metadata:
        if isinstance(value, DictConfig) and not value and field.default is None:
            node[field.name] = value = None  # `schedule=none` is a file without content
        return _called(value, path, field)
    # a name in an annotation is one of the module in which the field is declared
    declared = next(base for base in schema.__mro__ if field.name in vars(base).get("__annotations__", {}))
    names = vars(sys.modules[declared.__module__])
    kinds = [names.get(kind) for kind in annotation.split(" | ")]
    if get_origin(kinds[0]) is Literal:
        annotation = annotation.replace(annotation.partition(" | ")[0], "str")
    if annotation.startswith("dict[str, ") and isinstance(value, DictConfig):
        of_each = names.get(annotation[len("dict[str, ") : -1])
        if isinstance(of_each, type) and dataclasses.is_dataclass(of_each):
            return {name: _entry(value, name, f"{path}.{name}", of_each) for name in map(str, value)}
    groups = tuple(kind for kind in kinds if isinstance(kind, type) and kind.__module__.startswith("snn_zo."))
    if groups:
        group = _group(value, path, groups, field.default is None or "None" in annotation)
        if isinstance(group, DictConfig):
            check_call(group, path, field.metadata.get(OF_ONES_OWN, ()))
        return group
    if isinstance(value, DictConfig) and "_target_" in value and annotation != "Any":
        return build(value, path)
    return _typed(node, field.name, path, annotation if field.default is not None else f"{annotation} | None")


def _entry(node: DictConfig, name: str, path: str, schema: type) -> object:
    """An entry of a mapping, all of whose entries have the same schema."""
    value = _read(node, name, path)
    if not isinstance(value, DictConfig):
        raise not_given(path, value)
    return build(value, path, schema)


def _group(value: object, path: str, groups: tuple[type, ...], optional: bool) -> object:
    """The settings that one of our own classes describes, or a stand-in of one."""
    if value is None and optional:
        return None
    if not isinstance(value, DictConfig) or "_target_" not in value:
        raise not_given(path, value)
    built = build(value, path)
    if not isinstance(built, (*groups, DictConfig)):
        raise ConfigError(f"{path}._target_: {value._target_} is no {' or '.join(group.__name__ for group in groups)}")
    return built


def _called(value: object, path: str, field: dataclasses.Field[Any]) -> object:
    """A node that is for Hydra to call; a mapping of such nodes where they are called with nothing."""
    given = field.metadata[CALLED_WITH]
    nodes = {path: value}
    if given is None:
        if value is None:
            return None
        if not isinstance(value, DictConfig):
            raise not_given(path, value)
        nodes = {f"{path}.{name}": _read(value, name, f"{path}.{name}") for name in map(str, value)}
    for place, node in nodes.items():
        if isinstance(node, DictConfig) and "_target_" in node:
            check_call(node, place, given or ())
        elif isinstance(node, DictConfig):
            raise _without_target(path, place, nodes)
        elif node is not None or (place == path and field.default is not None):
            raise not_given(place, node)
    return value


def _without_target(path: str, place: str, known: Iterable[str]) -> ConfigError:
    """The answer to settings of nothing: a misspelt name with a plus, or a node that does not say what is called."""
    names = [each.removeprefix(f"{path}.") for each in known if each != place]
    near = get_close_matches(place.removeprefix(f"{path}."), names, n=1)
    hint = f"did you mean {path}.{near[0]}?" if near else f"{place}._target_=CLASS says what is called with them"
    return ConfigError(f"{place} has settings and no _target_; {hint}")


def _read(node: DictConfig, key: str, path: str) -> object:
    try:
        return node[key]
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from error


def _typed(node: DictConfig, key: str, path: str, annotation: str) -> object:
    """One setting as the first kind of its annotation that it can be, which is what the node then holds, too."""
    value, kinds = _read(node, key, path), annotation.split(" | ")
    if (value is None and "None" in kinds) or type(value).__name__ in kinds:
        return value
    for kind in kinds:
        try:
            node[key] = converted = _converted(value, kind)
        except (ValidationError, TypeError):
            continue
        return converted
    if all(kind == "None" or _scalar(kind) for kind in kinds):
        raise ConfigError(f"{path} must be of type {annotation}, got '{value}'")
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _scalar(kind: str) -> str | None:
    """The scalar that a kind is, or is a list of."""
    name = kind.removeprefix("list[").removesuffix("]")
    return name if name in _SCALARS else None


def _converted(value: object, kind: str) -> object:
    """A value as a scalar, or a list of scalars.

    Raises:
        TypeError: it cannot be one, or the kind is another.
        ValidationError: it cannot be one.
    """
    scalar = _scalar(kind)
    if scalar == kind and not isinstance(value, ListConfig):
        return _SCALARS[scalar](value, is_optional=False)._value()
    if scalar and scalar != kind and isinstance(value, ListConfig):
        return [_SCALARS[scalar](item, is_optional=False)._value() for item in value]
    raise TypeError(kind)
