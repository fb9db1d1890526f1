"""Best and last checkpoint."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class Checkpoint(ModelCheckpoint):
    """Lightning's checkpoint callback, with two differences.

    Of equally good epochs the last one counts as best: on a small validation set ties are frequent, and the later
    weights have been trained for longer. Run folders may be moved: a resumed run finds its best checkpoint in the
    folder where it now is.

    Args:
        options: of `ModelCheckpoint`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)

    def check_monitor_top_k(self, trainer: lightning.Trainer, current: Tensor | None = None) -> bool:
        """Whether the present epoch is among the best."""
        better = super().check_monitor_top_k(trainer, current)
        return better or (current is not None and bool(current == self.best_model_score))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with its paths below the present folder."""
        old, new = str(state_dict["dirpath"]), str(self.dirpath)

        def moved(value: Any) -> Any:
            if isinstance(value, str) and value.startswith(old):
                return new + value.removeprefix(old)
            return {moved(key): score for key, score in value.items()} if isinstance(value, dict) else value

        super().load_state_dict({name: moved(value) for name, value in state_dict.items()})
