"""KNN matting beside PyMatting: errors, seconds and peak memory on the same images in one run.

    python benchmarks/knn.py compare DATA       errors beside the truth
    python benchmarks/knn.py scale              seconds and memory from 0.3 to 48 megapixels, plots
    python benchmarks/knn.py choose DATA        parameters, leave-one-out

DATA holds input/, alpha/ and trimap1/, trimap2/, … with files of the same names (the layout of
alphamatting.com). Every solve runs in a process of its own, warmed up on a small picture, so that
its peak memory is its own. OpenCV and scikit-image have no method that solves for alpha from a
trimap, so there is nothing of theirs to compare with.
"""

import multiprocessing
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from deepmasque import matte, samples
from deepmasque.evaluation import metrics
from deepmasque.image import read_image, read_trimap
from deepmasque.portrait.knn_matting import TEXTBOOK, Method, Ring, solve
from deepmasque.portrait.trimap import from_mask

# Tables and plots are imported where they are made: else every measured process would hold them.
if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

PEERS = ("PyMatting KNN", "PyMatting closed form")
SIZES = (0.3, 1.2, 3, 6, 12, 24, 48)  # megapixels
WIDE = 0.13  # unknown share of the wide band


@dataclass(frozen=True)
class Scene:
    """An image (H, W, 3) uint8, a trimap (H, W) uint8, and the true alpha (H, W) in 0..1."""

    name: str
    trimaps: str
    image: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    truth: NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """An alpha, the seconds it took by the clock and on all cores, the most megabytes held."""

    alpha: NDArray[np.float32]
    seconds: float
    cpu_seconds: float
    megabytes: float


@app.command()
def compare(
    data: Annotated[Path, typer.Argument(help="Folder with input, alpha, trimap1.")],
    out: Annotated[Path, typer.Option(help="Folder for errors.csv.")] = Path("runs/knn"),
    images: Annotated[int, typer.Option(help="Use only the first so many images.")] = 1000,
) -> None:
    """Print the mean errors of every method for each set of trimaps."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {"trimaps": scene.trimaps, "image": scene.name, "method": method, **errors(scene, run)}
        for scene in scenes(data, images)
        for method, run in runs(scene.image, scene.trimap, METHODS)
    ]
    table = pd.DataFrame(rows)
    table.to_csv(out / "errors.csv", index=False)
    print(markdown(table.groupby(["trimaps", "method"], sort=False).apply(means)))


@app.command()
def scale(
    out: Annotated[Path, typer.Option(help="Folder for scaling.csv and plots.")] = Path("runs/knn"),
    peer_limit: Annotated[float, typer.Option(help="Megapixels the peers are tried at.")] = 1.2,
    largest: Annotated[float, typer.Option(help="Megapixels at which the curve ends.")] = 48,
) -> None:
    """Print seconds and memory on a sample portrait with a wide band and with its own; plot."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for size in (size for size in SIZES if size <= largest):
        methods = [method for method in METHODS if size <= peer_limit or method not in PEERS]
        for band, (image, trimap) in zip(("wide", "portrait"), portraits(size), strict=True):
            unknown = float(is_unknown(trimap).mean())
            facts = {"megapixels": size, "band": band, "unknown": unknown}
            rows += [
                {**facts, "method": method, **costs(run)}
                for method, run in runs(image, trimap, methods)
            ]
    curve = pd.DataFrame(rows)
    curve.to_csv(out / "scaling.csv", index=False)
    print(markdown(curve.set_index(["megapixels", "band"])))
    plot_scaling(curve[curve["band"] == "wide"], out / "scaling.png")
    plot_convergence(*portraits(1.2)[0], out / "convergence.png")


@app.command()
def choose(
    data: Annotated[Path, typer.Argument(help="Folder with input, alpha, trimap1.")],
    features: Annotated[str, typer.Option(help="Colours to choose for.")] = "rgb",
    scale: Annotated[float, typer.Option(help="Size the images are reduced to first.")] = 1.0,
) -> None:
    """For every image take the parameters that are best on all the others; print the mean SAD."""
    import pandas as pd

    methods = [
        Method(tuple(Ring(k, position) for position in positions), kernel, colour_line)
        for k, positions, kernel, colour_line in product(
            (5, 7, 10),
            ((1.0, 0.1), (0.5, 0.05), (0.3,)),
            ("exponential", "linear"),
            (200.0, 400.0, 800.0),
        )
    ]
    rows = []
    for scene in scenes(data):
        small = reduced(scene, scale)
        for number, method in enumerate(methods):
            alpha = solve(small.image, small.trimap, features, method=method).alpha
            sad = metrics.sad(alpha, small.truth, is_unknown(small.trimap))
            rows.append((scene.trimaps, scene.name, number, sad))
    table = pd.DataFrame(rows, columns=["trimaps", "image", "method", "SAD"])
    for trimaps, part in table.groupby("trimaps"):
        sads = part.pivot(index="image", columns="method", values="SAD")
        chosen = [(sads.sum() - sads.loc[image]).idxmin() for image in sads.index]
        held_out = np.mean([sads.loc[i, m] for i, m in zip(sads.index, chosen, strict=True)])
        print(f"{trimaps}: leave-one-out mean SAD {held_out:.3f}, best {sads.mean().min():.3f}")
        for number, times in pd.Series(chosen).value_counts().items():
            print(f"  chosen {times} times: {methods[number]}")


