import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from snn_zo.config import build
from snn_zo.config.schema import TrainSettings
from snn_zo.config.signature import signature
from snn_zo.config.sources import register, root
from snn_zo.config.trainer import COUNT_OR_SHARE, ELSEWHERE
from snn_zo.runs.identity import flatten, identity

CONTENT = {
    "seed": 0,
    "strategy": {"delta": 0.05, "z": "normal"},
    "model": {"hidden": [20, 10]},
    "data": {"root": "data", "workers": 0, "steps": 63},
    "callbacks": {"progress": {"leave": False}, "checkpoint": {"mode": "max"}},
    "logger": {"mode": "offline"},
    "schedule": None,
    "outputs": "outputs",
    "name": None,
    "trainer": {"max_epochs": 40},
}


def changed(name: str, value: object) -> str:
    config = OmegaConf.create(CONTENT)
    OmegaConf.update(config, name, value)
    return identity(config)


def test_identity_is_16_hexadecimal_digits():
    digest = identity(OmegaConf.create(CONTENT))
    assert len(digest) == 16
    assert int(digest, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outputs", "/elsewhere"),
        ("name", "mine"),
        ("logger", None),
        ("logger.mode", "online"),
        ("data.root", "/data"),
        ("data.workers", 4),
        ("callbacks.progress", None),
        ("rerun", "all"),
        ("objectives", ["dead"]),
    ],
)
def test_identity_is_the_same_where_the_result_is(name, value):
    assert changed(name, value) == identity(OmegaConf.create(CONTENT))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("strategy.delta", 0.1),
        ("model.hidden", [10, 20]),
        ("schedule", {"warmup": 1}),
        ("data.steps", 64),
        ("data.rooted", "x"),
        ("trainer.max_epochs", 41),
        ("trainer.name", "mine"),
        ("callbacks.checkpoint.mode", "min"),
    ],
)
def test_identity_is_another_where_the_result_may_be(name, value):
    assert changed(name, value) != identity(OmegaConf.create(CONTENT))


def test_identity_does_not_depend_on_order_or_process():
    config = OmegaConf.create(dict(reversed(CONTENT.items())))
    assert identity(config) == identity(OmegaConf.create(CONTENT))
    imports = "from omegaconf import OmegaConf; from snn_zo.runs.identity import identity"
    code = f"{imports}; print(identity(OmegaConf.create({CONTENT})))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == identity(config)


def test_identity_goes_by_what_interpolations_stand_for():
    given = OmegaConf.create({"a": 3, "b": "${a}"})
    assert identity(given) == identity(OmegaConf.create({"a": 3, "b": 3}))
    assert identity(given) != identity(OmegaConf.create({"a": 3, "b": 4}))


def test_identity_has_the_data_in_it():
    config = OmegaConf.create(CONTENT)
    one, other = (identity(config, {"fingerprint": digits}) for digits in ("ab", "cd"))
    assert one != other
    assert one == f"{identity(config)}-ab"


@pytest.mark.parametrize("content", [None, {}, [], 3, {"fingerprint": None}])
def test_identity_as_long_as_nothing_is_known_of_the_data(content):
    config = OmegaConf.create(CONTENT)
    assert identity(config, content) == identity(config)


def test_flatten_names_leaves_and_keeps_lists_and_empty_groups():
    assert flatten({"a": {"b": [1, {"c": 2}], "d": {}}, "logger": {"mode": 1}, "e": None}) == {
        "a.b": [1, {"c": 2}],
        "a.d": {},
        "e": None,
    }


def of(*overrides: str) -> str:
    """Identity of a run that the command line asks for."""
    register(list(overrides))
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        config = compose("train", ["method=x", "dataset=x", *overrides])
    build(config, "", TrainSettings)
    return identity(config)


@pytest.mark.parametrize("name", ["strategy.delta", "optim.lr", "data.dt", "model.gain", "energy.addition"])
def test_identity_knows_one_as_a_whole_number_and_as_a_float(name):
    assert of(f"{name}=1") == of(f"{name}=1.0") == of(f"{name}='1'")
    assert of(f"{name}=1") != of(f"{name}=1.5")


@pytest.mark.parametrize("name", COUNT_OR_SHARE)
def test_identity_one_batch_is_not_all_batches(name):
    """Nor the other way round: the number and the share are two settings."""
    assert of(f"++trainer.{name}=1") != of(f"++trainer.{name}=1.0")


def test_identity_of_the_trainers_counts_or_shares_is_complete():
    kinds = signature("lightning.Trainer").kinds
    either = {name for name, kind in kinds.items() if kind.startswith("int | float")}
    assert either - {"gradient_clip_val", *ELSEWHERE} <= set(COUNT_OR_SHARE)
