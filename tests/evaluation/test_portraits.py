import numpy as np
import pandas as pd
import pytest

from deepmasque.evaluation.portraits import measured, summary, write_contact_sheet
from deepmasque.image import encode_png, read_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory, portrait, portrait_bytes):
    folder = tmp_path_factory.mktemp("portraits")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    mask = np.zeros(portrait.shape[:2], np.uint8)
    mask[20:, 10:170] = 255
    (folder / "images" / "a.jpg").write_bytes(portrait_bytes)
    (folder / "masks" / "a.png").write_bytes(encode_png(mask))
    return folder


def test_a_photo_is_measured_after_every_stage(folder):
    (row,) = measured(folder, ["a"])
    assert row["face"]
    assert 0.3 < row["network"] < 1
    assert 0.3 < row["knn"] < 1
    assert 0.3 < row["refined"] < 1
    table = summary(pd.DataFrame([row]))
    assert table["mean IoU"]["PortraitFCN+"] == pytest.approx(100 * row["network"])


def test_the_contact_sheet_shows_five_pictures_of_each_photo(folder, tmp_path):
    write_contact_sheet(folder, ["a"], tmp_path / "sheet.jpg")
    assert read_image(tmp_path / "sheet.jpg").shape == (324, 5 * 320, 3)
