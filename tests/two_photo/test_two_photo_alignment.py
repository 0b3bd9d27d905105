import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepmasque.errors import AlignmentError
from deepmasque.image import read_image
from deepmasque.samples import pairs, portraits
from deepmasque.two_photo.alignment import align
from deepmasque.two_photo.exposure import exposed, exposure_match
from deepmasque.two_photo.registration import (
    corners,
    displacement,
    is_sound,
    moved,
    quarter_turns,
    upright,
)

SIZE = 360, 480


def place(seed, size=SIZE):
    """Something with edges of every length and colour: blurred noise in three octaves."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), 128.0)
    for cells, strength in ((8, 50), (30, 40), (120, 25)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 10, 245).astype(np.uint8)


def with_subject(picture, colour=(200, 60, 40), share=0.3):
    """A disc of stripes, which have features of their own, over the middle of the lower edge."""
    height, width = picture.shape[:2]
    radius = int(np.sqrt(2 * share * height * width / np.pi))
    mask = cv2.circle(np.zeros((height, width), np.uint8), (width // 2, height), radius, 1, -1)
    stripes = np.where((np.indices((height, width)).sum(0) // 12 % 2)[..., None], colour, 30)
    return np.where(mask[..., None], stripes, picture).astype(np.uint8), mask > 0


def camera(shift=(0.0, 0.0), turn=0.0, tilt=(0.0, 0.0), size=SIZE):
    transform = np.eye(3)
    transform[:2] = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), turn, 1)
    transform[:2, 2] += shift
    transform[2, :2] = tilt
    return transform


def seen(picture, transform, size=SIZE):
    return cv2.warpPerspective(
        picture, transform, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def corner_error(alignment, transform, size=SIZE):
    ends = corners(size)
    return np.linalg.norm(moved(alignment.transform, ends) - moved(transform, ends), axis=1).mean()


@pytest.mark.parametrize(
    ("transform", "kind"),
    [
        (camera((7.4, -5.3)), "translation"),
        (camera((3, 6), 1.5), "affine"),
        (camera((-6, 4), -1.5, (8e-5, -6e-5)), "homography"),
    ],
)
def test_a_moved_camera_is_followed_by_the_safest_transform(transform, kind):
    plate = place(1)
    image, _ = with_subject(seen(plate, transform))
    found = align(image, plate)
    assert found.kind == kind
    assert corner_error(found, transform) < 0.15
    assert found.inliers > 0.9 * found.matches > 50
    assert found.confidence > 0.9
    assert found.shift == pytest.approx(displacement(transform, SIZE, SIZE).mean(), abs=0.2)


def test_the_laid_plate_is_the_background_of_the_photo():
    transform = camera((8, -8), 1.5)
    dimmed = np.array([0.87, 0.92, 1.08])
    plate = place(2)
    image, subject = with_subject(seen(plate, transform))
    given = exposed(plate, dimmed, np.zeros(3))
    found = align(image, given)
    background = found.covered & ~cv2.dilate(subject.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert cv2.absdiff(found.plate, image)[background].mean() < 1
    np.testing.assert_allclose(found.gain, 1 / dimmed, rtol=0.02)
    np.testing.assert_allclose(found.bias, 0, atol=2)
    assert found.residual < 1
    assert "exposure" in " ".join(found.notes)


def test_a_plate_from_a_tripod_is_not_resampled():
    plate = place(3)
    image, _ = with_subject(plate)
    found = align(image, plate)
    assert found.kind == "identity"
    assert found.shift == 0
    assert found.covered.all()
    np.testing.assert_array_equal(found.transform, np.eye(3))
    assert cv2.absdiff(found.plate, plate).max() <= 1


def test_the_same_pair_gives_the_same_bytes_and_is_left_alone():
    plate = place(4)
    image, _ = with_subject(seen(plate, camera((5, 3), 1, (4e-5, 0))))
    given = image.copy(), plate.copy()
    first, second = align(image, plate), align(image, plate)
    np.testing.assert_array_equal(first.plate, second.plate)
    np.testing.assert_array_equal(first.transform, second.transform)
    assert first.notes == second.notes
    np.testing.assert_array_equal(image, given[0])
    np.testing.assert_array_equal(plate, given[1])


def test_tripod_mode_matches_the_exposure_only_and_tells_that_the_camera_moved():
    plate = place(5)
    image, _ = with_subject(seen(plate, camera((9, 6))))
    found = align(image, plate, "tripod")
    followed = align(image, plate, "hand-held")
    assert found.kind == "identity"
    assert followed.kind == "translation"
    assert f"{followed.shift:.1f} px" in found.notes[0]
    assert found.confidence < followed.confidence


def test_a_subject_may_cover_most_of_the_photo():
    plate = place(6)
    transform = camera((6, -4), 1)
    image, subject = with_subject(seen(plate, transform), share=0.65)
    assert subject.mean() > 0.6
    assert corner_error(align(image, plate), transform) < 0.5


def test_where_the_plate_does_not_reach_it_goes_on_from_its_edge():
    plate = place(7)
    image, _ = with_subject(seen(plate, camera((20, 0))))
    found = align(image, plate)
    assert not found.covered[:, :18].any()
    assert found.covered[:, 22:].all()
    edge = cv2.absdiff(found.plate[:, :18], np.repeat(plate[:, :1], 18, axis=1))
    assert edge.mean() < 3


def test_a_plain_wall_is_left_where_it_is():
    rng = np.random.default_rng(8)
    wall, darker = (
        np.clip(rng.normal(level, 1.5, (*SIZE, 3)), 0, 255).astype(np.uint8) for level in (200, 180)
    )
    image, subject = with_subject(wall)
    found = align(image, darker)
    assert found.kind == "identity"
    assert found.confidence == 0.5
    assert "no marks" in found.notes[0]
    assert cv2.absdiff(found.plate, image)[~subject].mean() < 4


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_plate_turned_by_quarters_is_turned_back(turns):
    plate = place(9)
    image, subject = with_subject(plate)
    found = align(image, np.ascontiguousarray(np.rot90(plate, turns)))
    assert f"{90 * turns}°" in " ".join(found.notes)
    assert cv2.absdiff(found.plate, plate)[~subject].mean() < 2


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_plate_of_another_size_is_scaled(factor):
    plate = place(10)
    image, subject = with_subject(plate)
    found = align(image, cv2.resize(plate, None, fx=factor, fy=factor))
    assert cv2.absdiff(found.plate, plate)[~subject].mean() < 3
    assert "another size" in " ".join(found.notes)


def test_grey_photos_align():
    transform = camera((5, 5))
    plate = np.repeat(place(11)[..., :1], 3, axis=2)
    image, _ = with_subject(seen(plate, transform), colour=(90, 90, 90))
    assert corner_error(align(image, plate), transform) < 0.15


@pytest.mark.parametrize("size", [(16, 16), (2, 300), (300, 3)])
def test_tiny_photos_align(size):
    plate = place(12, size)
    image, _ = with_subject(plate, share=0.4)
    found = align(image, plate)
    assert found.plate.shape == image.shape
    assert found.kind == "identity"


def test_one_photo_twice_is_named():
    plate = place(13)
    noisy = np.clip(plate + np.random.default_rng(13).normal(0, 2, plate.shape), 0, 255)
    for second in (plate, noisy.astype(np.uint8)):
        with pytest.raises(AlignmentError, match="are the same"):
            align(plate, second)


def test_swapped_photos_are_named():
    person = cv2.resize(read_image(portraits()[0].path), (240, 240), interpolation=cv2.INTER_AREA)
    empty = place(14, (240, 320))
    with_person = empty.copy()
    with_person[:, 40:280] = person
    assert align(with_person, empty).kind == "identity"
    with pytest.raises(AlignmentError, match="swap"):
        align(empty, with_person)


def test_different_places_are_named():
    image, _ = with_subject(place(15))
    for elsewhere in (place(16), place(15)[:, ::-1].copy()):
        with pytest.raises(AlignmentError, match="different places"):
            align(image, elsewhere)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 48), min_size=4, max_size=4),
    st.integers(0, 1000),
    st.sampled_from([1, 6, 24]),
)
def test_any_two_photos_give_an_alignment_or_a_sentence(lengths, seed, cell):
    rng = np.random.default_rng(seed)
    image, plate = (
        cv2.resize(
            rng.integers(0, 256, (cell, cell, 3), dtype=np.uint8),
            (width, height),
            interpolation=cv2.INTER_NEAREST,
        )
        for height, width in (lengths[:2], lengths[2:])
    )
    try:
        found = align(image, plate)
    except AlignmentError as error:
        assert str(error).endswith(".")
    else:
        assert found.plate.shape == image.shape
        assert np.isfinite(found.transform).all()
        assert 0 <= found.confidence <= 1


def test_a_plate_that_fits_badly_is_told():
    plate = place(5)
    image, _ = with_subject(seen(plate, camera((9, 6))))
    assert "only in part" in align(image, plate, "tripod").notes[-1]


def test_an_unknown_mode_is_refused():
    with pytest.raises(AlignmentError, match="hand-held"):
        align(place(17), place(17), "handheld")


def test_the_hand_held_sample_is_aligned():
    pair = pairs()[0]
    image, plate = read_image(pair.path), read_image(pair.plate)
    background = read_image(pair.truth).max(axis=2) == 0
    found = align(image, plate)
    background &= found.covered
    laid, unmoved = (cv2.absdiff(image, p)[background].mean() for p in (found.plate, plate))
    assert found.kind != "identity"
    assert found.confidence > 0.8
    assert laid < 0.5 * unmoved


def test_what_no_camera_does_is_not_sound():
    size = 100, 200
    assert is_sound(camera((5, 5), 2, (1e-4, 0), size), size, size)
    mirrored = np.diag([-1.0, 1, 1])
    mirrored[0, 2] = 199
    folded = np.eye(3)
    folded[2, 0] = -1 / 100
    for wrong in (
        mirrored,
        folded,
        camera((150, 0), size=size),
        np.diag([3.0, 3, 1]),
        np.full((3, 3), np.nan),
    ):
        assert not is_sound(wrong, size, size)


@pytest.mark.parametrize("turns", range(4))
def test_upright_lays_the_corners_on_the_corners(turns):
    size, to = (30, 50), ((50, 30) if turns % 2 else (30, 50))
    transform = upright(size, to, turns)
    laid = moved(transform, corners(size))
    np.testing.assert_allclose(laid, np.roll(corners(to), -turns, axis=0), atol=1e-9)
    assert quarter_turns(transform) == turns


def test_the_exposure_is_that_of_the_background_though_the_subject_covers_more():
    rng = np.random.default_rng(18)
    plate = place(18)
    image = exposed(plate, np.array([1.1, 0.95, 1.2]), np.array([-4.0, 3, 5]))
    image[:, : int(0.6 * SIZE[1])] = rng.integers(0, 256, 3)
    gain, bias = exposure_match(image, plate, np.ones(SIZE, bool))
    np.testing.assert_allclose(gain, [1.1, 0.95, 1.2], atol=0.03)
    np.testing.assert_allclose(bias, [-4, 3, 5], atol=3)
