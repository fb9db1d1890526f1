"""Run folders as trainings leave them, without the training: every status, and damaged or hostile ones."""

import csv
import functools
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from numpy.typing import NDArray
from omegaconf import OmegaConf, open_dict

from snn_zo.config.sources import register, root
from snn_zo.headline import Headline

ACCURACY = Headline("acc", "accuracy", "max", "%")
R2 = Headline("r2", "R2", "max")
ERROR = Headline("error", "mean error", "min", "mV")
EPOCHS, STEPS, TESTED, CLASSES, LAYERS = 40, 20, 359, 10, ("hidden1", "hidden2")
HOSTILE = (
    '<script>window.hacked=1</script><b onclick="hacked=1">\'&[bold red]{{7*7}}$x$%_\\=SUM(A1)\x1b[31m\u2028\u202e'
)
"""What a stranger may put wherever there is text."""


class Typical(NamedTuple):
    """What a method's runs show about."""

    accuracy: float
    active: float
    epoch_s: float
    joules: float


TYPICAL = {
    "local_zo": Typical(0.970, 0.0053, 0.45, 0.231),
    "local_zo_converse": Typical(0.969, 0.0061, 0.47, 0.236),
    "sparse_surrogate": Typical(0.965, 0.0044, 0.43, 0.217),
    "ssg": Typical(0.955, 0.0101, 0.46, 0.226),
    "expectation": Typical(0.977, 0.112, 0.75, 0.412),
    "surrogate": Typical(0.980, 0.94, 0.92, 0.648),
}
DENSE_JOULES = 1.92
SHARES = {"forward": 0.0045, "grad_input": 0.0005, "grad_weight": 0.0046, "neuron": 0.0016, "optimizer": 0.0027}


