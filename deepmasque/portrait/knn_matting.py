"""KNN matting: the alpha of every unknown pixel from its nearest neighbours in colour and place.

The energy
    Every pixel i has a feature vector X(i) of colour and weighted position. Pixels whose features
    are close should have close alphas:  Σ_ij k(i, j) (α_i − α_j)²  over the nearest neighbours j
    of each unknown pixel i (Chen, Li, Tang: KNN Matting, TPAMI 35(9), 2013, eqs. 3–9). The tuned
    method adds the colour-line energy of the 3 × 3 windows (Levin, Lischinski, Weiss: A Closed-Form
    Solution to Natural Image Matting, TPAMI 30(2), 2008, eq. 12): far neighbours tell what a
    pixel is, the windows tell how alpha runs from there to the next. The windows stand at every
    other pixel: they still overlap, and that was both faster and more accurate than everywhere.
The system
    The minimum solves  L α = b  on the unknown band alone; known pixels only enter b. Scaled to a
    unit diagonal it goes to `conjugate_gradient`, whose coarse space are the functions affine in
    the colours of a cell. Its tolerance of 1e-6 left errors below 2e-3 in every pixel, half a grey
    level, and 5e-6 on average, measured on photos of 0.3 to 1.2 megapixels.
Large photos
    A band beyond BAND_BUDGET is solved at a whole fraction of the size and carried up by local
    linear colour models: one system and no tiles, hence no seams.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from deepmasque.portrait.conjugate_gradient import conjugate_gradient
from deepmasque.portrait.trimap import UNKNOWN, checked

FEATURES = ("rgb", "hsv", "lab")
BAND_BUDGET = 150_000  # unknown pixels solved at once; more are solved at a fraction of the size
TOLERANCE = 1e-6  # of the preconditioned residual
CELLS, CELL = 240, 20  # most cells of the coarse space, and their least side in pixels
REACH = 20  # px around the band in which every known pixel may become a neighbour;
STRIDE = 3  # beyond it one in STRIDE² stands for the others
GUIDE, GUIDE_NOISE = 3, 1e-4  # side and colour variance of the models that carry alpha up
GRID = 1e-3  # affinity of adjacent pixels, so that no unknown island is cut off from the known


@dataclass(frozen=True)
class Ring:
    """The `k` nearest neighbours with positions, in long image sides, scaled by `position`."""

    k: int
    position: float


@dataclass(frozen=True)
class Method:
    """What ties the alphas together: rings of neighbours, and the colour lines of windows.

    `kernel` is the affinity over the distance d: "exponential"  exp(−d / mean d),  or the paper's
    "linear"  1 − d / max d.  `colour_line` weighs the window energy, whose colour variances below
    `noise` count for nothing.
    """

    rings: tuple[Ring, ...]
    kernel: str = "exponential"
    colour_line: float = 0.0
    noise: float = 1e-6

    def asking(self, k: int) -> "Method":
        """The same with `k` neighbours in every ring."""
        return replace(self, rings=tuple(replace(ring, k=k) for ring in self.rings))


TEXTBOOK = Method(rings=(Ring(10, 1.0),), kernel="linear")
TUNED = Method(rings=(Ring(5, 1.0), Ring(5, 0.1)), colour_line=400.0)


@dataclass(frozen=True)
class Prior:
    """What is known of alpha from elsewhere, both (H, W) float32: an alpha in 0..1, and how much it
    counts in units of an affinity; 0 leaves a pixel to its neighbours.
    """

    alpha: NDArray[np.float32]
    trust: NDArray[np.float32]

    def at(self, band: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Alpha and trust of these pixels."""
        return self.alpha.flat[band], self.trust.flat[band]


