import os
import subprocess
import sys

import numba

from snn_zo.ops.cpu.compilation import watching


def test_watching_says_once_that_something_is_compiled():
    """A function within another counts once."""

    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return 2 * inner(x)

    said = []
    with watching(lambda: said.append(1)) as seconds:
        assert (said, seconds()) == ([], 0)
        outer(1)
        assert said == [1]
        after = seconds()
        assert after > 0
        outer(2)  # is compiled
        assert seconds() == after
        outer(1.5)  # is not
        assert seconds() > after
    assert said == [1]


def test_watching_says_nothing_of_what_is_loaded(tmp_path):
    code = """
import numba
from snn_zo.ops.cpu.compilation import watching

@numba.njit(cache=True)
def double(x):
    return 2 * x

with watching(lambda: print("compiles")) as seconds:
    double(1)
print(seconds() > 0)
"""
    (tmp_path / "kernel.py").write_text(code)
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, str(tmp_path / "kernel.py")]
    shown = [subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout for _ in "12"]
    assert shown == ["compiles\nTrue\n", "False\n"]
