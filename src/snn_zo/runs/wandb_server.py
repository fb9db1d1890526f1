"""Whether Weights & Biases can be online, found out in seconds."""

from __future__ import annotations

import os
import ssl
import threading
from http.client import HTTPException
from queue import Empty, Queue
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import urlopen

TIMEOUT_S = 3.0


def unreachable() -> str | None:
    """Why wandb cannot be online, in one line, or None.

    The connection comes first: without one, wandb itself waits for a minute and a half.
    """
    # wandb reports errors to its makers, and without a connection that delays the end of the process
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    settings = wandb.setup(wandb.Settings(mode="online", silent=True, quiet=True)).settings
    return _no_answer(settings.base_url) or _no_key()


def one_line(error: Exception) -> str:
    """What an error of wandb says."""
    return " ".join(str(error).split())


def _no_answer(url: str) -> str | None:
    answer: Queue[str | None] = Queue()
    # looking up a host name has no timeout, so it happens in a thread that nobody waits for
    threading.Thread(target=lambda: answer.put(_ask(url)), daemon=True).start()
    try:
        return answer.get(timeout=TIMEOUT_S)
    except Empty:
        return _silence(url)


def _silence(url: str) -> str:
    return f"no answer from {urlparse(url).hostname} within {TIMEOUT_S:g} s"


def _ask(url: str) -> str | None:
    """Through the proxies that the environment names, as wandb does; what the answer says is wandb's to judge."""
    try:
        urlopen(f"{url}/graphql", timeout=TIMEOUT_S).close()
    except HTTPError:
        return None
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(error, URLError) and isinstance(error.reason, ssl.SSLCertVerificationError):
            return None
        if isinstance(getattr(error, "reason", error), TimeoutError):
            return _silence(url)
        return f"no connection to {urlparse(url).hostname or url}"
    return None


def _no_key() -> str | None:
    import wandb

    try:
        return None if wandb.login(prompt=False) else "no API key (wandb login stores one)"
    except wandb.Error as error:
        return one_line(error)
