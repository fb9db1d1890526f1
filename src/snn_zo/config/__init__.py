"""From the command line to checked settings, without loading torch."""

from snn_zo.config.build import ConfigError, build
from snn_zo.config.composed import Composed

__all__ = ["Composed", "ConfigError", "build"]
