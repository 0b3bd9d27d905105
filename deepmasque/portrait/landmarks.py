"""Stage 1: the faces in a photo, each as the 49 facial points of Shen et al. 2016.

MediaPipe's face mesh gives 468 vertices; the 49 points are small weighted sets of them, learned
from the training photos (`deepmasque.training.reference`) and kept with the reference pose.
"""

import threading
from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait import mediapipe_graphs
from deepmasque.weights import reference

MESH_VERTICES = 468
FACE_LIMIT = 16
TILES = ((1, 1.0), (3, 0.4))
"""(n, share): the far-range detector sees n x n parts of the photo, of that share of its sides."""
LONGEST_SIDE = 1280
"""Faces are looked for in a photo reduced to this size; the mesh itself sees 192 x 192 pixels."""

_lock = threading.Lock()


def find_faces(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The 49 facial points of every face, the largest face first.

    image: (H, W, 3) uint8 sRGB.
    Returns a list of (49, 2) float32 arrays, x and y in pixels; empty if there is no face.
    """
    return [facial_points(mesh) for mesh in find_meshes(image)]


def facial_points(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 49 points as weighted sums of mesh vertices: (468, 2) -> (49, 2)."""
    learned = reference()
    vertices = mesh[learned.vertex_index]  # 49, 3, 2
    return (vertices * learned.vertex_weight[..., None]).sum(axis=1).astype(np.float32)


def find_meshes(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Face meshes, the largest face first, each (468, 2) float32 pixels.

    The mesh graph's own detector is made for near faces. A second, far-range detector finds the
    small ones, and each of those is given to the mesh graph again as an enlarged crop.
    """
    height, width = image.shape[:2]
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    with _lock:
        meshes = _near_meshes(image)
        for box in _far_boxes(image):
            if not any(_same_face(box, mesh) for mesh in meshes):
                meshes += _meshes_in_crop(image, box)
    scale = np.float32([width / image.shape[1], height / image.shape[0]])
    meshes = [mesh * scale for mesh in meshes[:FACE_LIMIT]]
    return sorted(meshes, key=lambda mesh: -float(np.prod(np.ptp(mesh, axis=0))))


def _near_meshes(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    found = _mesh_graph().process(image).multi_face_landmarks or []
    size = np.float32([image.shape[1], image.shape[0]])
    return [
        np.float32([(p.x, p.y) for p in face.landmark[:MESH_VERTICES]]) * size for face in found
    ]


def _far_boxes(image: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Boxes (x0, y0, x1, y1) in pixels from the far-range detector, from near to ever farther.

    It reduces what it sees to 192 x 192 pixels, so it is shown the whole photo and then its parts.
    """
    height, width = image.shape[:2]
    for tiles, share in TILES:
        tall, wide = max(1, int(height * share)), max(1, int(width * share))
        for top in np.linspace(0, height - tall, tiles, dtype=int):
            for left in np.linspace(0, width - wide, tiles, dtype=int):
                part = np.ascontiguousarray(image[top : top + tall, left : left + wide])
                for detection in _far_graph().process(part).detections or []:
                    box = detection.location_data.relative_bounding_box
                    x, y = left + box.xmin * wide, top + box.ymin * tall
                    yield np.float32([x, y, x + box.width * wide, y + box.height * tall])


def _same_face(box: NDArray[np.float32], mesh: NDArray[np.float32]) -> bool:
    """Whether the centre of either lies within the other."""
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    corner, opposite = box[:2], box[2:]
    centre, middle = (low + high) / 2, (corner + opposite) / 2
    inside_box = (corner <= centre).all() and (centre <= opposite).all()
    inside_mesh = (low <= middle).all() and (middle <= high).all()
    return bool(inside_box or inside_mesh)


def _meshes_in_crop(
    image: NDArray[np.uint8], box: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """The mesh of the face in the box, seen with as much again around it; at most one."""
    reach = (box[2:] - box[:2]).max()
    centre = (box[:2] + box[2:]) / 2
    low = np.maximum(centre - reach, 0).astype(int)
    high = np.minimum(centre + reach, [image.shape[1], image.shape[0]]).astype(int)
    if (high - low).min() < 8:
        return []
    crop = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    return [mesh + np.float32(low) for mesh in _near_meshes(crop)[:1]]


@cache
def _mesh_graph():
    return mediapipe_graphs.face_mesh(FACE_LIMIT)


@cache
def _far_graph():
    return mediapipe_graphs.far_face_detection()
