"""A run's config in its two forms."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig

from snn_zo.config.build import build
from snn_zo.config.schema import TrainSettings


@dataclass(frozen=True)
class Composed:
    """A run's config, checked.

    Attributes:
        settings: what it says, as objects.
        config: the same as Hydra composed it, and as it is written down.
    """

    settings: TrainSettings
    config: DictConfig

    @classmethod
    def of(cls, config: DictConfig) -> Composed:
        """Check a config.

        Raises:
            ConfigError: as `build`.
        """
        return cls(build(config, "", TrainSettings), config)
