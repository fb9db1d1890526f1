import base64
import io
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from snn_zo.cli import describe
from snn_zo.data.description import cells
from snn_zo.data.randman import Randman, RandmanRegression
from snn_zo.data.statistics import Part


def test_part_counts_events(tmp_path):
    dataset = Randman(cache_dir=str(tmp_path), samples=20, classes=3, units=7, steps=30)
    train = dataset.splits().train
    part = Part.of("train", train, dataset)
    frames = train.store.batch(train.sample).spikes.to_dense().numpy()
    label = train.store.target[train.sample]
    np.testing.assert_array_equal(part.events, frames.sum((1, 2)))
    np.testing.assert_allclose(part.rate, frames.sum(2).mean(0))
    np.testing.assert_array_equal(part.per_group, np.bincount(label))
    for one in range(3):
        np.testing.assert_allclose(part.image[one], frames[label == one].sum(1).mean(0))
        step, col = part.example[one]
        np.testing.assert_array_equal(np.stack(frames[label == one][0].nonzero()), [step, col])


@pytest.mark.parametrize("data", ["digits", "randman"])
def test_describe_writes_a_page_in_one_file(data, tmp_path, monkeypatch, capfd):
    overrides = [f"data={data}", "data.limit=10", "data.val_fraction=0.2", f"outputs={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["data", "describe", *overrides])
    describe()
    assert re.search(r"train .* 60 ", capfd.readouterr().out)
    folder = tmp_path / "data" / data
    assert sorted(path.name for path in folder.iterdir()) == ["describe.html", "describe.png"]
    page = (folder / "describe.html").read_text()
    assert page.count('media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,') == 3
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert (folder / "describe.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("polarities", [1, 2])
def test_pictures_are_of_two_grounds(polarities, tmp_path):
    plt = pytest.importorskip("matplotlib.image")
    from snn_zo.data.figure import pictures

    dataset = Randman(cache_dir=str(tmp_path), samples=20, classes=3, units=8, steps=30)
    camera = SimpleNamespace(
        grid=SimpleNamespace(rows=2, columns=4 // polarities, polarities=polarities, inputs=8),
        **{name: getattr(dataset, name) for name in ("target", "start", "dt", "steps", "inputs")},
    )
    train = Part.of("train", dataset.splits().train, dataset)
    for shown in (dataset, camera):
        found = pictures(shown, [train])
        assert [one.about for one in found][:2] == ["rate over time", "events of a recording"]
        for one in found:
            light, dark = (plt.imread(io.BytesIO(base64.b64decode(png))) for png in (one.light, one.dark))
            assert light.shape == dark.shape
            assert light[0, 0, 3] == dark[0, 0, 3] == 0
            inks = [image[image[..., 3] > 0.99][:, :3].mean() for image in (light, dark)]
            assert inks[0] < inks[1] or shown is camera


def test_describe_without_data_is_one_line(tmp_path, monkeypatch, capfd):
    (tmp_path / "NMNIST/Train/1").mkdir(parents=True)
    (tmp_path / "NMNIST/Train/1/1.bin").write_bytes(b"1234")
    monkeypatch.setattr(sys, "argv", ["data", "describe", "data=nmnist", f"data.root={tmp_path}"])
    with pytest.raises(SystemExit):
        describe()
    assert re.fullmatch(r"error: .*1\.bin is damaged, 4 bytes .*\n", capfd.readouterr().err)


def test_part_groups_continuous_targets(tmp_path):
    dataset = RandmanRegression(cache_dir=str(tmp_path), samples=200, units=7, steps=30, targets=2)
    train = dataset.splits().train
    part = Part.of("train", train, dataset)
    frames = train.store.batch(train.sample).spikes.to_dense().numpy()
    first = train.store.target[train.sample, 0]
    assert part.per_group.tolist() == [14] * 10
    assert np.sort(first)[[0, 13]].tolist() == pytest.approx([float(end) for end in part.groups[0].split(" to ")], 1e-2)
    lowest = first <= np.sort(first)[13]
    np.testing.assert_allclose(part.image[0], frames[lowest].sum(1).mean(0))
    shown = cells(dataset, part)
    assert "classes" not in shown
    both = train.store.target[train.sample]
    assert float(shown["mean target"]) == pytest.approx(both.mean(), abs=1e-3)
    assert shown["targets"] == f"{both.min():.3g} to {both.max():.3g}"


def test_describe_has_the_range_of_continuous_targets(tmp_path, monkeypatch, capfd):
    overrides = ["data=randman_regression", "data.samples=100", "data.targets=4", f"outputs={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["data", "describe", *overrides])
    describe()
    assert re.search(r"train .* 70 ", capfd.readouterr().out)
    page = (tmp_path / "data/randman_regression/describe.html").read_text()
    assert "Mean, standard deviation and range of each target" in page
    assert "Recordings of each class" not in page
    rows = re.findall(r"<tr><td>(\d+)</td>((?:<td>[^<]+</td>){9})</tr>", page)
    assert [number for number, _ in rows] == ["0", "1", "2", "3"]
    target = RandmanRegression(cache_dir=os.environ["SNN_ZO_CACHE"], samples=100, targets=4).splits().train
    values = target.store.target[target.sample, 3]
    assert re.findall(r"<td>([^<]+)</td>", rows[3][1])[:2] == [f"{values.mean():.3g}", f"{values.std():.3g}"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["outputs=''"], "error: outputs must name a folder, and is empty"),
        (["~data", "dataset=x"], "error: data=null does not exist; choose from cifar10_dvs,"),
        (["data=randman", "+data.clases=3"], "error: data.clases is not a setting; did you mean data.classes?"),
        (["data=randman", "data.samples=0"], "error: data.samples must be at least 1, got 0"),
    ],
)
def test_describe_of_settings_that_cannot_be(overrides, said, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["data", "describe", *overrides])
    with pytest.raises(SystemExit):
        describe()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(said)


def test_describe_of_data_settings_that_refer_to_others(tmp_path, monkeypatch, capfd):
    overrides = ["data=randman", "data.samples=10", "data.val_fraction=0.2", "data.manifold_seed=${seed}", "seed=7"]
    monkeypatch.setattr(sys, "argv", ["data", "describe", *overrides, f"outputs={tmp_path}"])
    describe()
    assert "<td>manifold_seed</td><td>7</td>" in (tmp_path / "data/randman/describe.html").read_text()
