import pytest
import torch

from snn_zo.training.schedules import cosine, one_cycle


def rates(make, **options: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = make(optimizer, total_steps=100, **options)
    values = []
    for _ in range(100):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_cosine_goes_from_lr_to_final():
    values = rates(cosine, final=0.1)
    assert values[0] == pytest.approx(0.1)
    assert values[50] == pytest.approx(0.055)
    assert values[-1] == pytest.approx(0.01, rel=0.01)


def test_one_cycle_peaks_after_warmup():
    values = rates(one_cycle, warmup=0.2)
    assert max(values) == pytest.approx(0.1)
    assert values.index(max(values)) == pytest.approx(20, abs=1)
    assert values[-1] < 1e-4
