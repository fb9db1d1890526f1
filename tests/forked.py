"""Commands of this project, one a line of JSON on standard input, each in a fork of one process with all imports done.

The answer to `{"arguments": [...], "variables": {...}, "said": FILE}` is the exit code, in a line.
"""

import json
import os
import sys
import traceback

import snn_zo.experiment
import snn_zo.report.dashboard
import snn_zo.sweep.sweep  # noqa: F401
from snn_zo import cli

COMMANDS = {"train": cli.train, "evaluate": cli.evaluate, "report": cli.report}


def command(name: str, arguments: list[str], variables: dict[str, str], said: str) -> None:
    os.environ.update(variables)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv = [name, *arguments]
    code = 0
    try:
        COMMANDS[name]()
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    os._exit(code)


for line in sys.stdin:
    task = json.loads(line)
    process = os.fork()
    if not process:
        (name, *arguments), variables, said = task["arguments"], task["variables"], task["said"]
        command(name, arguments, variables, said)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
