"""What the helps of the commands say beside their settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """What a command's help shows.

    Attributes:
        header: what the command does, with examples.
        footer: what else can be done.
        groups: those to list beside the ones that its config chooses from; or, with `settings`, all that it lists.
        settings: names of the settings and groups to show; None for all.
        brief: groups of which only the choice is shown.
    """

    header: str
    footer: str
    groups: tuple[str, ...] = ()
    settings: tuple[str, ...] | None = None
    brief: tuple[str, ...] = ()


_MORE = """\
More:
  {command} GROUP=NAME --help
                                    the settings of another choice
  {command} ... --cfg job
                                    the config that would be taken, and nothing else; -p GROUP for one group
  +KEY=VALUE                        adds a setting that no file gives
  ~KEY                              leaves a setting or a group out
"""

TRAIN = Page(
    header="""\
Train a spiking neural network and say what it cost.

  python train.py strategy=surrogate data=digits seed=1
  python train.py strategy=local_zo strategy.z=laplace strategy.delta=0.1 name=laplace
  python train.py -m strategy=local_zo,surrogate,sparse_surrogate seed=0,1,2
  python train.py resume=outputs/digits/laplace trainer.max_epochs=60
""",
    footer=_MORE.format(command="python train.py")
    + """\
  -m KEY=VALUE,VALUE,...            a run for each value: a sweep; so does sweeps=NAME
  eval "$(snn-zo-train -sc install=bash)"
                                    completion with the tab key, for snn-zo-train in this shell
""",
    brief=("energy",),
)
BENCH = Page(
    header="""\
Time training steps side by side: our strategies and backends, and other implementations.

  snn-zo-bench
  snn-zo-bench suite=nmnist strategies=[local_zo] baseline=spikingjelly
  snn-zo-bench name=mine hidden=[400,400] active=0.003 'strategies=[{local_zo:{z:laplace}},ssg]'
""",
    footer=_MORE.format(command="snn-zo-bench")
    + "  strategies=[NAME,...]             take their names from the group strategy\n",
    groups=("strategy",),
)
DESCRIBE = Page(
    header="""\
Say what is in a data set, as a network gets it: a table, and a page of figures in outputs/data/<name>.

  python -m snn_zo.data describe
  python -m snn_zo.data describe data=shd data.steps=250 data.dt=4 outputs=/tmp/mine
""",
    footer=_MORE.format(command="python -m snn_zo.data describe"),
    groups=("data", "experiment"),
    settings=("data",),
)
