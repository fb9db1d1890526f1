"""What is printed to a stream that is closed, full, without a reader or of few characters ends nothing."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from snn_zo.screen import keep_open, lost
keep_open()
for number in range(3):
    print("╭──┬ é │", number, flush=True)
print("said", file=sys.stderr)
other = open(sys.argv[1], "w")
assert other.fileno() > 2
error = lost()
print(type(error).__name__, error.strerror if error else "", file=other)
"""


def run(tmp_path, redirection: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = ["bash", "-c", f'"$0" "$@" {redirection}', sys.executable, "-c", CODE, str(tmp_path / "lost")]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("redirection", "lost"),
    [
        ("", "NoneType \n"),
        (">&-", "NoneType \n"),
        ("<&- >&- 2>&-", "NoneType \n"),
        ("> /dev/full", "OSError No space left on device\n"),
        ("> /dev/full 2> /dev/full", "OSError No space left on device\n"),
        ("> >(exec 0<&-; exit)", None),
    ],
)
def test_keep_open(tmp_path, redirection, lost):
    result = run(tmp_path, redirection)
    assert result.returncode == 0, result.stderr
    assert b"Error" not in result.stderr
    if lost is not None:
        assert (tmp_path / "lost").read_text() == lost


def test_keep_open_without_a_reader(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", CODE, str(tmp_path / "lost")]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "said\n")
    assert (tmp_path / "lost").read_text() == "BrokenPipeError Broken pipe\n"


def test_keep_open_waits_for_a_full_pipe_that_does_not(tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    code = "from snn_zo.screen import keep_open; keep_open(); print('x' * 300_000)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        with open(reader, "rb") as file:
            assert len(file.read()) == 300_001
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "╭──┬ é │ 0\n"), ("ascii", "+--+ ? | 0\n"), ("latin-1", "+--+ é | 0\n")]
)
def test_keep_open_shows_what_an_encoding_has(tmp_path, encoding, shown):
    result = run(tmp_path, "", PYTHONIOENCODING=encoding)
    assert result.stdout.decode(encoding).startswith(shown)
