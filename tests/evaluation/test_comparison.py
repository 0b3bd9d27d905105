"""Others' cut-outs and truths, of the right size and of any other."""

import numpy as np
import pytest

from deepmasque.errors import ImageError, TrimapError
from deepmasque.evaluation.comparison import (
    Truth,
    errors,
    given_truth,
    others_alpha,
    painted_truth,
)
from deepmasque.image import encode_jpeg, encode_png, read_opacity

SIZE, FULL = (30, 40), (60, 80)


def cut_out(size):
    """A square of a colour that is opaque in the middle and half transparent in its first row."""
    pixels = np.full((*size, 4), (200, 30, 60, 0), np.uint8)
    pixels[size[0] // 3 : -5, 5:-5, 3] = 255
    pixels[0, :, 3] = 128
    return pixels


def test_an_alpha_is_taken_at_the_size_compared_and_whatever_the_colours():
    pixels = cut_out(SIZE)
    alpha = others_alpha(encode_png(pixels), "theirs.png", SIZE, FULL)
    assert alpha.dtype == np.float32
    assert np.array_equal(alpha, pixels[..., 3] / np.float32(255))


def test_one_of_the_whole_photo_is_reduced_like_it():
    pixels = cut_out(SIZE).repeat(2, axis=0).repeat(2, axis=1)
    alpha = others_alpha(encode_png(pixels), "theirs.png", SIZE, FULL)
    assert np.array_equal(alpha, cut_out(SIZE)[..., 3] / np.float32(255))


def test_another_size_gets_one_sentence_with_both():
    with pytest.raises(ImageError) as raised:
        others_alpha(encode_png(cut_out((20, 20))), "theirs.png", SIZE, FULL)
    assert str(raised.value) == (
        "theirs.png is 20 × 20 and the photo 80 × 60: save it at the photo's size."
    )


@pytest.mark.parametrize(
    "data",
    [
        encode_jpeg(cut_out(SIZE)[..., :3]),
        encode_png(cut_out(SIZE)[..., :3]),
        encode_png(np.dstack([cut_out(SIZE)[..., :3], np.full(SIZE, 255, np.uint8)])),
    ],
)
def test_what_is_opaque_everywhere_says_what_to_do(data):
    with pytest.raises(ImageError, match=r"theirs has nothing transparent: save .* as PNG"):
        others_alpha(data, "theirs", SIZE, FULL)


def test_damaged_bytes_are_refused():
    with pytest.raises(ImageError):
        others_alpha(encode_png(cut_out(SIZE))[:90], "theirs.png", SIZE, FULL)


def test_opacity_of_a_file_names_the_file(tmp_path):
    path = tmp_path / "flat.png"
    path.write_bytes(encode_png(np.zeros((4, 4), np.uint8)))
    with pytest.raises(ImageError, match=r"flat\.png has nothing transparent"):
        read_opacity(path)


def test_a_truth_is_a_mask_or_a_cut_out():
    pixels = cut_out(SIZE)
    of_mask = given_truth(encode_png(pixels[..., 3]), "mask.png", SIZE, FULL)
    of_cut_out = given_truth(encode_png(pixels), "perfect.png", SIZE, FULL)
    assert np.array_equal(of_mask.alpha, of_cut_out.alpha)
    assert of_mask.region is None


def test_a_painted_truth_counts_where_it_is_known():
    trimap = np.full(SIZE, 128, np.uint8)
    trimap[:10], trimap[-10:] = 255, 0
    truth = painted_truth(trimap)
    alpha = np.full(SIZE, 0.25, np.float32)
    alpha[:10], alpha[-10:] = 1, 0
    assert errors(alpha, truth)["sad"] == 0
    assert errors(alpha, truth)["iou"] == 1
    everywhere = Truth(truth.alpha)
    assert errors(alpha, everywhere)["mad"] == pytest.approx(0.25 / 3)
    with pytest.raises(TrimapError, match="nothing is known"):
        painted_truth(np.full(SIZE, 128, np.uint8))
