import os
import signal
import subprocess
import sys

import pytest

from snn_zo.runs.signals import terminate_like_ctrl_c


@pytest.fixture(autouse=True)
def _handlers():
    """The tests' own process may ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_terminate_like_ctrl_c_raises(number):
    with pytest.raises(KeyboardInterrupt), terminate_like_ctrl_c():
        os.kill(os.getpid(), number)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_terminate_like_ctrl_c_is_not_disturbed_by_a_sigterm_that_follows(first):
    with terminate_like_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), first)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):  # a second Ctrl-C is meant
            os.kill(os.getpid(), signal.SIGINT)


def test_terminate_like_ctrl_c_leaves_an_ignored_ctrl_c_alone():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with terminate_like_ctrl_c():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


WAITING = """
import time
from snn_zo.runs.signals import end_with_parent, terminate_like_ctrl_c
end_with_parent()
try:
    with terminate_like_ctrl_c():
        print("ready", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("saved")
"""


def test_end_with_parent_ends_when_standard_input_does():
    child = subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    assert child.poll() is None
    stdout, _ = child.communicate(timeout=20)
    assert stdout == "saved\n"


def test_end_with_parent_ends_when_the_parent_is_killed():
    start = f"subprocess.Popen([sys.executable, '-c', {WAITING!r}], stdin=subprocess.PIPE)"
    code = f"import subprocess, sys, time; child = {start}; time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    assert parent.stdout.read() == "saved\n", "the grandchild holds this pipe open until it has ended"
    parent.wait()


def test_end_with_parent_does_not_keep_a_process_that_is_done():
    code = "from snn_zo.runs.signals import end_with_parent; end_with_parent()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert child.wait(timeout=20) == 0
