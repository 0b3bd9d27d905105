"""Which weights exist, that they are unharmed, and what engine runs them.

`models/manifest.json` names every file with its sha256; nothing is loaded that does not match.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import WeightsError

MODELS = Path(__file__).resolve().parent.parent / "models"
REFERENCE_WIDTH, REFERENCE_HEIGHT = 600, 800
MASK_MARGIN = 300
"""Pixels that the mean mask goes on beyond each side of the reference, for smaller faces."""


@dataclass(frozen=True)
class Reference:
    """What the training photos say about portraits as such.

    Attributes
    ----------
    vertex_index, vertex_weight: (49, 3) int64 and float32, the 49 facial points as weighted sums
        of face mesh vertices.
    pose: (49, 2) float32, the reference pose in a 600 x 800 photo, pixels.
    mean_mask: (1400, 1200) float32 in 0..1, share of training persons at each pixel of that pose
        and of a margin of MASK_MARGIN pixels round it.
    """

    vertex_index: NDArray[np.int64]
    vertex_weight: NDArray[np.float32]
    pose: NDArray[np.float32]
    mean_mask: NDArray[np.float32]


@cache
def reference() -> Reference:
    """The reference pose, the mean mask and the mesh-to-points mapping, loaded once."""
    from safetensors.numpy import load

    arrays = load(verified("reference.safetensors").read_bytes())
    return Reference(
        vertex_index=arrays["vertex_index"],
        vertex_weight=arrays["vertex_weight"],
        pose=arrays["pose"],
        mean_mask=arrays["mean_mask"].astype(np.float32) / 255,
    )


def verified(name: str) -> Path:
    """The path of a weights file whose bytes are the ones in the manifest.

    Raises WeightsError if the file is missing, not listed, or altered.
    """
    listed = json.loads((MODELS / "manifest.json").read_text())
    path = MODELS / name
    if name not in listed:
        raise WeightsError(f"models/manifest.json does not list {name}.")
    if not path.is_file():
        raise WeightsError(f"models/{name} is missing; fetch the project again.")
    if sha256(path) != listed[name]["sha256"]:
        raise WeightsError(f"models/{name} was altered or cut short; fetch the project again.")
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def enter_in_manifest(path: Path, purpose: str) -> None:
    """Write a weights file's sha256, size and purpose into `models/manifest.json`."""
    manifest = path.parent / "manifest.json"
    listed = json.loads(manifest.read_text()) if manifest.is_file() else {}
    listed[path.name] = {
        "purpose": purpose,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
    }
    manifest.write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n")
