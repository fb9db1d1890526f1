import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from snn_zo.config.literal import as_typed

READ_OTHERWISE = [
    "outputs=~/x",
    "outputs=/a (b), 'c' \"d\"/é=x\\",
    "outputs=a,b",
    "resume=/My Drive (work), josé/r/b",
    "resume=a,b",
    "data.root=~",
    "data.cache_dir=/it's/mine",
    "name=1e5",
    "name=1.0",
    "name=1_000",
    "name=true",
    "name=nan",
    "name=[a]",
    "study=007",
    "study={a:1}",
]


@pytest.mark.parametrize("argument", READ_OTHERWISE)
def test_as_typed_is_read_by_hydra_as_the_text_it_is(argument):
    override = OverridesParser.create().parse_override(as_typed(argument))
    assert f"{override.key_or_group}={override.value()}" == argument


@pytest.mark.parametrize(
    "argument",
    [
        "name=null", "name=mine", "name='1e5'", "study=a,b", "outputs=${oc.env:SCRATCH}/x", "optim.lr=1e5",
        "data.root=/a,/b", "-m", "--multirun", "seed=range(3)", "outputs", "name=2024-01-01",
    ],
)  # fmt: skip
def test_as_typed_leaves_what_hydra_reads_so(argument):
    assert as_typed(argument) == argument
