"""The project's own statistics: mesh-to-points mapping, reference pose and mean mask.

All three are learned from the training ids of EG1800 and written to models/reference.safetensors.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from safetensors.numpy import save_file

from deepmasque.portrait.alignment import fit_affine
from deepmasque.portrait.landmarks import find_meshes
from deepmasque.training.eg1800 import EG1800
from deepmasque.weights import (
    MASK_MARGIN,
    MODELS,
    REFERENCE_HEIGHT,
    REFERENCE_WIDTH,
    enter_in_manifest,
)

VERTICES_PER_POINT = 3
PHOTOS_OF_NOBODY = 10.0
"""Counted into the mean mask everywhere, so that a handful of photos decides nothing."""
EYES = (slice(19, 25), slice(25, 31))
"""The six points round either eye within the 49."""


def learn_reference(folder: Path) -> dict[str, float]:
    """Learn and write the reference; returns its measured errors on photos it has not seen.

    folder: EG1800. The errors are mean distances as a share of the inter-ocular distance.
    """
    photos = EG1800(folder)
    truth = photos.landmarks()
    meshes, points, faceless = _paired(photos, truth, photos.ids("train"))
    keep = _plausible(meshes, points)
    index, weight = fit_mapping(meshes[keep], points[keep])
    pose = points[keep].mean(axis=0)
    mean_mask = average_mask(photos, truth, pose)
    path = MODELS / "reference.safetensors"
    save_file(
        {
            "vertex_index": index,
            "vertex_weight": weight,
            "pose": pose.astype(np.float32),
            "mean_mask": np.rint(mean_mask * 255).astype(np.uint8),
        },
        path,
    )
    enter_in_manifest(path, "49 points from the face mesh, reference pose, mean mask")
    unseen = _paired(photos, truth, photos.ids("development"))
    return {
        "training_photos": len(points),
        "photos_left_out": int((~keep).sum()),
        "faces_not_found": faceless,
        "training_error": mapping_error(meshes[keep], points[keep], index, weight),
        "development_error": mapping_error(unseen[0], unseen[1], index, weight),
    }


def fit_mapping(
    meshes: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each point the three mesh vertices, and weights of sum 1, that meet it best.

    Forward selection by least squares, every photo measured in its inter-ocular distance.
    meshes: (N, 468, 2); points: (N, 49, 2). Returns (49, 3) indices and weights.
    """
    unit = interocular(points)[:, None, None]
    meshes, points = meshes / unit, points / unit
    index = np.empty((points.shape[1], VERTICES_PER_POINT), np.int64)
    weight = np.empty(index.shape, np.float32)
    for point in track(range(points.shape[1]), "Fitting the 49 points"):
        index[point], weight[point] = _best_vertices(meshes, points[:, point])
    return index, weight


def _best_vertices(
    meshes: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[list[int], NDArray[np.float32]]:
    offsets = meshes - target[:, None]  # with weights of sum 1, the weighted offset is the error
    chosen: list[int] = []
    for _ in range(VERTICES_PER_POINT):
        errors = [
            np.inf if vertex in chosen else _fit_weights(offsets, [*chosen, vertex])[1]
            for vertex in range(meshes.shape[1])
        ]
        chosen.append(int(np.argmin(errors)))
    return chosen, _fit_weights(offsets, chosen)[0]


def _fit_weights(
    offsets: NDArray[np.float32], vertices: list[int]
) -> tuple[NDArray[np.float32], float]:
    """Weights of sum 1 that make the mean squared weighted offset least, and that least value."""
    columns = offsets[:, vertices].transpose(0, 2, 1).reshape(-1, len(vertices)).astype(np.float64)
    gram = columns.T @ columns / len(offsets) + 1e-6 * np.eye(len(vertices))
    weight = np.linalg.solve(gram, np.ones(len(vertices)))
    weight /= weight.sum()
    return weight.astype(np.float32), float(weight @ gram @ weight)


def average_mask(
    photos: EG1800, landmarks: dict[str, NDArray[np.float32]], pose: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean of the training masks, each warped to the pose, over the photos that reach that far.

    Where few reach, the mean fades to 0. Returns the reference with its margin on all sides.
    """
    size = (REFERENCE_WIDTH + 2 * MASK_MARGIN, REFERENCE_HEIGHT + 2 * MASK_MARGIN)
    persons = np.zeros(size[::-1], np.float64)
    reach = np.full(size[::-1], PHOTOS_OF_NOBODY)
    for photo in photos.ids("train"):
        if photo in landmarks:
            transform = fit_affine(landmarks[photo], pose + MASK_MARGIN)
            mask = photos.mask(photo).astype(np.float32) / 255
            persons += cv2.warpAffine(mask, transform, size)
            reach += cv2.warpAffine(np.ones_like(mask), transform, size)
    return cv2.GaussianBlur(persons / reach, (0, 0), 4)


def mapping_error(
    meshes: NDArray[np.float32],
    points: NDArray[np.float32],
    index: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> float:
    """Mean distance of mapped and annotated points in inter-ocular distances."""
    mapped = (meshes[:, index] * weight[..., None]).sum(axis=2)
    distance = np.linalg.norm(mapped - points, axis=2)
    return float((distance / interocular(points)[:, None]).mean())


def interocular(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance between the centres of the eyes: (N, 49, 2) -> (N,)."""
    left, right = (points[:, eye].mean(axis=1) for eye in EYES)
    return np.linalg.norm(left - right, axis=1)


def _paired(
    photos: EG1800, truth: dict[str, NDArray[np.float32]], ids: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Meshes and annotated points of the photos that have both, and how many show no mesh."""
    annotated = [photo for photo in ids if photo in truth]
    found = [(photo, find_meshes(photos.image(photo))) for photo in track(annotated, "Face meshes")]
    meshes, points = [], []
    for photo, faces in found:
        if faces:
            centre = truth[photo].mean(axis=0)
            nearest = min(faces, key=lambda mesh: np.linalg.norm(mesh.mean(axis=0) - centre))
            meshes.append(nearest)
            points.append(truth[photo])
    return np.stack(meshes), np.stack(points), len(annotated) - len(points)


def _plausible(meshes: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """False where annotation and mesh lie too far apart to be of one face."""
    centres = np.linalg.norm(meshes.mean(axis=1) - points.mean(axis=1), axis=1)
    return centres < 0.6 * interocular(points)
