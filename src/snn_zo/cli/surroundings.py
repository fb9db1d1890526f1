"""What the environment says that would spoil a run, and how idle threads wait."""

from __future__ import annotations

import os

from snn_zo.exits import fail

RANKS = ("RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Variables in which torchrun, srun, jsrun and mpirun say which of several processes one is."""


def require_one_process() -> None:
    """Without this, each of the processes that a launcher starts would do the same run."""
    if "LOCAL_RANK" in os.environ:
        fail("one process is to be started, without torchrun: trainer.devices=2 starts as many as there are devices")
    for name in RANKS:
        if os.environ.get(name, "0") not in ("", "0"):
            fail(
                f"{name}={os.environ[name]}: srun, mpirun or the like has started several of these, which would all do "
                "the same run. Start one: trainer.devices=2 takes two devices, -m seed=0,1 does two runs. Where each "
                f"has settings of its own, unset {name}"
            )


def require_no_trainer_variables() -> None:
    """Lightning takes them for arguments of its Trainer, and nothing would say so."""
    for name, value in os.environ.items():
        if name.startswith("PL_TRAINER_") and value:
            setting = name.removeprefix("PL_TRAINER_").lower()
            fail(f"{name}={value} is set in the environment: unset it, and give trainer.{setting}={value} to a run")


def let_idle_threads_sleep() -> None:
    """Where torch's idle threads spin, a second process on the machine slows a step down tenfold."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
