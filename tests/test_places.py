import pytest
from omegaconf import OmegaConf

from snn_zo import places


@pytest.mark.parametrize(("value", "read"), [(None, "default"), ("", "default"), ("/there", "/there")])
def test_variable_that_is_empty_is_not_set(monkeypatch, value, read):
    monkeypatch.delenv("SNN_ZO_TEST", raising=False)
    if value is not None:
        monkeypatch.setenv("SNN_ZO_TEST", value)
    assert places.variable("SNN_ZO_TEST", "default") == read
    assert OmegaConf.create({"place": "${variable:SNN_ZO_TEST,default}"}).place == read


def test_expanded_means_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.expanded("~/x") == tmp_path / "x"
    assert str(places.expanded("x/~")) == "x/~"


@pytest.mark.parametrize("text", ["", "~nobody-of-this-name/x"])
def test_require_folder_refuses_what_is_none(text):
    with pytest.raises(ValueError, match=r"^cache_dir "):
        places.require_folder("cache_dir", text, "SNN_ZO_CACHE")
    places.require_folder("cache_dir", "relative/and not there", "SNN_ZO_CACHE")
