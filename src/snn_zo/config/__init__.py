"""From the command line to checked settings, without loading torch."""

from snn_zo.config.build import ConfigError, build

__all__ = ["ConfigError", "build"]
