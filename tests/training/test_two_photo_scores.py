import cv2
import numpy as np
import pandas as pd
import pytest

from deepmasque.image import encode_jpeg, encode_png, read_image
from deepmasque.training.two_photo_scores import (
    ALIGNED,
    HAND_HELD,
    PORTRAIT,
    TWO_PHOTO,
    HeldBackPairs,
    errors,
    measured,
    shares,
    summary,
    write_contact_sheet,
)

SIZE = (108, 192)


@pytest.fixture(scope="module")
def data(tmp_path_factory, portrait):
    """A photo that may measure and one that must not be opened, of every kind."""
    data = tmp_path_factory.mktemp("data")
    mask = np.zeros(portrait.shape[:2], np.uint8)
    height, width = mask.shape
    cv2.ellipse(mask, (width // 2, height), (width // 3, int(0.8 * height)), 0, 0, 360, 255, -1)
    for folder in ("eg1800/images", "eg1800/masks", "fashion/images", "fashion/masks"):
        (data / folder).mkdir(parents=True)
    (data / "backgrounds").mkdir()
    for place, names in (("eg1800", ("1", "2")), ("fashion", [f"f{n}" for n in range(5)])):
        for number, name in enumerate(names):
            photo = encode_jpeg(portrait) if number == 0 else b"not to be opened"
            (data / place / "images" / f"{name}.jpg").write_bytes(photo)
            (data / place / "masks" / f"{name}.png").write_bytes(encode_png(mask))
    (data / "eg1800/validation.txt").write_text("1\n")
    (data / "eg1800/train.txt").write_text("2\n")
    rng = np.random.default_rng(0)
    for number in range(10):
        plate = cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (240, 180))
        held_back = number == 0
        file = encode_jpeg(plate) if held_back else b"not to be opened"
        (data / f"backgrounds/{number}.jpg").write_bytes(file)
    return data


@pytest.fixture(scope="module")
def pairs(data):
    make = HeldBackPairs(data, size=SIZE)
    return [make(number) for number in range(4)]


def test_only_held_back_photos_are_used_and_both_plates_go_with_one_photo(pairs):
    assert [pair.name for pair in pairs] == ["1 at 0", "1 at 0", "1 at 0", "f0 at 0"]
    for pair in pairs:
        np.testing.assert_array_equal(pair.aligned.image, pair.hand_held.image)
        np.testing.assert_array_equal(pair.aligned.alpha, pair.hand_held.alpha)
        assert pair.aligned.image.shape == (*SIZE, 3)
        background = pair.aligned.alpha == 0
        off = [
            abs(pair.aligned.image[background].astype(float) - plate[background]).mean()
            for plate in (pair.aligned.plate, pair.hand_held.plate)
        ]
        assert off[0] < 8 < off[1]


def test_pairs_come_again_the_same(data, pairs):
    again = HeldBackPairs(data, size=SIZE)(1)
    np.testing.assert_array_equal(again.aligned.image, pairs[1].aligned.image)
    np.testing.assert_array_equal(again.hand_held.plate, pairs[1].hand_held.plate)


def test_every_method_is_measured_and_the_shares_follow(pairs, tmp_path):
    tripods = {pair.aligned.plate.tobytes(): pair.aligned.alpha for pair in pairs}
    handhelds = {pair.hand_held.plate.tobytes(): pair.aligned.alpha for pair in pairs}

    def two_photo(image, plate):
        """Off by 0.004 with the tripod's plate, by 0.005 with the other."""
        known = tripods.get(plate.tobytes())
        return abs((handhelds[plate.tobytes()] - 0.005) if known is None else known - 0.004)

    def portrait(image):
        return np.full(image.shape[:2], 0.5, np.float32)

    results = list(measured(pairs, two_photo, portrait))
    rows = pd.DataFrame([row for result in results for row in result.rows])
    table = summary(rows)
    assert set(table.index) == {(TWO_PHOTO, ALIGNED), (TWO_PHOTO, HAND_HELD), (PORTRAIT, ALIGNED)}
    assert table["MAD"][TWO_PHOTO, ALIGNED] == pytest.approx(4, rel=0.01)
    assert (table["worst MAD"] >= table["MAD"] - 1e-9).all()
    found = list(shares(rows).values())
    assert found[0] == pytest.approx(4, rel=0.01)
    assert found[1] == pytest.approx(table["MAD"][TWO_PHOTO, ALIGNED] / table["MAD"].iloc[-1])
    assert found[2] == pytest.approx(1.25, rel=0.01)

    write_contact_sheet(results, tmp_path / "worst.jpg", worst=3)
    assert read_image(tmp_path / "worst.jpg").shape == (3 * 216, 6 * 384, 3)


def test_units_are_those_of_the_published_tables():
    truth = np.zeros((100, 100), np.float32)
    found = errors(truth + np.float32(0.01), truth)
    assert found["MAD"] == pytest.approx(10, rel=1e-4)
    assert found["SAD"] == pytest.approx(0.1, rel=1e-4)
    assert found["MSE"] == pytest.approx(0.1, rel=1e-4)
