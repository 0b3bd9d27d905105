"""Other projects' networks: used where they are installed and their weights lie on this disk.

Nothing is ever downloaded. What is missing is said in one sentence.
"""

import hashlib
import os
import tomllib
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation.methods import Image, Method, Solver, Trimap

ONNX = "onnx:"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, the usual scaling of RGB in 0..1 before a network."""
SIZE = 1024
"""Longest side that a network without a size of its own is shown."""
STRIDE = 32
NOT_MATTING = ("sam", "u2net_cloth_seg", "u2net_custom", "dis_custom", "ben_custom")
"""Sessions of rembg that want clicks, part clothes, or name no weights."""


def peers() -> list[Method]:
    """Adapters of rembg, one for each of its models on this disk, and of transparent-background."""
    return [*_rembg(), *_transparent_background()]


def _rembg() -> list[Method]:
    if find_spec("rembg") is None:
        return [_absent("rembg", "rembg", "rembg is not installed.")]
    found = sorted({path.stem for path in _rembg_files()} - set(NOT_MATTING))
    if not found:
        reason = f"rembg is installed, but no model of it lies under {_rembg_homes()[0]}."
        return [_absent("rembg", "rembg", reason)]
    return [_rembg_session(name) for name in found]


def _rembg_session(name: str) -> Method:
    def load() -> Solver:
        os.environ["MODEL_CHECKSUM_DISABLED"] = "1"  # else a file of another release is replaced
        from PIL import Image as Pillow
        from rembg import new_session

        session = new_session(name)

        def solve(image: Image, _: Trimap | None) -> NDArray[np.float32]:
            (mask,) = session.predict(Pillow.fromarray(image))
            return np.asarray(mask.convert("L"), np.float32) / 255

        return solve

    return Method(
        f"rembg-{name}",
        f"rembg {name}",
        "image",
        f"{name} by rembg (MIT; the model has a licence of its own)",
        load,
        lambda: f"rembg {version('rembg')}, ONNX Runtime {version('onnxruntime')}",
    )


def _rembg_files() -> Iterator[Path]:
    current, old = _rembg_homes()
    yield from current.glob("models/*/*.onnx")
    yield from old.glob("*.onnx")


def _rembg_homes() -> tuple[Path, Path]:
    """Where rembg keeps its models now, and where it did before."""
    shared = os.environ.get("XDG_DATA_HOME")
    own = os.environ.get("U2NET_HOME")
    current = os.environ.get("REMBG_HOME", f"{shared}/rembg" if shared else "~/.rembg")
    old = own or f"{shared or '~'}/.u2net"
    return Path(own or current).expanduser(), Path(old).expanduser()


def _transparent_background() -> list[Method]:
    name = "transparent-background"
    if find_spec("transparent_background") is None:
        return [_absent(name, name, "transparent-background is not installed.")]
    return [_inspyrenet("base", name), _inspyrenet("fast", f"{name}-fast")]


def _inspyrenet(mode: str, name: str) -> Method:
    home = Path(os.environ.get("TRANSPARENT_BACKGROUND_FILE_PATH", "~")).expanduser()
    weights = home / ".transparent-background" / f"ckpt_{mode}.pth"

    def load() -> Solver:
        from transparent_background import Remover

        remover = Remover(mode=mode, device="cpu", ckpt=str(weights))
        return lambda image, _: remover.process(image, type="map")[..., 0] / np.float32(255)

    def unusable() -> str | None:
        if weights.is_file():
            return None
        return f"transparent-background is installed, but {weights} is not on this disk."

    return Method(
        name,
        f"transparent-background, {mode}",
        "image",
        "InSPyReNet, Kim et al. 2022, by transparent-background, MIT",
        load,
        lambda: f"transparent-background {version('transparent-background')}",
        unusable=unusable,
    )


def onnx_network(path: Path) -> Method:
    """A network that takes one picture, (1, 3, H, W) or with a trimap (1, 4, H, W), to alpha.

    The first output counts, (1, 1, h, w) or less, probabilities or logits. A file of the same name
    that ends in .toml may say how the network wants its picture: `mean` and `deviation`, three
    numbers each for RGB in 0..1, `size`, the longest side for networks of any size. The trimap is
    the fourth channel, 0..1.
    """

    def unusable() -> str | None:
        if not path.is_file():
            return f"{path} does not exist."
        try:
            _input_shape(path)
            _wishes(path)
        except DeepMasqueError as error:
            return str(error)
        return None

    with_trimap = unusable() is None and _input_shape(path)[1] == 4

    def load() -> Solver:
        return _network(path)

    def digest() -> str:
        with path.open("rb") as stream:
            return f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()[:8]}"

    return Method(
        f"{ONNX}{path}",
        path.stem,
        "image and trimap" if with_trimap else "image",
        f"{path.name}, a file of your own",
        load,
        digest,
        unusable=unusable,
    )


def _network(path: Path) -> Solver:
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    shape, wishes = _input_shape(path), _wishes(path)
    mean, deviation = (np.float32(wishes[key]) for key in ("mean", "deviation"))

    def solve(image: Image, trimap: Trimap | None) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        size = _seen_size(shape, height, width, wishes["size"])
        reduced = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        channels = (reduced / np.float32(255) - mean) / deviation
        if shape[1] == 4:
            known = cv2.resize(trimap, size[::-1], interpolation=cv2.INTER_NEAREST)
            channels = np.dstack([channels, known / np.float32(255)])
        answer = np.squeeze(compiled([channels.transpose(2, 0, 1)[None]])[0])
        if answer.ndim != 2:
            raise DeepMasqueError(f"{path.name} gives {answer.shape} numbers, not one alpha.")
        if answer.min() < -0.01 or answer.max() > 1.01:
            warnings.warn("Its logits were turned into probabilities.", stacklevel=2)
            answer = 1 / (1 + np.exp(-answer))
        return cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR)

    return solve


def _input_shape(path: Path) -> tuple[int | None, int, int | None, int | None]:
    """Batch, channels, height, width of a network's input; None where any will do."""
    import openvino

    try:
        inputs = openvino.Core().read_model(path).inputs
    except RuntimeError as error:
        raise DeepMasqueError(f"{path} is not an ONNX network that can be read.") from error
    shapes = [[None if d.is_dynamic else d.get_length() for d in i.partial_shape] for i in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] not in (3, 4):
        raise DeepMasqueError(
            f"{path.name} does not take one picture of 3 channels, or of 4 with a trimap."
        )
    return tuple(shapes[0])


