"""Where the runs of a sweep are done; each is the engine of a launcher in `conf/hydra/launcher/`.

An engine starts processes, each with one run, and returns when all have ended. How they ended is in the run folders.
"""

from snn_zo.sweep.engines.engine import Engine
from snn_zo.sweep.engines.local import Joblib, Sequential
from snn_zo.sweep.engines.ray import Ray
from snn_zo.sweep.engines.submitit import Submitit

__all__ = ["Engine", "Joblib", "Ray", "Sequential", "Submitit"]
