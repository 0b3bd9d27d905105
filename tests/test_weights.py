import json
import shutil

import pytest

from deepmasque import weights
from deepmasque.errors import WeightsError


@pytest.fixture
def models(tmp_path, monkeypatch):
    for name in ("manifest.json", "reference.safetensors"):
        shutil.copy(weights.MODELS / name, tmp_path / name)
    monkeypatch.setattr(weights, "MODELS", tmp_path)
    return tmp_path


def test_every_file_is_listed_sound_small_and_has_a_card():
    listed = json.loads((weights.MODELS / "manifest.json").read_text())
    files = {p.name for p in weights.MODELS.iterdir() if p.suffix in (".onnx", ".safetensors")}
    cards = tuple(card.stem for card in weights.MODELS.glob("*.md"))
    assert files == set(listed)
    for name in files:
        path = weights.verified(name)
        assert path.stat().st_size < 20e6
        assert path.stem.startswith(cards)


def test_one_changed_byte_is_noticed(models):
    path = models / "reference.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="altered"):
        weights.verified("reference.safetensors")


def test_a_missing_file_is_named(models):
    (models / "reference.safetensors").unlink()
    with pytest.raises(WeightsError, match="is missing"):
        weights.verified("reference.safetensors")


def test_a_file_that_nobody_listed_is_not_loaded(models):
    (models / "other.onnx").write_bytes(b"network")
    with pytest.raises(WeightsError, match="does not list"):
        weights.verified("other.onnx")


def test_entering_a_file_makes_it_sound(models):
    (models / "other.onnx").write_bytes(b"network")
    weights.enter_in_manifest(models / "other.onnx", "a test")
    assert weights.verified("other.onnx") == models / "other.onnx"
