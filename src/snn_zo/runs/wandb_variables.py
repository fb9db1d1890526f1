"""What environment variables may tell wandb: where and how it connects, not which run it has before it."""

from __future__ import annotations

import os

from snn_zo.config import ConfigError

MODES = ("offline", "online", "disabled")

HEEDED = {
    f"WANDB_{name}"
    for name in (
        *("API_KEY", "BASE_URL", "APP_URL", "ENTITY", "ORGANIZATION", "USERNAME", "USER_EMAIL", "HOST", "MODE"),
        *("IDENTITY_TOKEN_FILE", "CREDENTIALS_FILE", "CONFIG_DIR", "DATA_DIR", "CACHE_DIR", "ARTIFACT_DIR"),
        *("HTTP_TIMEOUT", "FILE_PUSHER_TIMEOUT", "HTTP_PROXY", "HTTPS_PROXY", "INSECURE_DISABLE_SSL", "SERVICE"),
        *("ERROR_REPORTING", "DEBUG", "CORE_DEBUG", "SILENT", "QUIET", "CONSOLE"),
        *("TAGS", "NOTES", "JOB_TYPE", "DISABLE_CODE", "DISABLE_GIT", "SAVE_CODE", "DOCKER"),
    )
}


def wandb_mode(setting: str) -> str:
    """How a run is logged: as WANDB_MODE says, which wins over the setting `logger.mode`.

    Raises:
        ConfigError: there is no such mode.
    """
    variable = os.environ.get("WANDB_MODE")
    if variable and variable not in MODES:
        raise ConfigError(f"WANDB_MODE must be {', '.join(MODES[:-1])} or {MODES[-1]}, got '{variable}'")
    if not variable and setting not in MODES[:-1]:
        raise ConfigError(f"logger.mode must be offline or online, got '{setting}' (logger=none does without wandb)")
    return variable or setting


def drop_others() -> list[str]:
    """Remove wandb's other variables from the environment, which could make one run of two, or have a run written
    elsewhere; the names of those that had a value."""
    others = [name for name in os.environ if name.startswith("WANDB_") and name not in HEEDED]
    empty = [name for name in HEEDED if os.environ.get(name) == ""]
    values = {name: os.environ.pop(name) for name in (*others, *empty)}
    return sorted(name for name, value in values.items() if value)