@dataclass(frozen=True)
class Solution:
    """An alpha matte and how it was found.

    Attributes
    ----------
    alpha: (H, W) float32 in 0..1, exactly 0 and 1 on the known pixels.
    residuals: preconditioned residual |b − Lα| / |b| at the start and after each iteration.
    scale: the system was solved at 1/scale of the photo's size; 1 unless the band is huge.
    band: (N,) flat indices of the unknown pixels at that size.
    neighbours: (N, K) int32 flat indices of the neighbours of each of them.
    weights: (N, K) float32 affinities to them.
    """

    alpha: NDArray[np.float32]
    residuals: tuple[float, ...]
    scale: int
    band: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]

    @property
    def iterations(self) -> int:
        """Conjugate-gradient steps taken."""
        return len(self.residuals) - 1


def knn_matting(
    image: NDArray[np.uint8], trimap: NDArray[np.uint8], features: str = "rgb"
) -> NDArray[np.float32]:
    """Return the alpha matte of `image`, (H, W) float32 in 0..1; arguments as for `solve`."""
    return solve(image, trimap, features).alpha


def solve(
    image: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
    features: str = "rgb",
    *,
    method: Method = TUNED,
    initial: NDArray[np.float32] | None = None,
    prior: Prior | None = None,
) -> Solution:
    """Solve for the alpha of the unknown pixels and record how.

    Parameters
    ----------
    image: (H, W, 3) uint8 sRGB.
    trimap: (H, W) uint8, 0 background, 255 foreground, everything else unknown. Without unknown
        pixels it is the answer itself.
    features: colours in which neighbours are near: "rgb", "hsv" or "lab".
    method: TUNED, or the paper's plain TEXTBOOK.
    initial: (H, W) in 0..1, where to start; saves iterations, does not move the answer.
    prior: what each pixel is drawn to beside its neighbours; None for nothing.

    Raises
    ------
    TrimapError: the sizes differ, or there are unknown pixels but no foreground or no background.
    """
    unknown = checked(trimap, image.shape[:2]) == UNKNOWN
    scale = math.ceil(math.sqrt(np.count_nonzero(unknown) / BAND_BUDGET))
    if scale > 1:
        return _solve_coarsely(image, trimap, features, method, initial, prior, scale)

    alpha = (trimap == 255).astype(np.float32)
    band = np.flatnonzero(unknown)
    if band.size == 0:
        none = np.empty((0, 0))
        return Solution(alpha, (0.0,), 1, band, none.astype(np.int32), none.astype(np.float32))
    start = np.full(band.size, 0.5) if initial is None else initial.flat[band].astype(np.float64)
    neighbours, weights = _nearest_neighbours(image, unknown, features, method)
    number = np.full(unknown.shape, -1, np.int32)
    number.flat[band] = np.arange(band.size, dtype=np.int32)
    lines = _colour_lines(image, number, band.size, method.colour_line, method.noise)
    pull = (np.zeros(band.size, np.float32),) * 2 if prior is None else prior.at(band)
    lower, right, scaling = _assemble(alpha, number, band, neighbours, weights, lines, *pull)
    affine = np.hstack([np.ones((band.size, 1)), image.reshape(-1, 3)[band] / 255])
    solved, residuals = conjugate_gradient(
        lower,
        right,
        start / scaling,
        _cells(band, unknown.shape[1]),
        affine / scaling[:, None],
        TOLERANCE,
    )
    alpha.flat[band] = np.clip(scaling * solved, 0, 1)
    return Solution(alpha, tuple(residuals), 1, band, neighbours, weights)


CHROMA = 3  # weight beside brightness
BRIGHTNESS_AND_CHROMA = np.array(
    [
        np.array([1, 1, 1]) / math.sqrt(3),
        np.array([1, 0, -1]) / math.sqrt(2) * CHROMA,
        np.array([-1, 2, -1]) / math.sqrt(6) * CHROMA,
    ],
    np.float32,
)


