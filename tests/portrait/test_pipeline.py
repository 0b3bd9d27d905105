import threading

import cv2
import numpy as np
import pytest

import deepmasque
from deepmasque import samples
from deepmasque.engine import refinement_engine
from deepmasque.image import encode_png
from deepmasque.portrait.knn_matting import TEXTBOOK, TUNED
from deepmasque.portrait.pipeline import STAGES, matte, prior, rematte
from deepmasque.portrait.refinement import refined


@pytest.fixture(scope="module")
def result(portrait):
    return matte(portrait)


def test_a_portrait_becomes_a_matte_of_its_own_size(portrait, result):
    height, width = portrait.shape[:2]
    assert result.alpha.shape == result.mask.shape == result.trimap.shape == (height, width)
    assert result.alpha.dtype == result.mask.dtype == np.float32
    assert result.foreground.shape == portrait.shape
    assert 0 <= result.alpha.min() <= result.alpha.max() <= 1
    face, corner = result.alpha[45, 85], result.alpha[5, 130]
    assert face > 0.99
    assert corner < 0.01


def test_alpha_keeps_to_the_known_part_of_the_trimap(result):
    assert (result.alpha[result.trimap == 255] == 1).all()
    assert (result.alpha[result.trimap == 0] == 0).all()
    assert 0.01 < (result.trimap == 128).mean() < 0.5


def test_the_stages_are_handed_out_as_they_are_done(portrait):
    seen = []
    result = matte(portrait, on_stage=seen.append)
    assert tuple(stage.name for stage in seen) == STAGES
    assert all(a is b for a, b in zip(result.stages, seen, strict=True))
    for stage in seen:
        assert stage.picture.dtype == np.uint8
        assert stage.picture.ndim == 3
        assert max(stage.picture.shape[:2]) <= 1024
        assert stage.seconds > 0


def test_the_record_of_knn_matting_is_handed_out(portrait, result):
    records = []
    matte(portrait, on_solution=records.append)
    rematte(result, result.trimap, features="hsv", on_solution=records.append)
    rgb, hsv = records
    expected = refined(portrait, rgb.alpha, result.trimap, refinement_engine())
    np.testing.assert_array_equal(expected, result.alpha)
    assert not np.array_equal(hsv.alpha, rgb.alpha)
    stage = next(stage for stage in result.stages if stage.name == "KNN matting")
    assert stage.notes == (f"Conjugate gradients: {rgb.iterations} steps.",)


def test_the_network_has_a_say_in_matting_only_where_the_trimap_is_of_the_same_thing(result):
    said = prior(result.mask, result.uncertainty, result.trimap)
    np.testing.assert_array_equal(said.alpha, result.mask)
    assert said.trust[result.mask == 0.5].sum() == 0
    assert 0 <= said.trust.min() < said.trust.max() <= 1
    other = np.where(result.trimap == 128, np.uint8(128), 255 - result.trimap)
    assert prior(result.mask, result.uncertainty, other) is None


def test_an_error_in_the_callback_ends_the_work(portrait):
    class CancelledError(Exception):
        pass

    done = []

    def cancel(stage):
        done.append(stage.name)
        if stage.name == "Alignment":
            raise CancelledError

    with pytest.raises(CancelledError):
        matte(portrait, on_stage=cancel)
    assert done == ["Landmarks", "Alignment"]


def test_the_same_photo_gives_the_same_bytes_in_every_thread(portrait, result):
    results = [None] * 3

    def work(index):
        results[index] = matte(portrait)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in results:
        np.testing.assert_array_equal(other.alpha, result.alpha)
        np.testing.assert_array_equal(other.foreground, result.foreground)


def test_array_path_and_bytes_are_the_same_photo(tmp_path, portrait, result):
    path = tmp_path / "portrait.png"
    path.write_bytes(encode_png(portrait))
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(matte(source).alpha, result.alpha)


