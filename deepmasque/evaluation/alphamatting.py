"""KNN matting and its refinement on alphamatting.com's training images, beside PyMatting.

Rhemann, Rother, Wang, Gelautz, Kohli, Rott: A Perceptually Motivated Online Benchmark for Image
Matting. CVPR 2009. The photos show toys, plants and hair; there are so few that they are also
trained on: every photo is corrected by a network whose training left its fold out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepmasque.compose import estimate_foreground
from deepmasque.engine import Engine
from deepmasque.evaluation import metrics
from deepmasque.image import read_image, read_trimap
from deepmasque.portrait.knn_matting import solve
from deepmasque.portrait.refinement import refined
from deepmasque.portrait.trimap import UNKNOWN, checked

FOLDS = 3
TRIMAPS = ("trimap1", "trimap2")
PEERS = {"PyMatting closed form": "estimate_alpha_cf", "PyMatting KNN": "estimate_alpha_knn"}
SOLVED, REFINED = "KNN matting", "KNN + residual"
GOALS = {"PyMatting closed form": 0.80, "PyMatting KNN": 0.70}
"""What share of a peer's SAD the refined alpha may have, on trimap1."""


@dataclass(frozen=True)
class Photo:
    """A photo with its truth.

    Attributes
    ----------
    name: of the file, such as GT01.
    image: (H, W, 3) uint8.
    alpha: (H, W) float32 in 0..1.
    trimaps: (H, W) uint8 of 0, 128 and 255 each, one for every name of TRIMAPS.
    """

    name: str
    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    trimaps: dict[str, NDArray[np.uint8]]

    def foreground(self) -> NDArray[np.uint8]:
        """The subject's colours, estimated from the true alpha; (H, W, 3) uint8."""
        return estimate_foreground(self.image, self.alpha)


def names(folder: Path) -> list[str]:
    """Names of the photos, in order."""
    return [path.stem for path in sorted((folder / "input").glob("*.png"))]


def fold_of(name: str, listed: list[str]) -> int:
    """The fold, 1 to FOLDS, that this photo is in: the first third is fold 1, and so on."""
    return 1 + listed.index(name) * FOLDS // len(listed)


def read(folder: Path, name: str) -> Photo:
    """Read `input/NAME.png`, `alpha/NAME.png`, `trimap1/NAME.png` and `trimap2/NAME.png`."""
    image = read_image(folder / "input" / f"{name}.png")
    truth = cv2.imread(str(folder / "alpha" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    trimaps = {
        trimap: checked(read_trimap(folder / trimap / f"{name}.png"), image.shape[:2])
        for trimap in TRIMAPS
    }
    return Photo(name, image, truth.astype(np.float32) / 255, trimaps)


def measured(folder: Path, engines: dict[int, Engine], cache: Path) -> Iterator[dict]:
    """Yield one row for each photo, trimap and method: SAD, MSE, Grad, Conn in the unknown pixels.

    engines: for every fold to be measured the network that left it out. cache: where PyMatting's
    alphas are kept, which take minutes.
    """
    listed = names(folder)
    for name in listed:
        engine = engines.get(fold_of(name, listed))
        if engine is None:
            continue
        photo = read(folder, name)
        for trimap in TRIMAPS:
            for method, alpha in _alphas(photo, trimap, engine, cache):
                unknown = photo.trimaps[trimap] == UNKNOWN
                yield {
                    "photo": name,
                    "trimap": trimap,
                    "method": method,
                    "SAD": metrics.sad(alpha, photo.alpha, unknown),
                    "MSE": metrics.mse(alpha, photo.alpha, unknown),
                    "Grad": metrics.grad(alpha, photo.alpha, unknown),
                    "Conn": metrics.conn(alpha, photo.alpha, unknown),
                }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean errors of each method for each set of trimaps."""
    errors = rows.groupby(["trimap", "method"], sort=False)
    return errors[["SAD", "MSE", "Grad", "Conn"]].mean()


def shares(rows: pd.DataFrame) -> dict[str, float]:
    """The refined alphas' mean SAD over that of each peer, on trimap1."""
    sads = summary(rows).loc["trimap1", "SAD"]
    return {peer: float(sads[REFINED] / sads[peer]) for peer in GOALS}


def torch_engine(weights: Path) -> Engine:
    """The residual network of a fold from its .safetensors, on the CPU."""
    import torch
    from safetensors.torch import load

    from deepmasque.portrait.residual_network import ResidualNetwork

    network = ResidualNetwork()
    network.load_state_dict(load(weights.read_bytes()))
    network.eval()

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(x)[None])[0].numpy()

    run.device = f"CPU, torch {torch.__version__}"
    return run


def _alphas(
    photo: Photo, trimap: str, engine: Engine, cache: Path
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    known = photo.trimaps[trimap]
    for peer, function in PEERS.items():
        yield peer, _peer(photo, trimap, function, cache)
    alpha = solve(photo.image, known).alpha
    yield SOLVED, alpha
    yield REFINED, refined(photo.image, alpha, known, engine)


def _peer(photo: Photo, trimap: str, function: str, cache: Path) -> NDArray[np.float32]:
    kept = cache / f"{photo.name}_{trimap}_{function}.npy"
    if kept.exists():
        return np.load(kept)
    import pymatting

    solver = getattr(pymatting, function)
    alpha = solver(photo.image / 255.0, photo.trimaps[trimap] / 255.0).astype(np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, alpha)
    return alpha