def colour_features(image: NDArray[np.uint8], features: str) -> NDArray[np.float32]:
    """Return (H, W, C) float32 coordinates in which like colours are near, each about 0..1.

    "rgb": RGB turned to one axis of brightness and two of chroma, which weigh three times as much:
    shading changes the brightness of a thing more than its hue. "lab": CIE L*a*b*, likewise.
    "hsv": (cos h, sin h, s, v) as in the paper, so that hue has no seam at red.
    """
    colours = image.astype(np.float32) / 255
    if features == "rgb":
        return cv2.transform(colours, BRIGHTNESS_AND_CHROMA)
    if features == "lab":
        return cv2.cvtColor(colours, cv2.COLOR_RGB2LAB) / np.float32([100, 50, 50])
    if features == "hsv":
        hue, saturation, value = cv2.split(cv2.cvtColor(colours, cv2.COLOR_RGB2HSV))
        hue = np.deg2rad(hue)
        return cv2.merge([np.cos(hue), np.sin(hue), saturation, value])
    raise ValueError(f"features must be one of {', '.join(FEATURES)}, not {features}")


def _nearest_neighbours(
    image: NDArray[np.uint8], unknown: NDArray[np.bool_], features: str, method: Method
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return each unknown pixel's neighbours and affinities, both (N, K)."""
    candidates = np.flatnonzero(_candidates(unknown))
    colours = colour_features(image.reshape(-1, 1, 3)[candidates], features)[:, 0]
    places = np.column_stack(np.divmod(candidates, unknown.shape[1])) / max(unknown.shape)
    asking = np.flatnonzero(unknown.flat[candidates])
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda ring: _in_ring(ring, colours, places, asking), method.rings))
    affinities = np.hstack([KERNELS[method.kernel](distances) for _, distances in found])
    nearest = np.hstack([nearest for nearest, _ in found])
    return candidates[nearest].astype(np.int32), affinities.astype(np.float32)


