"""What is raised where data cannot be used."""

from __future__ import annotations


class DataError(Exception):
    """Data that is missing or cannot be read; the message is one line that says what to do."""


class BadRecordingError(DataError):
    """One recording that cannot be used; `on_bad=skip` does without it."""
