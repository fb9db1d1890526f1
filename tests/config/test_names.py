import pytest

from snn_zo.config.names import LONGEST, RESERVED, automatic_name, require_name

GOOD = ["a", "1e5", "007", "2024-01-01", "null", "é", "_x", "a.b+c-d", "m=5", "x" * LONGEST]
BAD = ["", ".", "..", ".lock", "-x", "+x", "=x", "a/b", "a b", "a\n", "a'b", "x" * (LONGEST + 1), "é" * LONGEST]


@pytest.mark.parametrize("name", GOOD)
def test_require_name_takes(name):
    require_name("name", name)


@pytest.mark.parametrize("name", [*BAD, *RESERVED, "WandB"])
def test_require_name_refuses(name):
    with pytest.raises(ValueError, match=r"^study"):
        require_name("study", name)


@pytest.mark.parametrize("text", [*GOOD, *BAD, *RESERVED, "mine/gestures", "a+b+c" * 100])
def test_automatic_name_is_a_name(text):
    name = automatic_name(text)
    require_name("name", f"{name}-20261125-121314-2")
    require_name("name", name)


def test_automatic_name_of_a_preset_in_a_folder():
    assert automatic_name("mine/gestures-s0") == "mine-gestures-s0"
