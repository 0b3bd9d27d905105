import cv2
import numpy as np
import pandas as pd
import pytest

from deepmasque.evaluation import alphamatting
from deepmasque.evaluation.alphamatting import PEERS, REFINED, SOLVED, TRIMAPS


class Unchanged:
    """An engine that answers with the alpha it was given."""

    device = "test"

    def __call__(self, x):
        return (x[3:4] + 1) / 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three photos in the layout of alphamatting.com."""
    folder = tmp_path_factory.mktemp("alphamatting")
    ramp = np.clip(np.linspace(-1, 2, 48), 0, 1)
    alpha = np.tile((255 * ramp).round().astype(np.uint8), (40, 1))
    rng = np.random.default_rng(0)
    for name in ("GT01", "GT02", "GT04"):
        colours = rng.integers(0, 256, (2, 3))
        share = alpha[..., None] / 255
        image = (share * colours[0] + (1 - share) * colours[1]).astype(np.uint8)
        known = np.where(alpha == 255, 255, np.where(alpha == 0, 0, 100)).astype(np.uint8)
        kinds = {"input": image, "alpha": alpha, **dict.fromkeys(TRIMAPS, known)}
        for kind, pixels in kinds.items():
            (folder / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / kind / f"{name}.png"), pixels)
    return folder


def test_every_photo_is_in_one_fold():
    listed = [f"GT{number:02d}" for number in range(18)]
    folds = [alphamatting.fold_of(name, listed) for name in listed]
    assert folds == [1] * 6 + [2] * 6 + [3] * 6


def test_a_photo_is_read_with_three_kinds_of_pixels(folder):
    photo = alphamatting.read(folder, "GT02")
    assert photo.image.shape == (40, 48, 3)
    assert set(np.unique(photo.trimaps["trimap2"])) == {0, 128, 255}
    assert photo.alpha.dtype == np.float32
    assert photo.alpha.max() == 1
    assert photo.foreground().shape == photo.image.shape


def test_every_method_is_measured_on_every_photo(folder, tmp_path):
    for name in alphamatting.names(folder):
        truth = alphamatting.read(folder, name).alpha
        for trimap in TRIMAPS:
            for function in PEERS.values():
                np.save(tmp_path / f"{name}_{trimap}_{function}.npy", truth * np.float32(0.9))
    (tmp_path / "GT04_trimap1_estimate_alpha_cf.npy").unlink()
    used = []

    class Fold(Unchanged):
        def __init__(self, fold):
            self.fold = fold

        def __call__(self, x):
            used.append(self.fold)
            return super().__call__(x)

    engines = {fold: Fold(fold) for fold in (1, 2, 3)}
    rows = pd.DataFrame(alphamatting.measured(folder, engines, tmp_path))
    assert len(rows) == 3 * 2 * 4
    assert used == [1, 1, 2, 2, 3, 3]
    table = alphamatting.summary(rows)["SAD"].unstack()
    assert 0 < table.loc["trimap1", "PyMatting closed form"] < table.loc["trimap1", "PyMatting KNN"]
    assert table.loc["trimap1", REFINED] == pytest.approx(table.loc["trimap1", SOLVED])
    one = pd.DataFrame(alphamatting.measured(folder, {2: Fold(2)}, tmp_path))
    assert set(one["photo"]) == {"GT02"}
    shares = alphamatting.shares(rows)
    assert shares["PyMatting closed form"] == pytest.approx(
        table.loc["trimap1", REFINED] / table.loc["trimap1", "PyMatting closed form"]
    )
