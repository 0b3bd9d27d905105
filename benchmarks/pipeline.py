"""Seconds of every stage on a 1-megapixel portrait, beside MediaPipe selfie + PyMatting KNN.

    python benchmarks/pipeline.py [PHOTO]

Both ways start from the same photo, in the same process, warm. The peer's trimap has the same band.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
from pymatting import estimate_alpha_knn, estimate_foreground_ml

from deepmasque import matte, read_image, samples
from deepmasque.portrait.mediapipe_graphs import selfie_segmentation
from deepmasque.portrait.trimap import from_mask

PIXELS = 1_000_000
REPEATS = 5


def main() -> None:
    """Print the table as Markdown."""
    photo = Path(sys.argv[1]) if len(sys.argv) > 1 else samples.portraits()[1].path
    image = resized(read_image(photo))
    first = time.perf_counter()
    matte(image)
    first = time.perf_counter() - first
    runs = [matte(image) for _ in range(REPEATS)]
    stages = {
        stage.name: np.median([run.stages[index].seconds for run in runs])
        for index, stage in enumerate(runs[0].stages)
    }
    ours = float(np.median([sum(stage.seconds for stage in run.stages) for run in runs]))
    peer = peer_stages(image)
    theirs = sum(peer.values())
    print(f"{photo.name}, {image.shape[1]} × {image.shape[0]}, {runs[0].device}")
    print(f"first photo, loading included: {first:.2f} s\n")
    print("| stage | DeepMasque, s | MediaPipe selfie + PyMatting KNN, s |\n|---|---:|---:|")
    for name, seconds in stages.items():
        print(f"| {name} | {seconds:.3f} | {shown(peer.get(name))} |")
    print(f"| **all** | **{ours:.2f}** | **{theirs:.2f}** ({theirs / ours:.1f} ×) |")


def peer_stages(image: np.ndarray) -> dict[str, float]:
    """Seconds of the peer's stages, under the names of ours."""
    seconds = {}
    selfie = selfie_segmentation()
    start = time.perf_counter()
    mask = selfie.process(image).segmentation_mask
    seconds["PortraitFCN+"] = time.perf_counter() - start
    start = time.perf_counter()
    trimap = from_mask(mask)
    seconds["Trimap"] = time.perf_counter() - start
    start = time.perf_counter()
    alpha = estimate_alpha_knn(image / 255.0, trimap / 255.0)
    seconds["KNN matting"] = time.perf_counter() - start
    start = time.perf_counter()
    estimate_foreground_ml(image / 255.0, alpha)
    seconds["Foreground"] = time.perf_counter() - start
    return seconds


def resized(image: np.ndarray) -> np.ndarray:
    """The photo at PIXELS pixels."""
    scale = np.sqrt(PIXELS / (image.shape[0] * image.shape[1]))
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def shown(seconds: float | None) -> str:
    """Seconds with three digits, or a dash."""
    return "–" if seconds is None else f"{seconds:.3f}"


if __name__ == "__main__":
    main()
