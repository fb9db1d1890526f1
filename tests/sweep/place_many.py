"""Places twenty jobs below the folder given."""

import sys

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from snn_zo.config import Composed
from snn_zo.config.sources import root
from snn_zo.sweep.jobs import Job, place

with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
    config = compose("train", ["method=local_zo", "dataset=digits", f"outputs={sys.argv[1]}"])
jobs = []
for seed in range(20):
    own = OmegaConf.merge(config, {"seed": seed})
    jobs.append(Job([], [], Composed.of(own), "study"))
place(jobs, None)