def _wishes(path: Path) -> dict:
    """How the network wants its picture."""
    beside = path.with_suffix(".toml")
    wishes = {"mean": MEAN, "deviation": DEVIATION, "size": SIZE}
    if not beside.is_file():
        return wishes
    try:
        wishes |= tomllib.loads(beside.read_text())
        scaling = np.array([wishes["mean"], wishes["deviation"]], np.float64)
        sound = scaling.shape == (2, 3) and np.isfinite(scaling).all() and (scaling[1] > 0).all()
        sound = sound and isinstance(wishes["size"], int) and wishes["size"] >= STRIDE
    except (OSError, ValueError, TypeError):
        sound = False
    if not sound:
        raise DeepMasqueError(
            f"{beside} must give mean and deviation as three numbers each and size as a whole one."
        )
    return wishes


def _seen_size(shape: tuple, height: int, width: int, longest: int) -> tuple[int, int]:
    """Height and width at which a network sees a picture."""
    scale = min(1.0, longest / max(height, width))
    wanted = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    return tuple(fixed or free for fixed, free in zip(shape[2:], wanted, strict=True))


def _absent(name: str, title: str, reason: str) -> Method:
    """A method whose place is kept, with the reason why it cannot run."""

    def load() -> Solver:
        raise DeepMasqueError(reason)

    return Method(name, title, "image", title, load, lambda: "", unusable=lambda: reason)
