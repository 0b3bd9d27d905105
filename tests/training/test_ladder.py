import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from deepmasque import samples
from deepmasque.errors import TrainingError
from deepmasque.image import read_image
from deepmasque.training import ladder, ladder_scores
from deepmasque.training.eg1800 import EG1800


@pytest.fixture
def photos(tmp_path, portrait):
    """Two photos laid out like EG1800, with the pipeline's own mask as the truth of the first."""
    folder = tmp_path / "eg1800"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    pictures = [portrait, read_image(samples.portraits()[1].path)[::3, ::3]]
    for name, image in zip("ab", pictures, strict=True):
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image[..., ::-1])
        mask = ladder_scores.View(EG1800(folder).image(name)).matted[0].mask
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), (mask > 0.5).astype(np.uint8) * 255)
    (folder / "validation.txt").write_text("a\nb\n")
    return EG1800(folder)


def test_every_rung_with_weights_is_measured_at_full_size(photos, run, tmp_path):
    shutil.copytree(run, tmp_path / "runs" / "six-channels")
    scores = ladder_scores.measure(photos, photos.ids("validation"), tmp_path / "runs")
    assert list(scores.index) == ["a", "b"]
    assert {"six-channels", "portrait", "knn", "residual"} == set(scores)
    assert "three-channels" not in scores
    assert (scores["portrait"] == 1).all()
    assert (scores[["knn", "residual"]] > 0.9).all(axis=None)
    assert scores["six-channels"].between(0, 0.95).all()


def test_only_what_was_asked_for_is_measured_and_a_missing_network_is_one_sentence(
    photos, run, tmp_path
):
    shutil.copytree(run, tmp_path / "runs" / "short-six")
    scores = ladder_scores.measure(photos, ["a"], tmp_path / "runs", ("short-six",))
    assert list(scores) == ["short-six"]
    with pytest.raises(TrainingError, match="no weights of short-three"):
        ladder_scores.measure(photos, ["a"], tmp_path / "runs", ("short-three",))


def test_a_run_that_goes_on_is_left_out(photos, run, tmp_path):
    shutil.copytree(run, tmp_path / "runs" / "six-channels")
    last = tmp_path / "runs" / "six-channels" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    torch.save(content | {"epoch": content["epoch"] - 1}, last)
    scores = ladder_scores.measure(photos, ["a"], tmp_path / "runs", ())
    assert "six-channels" not in scores


def test_the_summary_is_mean_and_5th_percentile_in_percent():
    scores = pd.DataFrame({"portrait": np.linspace(0, 1, 101)})
    row = ladder.summary(scores).loc["portrait"]
    assert (row["mean_iou"], row["fifth_percentile"], row["photos"]) == (50, 5, 101)


def test_measured_rows_are_entered_in_the_ladders_order_and_the_others_stay(tmp_path):
    table = tmp_path / "ladder.csv"
    with pytest.raises(TrainingError, match="not measured yet"):
        ladder.read_ladder(table)
    ladder.enter(ladder.summary(pd.DataFrame({"short-six": [0.9], "knn": [0.97]})), table)
    ladder.enter(ladder.summary(pd.DataFrame({"street-fcn8s": [0.5], "knn": [0.98]})), table)
    found = ladder.read_ladder(table)
    assert list(found.index) == ["street-fcn8s", "knn", "short-six"]
    assert list(found["mean_iou"]) == [50, 98, 90]
    table.write_text("key,mean_iou\n")
    with pytest.raises(TrainingError, match="cannot be read"):
        ladder.read_ladder(table)


def test_the_committed_ladder_has_rows_of_the_ladder_alone():
    keys = [rung.key for rung in (*ladder.LADDER, *ladder.ABLATIONS)]
    table = ladder.read_ladder()
    assert set(table.index) <= set(keys)
    assert table["mean_iou"].between(0, 100).all()
    assert (table["fifth_percentile"] <= table["mean_iou"]).all()
