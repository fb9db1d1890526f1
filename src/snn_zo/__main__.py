"""`snn-zo COMMAND ...`, `python -m snn_zo COMMAND ...`: all commands by one name."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import NamedTuple

from snn_zo import __version__
from snn_zo.exits import fail, require_printed
from snn_zo.screen import keep_open


class Command(NamedTuple):
    """What `--help` says, and the function of snn_zo.cli that does it."""

    function: str
    arguments: str
    about: str


COMMANDS = {
    "train": Command("train", "[GROUP=NAME ...] [KEY=VALUE ...]", "train a network, or many with -m; --help lists all"),
    "eval": Command("evaluate", "run=FOLDER", "test the best checkpoint of a run again"),
    "look": Command("look", "run=FOLDER [sample=3]", "what its layers did with one recording, as pictures"),
    "report": Command("report", "FOLDER ...", "compare runs: table, dashboard, CSV, LaTeX"),
    "bench": Command("bench", "[suite=NAME] [KEY=VALUE ...]", "time training steps side by side"),
    "data": Command("describe", "describe [data=NAME]", "what is in a data set, as a table and a page"),
}


def main() -> None:
    """Hand over to a command, which finds its own arguments as if it had been called by its own name."""
    keep_open()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("", "-h", "--help", "--version"):
        print(f"snn_zo {__version__}" if name == "--version" else _usage())
        require_printed()
        sys.exit(0 if name else 1)
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        fail(f"snn-zo has no command '{name}'; {hint}")
    # one word, as runs record the command that they were started by
    sys.argv[:2] = [f"snn-zo-{name}"]
    from snn_zo import cli

    getattr(cli, COMMANDS[name].function)()


def _usage() -> str:
    lines = [f"  {f'{name} {command.arguments}':40}{command.about}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: snn-zo COMMAND ...    snn-zo COMMAND --help says more", "", *lines])


if __name__ == "__main__":
    main()