def _in_ring(
    ring: Ring, colours: NDArray[np.float32], places: NDArray[np.float64], asking: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the nearest points of each asking one and their distances, both (N, k)."""
    points = np.column_stack([colours, ring.position * places])
    tree = cKDTree(points, leafsize=24, balanced_tree=False)
    k = min(ring.k, len(points) - 1)
    distances, nearest = tree.query(points[asking], k + 1)
    others = nearest != asking[:, None]
    others[others.all(axis=1), -1] = False  # crowded out by its equals: drop the last of them
    nearest = nearest[others].reshape(-1, k).astype(np.int32)
    return nearest, distances[others].reshape(-1, k)


KERNELS = {
    "exponential": lambda distances: np.exp(-distances / max(distances.mean(), 1e-9)),
    "linear": lambda distances: 1 - distances / max(distances.max(), 1e-9),
}


def _candidates(unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    reach = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    candidates = cv2.dilate(unknown.view(np.uint8), reach).view(bool)
    candidates[::STRIDE, ::STRIDE] = True
    return candidates


@njit(cache=True, nogil=True)
def _colour_lines(image, number, size, weight, noise):
    """Return the affinities of every unknown pixel to the 5 × 5 around it, (size, 5, 5) float32.

    A window w ties its pixels i and j by  (1 + (I_i − μ_w)ᵀ (Σ_w + noise/9)⁻¹ (I_j − μ_w)) / 9,
    which may be negative.
    """
    height, width = number.shape
    lines = np.zeros((size, 5, 5), np.float32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            placed = (y % 2 == 1 or y == height - 2) and (x % 2 == 1 or x == width - 2)
            if weight > 0 and placed and number[y - 1 : y + 2, x - 1 : x + 2].max() >= 0:
                _add_window(image, number, y, x, weight, noise, lines)
    for i in range(size):
        for a, b in ((1, 2), (2, 1), (2, 3), (3, 2)):
            lines[i, a, b] += GRID
    return lines


@njit(cache=True, nogil=True)
def _add_window(image, number, y, x, weight, noise, lines):
    colours, mean, covariance = np.empty((9, 3)), np.zeros(3), np.zeros((3, 3))
    for a in range(9):
        for c in range(3):
            colours[a, c] = image[y + a // 3 - 1, x + a % 3 - 1, c] / 255
            mean[c] += colours[a, c] / 9
    for a in range(9):
        for c in range(3):
            colours[a, c] -= mean[c]
        for c in range(3):
            for d in range(3):
                covariance[c, d] += colours[a, c] * colours[a, d] / 9
    for c in range(3):
        covariance[c, c] += noise / 9
    inverse = _inverse(covariance)
    for a in range(9):
        i = number[y + a // 3 - 1, x + a % 3 - 1]
        if i >= 0:
            slope = np.zeros(3)
            for c in range(3):
                for d in range(3):
                    slope[c] += inverse[c, d] * colours[a, d]
            for b in range(9):
                tie = 1.0
                for c in range(3):
                    tie += slope[c] * colours[b, c]
                lines[i, 2 + b // 3 - a // 3, 2 + b % 3 - a % 3] += weight * tie / 9


@njit(cache=True, nogil=True)
def _inverse(m):
    """Inverse of a symmetric 3 × 3 matrix by its cofactors."""
    cofactors = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            a, b, d, e = (r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3
            cofactors[r, c] = m[a, d] * m[b, e] - m[a, e] * m[b, d]
    return cofactors / (
        m[0, 0] * cofactors[0, 0] + m[0, 1] * cofactors[0, 1] + m[0, 2] * cofactors[0, 2]
    )


@njit(cache=True, nogil=True)
def _assemble(alpha, number, band, neighbours, weights, lines, expected, trust):
    """Return the system  (D − A + P) α = b + P α₀  scaled to a unit diagonal.

    That is  (I + T + Tᵀ) x = c,  α = s x;  P is the trust in the prior α₀. Returned are T,
    strictly lower triangular in compressed rows (begin, columns, values), then c and s.
    """
    height, width = number.shape
    size, k = neighbours.shape
    diagonal, right = trust.astype(np.float64), trust.astype(np.float64) * expected
    begin = np.zeros(size + 1, np.int64)
    begin[1:] = 12
    for i in range(size):
        for s in range(k):
            y, x = divmod(neighbours[i, s], width)
            j = number[y, x]
            diagonal[i] += weights[i, s]
            if j < 0:
                right[i] += weights[i, s] * alpha[y, x]
            else:
                diagonal[j] += weights[i, s]
                begin[max(i, j) + 1] += 1

    begin = np.cumsum(begin)
    end = begin[:-1].copy()
    columns, values = np.empty(begin[-1], np.uint32), np.empty(begin[-1], np.float32)
    for i in range(size):
        for s in range(k):
            y, x = divmod(neighbours[i, s], width)
            j = number[y, x]
            if j >= 0:
                row = max(i, j)
                columns[end[row]], values[end[row]] = min(i, j), -weights[i, s]
                end[row] += 1
        y, x = divmod(band[i], width)
        for v in range(max(y - 2, 0), min(y + 3, height)):
            for u in range(max(x - 2, 0), min(x + 3, width)):
                j, weight = number[v, u], lines[i, v - y + 2, u - x + 2]
                if j != i:
                    diagonal[i] += weight
                if j < 0:
                    right[i] += weight * alpha[v, u]
                elif j < i and weight != 0:
                    columns[end[i]], values[end[i]] = j, -weight
                    end[i] += 1

    scaling = 1 / np.sqrt(diagonal)
    begin, count = _merge(begin, end, columns, values)
    columns, values = columns[:count].copy(), values[:count].copy()
    for i in range(size):
        for s in range(begin[i], begin[i + 1]):
            values[s] *= scaling[i] * scaling[columns[s]]
    return (begin.astype(np.uint64), columns, values), right * scaling, scaling


@njit(cache=True, nogil=True)
def _merge(begin, end, columns, values):
    """Sum, in place, the entries of one row and column; return the new rows and their length."""
    size = end.size
    merged = np.zeros_like(begin)
    place = np.full(size, -1, np.int64)
    count = 0
    for i in range(size):
        for s in range(begin[i], end[i]):
            j = columns[s]
            if place[j] >= merged[i]:
                values[place[j]] += values[s]
            else:
                place[j] = count
                columns[count], values[count] = j, values[s]
                count += 1
        merged[i + 1] = count
    return merged, count


def _cells(band: NDArray[np.int64], width: int) -> NDArray[np.uint32]:
    """Return the cell, a square of the image, of each unknown pixel; at most CELLS in all."""
    y, x = np.divmod(band, width)
    side = max(CELL, math.isqrt(band.size // CELLS))
    while True:
        squares = (y // side) * width + x // side
        used, cell = np.unique(squares, return_inverse=True)
        if used.size <= CELLS:
            return cell.astype(np.uint32)
        side = math.ceil(1.2 * side)


def _solve_coarsely(
    image: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
    features: str,
    method: Method,
    initial: NDArray[np.float32] | None,
    prior: Prior | None,
    scale: int,
) -> Solution:
    """Solve at 1/scale of the size; a coarse pixel is known where half its pixels are."""
    size = tuple(math.ceil(side / scale) for side in trimap.shape[::-1])

    def coarse_of(pixels):
        return None if pixels is None else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)

    coarse_image, coarse_initial = coarse_of(image), coarse_of(initial)
    foreground, background = coarse_of(_share(trimap == 255)), coarse_of(_share(trimap == 0))
    coarse_prior = prior and Prior(coarse_of(prior.alpha), coarse_of(prior.trust))
    coarse_trimap = np.full(size[::-1], UNKNOWN, np.uint8)
    for share, value in ((background, 0), (foreground, 255)):
        # Strokes thinner than half a coarse pixel would leave nothing known.
        coarse_trimap[share >= min(0.5, share.max())] = value
    coarse = solve(
        coarse_image,
        coarse_trimap,
        features,
        method=method,
        initial=coarse_initial,
        prior=coarse_prior,
    )
    alpha = (trimap == 255).astype(np.float32)
    band = np.flatnonzero((trimap != 0) & (trimap != 255))
    alpha.flat[band] = _carried_up(coarse.alpha, coarse_image, image, band)
    return replace(coarse, alpha=alpha, scale=scale * coarse.scale)


def _share(condition: NDArray[np.bool_]) -> NDArray[np.float32]:
    return condition.astype(np.float32)


def _carried_up(
    coarse_alpha: NDArray[np.float32],
    coarse_image: NDArray[np.uint8],
    image: NDArray[np.uint8],
    band: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return alpha on the `band` of the large image from local models  α = a · I + a₀.

    The models are fitted to the coarse windows as in guided filtering (He, Sun, Tang, TPAMI
    35(6), 2013, eqs. 14–16) and interpolated between them (He, Sun: Fast Guided Filter, 2015).
    """

    def mean(values):
        return cv2.blur(values, (GUIDE, GUIDE))

    guide = coarse_image.astype(np.float32) / 255
    means, mean_alpha = mean(guide), mean(coarse_alpha)
    covariance = np.stack([mean(guide * guide[..., c : c + 1]) for c in range(3)], axis=-1)
    covariance -= means[..., None] * means[..., None, :]
    with_alpha = mean(guide * coarse_alpha[..., None]) - means * mean_alpha[..., None]
    slope = np.linalg.solve(covariance + GUIDE_NOISE * np.eye(3), with_alpha[..., None])[..., 0]
    offset = mean_alpha - (slope * means).sum(axis=-1)

    rows, columns = np.divmod(band, image.shape[1])
    places = [
        (place + 0.5) * (few / many) - 0.5
        for place, few, many in zip((rows, columns), coarse_alpha.shape, image.shape, strict=False)
    ]
    colours = image.reshape(-1, 3)[band].astype(np.float32) / 255
    alpha = map_coordinates(mean(offset), places, order=1, mode="nearest")
    for c in range(3):
        model = mean(slope[..., c].astype(np.float32))
        alpha += colours[:, c] * map_coordinates(model, places, order=1, mode="nearest")
    return np.clip(alpha, 0, 1)
