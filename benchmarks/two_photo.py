"""Seconds and memory of two-photo matting's networks, arrays in to arrays out, beside GrabCut.

    python benchmarks/two_photo.py [SAMPLE]

The plate is already laid on the photo. The peer starts GrabCut, one pass, from where the two
photos differ, which is how a background is commonly subtracted with OpenCV; it gives a mask. Where
there is a CUDA device, the same networks are timed on it in 16 bit, tensors in to tensors out.
"""

import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from deepmasque import read_image, samples
from deepmasque.engine import two_photo_engines
from deepmasque.memory import PeakMeter
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.two_photo import refinement

SIZES = ((1080, 1920), (2160, 3840), (6720, 4480))
REPEATS = 7
SECONDS = 20.0
"""No more repeats once this much time has gone by."""


def main() -> None:
    """Print the table as Markdown."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else samples.pairs()[0].name
    pair = next(each for each in samples.pairs() if each.name == wanted)
    photo, plate = read_image(pair.path), read_image(pair.plate)
    prior = soft_segmentation(photo)
    engine = two_photo_engines()[0].device
    print(f"{pair.name}, {engine}, median of up to {REPEATS}\n")
    print("| size | mode | seconds | added memory, MB | patches | GrabCut, s | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for size in SIZES:
        images = [cv2.resize(x, size[::-1], interpolation=cv2.INTER_CUBIC) for x in (photo, plate)]
        peer = size == SIZES[0]  # larger ones would take minutes
        theirs = median_seconds(lambda pair=images: grab_cut(*pair)) if peer else None
        for mode in refinement.MODES:
            meter = PeakMeter()
            count = solved(*images, prior, mode)
            memory = meter.added_mb()
            ours = median_seconds(lambda pair=images, mode=mode: solved(*pair, prior, mode))
            compared = f"{theirs:.2f} | {theirs / ours:.1f} ×" if peer else "– | –"
            print(
                f"| {size[1]} × {size[0]} | {mode} | {ours:.3f} | {shown(memory)} | {count} "
                f"| {compared} |",
                flush=True,
            )
    on_gpu()


def solved(photo: np.ndarray, plate: np.ndarray, prior: np.ndarray, mode: str) -> int:
    """Alpha and foreground of the pair; returns how many patches were refined."""
    base_engine, refinement_engine = two_photo_engines()
    coarse = refinement.base(photo, plate, prior, base_engine)
    patches = refinement.chosen_patches(coarse.error, *photo.shape[:2], mode)
    refinement.refined(photo, plate, coarse, patches, refinement_engine)
    return len(patches)


def grab_cut(photo: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """The peer's mask."""
    apart = cv2.absdiff(photo, plate).max(axis=2)
    seen = np.where(apart > 30, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    models = np.zeros((2, 1, 65))
    return cv2.grabCut(photo, seen, None, *models, 1, cv2.GC_INIT_WITH_MASK)[0]


def on_gpu() -> None:
    """Frames a second on a CUDA device, where there is one."""
    import torch

    if not torch.cuda.is_available():
        print("\nNo CUDA device: frames a second were not measured.")
        return
    from deepmasque.two_photo.network import TwoPhotoNetwork

    network = TwoPhotoNetwork().eval().cuda().half().to(memory_format=torch.channels_last)
    print(f"\n{torch.cuda.get_device_name()}, 16 bit, {refinement.SHARE:.0%} of the patches\n")
    print("| size | frames a second |\n|---|---:|")
    for height, width in SIZES[:2]:
        pair = torch.rand(2, 1, 3, height, width, device="cuda", dtype=torch.half)
        prior = torch.rand(1, 2, 256, 256, device="cuda", dtype=torch.half)

        def frame(pair: torch.Tensor = pair, prior: torch.Tensor = prior) -> None:
            with torch.inference_mode():
                network(pair[0], pair[1], prior, refinement.SHARE)
            torch.cuda.synchronize()

        print(f"| {width} × {height} | {1 / median_seconds(frame):.0f} |")


def median_seconds(work: Callable[[], object]) -> float:
    """Of up to REPEATS runs, after one that is not counted."""
    began = time.perf_counter()
    work()
    times = []
    while len(times) < REPEATS and (not times or time.perf_counter() - began < SECONDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def shown(memory: float | None) -> str:
    """Megabytes, or a dash where they cannot be told."""
    return "–" if memory is None else f"{memory:.0f}"


if __name__ == "__main__":
    main()
