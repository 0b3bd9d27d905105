"""KNN matting: the alpha of every unknown pixel from its nearest neighbours in colour and place.

The energy
    Every pixel i has a feature vector X(i) of colour and weighted position. Pixels whose features
    are close should have close alphas:  Σ_ij k(i, j) (α_i − α_j)²  over the nearest neighbours j
    of each unknown pixel i (Chen, Li, Tang: KNN Matting, TPAMI 35(9), 2013, eqs. 3–9). The tuned
    method adds the colour-line energy of the 3 × 3 windows (Levin, Lischinski, Weiss: A Closed-Form
    Solution to Natural Image Matting, TPAMI 30(2), 2008, eq. 12): far neighbours tell what a
    pixel is, the windows tell how alpha runs from there to the next pixel.
The system
    The minimum solves  L α = b  on the unknown band alone; known pixels only enter b.
The solver
    Conjugate gradients with the symmetric Gauss-Seidel preconditioner, arranged so that a step is
    two triangular solves (Eisenstat, SIAM J. Sci. Stat. Comput. 2(1), 1981). Only the lower
    triangle is stored, its values as float32, because memory has to deliver them in every step;
    vectors are float64, because float32 sums stall before the tolerance. On photos of half a
    megapixel that stays within 2e-5 of a float64 solve to 1e-12. Every sum has one fixed order,
    so the same input gives the same bytes on any number of threads.
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

from deepmasque.portrait.trimap import UNKNOWN, checked

FEATURES = ("rgb", "hsv", "lab")
BAND_BUDGET = 300_000  # unknown pixels solved at once: about 0.8 GB
TOLERANCE = 1e-7  # of the preconditioned residual; leaves errors below 1e-4 in alpha
MOST_ITERATIONS = 2000
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

    `colour_line` weighs the window energy, whose colour variances below `noise` count for nothing.
    """

    rings: tuple[Ring, ...]
    colour_line: float = 0.0
    noise: float = 1e-6


TEXTBOOK = Method(rings=(Ring(10, 1.0),))
TUNED = Method(rings=(Ring(7, 1.0), Ring(7, 0.1)), colour_line=100.0)


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

    Raises
    ------
    TrimapError: the sizes differ, or there are unknown pixels but no foreground or no background.
    """
    unknown = checked(trimap, image.shape[:2]) == UNKNOWN
    scale = math.ceil(math.sqrt(np.count_nonzero(unknown) / BAND_BUDGET))
    if scale > 1:
        return _solve_coarsely(image, trimap, features, method, initial, scale)

    alpha = (trimap == 255).astype(np.float32)
    band = np.flatnonzero(unknown)
    if band.size == 0:
        none = np.empty((0, 0))
        return Solution(alpha, (0.0,), 1, band, none.astype(np.int32), none.astype(np.float32))
    start = np.full(band.size, 0.5) if initial is None else initial.flat[band].astype(np.float64)
    neighbours, weights = _nearest_neighbours(image, unknown, features, method.rings)
    number = np.full(unknown.shape, -1, np.int32)
    number.flat[band] = np.arange(band.size, dtype=np.int32)
    lines = _colour_lines(image, number, band, method)
    edges = [np.hstack(pair) for pair in zip((neighbours, weights), lines, strict=True)]
    system = _assemble(alpha.ravel(), number.ravel(), *edges)
    solved, residuals = _conjugate_gradient(*system, start)
    alpha.flat[band] = np.clip(solved, 0, 1)
    return Solution(alpha, tuple(residuals), 1, band, neighbours, weights)


# --- neighbours -----------------------------------------------------------------------------


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
    image: NDArray[np.uint8], unknown: NDArray[np.bool_], features: str, rings: tuple[Ring, ...]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return each unknown pixel's neighbours and affinities, both (N, K)."""
    candidates = np.flatnonzero(_candidates(unknown))
    colours = colour_features(image.reshape(-1, 1, 3)[candidates], features)[:, 0]
    places = np.column_stack(np.divmod(candidates, unknown.shape[1])) / max(unknown.shape)
    asking = np.flatnonzero(unknown.flat[candidates])
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda ring: _in_ring(ring, colours, places, asking), rings))
    nearest, affinities = (np.hstack(parts) for parts in zip(*found, strict=True))
    return candidates[nearest].astype(np.int32), affinities


