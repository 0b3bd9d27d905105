import os
from pathlib import Path

import numpy as np
import pytest

from deepmasque import samples
from deepmasque.image import read_image
from deepmasque.portrait.landmarks import facial_points, find_faces, find_meshes
from deepmasque.weights import reference

SHARED = Path(__file__).parents[3] / "shared" / "data" / "eg1800"


def placed(portrait, canvas, left, top, size):
    import cv2

    canvas[top : top + size, left : left + size] = cv2.resize(
        portrait, (size, size), interpolation=cv2.INTER_AREA
    )


def test_the_points_of_a_face_lie_where_its_features_are():
    (points,) = find_faces(read_image(samples.portraits()[1].path))
    assert points.shape == (49, 2)
    left_eye, right_eye = points[19:25].mean(axis=0), points[25:31].mean(axis=0)
    nose, mouth = points[13], points[31:49].mean(axis=0)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < mouth[1]
    assert points[0:10, 1].mean() < left_eye[1]


def test_the_largest_of_several_faces_leads(portrait):
    canvas = np.full((600, 1000, 3), 120, np.uint8)
    placed(portrait, canvas, 40, 200, 300)
    placed(portrait, canvas, 450, 60, 500)
    faces = find_faces(canvas)
    assert len(faces) == 2
    assert faces[0][:, 0].mean() > 450
    assert np.ptp(faces[0][:, 0]) > np.ptp(faces[1][:, 0])


def test_a_small_face_far_away_is_found(portrait):
    canvas = np.full((1200, 1600, 3), 120, np.uint8)
    placed(portrait, canvas, 900, 500, 190)
    (points,) = find_faces(canvas)
    assert (points.min(axis=0) > [900, 500]).all()
    assert (points.max(axis=0) < [1090, 690]).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3), (480, 640, 3)])
def test_no_face_gives_no_points(shape):
    assert find_faces(np.zeros(shape, np.uint8)) == []


def test_points_grow_with_the_photo():
    image = read_image(samples.portraits()[1].path)
    large = np.repeat(np.repeat(image, 4, axis=0), 4, axis=1)
    (small_points,), (large_points,) = find_faces(image), find_faces(large)
    eyes = np.linalg.norm(small_points[19] - small_points[28])
    assert np.abs(large_points / 4 - small_points).max() < 0.06 * eyes


def test_the_mapping_is_a_weighted_mean_of_vertices():
    learned = reference()
    np.testing.assert_allclose(learned.vertex_weight.sum(axis=1), 1, atol=1e-4)
    mesh = np.random.default_rng(0).normal(size=(468, 2)).astype(np.float32)
    slow = [
        sum(w * mesh[v] for v, w in zip(vertices, weights, strict=True))
        for vertices, weights in zip(learned.vertex_index, learned.vertex_weight, strict=True)
    ]
    np.testing.assert_allclose(facial_points(mesh), slow, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(
    not SHARED.is_dir() and "CI" not in os.environ, reason="needs EG1800 beside the project"
)
def test_the_mapping_meets_the_annotations_of_photos_it_was_not_learned_from():
    from deepmasque.training.eg1800 import EG1800
    from deepmasque.training.reference import interocular

    photos = EG1800(SHARED)
    truth = photos.landmarks()
    errors = []
    for photo in photos.ids("development")[:20]:
        if photo in truth:
            points = facial_points(find_meshes(photos.image(photo))[0])
            distance = np.linalg.norm(points - truth[photo], axis=1).mean()
            errors.append(distance / interocular(truth[photo][None])[0])
    assert np.mean(errors) < 0.0352 * 1.15
