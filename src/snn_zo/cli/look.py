"""`snn-zo look run=FOLDER sample=3`: what the layers of a trained run did with one recording."""

from __future__ import annotations

import sys
from dataclasses import replace

from omegaconf import OmegaConf

from snn_zo.cli.surroundings import let_idle_threads_sleep, require_no_trainer_variables
from snn_zo.config import ConfigError, build
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.exits import fail, reason, require_printed
from snn_zo.look.settings import LookSettings
from snn_zo.screen import keep_open

USAGE = """\
usage: snn-zo-look run=FOLDER [KEY=VALUE ...]    what the layers of a trained run did with one recording

  snn-zo-look run=outputs/digits/laplace sample=3
  snn-zo-look run=outputs/nmnist/conv recording=117 checkpoint=last slices=8 order=active channels=32

Its spikes and active elements as pictures, FOLDER/look/PART-SAMPLE.html and, with matplotlib, .png
(PART-SAMPLE-last of the last weights).

  run=FOLDER                                # of the run
  sample=0                                  # place of the recording in its part, from 0
  recording=null                            # the same by its number in the data set, as in predictions.csv
  part=test                                 # of the data set: test, val or train
  checkpoint=best                           # weights that validation chose (best), or the last ones (last)
  slices=6                                  # parts of the time that feature maps are shown in, up to 12
  order=number                              # of channels: number, or those with most spikes or active first
  channels=64                               # most channels of a layer that are shown
"""


def look() -> None:
    """`snn-zo look run=FOLDER sample=3`: pictures of what the layers of a run did with a recording."""
    keep_open()
    arguments = sys.argv[1:]
    if not arguments or {"--help", "-h"} & {*arguments}:
        print(USAGE, end="")
        require_printed()
        sys.exit(0 if arguments else 1)
    require_no_trainer_variables()
    let_idle_threads_sleep()
    try:
        chosen = settings(arguments)
        from snn_zo.look import pictures

        pictures.run(chosen)
    except EXPECTED as error:
        fail(explain(error))
    except OSError as error:
        fail(reason(error))
    require_printed()


def settings(arguments: list[str]) -> LookSettings:
    """The checked settings of a command line.

    Raises:
        ConfigError: one of them is none, is there twice, or cannot be used.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise ConfigError(f"'{argument}' is not understood: settings are given as key=value")
        if name in given:
            raise ConfigError(f"{name} is given twice")
        given[name] = value
    # a folder is taken as it is typed
    others = {name: value for name, value in given.items() if name != "run" and value != "null"}
    chosen: LookSettings = build(OmegaConf.create(others | ({"run": ""} if "run" in given else {})), "", LookSettings)
    return replace(chosen, run=given["run"])
