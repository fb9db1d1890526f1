"""An engine that trains nothing, for what a sweep does around its runs: `hydra.launcher.engine=stand_in.StandIn`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf

from snn_zo.atomic import write_json
from snn_zo.headline import Headline
from snn_zo.runs.folder import RunFolder


class StandIn:
    """A run with a learning rate above 1 fails, another is as accurate as its delta says; `done` lists them."""

    def run(self, folders: Sequence[Path]) -> None:
        for path in folders:
            folder = RunFolder(path)
            config = OmegaConf.load(folder.config)
            with Path("done").open("a") as done:
                done.write(f"{path}\n")
            if config.optim.lr > 1:
                how = {"status": "failed", "reason": "it diverged", "traceback": "..."}
            else:
                delta = config.strategy.get("delta", 0.05)
                how = {
                    "status": "completed",
                    "objective": 1 - delta,
                    "monitor": "val/acc",
                    "mode": "max",
                    "headline": asdict(Headline("acc", "accuracy", "max", "%")) | {"value": 1 - delta},
                    "metrics": {"test/acc": 1 - delta, "val/acc": 1 - delta},
                    "energy": {"modelled": {"total": 1 / delta}, "measured": "not measured"},
                    "timing": {"fit_s": 1.0, "epoch_s": 1.0, "samples_per_s": 1.0},
                    "sparsity": None,
                    "dead": False,
                    "dead_layers": [],
                    "epochs": 1,
                }
            write_json(folder.summary, folder.read_summary() | how)

    def stop(self) -> None:
        """Nothing lasts."""
