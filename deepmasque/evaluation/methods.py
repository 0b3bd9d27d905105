"""Every way to an alpha matte that can be compared here, ours and others', each by one adapter."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.engine import Engine, portrait_engine, refinement_engine, two_photo_engines
from deepmasque.errors import DeepMasqueError
from deepmasque.portrait import knn_matting, mediapipe_graphs
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.pipeline import prior
from deepmasque.portrait.refinement import refined
from deepmasque.portrait.segmentation import person_probability
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN, checked, from_mask
from deepmasque.two_photo import pipeline as two_photo
from deepmasque.weights import MODELS

Image = NDArray[np.uint8]
Trimap = NDArray[np.uint8]
Solver = Callable[[Image, Trimap | Image | None], NDArray]
"""(H, W, 3) uint8 sRGB, and what is needed beside it, a trimap (H, W) uint8 or a plate (h, w, 3)
uint8, to alpha, (H, W) in 0..1. What the user should know of this one result is given out as a
warning (UserWarning)."""
Needs = Literal["image", "image and trimap", "image and plate"]

OURS = "DeepMasque, MIT"
SHEN = "Shen et al., Automatic Portrait Segmentation for Image Stylization, 2016"
CHEN = "Chen, Li, Tang, KNN Matting, 2013"
LIN = "Lin et al., Real-Time High-Resolution Background Matting, 2021"
LEVIN = "Levin, Lischinski, Weiss, A Closed-Form Solution to Natural Image Matting, 2008"
GRABCUT_ROUNDS = 5


@dataclass(frozen=True)
class Method:
    """One way to an alpha matte.

    Attributes
    ----------
    name: on the command line and in tables.
    title: for people.
    needs: what it is given beside the image.
    source: whose idea it is, whose code, under which licence.
    load: brings the models into memory; returns what solves.
    version: of everything that decides the result; another one makes another alpha.
    device: what computes, in words.
    unusable: why it cannot run here, in one sentence; None where it can.
    """

    name: str
    title: str
    needs: Needs
    source: str
    load: Callable[[], Solver]
    version: Callable[[], str]
    device: Callable[[], str] = lambda: "CPU"
    unusable: Callable[[], str | None] = lambda: None


def methods() -> tuple[Method, ...]:
    """All methods in the order of the table: ours, the textbooks', other projects'."""
    from deepmasque.evaluation.peers import peers

    ours = (*_portrait(), *_knn(), _two_photo())
    return (*ours, *_pymatting(), _selfie(), _grabcut(), *peers())


def method(name: str) -> Method:
    """The method of that name; "onnx:FILE" is the network in that file.

    Raises DeepMasqueError if there is none.
    """
    from deepmasque.evaluation.peers import ONNX, onnx_network

    if name.startswith(ONNX):
        return onnx_network(Path(name.removeprefix(ONNX)))
    named = {each.name: each for each in methods()}
    if name not in named:
        raise DeepMasqueError(f"{name} is no method: there are {', '.join(named)} and onnx:FILE.")
    return named[name]


def chosen(names: str) -> list[Method]:
    """The methods of some names with commas between them; "all" means every usable one.

    Raises DeepMasqueError if a name is no method's.
    """
    if names == "all":
        return [each for each in methods() if each.unusable() is None]
    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    return [method(name) for name in wanted if name]


def pipeline_trimap() -> Method:
    """What draws a trimap where a method needs one and none is given; solves for trimap / 255."""

    def solve(image: Image, _: Trimap | None) -> NDArray[np.float32]:
        return from_mask(*_person(image)) / np.float32(255)

    title = "Trimap of the portrait pipeline"
    return _ours("pipeline-trimap", title, "image", SHEN, solve, portrait_engine)


def _portrait() -> list[Method]:
    def with_knn(image: Image) -> tuple[NDArray[np.float32], Trimap]:
        person = _person(image)
        trimap = from_mask(*person)
        return knn_matting.solve(image, trimap, prior=prior(*person, trimap)).alpha, trimap

    def with_residual(image: Image, _: Trimap | None) -> NDArray[np.float32]:
        return refined(image, *with_knn(image), refinement_engine())

    title, source = "PortraitFCN+ and KNN", f"{SHEN}; {CHEN}"
    return [
        _ours(
            "portraitfcn",
            "PortraitFCN+",
            "image",
            SHEN,
            lambda image, _: _person(image)[0],
            portrait_engine,
        ),
        _ours(
            "portraitfcn-knn",
            title,
            "image",
            source,
            lambda image, _: with_knn(image)[0],
            portrait_engine,
        ),
        _ours(
            "portraitfcn-knn-residual",
            f"{title}, residual",
            "image",
            source,
            with_residual,
            portrait_engine,
        ),
    ]


def _knn() -> list[Method]:
    kinds = [
        ("knn-rgb", "KNN, RGB", "rgb", knn_matting.TUNED, f"{CHEN}; {LEVIN}"),
        ("knn-hsv", "KNN, HSV", "hsv", knn_matting.TUNED, f"{CHEN}; {LEVIN}"),
        ("knn-textbook", "KNN, plain (HSV)", "hsv", knn_matting.TEXTBOOK, CHEN),
    ]

    def solver(features: str, kind: knn_matting.Method) -> Solver:
        return lambda image, trimap: knn_matting.solve(image, trimap, features, method=kind).alpha

    def with_residual(image: Image, trimap: Trimap | None) -> NDArray[np.float32]:
        alpha = knn_matting.knn_matting(image, trimap)
        return refined(image, alpha, trimap, refinement_engine())

    needs, source = "image and trimap", f"{CHEN}; {LEVIN}"
    return [
        *(_ours(name, title, needs, by, solver(*how)) for name, title, *how, by in kinds),
        _ours(
            "knn-rgb-residual",
            "KNN, RGB, residual",
            needs,
            source,
            with_residual,
            refinement_engine,
        ),
    ]


def _two_photo() -> Method:
    def solve(image: Image, plate: Image | None) -> NDArray[np.float32]:
        matte = two_photo.matte_two_photo(image, plate)
        for note in matte.notes:
            warnings.warn(note, stacklevel=2)
        return matte.alpha

    return replace(
        _ours("two-photo", "Two photos", "image and plate", LIN, solve),
        device=lambda: two_photo_engines()[0].device,
        version=lambda: _own_version(Path(two_photo.__file__).parent),
    )


def _pymatting() -> list[Method]:
    kinds = [
        ("cf", "closed form", LEVIN),
        ("knn", "KNN", CHEN),
        ("lbdm", "learning based", "Zheng, Kambhamettu, Learning Based Digital Matting, 2009"),
        ("rw", "random walk", "Grady et al., Random Walks for Interactive Alpha-Matting, 2005"),
    ]

    def loader(kind: str) -> Callable[[], Solver]:
        def load() -> Solver:
            import pymatting

            estimate = getattr(pymatting, f"estimate_alpha_{kind}")
            return _of_trimap(lambda image, trimap: estimate(image / 255.0, trimap / 255.0))

        return load

    return [
        Method(
            f"pymatting-{kind}",
            f"PyMatting {title}",
            "image and trimap",
            f"{source}; PyMatting (Germer et al. 2020), MIT",
            loader(kind),
            lambda: f"PyMatting {version('pymatting')}",
        )
        for kind, title, source in kinds
    ]


def _selfie() -> Method:
    def load() -> Solver:
        graph = mediapipe_graphs.selfie_segmentation()
        return lambda image, _: graph.process(image).segmentation_mask

    return Method(
        "mediapipe-selfie",
        "MediaPipe selfie",
        "image",
        "MediaPipe Selfie Segmentation, Google, Apache-2.0",
        load,
        lambda: f"MediaPipe {version('mediapipe')}",
    )


def _grabcut() -> Method:
    def cut(image: Image, trimap: Trimap) -> NDArray[np.float32]:
        labels = np.full(trimap.shape, cv2.GC_PR_FGD, np.uint8)  # as the paper starts: eq. 1
        labels[trimap == BACKGROUND], labels[trimap == FOREGROUND] = cv2.GC_BGD, cv2.GC_FGD
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        cv2.grabCut(image, labels, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
        return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)

    return Method(
        "grabcut",
        "OpenCV GrabCut",
        "image and trimap",
        "Rother, Kolmogorov, Blake, GrabCut, 2004; OpenCV, Apache-2.0",
        lambda: _of_trimap(cut),
        lambda: f"OpenCV {cv2.__version__}",
    )


def _of_trimap(estimate: Callable[[Image, Trimap], NDArray]) -> Solver:
    """A solver that refuses a trimap nothing can be solved from, and returns a decided one."""

    def solve(image: Image, trimap: Trimap | None) -> NDArray:
        trimap = checked(trimap, image.shape[:2])
        if not (trimap == UNKNOWN).any():
            return trimap / np.float32(255)
        return estimate(image, trimap)

    return solve


def _person(image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The network's mask and uncertainty, as in the portrait pipeline."""
    faces = find_faces(image)
    if not faces:
        warnings.warn("No face was found, so the mean placement was used.", stacklevel=2)
    transforms = placements(faces, *image.shape[:2])
    return person_probability(image, transforms, portrait_engine())


def _ours(
    name: str,
    title: str,
    needs: Needs,
    source: str,
    solver: Solver,
    engine: Callable[[], Engine] | None = None,
) -> Method:
    device = (lambda: engine().device) if engine else (lambda: "CPU")
    credit = f"{source}; {OURS}"
    return Method(name, title, needs, credit, lambda: solver, _own_version, device)


def _own_version(*more: Path) -> str:
    """The project's version, and a digest of the code and the weights that decide our mattes.

    more: folders whose code does so too.
    """
    stages = (Path(knn_matting.__file__).parent, *more)
    files = [file for folder in stages for file in sorted(folder.glob("*.py"))]
    files.append(MODELS / "manifest.json")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return f"DeepMasque {version('deepmasque')}, code and weights {digest[:8]}"
