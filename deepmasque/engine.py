"""What runs the networks: OpenVINO on the CPU, torch on CUDA and MPS. One each, loaded once.

OpenVINO is the fastest of the CPU engines measured by `benchmarks/engines.py`.
"""

import os
import platform
import shutil
import sys
import threading
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import WeightsError
from deepmasque.weights import verified

DEVICE_VARIABLE = "DEEPMASQUE_DEVICE"
DEVICES = ("cpu", "cuda", "mps")
STRIDE = 32
"""Height and width of what a network sees are multiples of it."""
LONGEST_RATIO = 4.0


class Engine(Protocol):
    """A loaded network.

    device: what runs it, in words. Calling it with (C, H, W) float32 gives (K, H, W) float32, a
    plane for each output of the network; `batch` takes (N, C, H, W) for each of its inputs and
    gives (N, K, h, w). Any number of threads may call.
    """

    device: str

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...

    def batch(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]: ...


@lru_cache
def portrait_engine() -> Engine:
    """PortraitFCN+ on the best device here, or on the one that DEEPMASQUE_DEVICE names.

    Raises WeightsError if the weights are not sound or the device asked for is absent.
    """
    return _engine("portrait")


@lru_cache
def refinement_engine() -> Engine:
    """The residual network, likewise; on the CPU it takes tiles of `portrait.refinement` alone."""
    return _engine("refinement")


@lru_cache
def two_photo_engines() -> tuple[Engine, Engine]:
    """The base and the refinement network of two-photo matting, likewise."""
    return _engine("two_photo_base"), _engine("two_photo_refinement")


def size_of_about(pixels: int, height: int, width: int) -> tuple[int, int]:
    """Height and width at which a network that wants about so many pixels sees a photo.

    The photo's sides stay in proportion up to LONGEST_RATIO and are rounded to multiples of STRIDE.
    """
    ratio = np.clip(height / width, 1 / LONGEST_RATIO, LONGEST_RATIO)
    tall = np.sqrt(pixels * ratio)
    return _rounded(tall), _rounded(tall / ratio)


def _rounded(side: float) -> int:
    return max(STRIDE, round(side / STRIDE) * STRIDE)


def _engine(name: str) -> Engine:
    device = chosen_device()
    return OpenVinoEngine(name) if device == "cpu" else TorchEngine(name, device)


def chosen_device() -> str:
    """One of "cpu", "cuda", "mps". Never quietly another one than was asked for."""
    asked = os.environ.get(DEVICE_VARIABLE)
    if asked is not None and asked not in DEVICES:
        raise WeightsError(f"{DEVICE_VARIABLE} must be one of {', '.join(DEVICES)}, not {asked}.")
    present = _present_devices() if asked != "cpu" else ["cpu"]
    if asked is not None and asked not in present:
        raise WeightsError(
            f"{DEVICE_VARIABLE} asks for {asked}, which this machine does not offer."
        )
    return asked or present[0]


def _present_devices() -> list[str]:
    """Devices in order of speed; torch is only asked where a GPU is likely, its import is slow."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if not apple and shutil.which("nvidia-smi") is None:
        return ["cpu"]
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, usable in present.items() if usable] + ["cpu"]


class OpenVinoEngine:
    """The ONNX export on the CPU.

    Computed in 32 bit: 16 would be faster only on some processors and give other bytes on them.
    """

    def __init__(self, name: str):
        import openvino

        core = openvino.Core()
        model = core.read_model(verified(f"{name}.onnx"))
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = core.compile_model(model, "CPU", settings)
        self._requests = threading.local()
        self.device = f"CPU, OpenVINO {openvino.__version__.split('-')[0]}"

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.batch(x[None])[0]

    def batch(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        return self._requests.own.infer(list(inputs))[0].copy()


class TorchEngine:
    """The safetensors weights on a GPU."""

    def __init__(self, name: str, device: str):
        import torch
        from safetensors.torch import load

        network = _network(name)
        network.load_state_dict(load(verified(f"{name}.safetensors").read_bytes()))
        self._network = network.eval().to(device)
        self._torch = torch
        title = torch.cuda.get_device_name() if device == "cuda" else "Apple GPU"
        self.device = f"{title}, torch {torch.__version__}"

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.batch(x[None])[0]

    def batch(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        device = next(self._network.parameters()).device
        with self._torch.inference_mode():
            outputs = self._network(*(self._torch.from_numpy(x).to(device) for x in inputs))
        return outputs.float().cpu().numpy()


def _network(name: str):
    """The architecture of the weights `NAME.safetensors`."""
    if name == "portrait":
        from deepmasque.portrait.network import PortraitFCN as Network
    elif name == "refinement":
        from deepmasque.portrait.residual_network import ResidualNetwork as Network
    elif name == "two_photo_base":
        from deepmasque.two_photo.network import BaseNetwork as Network
    else:
        from deepmasque.two_photo.network import RefinementNetwork as Network
    return Network()
