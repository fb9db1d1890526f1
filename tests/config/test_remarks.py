from snn_zo.config.remarks import remarks
from snn_zo.config.sources import root

TEXT = """\
# @package _global_
# what it is
# and more of it
defaults:
  - base

_target_: a.B
plain: 3
behind: 1.5 # ms; behind the value
hash: "a # b" # not the text
# above
# in two lines
above: null
both: x # this one
list: [1, 2] # of a list
long: >-
  folded # text
  of two lines
group: # of the group
  inner: {a: 1} # of a flow mapping
  # of the next
  next: []
items:
  - 1 # of no setting
last: ${other.a}
"""


def test_remarks_of_settings():
    assert remarks(TEXT).of == {
        "behind": "ms; behind the value",
        "hash": "not the text",
        "above": "above in two lines",
        "both": "this one",
        "list": "of a list",
        "group": "of the group",
        "group.inner": "of a flow mapping",
        "group.next": "of the next",
    }


def test_remarks_about_the_file():
    assert remarks(TEXT).about == "what it is"
    assert remarks("a: 1 # of a").about == ""
    assert remarks("# nothing else\n") == ("nothing else", {})


def test_remarks_begin_every_choice():
    """Each file of a group says what it is, which is what the help says of a choice."""
    silent = [path for path in (root() / "conf").glob("*/**/*.yaml") if not remarks(path.read_text()).about]
    assert silent == []
