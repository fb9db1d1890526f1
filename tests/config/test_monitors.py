import pytest


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        (
            "callbacks.checkpoint.monitor=val/loss",
            "callbacks.checkpoint.monitor=val/loss with mode max goes by the worst",
        ),
        ("callbacks.checkpoint.mode=min", "callbacks.checkpoint.monitor=val/acc with mode min goes by the worst value"),
        (
            "callbacks.early_stopping.mode=min",
            "callbacks.early_stopping.monitor=val/acc with mode min goes by the worst",
        ),
        ("~callbacks.early_stopping.mode", "callbacks.early_stopping.monitor=val/acc with mode min goes by the worst"),
        (
            "+callbacks.energy.monitor=val/loss",
            "callbacks.energy.monitor=val/loss with mode max goes by the worst value",
        ),
        (
            "callbacks.checkpoint.monitor=train/acc",
            "callbacks.checkpoint.monitor=train/acc is not measured by validation",
        ),
    ],
)
def test_monitor_that_chooses_the_wrong_thing_is_refused(train, tmp_path, override, answer):
    result = train(override)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {answer}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()
