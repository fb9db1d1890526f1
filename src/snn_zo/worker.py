"""`python -m snn_zo.worker FOLDER`: the process of one run, which a command or a sweep has started."""

from __future__ import annotations

import sys
from pathlib import Path

from snn_zo.runs.signals import end_with_parent
from snn_zo.screen import keep_open
from snn_zo.untrusted import said


def main() -> None:
    """Do what the folder asks for; exit code 1 and one line if that fails."""
    keep_open()
    end_with_parent()
    from snn_zo import experiment
    from snn_zo.config.mistakes import EXPECTED, explain

    try:
        experiment.execute(Path(sys.argv[1]))
    except (*EXPECTED, experiment.RunFailed) as error:
        print(f"error: {said(explain(error))}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # before it could begin
        print(f"error: {error.strerror or error}: {error.filename}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
