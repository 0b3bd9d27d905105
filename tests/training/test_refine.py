import numpy as np
import pandas as pd
import pytest
import torch

from deepmasque.portrait.residual_network import ALPHA, CHANNELS
from deepmasque.training.export import export_refinement
from deepmasque.training.refinement import (
    Settings,
    crop_of,
    error_ratio,
    photos_outside,
    refinement_loss,
    train_refinement,
    trained_network,
)
from deepmasque.training.refinement_scenes import Scene

SETTINGS = Settings(epochs=5, samples=80, batch=4, crop=64, photos=0.5, fold=2, rate=3e-3)


def scene(seed):
    """A soft edge whose KNN alpha is too soft."""
    rng = np.random.default_rng(seed)
    ramp = np.arange(80) - rng.uniform(30, 50)
    truth = np.tile(np.clip(ramp / 6 + 0.5, 0, 1), (80, 1))
    blurred = np.tile(np.clip(ramp / 24 + 0.5, 0, 1), (80, 1))
    trimap = np.where(blurred == 1, 255, np.where(blurred == 0, 0, 128)).astype(np.uint8)
    colours = rng.integers(0, 256, (2, 3))
    image = truth[..., None] * colours[0] + (1 - truth[..., None]) * colours[1]
    bytes_ = [np.rint(255 * alpha).astype(np.uint8) for alpha in (blurred, truth)]
    contrast = np.full((80, 80), abs(colours[0] - colours[1]).mean(), np.uint8)
    return Scene(image.astype(np.uint8), trimap, *bytes_, contrast)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training."""
    folder = tmp_path_factory.mktemp("refinement")
    ready = folder / "ready"
    ready.mkdir()
    names = [f"hair_{index:05d}" for index in range(4)]
    names += [f"alphamatting_GT{photo:02d}_0000" for photo in range(6)]
    for seed, name in enumerate(names):
        np.savez(ready / f"{name}.npz", **vars(scene(seed)))
    train_refinement(SETTINGS, ready=ready, run=folder / "run")
    return folder


def test_a_few_steps_of_training_make_the_error_fall(run):
    log = pd.read_csv(run / "run" / "log" / "version_0" / "metrics.csv")
    ratios = log["train_error_ratio"].dropna()
    assert ratios.iloc[-2:].mean() < 0.8 * ratios.iloc[0], list(ratios)
    assert log["development_error_ratio"].notna().any()
    assert list((run / "run" / "samples").glob("*.jpg"))


def test_a_finished_run_is_not_begun_again(run):
    last = run / "run" / "last.ckpt"
    before = torch.load(last, map_location="cpu", weights_only=True)["global_step"]
    train_refinement(SETTINGS, ready=run / "ready", run=run / "run")
    assert torch.load(last, map_location="cpu", weights_only=True)["global_step"] == before == 100


def test_both_exports_compute_what_was_trained(run):
    import openvino

    weights, graph = export_refinement(run / "run" / "last.ckpt", run / "models")
    assert (run / "models" / "manifest.json").is_file()
    network = trained_network(run / "run" / "last.ckpt")
    x = np.random.default_rng(0).uniform(-1, 1, (1, CHANNELS, 256, 256)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(x)).numpy()
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled([x])[0], expected, atol=1e-3)
    assert weights.stat().st_size < 20e6


def test_a_fold_never_sees_its_photos(run):
    names = {path.stem.split("_")[1] for path in photos_outside(2, run / "ready")}
    assert names == {"GT00", "GT01", "GT04", "GT05"}
    assert len(photos_outside(0, run / "ready")) == 6


def test_a_crop_keeps_its_planes_together():
    given = scene(0)
    for seed in range(8):
        x, truth, band, contrast = crop_of(given, 64, np.random.default_rng(seed), move=True)
        assert x.shape == (CHANNELS, 64, 64)
        assert contrast.shape == band.shape == truth.shape == (1, 64, 64)
        assert band.any()
        known = band == 0
        torch.testing.assert_close((x[ALPHA : ALPHA + 1] + 1)[known] / 2, truth[known])
        torch.testing.assert_close(band[0], 1 - x[4] - x[5])


def test_the_loss_counts_the_band_alone_and_forgives_what_will_be_clipped():
    truth = torch.zeros(1, 1, 32, 32)
    truth[..., 16:] = 1
    band = torch.zeros_like(truth)
    band[..., 8:24] = 1
    contrast = torch.ones_like(truth)
    wrong_outside = truth + (1 - band)
    beyond = truth * 3 - 1
    for perfect in (truth, wrong_outside, beyond):
        assert refinement_loss(perfect, truth, band, contrast) == 0
    small = refinement_loss(truth * 0.8 + 0.1, truth, band, contrast)
    large = refinement_loss(truth * 0.6 + 0.2, truth, band, contrast)
    assert 0 < small < large
    assert large / small == pytest.approx(2, rel=1e-4)


def test_the_error_ratio_by_hand():
    truth, band = torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    x = torch.zeros(1, CHANNELS, 16, 16)  # alpha 0.5
    assert error_ratio(truth + 0.1, x, truth, band).item() == pytest.approx(0.2)
    assert error_ratio(truth - 1, x, truth, band).item() == 0
