import inspect

import lightning
import pytest
from hydra.utils import get_object

from snn_zo.config.signature import signature
from snn_zo.config.trainer import ELSEWHERE
from tests.config.test_trust import conf_targets

OF_TORCH = [f"torch.optim.{name}" for name in ("Adam", "AdamW", "SGD", "RMSprop", "LBFGS", "Adafactor", "Muon")]
CALLED = [target for target in sorted(conf_targets()) if target.startswith(("lightning.", "snn_zo.callbacks."))]


@pytest.mark.parametrize("target", [*OF_TORCH, *CALLED, "snn_zo.training.schedules.cosine"])
def test_signature_is_that_of_the_imported_object(target):
    """Read from the source, it has the names and the defaults that Python sees."""
    found = signature(target)
    parameters = inspect.signature(get_object(target)).parameters.values()
    by_name = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    if target == "lightning.pytorch.callbacks.Callback" or target == "snn_zo.callbacks.FiniteLoss":
        by_name = {}
    assert set(found.kinds) == set(by_name)
    assert found.required == {name for name, p in by_name.items() if p.default is p.empty}


def test_signature_kinds():
    adam = signature("torch.optim.Adam").kinds
    assert (adam["lr"], adam["betas"], adam["fused"]) == ("float", "list[float]", "bool | None")
    trainer = signature("lightning.Trainer").kinds
    assert (trainer["limit_val_batches"], trainer["max_steps"]) == ("int | float | None", "int")
    assert trainer["devices"] == "list[int] | str | int"


@pytest.mark.parametrize("target", ["torch.optim.Nothing", "nowhere.Thing", "math.sqrt", "torch", "torch.optim"])
def test_signature_unknown(target):
    assert signature(target) is None


def test_elsewhere_names_arguments_of_the_trainer():
    assert set(ELSEWHERE) <= set(inspect.signature(lightning.Trainer.__init__).parameters)
