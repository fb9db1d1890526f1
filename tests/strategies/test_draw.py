import numpy as np
import pytest
import torch
from scipy import stats

from snn_zo.strategies import Draw
from snn_zo.strategies.draw import philox4x32

SIZE = 35
"""Elements per sample."""

# kat_vectors of Random123, philox4x32 with 10 rounds
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def make(sample=(0, 1, 2), **settings) -> Draw:
    return Draw(**{"seed": 5, "layer": 1, "step": 7} | settings, sample=torch.tensor(sample, dtype=torch.int64))


def all_of(draw: Draw, first: int = 0, count: int = 3) -> torch.Tensor:
    """[B, SIZE, count]"""
    batch = len(draw.sample)
    return draw.uniform(torch.arange(batch * SIZE), SIZE, first, count).view(batch, SIZE, count)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter, key, expected):
    out = philox4x32(tuple(torch.tensor([word]) for word in words(counter)), tuple(words(key)))
    assert [int(word) for word in out] == words(expected)


def test_philox_known_answers_as_one_batch():
    # one key for all, so each vector is compared with itself alone and in company
    counters = torch.tensor([words(counter) for counter, _, _ in KNOWN])
    together = torch.stack(philox4x32(tuple(counters.unbind(1)), (1, 2)), dim=1)
    for counter, row in zip(counters, together, strict=True):
        assert torch.equal(torch.stack(philox4x32(tuple(counter), (1, 2))), row)


def test_uniform_reads_philox_at_the_documented_counter():
    draw = make(sample=(40, 3), seed=11, layer=2, step=9)
    u = draw.uniform(torch.tensor([SIZE + 4]), SIZE, 0, 8)
    for block in (0, 1):
        expected = philox4x32(tuple(torch.tensor(word) for word in (4, 3, 9, block)), (11, 2))
        assert [int(2**32 * (1 - x)) for x in u[0, 4 * block : 4 * block + 4]] == [int(word) for word in expected]


def test_uniform_known_numbers():
    # key and counter all zero: the first known answer
    u = make(sample=(0,), seed=0, layer=0, step=0).uniform(torch.tensor([0]), SIZE, 0, 4)
    expected = [1 - word / 2**32 for word in words(KNOWN[0][2])]
    assert u.tolist() == [expected]


@pytest.mark.parametrize(("word", "expected"), [(0, 1.0), (2**32 - 1, 2.0**-32)])
def test_uniform_range_is_open_at_0_and_closed_at_1(monkeypatch, word, expected):
    import snn_zo.strategies.draw as module

    monkeypatch.setattr(module, "philox4x32", lambda counter, key: (torch.full_like(counter[0], word),) * 4)
    u = make().uniform(torch.arange(3), SIZE, 0, 5)
    assert u.dtype == torch.float64
    assert (u == expected).all()


def test_uniform_is_uniform_and_uncorrelated():
    u = Draw(0, 0, 0, torch.arange(20)).uniform(torch.arange(20 * 1000), 1000, 0, 5)
    assert float(u.min()) > 0
    assert float(u.max()) <= 1
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(u.numpy().T) - np.eye(5)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(u))


@pytest.mark.parametrize("order", [[2, 0, 1], [1], [2, 1]])
def test_uniform_follows_the_sample_not_its_place_in_the_batch(order):
    whole = all_of(make(sample=(10, 4, 2**32 - 1)))
    part = all_of(make(sample=[(10, 4, 2**32 - 1)[i] for i in order]))
    assert torch.equal(part, whole[order])


def test_uniform_of_some_elements():
    element = torch.tensor([40, 3, 104, 3])
    whole = all_of(make()).view(-1, 3)
    assert torch.equal(make().uniform(element, SIZE, 0, 3), whole[element])


@pytest.mark.parametrize("first", [0, 1, 3, 4, 5, 8])
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_uniform_first_passes_over_words(first, count):
    assert torch.equal(all_of(make(), first, count), all_of(make(), 0, 16)[..., first : first + count])


def test_uniform_of_nothing():
    assert make(sample=()).uniform(torch.arange(0), 1, 1, 4).shape == (0, 4)


@pytest.mark.parametrize("change", [{"seed": 6}, {"seed": 0}, {"layer": 2}, {"step": 8}, {"sample": (3, 4, 5)}])
def test_uniform_differs_by_setting(change):
    assert (all_of(make()) == all_of(make(**change))).double().mean() < 0.01


def test_uniform_refuses_more_elements_than_it_can_count():
    last = make().uniform(torch.tensor([2**32 - 1]), 2**32, 0, 1)
    assert last.shape == (1, 1)
    with pytest.raises(ValueError, match=r"a sample has 4294967297 elements .* counted up to 2\^32: take fewer steps"):
        make().uniform(torch.tensor([0]), 2**32 + 1, 0, 1)


def test_uniform_repeats():
    assert torch.equal(all_of(make(seed=0)), all_of(make(seed=0)))


def test_for_layer_changes_the_layer_only():
    assert torch.equal(all_of(make().for_layer(4)), all_of(make(layer=4)))


@pytest.mark.parametrize("name", ["seed", "layer", "step"])
@pytest.mark.parametrize("value", [-1, 2**32])
def test_draw_refuses_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"{name}.*\[0, 2\^32\), got {value}"):
        make(**{name: value})


@pytest.mark.parametrize("value", [0, 2**32 - 1])
def test_draw_accepts_the_ends_of_the_range(value):
    u = all_of(make(seed=value, layer=value, step=value))
    assert float(u.min()) > 0
    assert float(u.max()) <= 1


def test_fresh_is_keyed_by_torchs_generator():
    def numbers() -> torch.Tensor:
        return all_of(Draw.fresh(3))

    torch.manual_seed(1)
    first, second = numbers(), numbers()
    torch.manual_seed(1)
    assert torch.equal(numbers(), first)
    assert not torch.equal(first, second)