def test_the_input_is_left_as_it_was(portrait):
    image, trimap = portrait.copy(), np.full(portrait.shape[:2], 128, np.uint8)
    trimap[:20], trimap[100:120, 80:100] = 0, 255
    kept = trimap.copy()
    matte(image, trimap=trimap)
    np.testing.assert_array_equal(image, portrait)
    np.testing.assert_array_equal(trimap, kept)


def test_the_users_trimap_is_used(portrait, result):
    trimap = result.trimap.copy()
    trimap[:, :60] = 0
    own = matte(portrait, trimap=encode_png(trimap))
    assert (own.alpha[:, :60] == 0).all()
    assert any("own trimap" in note for note in own.stages[3].notes)
    np.testing.assert_array_equal(own.alpha, rematte(result, trimap).alpha)


def test_rematte_does_only_the_matting_again(result):
    seen = []
    again = rematte(result, result.trimap, on_stage=seen.append)
    assert again.notes == result.notes
    assert [stage.name for stage in seen] == ["Trimap", "KNN matting", "Refinement", "Foreground"]
    assert tuple(stage.name for stage in again.stages) == STAGES
    np.testing.assert_array_equal(again.alpha, result.alpha)


def test_without_a_trimap_rematte_keeps_the_one_there_is_and_its_stage(result):
    seen = []
    again = rematte(result, on_stage=seen.append)
    assert [stage.name for stage in seen] == ["KNN matting", "Refinement", "Foreground"]
    assert again.trimap is result.trimap
    assert again.stages[:4] == result.stages[:4]
    np.testing.assert_array_equal(again.alpha, result.alpha)
    np.testing.assert_array_equal(again.foreground, result.foreground)


@pytest.mark.parametrize(
    "method", [TUNED.asking(9), TEXTBOOK], ids=["nine neighbours", "the paper"]
)
def test_neighbours_and_kernel_are_those_of_the_method(portrait, result, method):
    records = []
    once = matte(portrait, method=method, on_solution=records.append)
    again = rematte(result, method=method, on_solution=records.append)
    for record in records:
        assert record.neighbours.shape[1] == sum(ring.k for ring in method.rings)
    np.testing.assert_array_equal(once.alpha, again.alpha)
    assert np.abs(again.alpha - result.alpha).max() > 1e-3
    assert np.abs(again.alpha - result.alpha).mean() < 0.05


def test_a_trimap_of_another_size_is_refused(portrait):
    with pytest.raises(deepmasque.TrimapError, match="must be the same"):
        matte(portrait, trimap=np.zeros((10, 10), np.uint8))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((20, 30, 3)),
        np.zeros((0, 30, 3), np.uint8),
    ],
)
def test_an_array_of_another_kind_is_refused(array):
    with pytest.raises(deepmasque.ImageError, match="uint8 in sRGB"):
        matte(array)


def test_two_people_both_stay_foreground():
    left = cv2.resize(deepmasque.read_image(samples.portraits()[0].path), (512, 512))
    right = deepmasque.read_image(samples.portraits()[1].path)[:512]
    both = matte(np.hstack([left, right]))
    assert any("2 faces" in note for note in both.stages[0].notes)
    assert both.notes == ()
    assert both.alpha[120, 230] > 0.99
    assert both.alpha[220, 512 + 260] > 0.99
    assert both.alpha[40, 450] < 0.1
    assert both.alpha[60, 512 + 480] < 0.1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((1, 5000, 3), 200, np.uint8),
        np.zeros((300, 400, 3), np.uint8),
        np.random.default_rng(5).integers(0, 256, (200, 300, 3), dtype=np.uint8),
    ],
    ids=["one pixel", "one row", "all black", "noise"],
)
def test_a_photo_without_a_person_says_so(image):
    result = matte(image)
    assert result.alpha.shape == image.shape[:2]
    assert np.isfinite(result.alpha).all()
    assert any("No face" in note for note in result.notes)
    assert result.trimap.any() or any("No person" in note for note in result.notes)


def test_hsv_features_solve_the_same_band(portrait, result):
    other = rematte(result, result.trimap, features="hsv")
    assert np.abs(other.alpha - result.alpha).max() > 1e-3
    assert np.abs(other.alpha - result.alpha).mean() < 0.05
