import numpy as np
from typer.testing import CliRunner

from deepmasque.image import read_image
from deepmasque.training import hair_gallery
from deepmasque.training.__main__ import app


def test_the_gallery_shows_photo_alpha_foreground_and_green(tmp_path):
    out = tmp_path / "hair.jpg"
    result = CliRunner().invoke(app, ["hair", "--out", str(out)])
    assert result.exit_code == 0, result.output
    picture = read_image(out).astype(int)
    tile, columns = hair_gallery.TILE, hair_gallery.COLUMNS
    assert picture.shape == (8 * tile, columns * tile, 3)
    rows = picture.reshape(8, tile, columns * tile, 3)
    for photo, alpha, foreground, on_green in (rows[:4], rows[4:]):
        assert np.ptp(alpha, axis=2).mean() < 2
        outside, inside = alpha.max(axis=2) < 10, alpha.min(axis=2) > 245
        assert abs(on_green[outside] - hair_gallery.GREEN).mean() < 3
        assert abs(on_green[inside] - foreground[inside]).mean() < 10
        assert abs(photo[inside] - foreground[inside]).mean() < 15