def ours(features: str, method: Method | None = None) -> Callable:
    """Return our solver as a function of image and trimap."""
    extra = {} if method is None else {"method": method}
    return lambda image, trimap: solve(image, trimap, features, **extra).alpha


def pymatting(name: str) -> Callable:
    """Return PyMatting's estimator of that name as a function of image and trimap."""

    def estimate(image: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> NDArray[np.float64]:
        import pymatting

        return getattr(pymatting, name)(image / 255.0, trimap / 255.0)

    return estimate


METHODS: dict[str, Callable] = {
    "PyMatting KNN": pymatting("estimate_alpha_knn"),
    "PyMatting closed form": pymatting("estimate_alpha_cf"),
    "ours, RGB": ours("rgb"),
    "ours, HSV": ours("hsv"),
    "ours, plain (HSV)": ours("hsv", TEXTBOOK),
}


def runs(
    image: NDArray[np.uint8], trimap: NDArray[np.uint8], methods: Iterable[str]
) -> Iterator[tuple[str, Run]]:
    """Yield each method's run, made in a fresh process."""
    for method in methods:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as process:
            yield method, process.submit(measured, method, image, trimap).result()


def measured(method: str, image: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> Run:
    """Run a method, compiled and loaded beforehand, and measure it."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    METHODS[method](noise, np.repeat(np.uint8([0, 128, 255]), 16 * 48).reshape(48, 48))
    start, cpu_start = time.perf_counter(), time.process_time()
    alpha = METHODS[method](image, trimap)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Run(alpha.astype(np.float32), seconds, cpu_seconds, peak_megabytes())


def peak_megabytes() -> float:
    """Most memory this process held (Linux); ru_maxrss would count its parent's as well."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def scenes(data: Path, images: int = 1000) -> Iterator[Scene]:
    """Yield every image with each of its trimaps."""
    for folder in sorted(data.glob("trimap*")):
        for path in sorted((data / "input").glob("*.png"))[:images]:
            truth = read_trimap(data / "alpha" / path.name) / np.float32(255)
            trimap = read_trimap(folder / path.name)
            yield Scene(path.stem, folder.name, read_image(path), trimap, truth)


def portraits(megapixels: float) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """A sample portrait enlarged, with a band of WIDE unknown and with the pipeline's own band."""
    image, mask = sample()
    factor = (megapixels * 1e6 / mask.size) ** 0.5
    image, mask = (
        cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        for pixels in (image, mask)
    )
    person = (mask > 0.5).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(side, cv2.DIST_L2, 5) for side in (person, 1 - person))
    wide = np.where(inside > 0, 255, 0).astype(np.uint8)
    distance = inside + outside
    wide[distance <= np.quantile(distance, WIDE)] = 128
    return [(image, wide), (image, from_mask(mask))]


@cache
def sample() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Grace Hopper and the network's mask of her."""
    result = matte(next(s.path for s in samples.portraits() if s.title == "Commodore"))
    return result.image, result.mask


def reduced(scene: Scene, scale: float) -> Scene:
    """The scene at a fraction of its size; a pixel stays known where all its parts are."""
    image, truth, foreground, background = (
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for pixels in (
            scene.image,
            scene.truth,
            (scene.trimap == 255).astype(np.float32),
            (scene.trimap == 0).astype(np.float32),
        )
    )
    trimap = np.where(foreground > 0.999, 255, np.where(background > 0.999, 0, 128))
    return Scene(scene.name, scene.trimaps, image, trimap.astype(np.uint8), truth)


def is_unknown(trimap: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels that matting decides."""
    return (trimap != 0) & (trimap != 255)


def errors(scene: Scene, run: Run) -> dict[str, float]:
    """The four errors over the unknown pixels, with time and memory."""
    arguments = run.alpha, scene.truth, is_unknown(scene.trimap)
    return {
        "SAD": metrics.sad(*arguments),
        "MSE": metrics.mse(*arguments),
        "Grad": metrics.grad(*arguments),
        "Conn": metrics.conn(*arguments),
        **costs(run),
    }


def costs(run: Run) -> dict[str, float]:
    """Time and memory; CPU seconds hardly change while other work keeps the cores busy."""
    return {
        "seconds": run.seconds,
        "CPU seconds": run.cpu_seconds,
        "peak MB": run.megabytes,
    }


def means(rows: "pd.DataFrame") -> "pd.Series":
    """Mean errors and seconds, highest memory."""
    numbers = rows.drop(columns=["trimaps", "image", "method"], errors="ignore").mean()
    numbers["peak MB"] = rows["peak MB"].max()
    return numbers


def markdown(table: "pd.DataFrame") -> str:
    """The table, index included, as Markdown."""
    table = table.reset_index()
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[shown(value) for value in row] for row in table.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shown(value: object) -> str:
    """Numbers to three significant digits, whole ones above a hundred."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def plot_scaling(curve: "pd.DataFrame", path: Path) -> None:
    """Seconds and memory over megapixels, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, quantity in zip(figure.subplots(1, 2), ("seconds", "peak MB"), strict=True):
        for method, part in curve.groupby("method", sort=False):
            axes.loglog(part["megapixels"], part[quantity], marker="o", label=method)
        axes.set(xlabel="megapixels", ylabel=quantity)
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def plot_convergence(image: NDArray[np.uint8], trimap: NDArray[np.uint8], path: Path) -> None:
    """The residual after each iteration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for features in ("rgb", "hsv", "lab"):
        axes.semilogy(solve(image, trimap, features).residuals, label=features)
    axes.set(xlabel="iterations", ylabel="relative residual")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    app()