def _in_ring(
    ring: Ring, colours: NDArray[np.float32], places: NDArray[np.float64], asking: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the nearest points of each asking one, and affinities  k = exp(−d / mean d)."""
    points = np.column_stack([colours, ring.position * places])
    tree = cKDTree(points, leafsize=24, balanced_tree=False)
    k = min(ring.k, len(points) - 1)
    distances, nearest = tree.query(points[asking], k + 1)
    others = nearest != asking[:, None]
    others[others.all(axis=1), -1] = False  # crowded out by its equals: drop the last of them
    nearest = nearest[others].reshape(-1, k).astype(np.int32)
    distances = distances[others].reshape(-1, k)
    mean = max(distances.mean(), 1e-9) if distances.size else 1.0
    return nearest, np.exp(-distances / mean).astype(np.float32)


def _candidates(unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    reach = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    candidates = cv2.dilate(unknown.view(np.uint8), reach).view(bool)
    candidates[::STRIDE, ::STRIDE] = True
    return candidates


# --- colour lines ---------------------------------------------------------------------------


def _colour_lines(
    image: NDArray[np.uint8], number: NDArray[np.int32], band: NDArray[np.int64], method: Method
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the 24 pixels around each unknown one and their affinities, both (N, 24).

    A window w ties its pixels i and j by  (1 + (I_i − μ_w)ᵀ (Σ_w + noise/9)⁻¹ (I_j − μ_w)) / 9,
    which may be negative. Between unknown pixels half is listed on either side.
    """
    height, width = number.shape
    affinities = np.zeros((band.size, 5, 5), np.float32)
    if method.colour_line > 0:
        _add_windows(*_colour_models(image, number, method.noise), number, affinities)
        affinities *= method.colour_line
    affinities[:, [1, 2, 2, 3], [2, 1, 3, 2]] += GRID

    around = np.array([(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy or dx])
    y, x = np.divmod(band.astype(np.int32), width)
    v, u = y[:, None] + around[:, 0], x[:, None] + around[:, 1]
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    neighbours = np.where(inside, v * width + u, band[:, None]).astype(np.int32)
    share = np.where(number.ravel()[neighbours] >= 0, np.float32(0.5), np.float32(1)) * inside
    return neighbours, share * affinities[:, 2 + around[:, 0], 2 + around[:, 1]]


def _colour_models(
    image: NDArray[np.uint8], number: NDArray[np.int32], noise: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the 3 × 3 windows that touch the band: centres, I − μ (W, 9, 3), (Σ + noise/9)⁻¹."""
    touched = cv2.dilate((number >= 0).view(np.uint8), np.ones((3, 3), np.uint8))
    touched[[0, -1]] = touched[:, [0, -1]] = 0
    centres = np.flatnonzero(touched)
    width = number.shape[1]
    steps = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    colours = image.reshape(-1, 3)[centres[:, None] + steps] / 255
    colours -= colours.mean(axis=1, keepdims=True)
    covariances = colours.transpose(0, 2, 1) @ colours / 9
    return centres, colours, np.linalg.inv(covariances + noise / 9 * np.eye(3))


@njit(cache=True, nogil=True)
def _add_windows(centres, colours, inverses, number, affinities):
    for w in range(centres.size):
        y, x = divmod(centres[w], number.shape[1])
        for a in range(9):
            i = number[y + a // 3 - 1, x + a % 3 - 1]
            if i >= 0:
                red, green, blue = colours[w, a]
                p = inverses[w, 0, 0] * red + inverses[w, 0, 1] * green + inverses[w, 0, 2] * blue
                q = inverses[w, 1, 0] * red + inverses[w, 1, 1] * green + inverses[w, 1, 2] * blue
                r = inverses[w, 2, 0] * red + inverses[w, 2, 1] * green + inverses[w, 2, 2] * blue
                for b in range(9):
                    red, green, blue = colours[w, b]
                    affinity = (1 + p * red + q * green + r * blue) / 9
                    affinities[i, 2 + b // 3 - a // 3, 2 + b % 3 - a % 3] += affinity


# --- the system -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _assemble(alphas, numbers, neighbours, weights):
    """Return the system  (D − A) α = b  scaled to a unit diagonal:  (I + T + Tᵀ) x = c,  α = s x.

    T is strictly lower triangular in compressed rows: begin, columns, values. Then s and c.
    """
    size, k = neighbours.shape
    diagonal, right = np.zeros(size), np.zeros(size)
    begin = np.zeros(size + 1, np.int64)
    for i in range(size):
        for s in range(k):
            j = numbers[neighbours[i, s]]
            diagonal[i] += weights[i, s]
            if j < 0:
                right[i] += weights[i, s] * alphas[neighbours[i, s]]
            elif j != i:
                diagonal[j] += weights[i, s]
                begin[max(i, j) + 1] += 1

    begin = np.cumsum(begin)
    end = begin[:-1].copy()
    columns, values = np.empty(begin[-1], np.int32), np.empty(begin[-1], np.float32)
    for i in range(size):
        for s in range(k):
            j = numbers[neighbours[i, s]]
            if j >= 0 and j != i:
                row = max(i, j)
                columns[end[row]], values[end[row]] = min(i, j), -weights[i, s]
                end[row] += 1

    scale = 1 / np.sqrt(diagonal)
    begin, count = _merge(begin, columns, values)
    columns, values = columns[:count].copy(), values[:count].copy()
    for i in range(size):
        for s in range(begin[i], begin[i + 1]):
            values[s] *= scale[i] * scale[columns[s]]
    return begin, columns, values, scale, right * scale


@njit(cache=True, nogil=True)
def _merge(begin, columns, values):
    """Sum, in place, the entries of one row and column; return the new rows and their length."""
    size = begin.size - 1
    merged = np.zeros_like(begin)
    place = np.full(size, -1, np.int64)
    count = 0
    for i in range(size):
        for s in range(begin[i], begin[i + 1]):
            j = columns[s]
            if place[j] >= merged[i]:
                values[place[j]] += values[s]
            else:
                place[j] = count
                columns[count], values[count] = j, values[s]
                count += 1
        merged[i + 1] = count
    return merged, count


# --- the solver -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _conjugate_gradient(begin, columns, values, scale, right, start):
    """Return α and the residuals, solving  (I + T)⁻¹ (I + T + Tᵀ) (I + Tᵀ)⁻¹ y = (I + T)⁻¹ c.

    With t = (I + Tᵀ)⁻¹ p the product is  t + (I + T)⁻¹ (p − t): two triangular solves.
    """
    goal = _solve_lower(begin, columns, values, right.copy())
    size = math.sqrt(_dot(goal, goal))
    if size == 0:
        return np.zeros_like(goal), np.zeros(1)
    y = _times_upper(begin, columns, values, start / scale)
    residual = goal - _product(begin, columns, values, y)
    direction = residual.copy()
    energy = _dot(residual, residual)
    residuals = np.empty(MOST_ITERATIONS + 1)
    residuals[0] = math.sqrt(energy) / size
    steps = 0
    while residuals[steps] > TOLERANCE and steps < MOST_ITERATIONS:
        image = _product(begin, columns, values, direction)
        length = energy / _dot(direction, image)
        y += length * direction
        residual -= length * image
        previous, energy = energy, _dot(residual, residual)
        direction = residual + energy / previous * direction
        steps += 1
        residuals[steps] = math.sqrt(energy) / size
    return scale * _solve_upper(begin, columns, values, y), residuals[: steps + 1]


@njit(cache=True, nogil=True)
def _product(begin, columns, values, p):
    t = _solve_upper(begin, columns, values, p.copy())
    return t + _solve_lower(begin, columns, values, p - t)


@njit(cache=True, nogil=True)
def _solve_lower(begin, columns, values, x):
    """Solve (I + T) x' = x in place."""
    for i in range(x.size):
        total = x[i]
        for s in range(begin[i], begin[i + 1]):
            total -= values[s] * x[columns[s]]
        x[i] = total
    return x


@njit(cache=True, nogil=True)
def _solve_upper(begin, columns, values, x):
    """Solve (I + Tᵀ) x' = x in place."""
    for i in range(x.size - 1, -1, -1):
        for s in range(begin[i], begin[i + 1]):
            x[columns[s]] -= values[s] * x[i]
    return x


@njit(cache=True, nogil=True)
def _times_upper(begin, columns, values, x):
    y = x.copy()
    for i in range(x.size):
        for s in range(begin[i], begin[i + 1]):
            y[columns[s]] += values[s] * x[i]
    return y


@njit(cache=True, nogil=True)
def _dot(a, b):
    """Sum in one order; BLAS chooses another for other numbers of threads."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


# --- large photos ---------------------------------------------------------------------------


def _solve_coarsely(
    image: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
    features: str,
    method: Method,
    initial: NDArray[np.float32] | None,
    scale: int,
) -> Solution:
    """Solve at 1/scale of the size; a coarse pixel is known where half its pixels are."""
    size = tuple(math.ceil(side / scale) for side in trimap.shape[::-1])
    coarse_image, foreground, background, coarse_initial = (
        None if pixels is None else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        for pixels in (image, _mask(trimap == 255), _mask(trimap == 0), initial)
    )
    coarse_trimap = np.where(foreground >= 128, 255, np.where(background >= 128, 0, 128))
    coarse_trimap = coarse_trimap.astype(np.uint8)
    coarse = solve(coarse_image, coarse_trimap, features, method=method, initial=coarse_initial)
    alpha = (trimap == 255).astype(np.float32)
    band = np.flatnonzero((trimap != 0) & (trimap != 255))
    alpha.flat[band] = _carried_up(coarse.alpha, coarse_image, image, band)
    return replace(coarse, alpha=alpha, scale=scale * coarse.scale)


def _mask(condition: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return condition.astype(np.uint8) * 255


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
