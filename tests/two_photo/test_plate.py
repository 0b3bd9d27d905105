import cv2
import numpy as np
import pytest

from deepmasque.errors import AlignmentError
from deepmasque.image import read_image, reduced
from deepmasque.samples import pairs
from deepmasque.two_photo.alignment import align
from deepmasque.two_photo.plate import median_plate, plate_notes

SIZE = 120, 160


def place(size=SIZE):
    rng = np.random.default_rng(3)
    picture = np.full((*size, 3), 128.0)
    for cells, strength in ((5, 30), (30, 30)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 10, 245).astype(np.uint8)


def passing(count=12):
    """A square that crosses the picture."""
    frames = []
    for index in range(count):
        left = index * (SIZE[1] - 30) // (count - 1)
        frames.append(cv2.rectangle(place(), (left, 40), (left + 30, 100), (255, 0, 0), -1))
    return frames


def written(path, frames):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_what_passes_through_is_gone():
    plate = median_plate(passing())
    assert plate.shape == (*SIZE, 3)
    assert plate.dtype == np.uint8
    assert cv2.absdiff(plate, place()).max() <= 1


def test_a_video_file_gives_the_plate_too(tmp_path):
    plate = median_plate(written(tmp_path / "passing.avi", passing(90)))
    empty = median_plate(written(tmp_path / "empty.avi", [place()] * 10))
    assert cv2.absdiff(plate, empty).mean() < 1


def test_the_exposure_may_drift():
    frames = [
        cv2.convertScaleAbs(frame, alpha=1 + 0.02 * (index - 6))
        for index, frame in enumerate(passing())
    ]
    assert cv2.absdiff(median_plate(frames), place()).mean() < 1.5


def test_frames_from_the_hand_are_laid_on_the_middle_one():
    size = 240, 320
    large = place((300, 400))
    frames = []
    for index in range(9):
        shift = np.float32([[1, 0, 3 * (index - 4) - 40], [0, 1, 2 * (4 - index) - 30]])
        frames.append(cv2.warpAffine(large, shift, size[::-1]))
        cv2.circle(frames[-1], (40 + 30 * index, 120), 20, (255, 0, 0), -1)
    plate = median_plate(frames)
    inside = np.s_[16:-16, 16:-16]
    assert cv2.absdiff(plate, large[30:270, 40:360])[inside].mean() < 1.5


def sample_pair():
    """A photo with a person and one of the same place without, from the hand."""
    pair = pairs()[0]
    return [reduced(read_image(path), 100_000) for path in (pair.path, pair.plate)]


def test_a_person_may_stay_for_most_of_the_video():
    with_her, without = sample_pair()
    plate = median_plate([without, without, *[with_her] * 7, without])
    assert plate_notes(with_her)
    assert plate_notes(plate) == ()
    laid = align(with_her, without)
    difference = cv2.absdiff(plate, laid.plate)[laid.covered]
    assert np.percentile(difference, 95) < 12


def test_a_person_who_never_leaves_is_told():
    assert "walk out" in plate_notes(median_plate([sample_pair()[0]] * 6))[0]


def test_bad_videos_get_a_sentence(tmp_path):
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 40)
    for path in (noise, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(AlignmentError, match="not a video"):
            median_plate(path)
    with pytest.raises(AlignmentError, match="too few"):
        median_plate(passing(4))
    with pytest.raises(AlignmentError, match="too few"):
        median_plate([])
    with pytest.raises(AlignmentError, match="differ in size"):
        median_plate([place(), place((60, 80))] * 4)
