import os
from pathlib import Path

import numpy as np
import pytest

from snn_zo.data.errors import DataError
from tests.data.originals import write_bin
from tests.data.outcome import message
from tests.data.published.recorded import random_events


@pytest.mark.parametrize(("events", "missing"), [(50, 1), (50, 2), (50, 3), (50, 4), (2, 1)])
def test_nmnist_of_a_recording_cut_short(nmnist, digits, tmp_path, events, missing):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    write_bin(path, random_events(np.random.default_rng(1), 50)[:events])
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_of_no_bytes(nmnist, digits, tmp_path):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(b"")
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


@pytest.mark.parametrize("pixel", [(34, 0), (0, 34), (33, 255)])
def test_nmnist_of_pixels_outside_the_sensor(nmnist, digits, tmp_path, pixel):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    write_bin(path, [(*pixel, 1000, 0)])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_filled_with_zeros(nmnist, digits, tmp_path):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(bytes(5 * 100))
    with pytest.raises(DataError, match="as a file filled with zeros does") as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_that_is_all_overflow(nmnist, digits, tmp_path):
    """Half a million of them: the time to read them does not grow with their square."""
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(b"\xf0" * 5 * 500_000)
    with pytest.raises(DataError, match="holds no events") as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_says_what_is_left_out(nmnist, digits, tmp_path, caplog):
    for name in ("Train/3/1.BIN", "train/3/1.bin", "Train/3/notes.txt", "Test/3/1.BIN", "Train.zip"):
        write_bin(tmp_path / "NMNIST" / name, [(1, 1, 1, 1)])
    assert len(nmnist().store("train").target) == 40
    said = [record.message for record in caplog.records if "left out" in record.message]
    first = tmp_path / "NMNIST/Train/3/1.BIN"
    assert said == [f"3 files left out for not fitting {tmp_path}/NMNIST/Train/*/*.bin; the first: {first}"]


def test_nmnist_of_a_near_miss_is_not_downloaded(nmnist, digits, tmp_path, requests):
    (tmp_path / "NMNIST/Train").rename(tmp_path / "NMNIST/train")
    with pytest.raises(DataError) as error:
        nmnist().splits()
    near = f"{tmp_path}/NMNIST/train holds 40 .bin files: the folder must be called Train"
    assert message(error) == f"no NMNIST recordings in {tmp_path}/NMNIST/Train/*/*.bin: {near}"
    assert requests == []


def test_nmnist_of_a_folder_that_cannot_be_listed(nmnist, digits, tmp_path, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "4":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"/4 cannot be read: permission denied; .*chmod") as error:
        nmnist().splits()
    assert "remove" not in message(error)


@pytest.mark.parametrize("name", ["backup", "10"])
def test_nmnist_of_folders_that_are_no_digit(nmnist, digits, tmp_path, name):
    write_bin(tmp_path / f"NMNIST/Train/{name}/1.bin", [(1, 1, 1, 1)])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(tmp_path / "NMNIST/Train" / name) in message(error)
