"""KNN matting: alpha from the colours and positions of each unknown pixel's nearest neighbours.

Chen, Li, Tang: KNN Matting. CVPR 2012, pp. 869–876; IEEE TPAMI 35(9), 2013, pp. 2175–2188.

Every pixel i has a feature vector X(i) of colour and weighted position. Pixels whose features are
close should have close alphas, which is the quadratic energy  ½ Σ_ij k(i, j) (α_i − α_j)²  over
the K nearest neighbours j of each pixel i. Its minimum solves  (D − A) α = 0  with α given on the
known pixels: A holds the affinities k, D their row sums. Only the unknown band is ever solved:
the known pixels move to the right-hand side, and neighbours are searched for unknown pixels only.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from deepmasque.errors import TrimapError

FEATURES = ("rgb", "hsv", "lab")
RINGS = ((20, 1.0), (10, 0.1))  # (K, weight of position): near neighbours, then non-local ones
GRID = 1e-3  # affinity between the four nearest pixels, so that no island is cut off
TOLERANCE = 1e-6  # of the residual, relative to the right-hand side
MOST_ITERATIONS = 2000


@dataclass(frozen=True)
class Solution:
    """An alpha matte and how it was found.

    Attributes
    ----------
    alpha: (H, W) float32 in 0..1, exactly 0 and 1 on the known pixels.
    residuals: |b − Lα| / |b| at the start and after each iteration.
    band: (N,) int64, the flat indices of the unknown pixels.
    neighbours: (N, K) int32, the flat indices of the neighbours of each of them.
    weights: (N, K) float32 in 0..1, their affinities.
    """

    alpha: NDArray[np.float32]
    residuals: tuple[float, ...]
    band: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]

    @property
    def iterations(self) -> int:
        """Conjugate-gradient steps taken."""
        return max(len(self.residuals) - 1, 0)


def knn_matting(
    image: NDArray[np.uint8], trimap: NDArray[np.uint8], features: str = "rgb"
) -> NDArray[np.float32]:
    """Return the alpha matte of `image`, (H, W) float32 in 0..1; see `solve`."""
    return solve(image, trimap, features).alpha


def solve(image: NDArray[np.uint8], trimap: NDArray[np.uint8], features: str = "rgb") -> Solution:
    """Solve for the alpha of the unknown pixels and record how.

    Parameters
    ----------
    image: (H, W, 3) uint8 sRGB.
    trimap: (H, W) uint8, 0 background, 255 foreground, everything else unknown.
    features: colour space of the neighbour search, "rgb", "hsv" or "lab".

    Raises
    ------
    TrimapError: the sizes differ, or unknown pixels are left without foreground or background.
    """
    _check(image, trimap)
    alpha = (trimap == 255).astype(np.float32)
    unknown = (trimap != 0) & (trimap != 255)
    band = np.flatnonzero(unknown)
    if band.size == 0:
        empty = np.empty((0, 0))
        return Solution(alpha, (), band, empty.astype(np.int32), empty.astype(np.float32))

    colours = colour_features(image, features)
    neighbours, weights = _nearest_neighbours(colours, band)
    laplacian, from_known = _laplacian(band, neighbours, weights, unknown)
    right_side = from_known @ alpha.ravel()
    with threadpool_limits(limits=1):
        solved, residuals = _conjugate_gradient(laplacian, right_side)
    alpha.flat[band] = np.clip(solved, 0, 1)
    return Solution(alpha, residuals, band, neighbours, weights)


def _check(image: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> None:
    if trimap.shape != image.shape[:2]:
        photo, other = (f"{s[1]} × {s[0]}" for s in (image.shape, trimap.shape))
        raise TrimapError(f"The trimap is {other} pixels but the photo is {photo}.")
    foreground, background = np.any(trimap == 255), np.any(trimap == 0)
    if np.all(trimap == 255) or np.all(trimap == 0) or (foreground and background):
        return
    missing = "background (black)" if foreground else "foreground (white)"
    if not (foreground or background):
        missing = "foreground (white) and no background (black)"
    raise TrimapError(f"The trimap marks no {missing} to tell the unknown pixels from.")


def colour_features(image: NDArray[np.uint8], features: str) -> NDArray[np.float32]:
    """Return the (H, W, C) float32 colours in which neighbours are near, each about 0..1.

    "hsv" is (cos h, sin h, s, v) as in the paper, so that hue has no seam at red.
    """
    scaled = image.astype(np.float32) / 255
    if features == "rgb":
        return scaled
    if features == "lab":
        return cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB) / 100
    if features == "hsv":
        hue, saturation, value = cv2.split(cv2.cvtColor(scaled, cv2.COLOR_RGB2HSV))
        hue = np.deg2rad(hue)
        return np.stack([np.cos(hue), np.sin(hue), saturation, value], axis=-1)
    raise ValueError(f"features must be one of {', '.join(FEATURES)}, not {features}")


def _nearest_neighbours(
    colours: NDArray[np.float32], band: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the neighbours of the band's pixels and their affinities k = exp(−d / mean d)."""
    height, width, channels = colours.shape
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32) / max(height, width)
    points = np.column_stack([colours.reshape(-1, channels), x, y])
    neighbours, weights = [], []
    for k, position_weight in RINGS:
        scaled = points * np.float32([1] * channels + [position_weight] * 2)
        tree = cKDTree(scaled, balanced_tree=False, compact_nodes=False)
        distance, nearest = tree.query(scaled[band], k=min(k + 1, len(points)), workers=-1)
        is_other = nearest != band[:, None]
        distance = np.where(is_other, distance, np.inf)
        mean = max(distance[is_other].mean(), np.finfo(np.float32).tiny)
        neighbours.append(nearest.astype(np.int32))
        weights.append(np.exp(-distance / mean).astype(np.float32))
    return np.hstack(neighbours), np.hstack(weights)