def write_run(
    study: Path,
    method: str = "local_zo",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    *,
    status: str = "completed",
    dead: bool = False,
    epochs: int = EPOCHS,
    data: str = "digits",
    name: str | None = None,
    reason: str = "DivergedError: the loss is nan in epoch 11",
    accuracy: float | None = None,
    headline: Headline = ACCURACY,
    hardware: Mapping[str, Any] | None = None,
) -> Path:
    """One run folder.

    Args:
        study: folder that it goes into.
        method: a file of conf/strategy.
        seed: of the run; the same one shifts all methods' accuracy in the same direction.
        settings: changes of the config by dotted name.
        status: of summary.json; only a completed run was tested.
        dead: whether its first layer is silent at the end.
        epochs: that a completed run has; the others have a part of them.
        data: a file of conf/data.
        name: of the folder.
        reason: of a run that failed or was interrupted.
        accuracy: on the test set.
        headline: what the accuracy is called in its place, and which one is the best.
        hardware: changes of env.json's.
    """
    settings = dict(settings or {})
    path = study / (name or "-".join([method, f"s{seed}", *(f"{key}={value}" for key, value in settings.items())]))
    path.mkdir(parents=True)
    rng = np.random.default_rng([seed, zlib.crc32(repr((method, data, sorted(settings.items()))).encode())])
    config = _config(method, data, seed, settings) | {"study": study.name, "name": path.name}
    (path / "config.yaml").write_text(yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False))
    overrides = [f"strategy={method}", f"seed={seed}", *(f"{key}={value}" for key, value in settings.items())]
    (path / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    summary: dict[str, Any] = {"status": status, "method": method, "strategy": config["strategy"], "data": data}
    summary |= {"seed": seed}
    if status == "queued":
        _write_json(path / "summary.json", summary)
        return path
    summary |= {"backend": "cpu", "wandb_id": None, "headline": asdict(ACCURACY) | {"value": None}}
    _write_json(path / "env.json", _environment(overrides, hardware or {}))
    done = epochs if status == "completed" else epochs // 3
    rows, times = _epochs(rng, method, settings, done, dead, accuracy, seed)
    _write_table(path / "metrics.csv", rows)
    _write_table(path / "timing.csv", times)
    (path / "run.log").write_text("".join(f"epoch {i}\n" for i in range(done)))
    if status in ("failed", "interrupted"):
        traceback = f'Traceback (most recent call last):\n  File "experiment.py", line 214\n{reason}\n'
        summary |= {"reason": reason} | ({"traceback": traceback} if status == "failed" else {})
    if status == "completed":
        summary |= _results(rng, rows, times, dead, accuracy)
        correct = round(summary["headline"]["value"] * TESTED)
        write_confusion(path, _confusion(rng, correct))
    if headline != ACCURACY:
        _judge_by(headline, path, summary)
    _write_json(path / "summary.json", summary)
    return path


def _judge_by(headline: Headline, path: Path, summary: dict[str, Any]) -> None:
    """Have a run's accuracy be another metric, of the same values."""
    table = path / "metrics.csv"
    table.write_text(table.read_text().replace("/acc,", f"/{headline.name},", 2))
    value = summary["headline"]["value"]
    summary["headline"] = asdict(headline) | {"value": value}
    metrics = summary.get("metrics", {})
    summary |= {"metrics": {name.replace("/acc", f"/{headline.name}"): v for name, v in metrics.items()}}


def write_study(
    study: Path,
    methods: Sequence[str] = ("local_zo", "sparse_surrogate", "surrogate"),
    seeds: Sequence[int] = (0, 1, 2),
    settings: Sequence[Mapping[str, Any]] = ({},),
    **others: Any,
) -> list[Path]:
    """A run of each method with each of the settings and each seed."""
    return [
        write_run(study, method, seed, changes, **others)
        for method in methods
        for changes in settings
        for seed in seeds
    ]


def write_every_kind(study: Path) -> Path:
    """A study in which everything occurs: two deltas, a dead run, each status, runs cut short, damaged and hostile."""
    write_study(study)
    write_run(study, "local_zo", 3, status="failed")
    write_run(study, "local_zo", 4, status="running")
    write_run(study, "surrogate", 4, status="queued")
    write_run(study, "sparse_surrogate", 4, status="interrupted", reason="stopped by a signal")
    write_study(study, ["local_zo"], settings=[{"strategy.delta": 0.2}])
    write_run(study, "local_zo", 3, {"strategy.delta": 0.2}, dead=True, accuracy=36 / TESTED)
    killed = write_run(study, "surrogate", 5, status="running", name="killed")
    cut_short(killed / "metrics.csv", 20)
    cut_short(killed / "timing.csv", 3)
    damaged = write_run(study, "surrogate", 6, name="damaged")
    for file, content in DAMAGED.items():
        (damaged / file).write_text(content)
    write_hostile(study)
    return study


DAMAGED = {
    "summary.json": '{"status": "comple',
    "config.yaml": "strategy: [1, 2",
    "env.json": "[]",
    "metrics.csv": "epoch,val/acc\n0,high\n1\n2,0.5\n",
    "confusion.csv": "label\\predicted,0,1\n0,1,2\n1,3\n",
    "predictions.csv": "recording,label,prediction\n0,1,2\n3,no number,4\n",
}


def write_hostile(study: Path) -> Path:
    """A completed run, and a failed one, with HOSTILE wherever there is text."""
    failed = write_run(study, "local_zo", 7, status="failed", reason=HOSTILE)
    path = write_run(
        study, "local_zo", 8, {"strategy.z": HOSTILE, "optim.<i>": HOSTILE}, name="<img src=x onerror=a>&'"
    )
    summary = json.loads((path / "summary.json").read_text())
    summary |= {
        "method": HOSTILE,
        "backend": HOSTILE,
        "reason": HOSTILE,
        "traceback": HOSTILE,
        "dead_layers": [HOSTILE],
    }
    summary["sparsity"]["layers"] = {HOSTILE: summary["sparsity"]["layers"]["hidden1"]}
    summary["energy"]["modelled"]["table"] = HOSTILE
    _write_json(path / "summary.json", summary)
    environment = json.loads((path / "env.json").read_text())
    environment |= {"command": [HOSTILE], "packages": {HOSTILE: HOSTILE}, "git": {"sha": HOSTILE, "diff": HOSTILE}}
    environment["hardware"] |= {"cpu": HOSTILE, "gpus": [HOSTILE]}
    _write_json(path / "env.json", environment)
    table = (path / "metrics.csv").read_text().replace("sparsity/hidden1/active", "sparsity/<script>hacked=1</script>")
    (path / "metrics.csv").write_text(table)
    return failed


def write_many(study: Path, runs: int = 1000) -> Path:
    """A grid of methods and settings with ten seeds, here and there failed or dead."""
    grid = [
        (method, {"strategy.samples": m, "optim.lr": lr, "model.gain": gain})
        for lr in (1e-3, 2e-3, 5e-3, 1e-2)
        for gain in (1.0, 2.0, 3.0, 4.0, 5.0)
        for method, m in (("local_zo", 1), ("local_zo", 5), ("local_zo", 20), ("surrogate", None), ("ssg", None))
    ]
    for i in range(runs):
        method, settings = grid[i // 10 % len(grid)]
        changes = {key: value for key, value in settings.items() if value is not None}
        status = "failed" if i % 97 == 5 else "completed"
        write_run(study, method, i % 10 + 10 * (i // (10 * len(grid))), changes, status=status, dead=i % 53 == 7)
    return study


def write_confusion(path: Path, counts: Sequence[Sequence[int]], classes: Sequence[str] | None = None) -> None:
    """A run's confusion.csv, of classes that are numbered from 0 where they have no names."""
    names = list(classes or map(str, range(len(counts))))
    with (path / "confusion.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label\\predicted", *names])
        writer.writerows([name, *row] for name, row in zip(names, counts, strict=True))


def cut_short(path: Path, characters: int) -> None:
    """As a killed process leaves a file."""
    path.write_text(path.read_text()[:-characters])


@functools.lru_cache
def _composed(method: str, data: str) -> str:
    register([])
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        config = compose("train", [f"strategy={method}", f"data={data}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return json.dumps(OmegaConf.to_container(config, resolve=True))


def _config(method: str, data: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(_composed(method, data)) | {"seed": seed}
    for name, value in settings.items():
        *groups, last = name.split(".")
        place = config
        for group in groups:
            place = place[group]
        place[last] = value
    return config


def _environment(overrides: Sequence[str], hardware: Mapping[str, Any]) -> dict[str, Any]:
    machine = {"host": "lab", "system": "Linux-6.1-x86_64", "cpu": "A processor", "cores": 8, "threads": 4, "gpus": []}
    packages = {"snn_zo": "0.1.0", "torch": "2.13.0+cpu", "lightning": "2.6.6", "numpy": "2.4.6"}
    found = {"command": ["train.py", *overrides], "python": "3.11.7", "packages": packages}
    return found | {"git": {"sha": "f" * 40, "diff": ""}, "hardware": {**machine, **hardware}, "backend": "cpu"}


def _epochs(
    rng: np.random.Generator,
    method: str,
    settings: Mapping[str, Any],
    epochs: int,
    dead: bool,
    accuracy: float | None,
    seed: int,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    typical = TYPICAL[method]
    width = float(settings.get("strategy.delta", 0.05)) / 0.05 * math.sqrt(settings.get("strategy.samples", 1))
    active = min(0.95, typical.active * width**1.3)
    final = typical.accuracy + 0.004 * np.tanh(np.log(width)) + 0.003 * np.sin(7 * seed) + 0.003 * rng.normal()
    final = min(0.995, final - 0.01 * abs(math.log10(settings.get("optim.lr", 1e-3) / 2e-3)))
    final = accuracy if accuracy is not None else 0.1 if dead else final
    rows, times, so_far = [], [], 0.0
    for epoch in range(epochs):
        learnt = 1 - math.exp(-(epoch + 1) / 6)
        reached = final * learnt + 0.1 * (1 - learnt) + 0.01 * (1 - learnt) * rng.normal()
        joules = typical.joules * (1 + 0.1 * learnt) * width**0.1 * (0.4 if dead else 1)
        so_far += joules
        row = {"epoch": epoch, "step": STEPS * (epoch + 1), "lr": 1e-3 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2}
        row |= {f"energy/{phase}": share * joules for phase, share in SHARES.items()}
        row |= {"energy/memory": (1 - sum(SHARES.values())) * joules, "energy/total": joules, "energy/so_far": so_far}
        row |= {"energy/ratio": joules / DENSE_JOULES}
        for layer, factor in {"": 1.0, "hidden1/": 0.9, "hidden2/": 1.1}.items():
            alive = 0.0 if dead and layer == "hidden1/" else 1.0
            row[f"sparsity/{layer}active"] = min(1.0, alive * factor * active * (1.3 - 0.3 * learnt))
            row[f"sparsity/{layer}spike_rate"] = alive * factor * 0.028 * (0.6 + 0.4 * learnt)
            row[f"sparsity/{layer}silent"] = 0.05 if alive else 1.0
        row |= {"train/acc": min(1.0, reached + 0.02 * learnt), "train/loss": 2.3 * (1 - learnt) + 0.1}
        row |= {"val/acc": min(1.0, max(0.0, reached + 0.008)), "val/loss": 2.3 * (1 - learnt) + 0.15}
        rows.append(row)
        train_s = typical.epoch_s * math.exp(0.05 * rng.normal()) + (9.0 if epoch == 0 else 0.0)
        parts = {"forward_s": 0.55 * typical.epoch_s, "backward_s": 0.3 * typical.epoch_s}
        clock = {"epoch": epoch, "step": row["step"], "train_s": train_s, "val_s": 0.02}
        times.append(clock | {"samples_per_s": 1258 / train_s} | parts)
    return rows, times


def _results(
    rng: np.random.Generator,
    rows: Sequence[Mapping[str, float]],
    times: Sequence[Mapping[str, float]],
    dead: bool,
    accuracy: float | None,
) -> dict[str, Any]:
    last, best = rows[-1], max(row["val/acc"] for row in rows)
    tested = accuracy if accuracy is not None else round((best - 0.008 + 0.002 * rng.normal()) * TESTED) / TESTED
    tested = min(1.0, max(0.0, tested))
    modelled = {phase: sum(row[f"energy/{phase}"] for row in rows) for phase in (*SHARES, "memory", "total")}
    dense = DENSE_JOULES * len(rows)
    measures = ("active", "spike_rate", "silent")
    layers = {name: {key: last[f"sparsity/{name}/{key}"] for key in measures} for name in LAYERS}
    warm = times[1:] or times
    median = {name: float(np.median([row[name] for row in warm])) for name in times[0]}
    reached = {
        f"{target:g}": next(
            ({"epoch": row["epoch"], "joules": row["energy/so_far"]} for row in rows if row["val/acc"] >= target), None
        )
        for target in (0.5, 0.8, 0.95)
    }
    return {
        "objective": best,
        "headline": asdict(ACCURACY) | {"value": tested},
        "metrics": {"test/loss": 0.2, "test/acc": tested, "test/top3": min(1.0, tested + 0.02), "val/acc": best},
        "sparsity": {key: last[f"sparsity/{key}"] for key in measures} | {"layers": layers},
        "dead": dead,
        "dead_layers": ["hidden1"] if dead else [],
        "energy": {
            "modelled": {"table": "45nm_fp32", **modelled, "dense_total": dense, "ratio": modelled["total"] / dense},
            "measured": "not measured",
            "to_reach": reached,
            "dense": {phase: value * dense / modelled["total"] for phase, value in modelled.items()},
            "operations": {"additions": 1.0e10, "multiply_adds": 3.7e9},
        },
        "timing": {
            "fit_s": sum(row["train_s"] + row["val_s"] for row in times),
            "epoch_s": median["train_s"],
            **{name: median[name] for name in ("samples_per_s", "forward_s", "backward_s")},
        },
        "epochs": len(rows),
        "parameters": 504400,
    }


def _confusion(rng: np.random.Generator, correct: int) -> list[list[int]]:
    matrix = np.diag(np.full(CLASSES, correct // CLASSES))
    matrix[0, 0] += correct % CLASSES
    for true, shift in zip(*rng.integers([[0], [1]], CLASSES, (2, TESTED - correct)), strict=True):
        matrix[true, (true + shift) % CLASSES] += 1
    return matrix.tolist()


def write_accurate(study: Path, method: str, seed: int, accuracy: float, **others: Any) -> Path:
    """A completed run of that accuracy, with predictions of which some are right by chance."""
    path = write_run(study, method, seed, accuracy=accuracy, **others)
    right = np.arange(TESTED) < round(accuracy * TESTED)
    write_predictions(path, np.random.default_rng([seed, *method.encode()]).permutation(right))
    summary = json.loads((path / "summary.json").read_text())
    share = float(right.mean())
    summary["headline"]["value"] = summary["metrics"]["test/acc"] = share
    _write_json(path / "summary.json", summary)
    return path


def write_predictions(folder: Path, correct: NDArray[np.bool_]) -> None:
    """predictions.csv of recordings whose labels are 0 to 9 in turn, correct or one too high, without scores."""
    label = np.arange(len(correct)) % CLASSES
    prediction = (label + ~correct) % CLASSES
    rows = zip(range(len(correct)), label.tolist(), prediction.tolist(), strict=True)
    lines = ["recording,label,prediction", *(f"{r},{y},{p}" for r, y, p in rows)]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")


def _write_table(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([v if isinstance(v, int) else f"{v:.9g}" for v in row.values()] for row in rows)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