def _laplacian(
    band: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    weights: NDArray[np.float32],
    unknown: NDArray[np.bool_],
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return D − A between unknown pixels, and the affinities from unknown to known pixels.

    With rows and columns ordered unknown first, (D − A) α = 0 is
    (D_u − A_uu) α_u = A_uk α_k,  whose matrix is symmetric and positive definite.
    """
    pixels = unknown.size
    rows = np.repeat(np.arange(band.size), neighbours.shape[1])
    affinity = sparse.csr_array(
        (weights.ravel(), (rows, neighbours.ravel())), shape=(band.size, pixels)
    )
    affinity = affinity + _grid_affinity(band, unknown.shape)
    is_unknown = unknown.ravel()
    between = affinity[:, band]
    from_known = affinity @ sparse.diags_array((~is_unknown).astype(np.float32))
    between = between + between.T
    degree = between.sum(axis=1) + from_known.sum(axis=1)
    return sparse.csr_array(sparse.diags_array(degree) - between), from_known


def _grid_affinity(band: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_array:
    """Return a faint affinity to the four pixels around: every unknown is tied to a known one."""
    height, width = shape
    y, x = np.divmod(band, width)
    rows, columns = [], []
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        rows.append(np.flatnonzero(inside))
        columns.append((band + dy * width + dx)[inside])
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    values = np.full(rows.size, GRID, np.float32)
    return sparse.csr_array((values, (rows, columns)), shape=(band.size, height * width))


def _conjugate_gradient(
    matrix: sparse.csr_array, right_side: NDArray[np.float32]
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Solve by conjugate gradients with Jacobi's preconditioner (Hestenes, Stiefel 1952)."""
    matrix, right_side = matrix.astype(np.float64), right_side.astype(np.float64)
    inverse_diagonal = 1 / matrix.diagonal()
    solution = np.zeros_like(right_side)
    residual = right_side.copy()
    direction = scaled = inverse_diagonal * residual
    energy = residual @ scaled
    size = np.linalg.norm(right_side)
    residuals = [1.0]
    while residuals[-1] > TOLERANCE and len(residuals) <= MOST_ITERATIONS:
        image = matrix @ direction
        step = energy / (direction @ image)
        solution += step * direction
        residual -= step * image
        residuals.append(float(np.linalg.norm(residual) / size))
        scaled = inverse_diagonal * residual
        energy, previous = residual @ scaled, energy
        direction = scaled + (energy / previous) * direction
    return solution, tuple(residuals)
