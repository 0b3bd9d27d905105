"""From a run's checkpoint to the files in models/: safetensors for torch, ONNX for OpenVINO."""

from pathlib import Path

import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deepmasque.portrait import residual_network
from deepmasque.portrait.network import CHANNELS
from deepmasque.portrait.refinement import TILE
from deepmasque.training.portrait import PortraitTask, Settings
from deepmasque.training.refinement import trained_network
from deepmasque.training.two_photo import take_networks
from deepmasque.two_photo import network as two_photo
from deepmasque.two_photo.network import TwoPhotoNetwork
from deepmasque.two_photo.patches import FINE_PLANES, FULL, HALF, PLANES
from deepmasque.weights import MODELS, enter_in_manifest

EXAMPLE_SIZE = (384, 288)


def export_portrait(checkpoint: Path) -> list[Path]:
    """Write models/portrait.safetensors and models/portrait.onnx and enter them in the manifest."""
    network = trained_task(checkpoint).network
    weights, graph = MODELS / "portrait.safetensors", MODELS / "portrait.onnx"
    _write_weights(network, weights)
    rows, columns = (torch.export.Dim(name, min=2, max=256) for name in ("rows", "columns"))
    example = torch.zeros(1, CHANNELS, *EXAMPLE_SIZE)
    _write_onnx(network, (example,), graph, {"x": {2: 32 * rows, 3: 32 * columns}})
    enter_in_manifest(weights, "PortraitFCN+ with the prior, for torch on a GPU")
    enter_in_manifest(graph, "PortraitFCN+ with the prior, for OpenVINO on the CPU")
    return [weights, graph]


def export_refinement(checkpoint: Path, folder: Path = MODELS) -> list[Path]:
    """Write refinement.safetensors and refinement.onnx and enter them in the folder's manifest."""
    network = trained_network(checkpoint)
    weights, graph = folder / "refinement.safetensors", folder / "refinement.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    _write_weights(network, weights)
    _write_onnx(network, (torch.zeros(1, residual_network.CHANNELS, TILE, TILE),), graph)
    enter_in_manifest(weights, "residual network after KNN matting, for torch on a GPU")
    enter_in_manifest(graph, "residual network after KNN matting, for OpenVINO on the CPU")
    return [weights, graph]


def export_two_photo(checkpoint: Path, folder: Path = MODELS) -> list[Path]:
    """Write both networks of two-photo matting, for torch and as ONNX, with manifest entries."""
    network = TwoPhotoNetwork().eval()
    take_networks(network, checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = (torch.export.Dim(name, min=1, max=256) for name in ("rows", "columns"))
    patches = torch.export.Dim("patches", min=1, max=1 << 20)
    half = torch.zeros(2, two_photo.PAIR + PLANES - 1, HALF, HALF)
    full = torch.zeros(2, two_photo.PAIR + FINE_PLANES, FULL, FULL)
    base = torch.zeros(1, two_photo.CHANNELS, *EXAMPLE_SIZE)
    several = {"half": {0: patches}, "full": {0: patches}}
    written = []
    for name, part, examples, shapes in (
        ("base", network.base, (base,), {"x": {2: 32 * rows, 3: 32 * columns}}),
        ("refinement", network.refinement, (half, full), several),
    ):
        weights, graph = folder / f"two_photo_{name}.safetensors", folder / f"two_photo_{name}.onnx"
        _write_weights(part, weights)
        _write_onnx(part, examples, graph, shapes)
        enter_in_manifest(weights, f"{name} network of two-photo matting, for torch on a GPU")
        enter_in_manifest(graph, f"{name} network of two-photo matting, for OpenVINO on the CPU")
        written += [weights, graph]
    return written


def trained_task(checkpoint: Path) -> PortraitTask:
    """A run's network with its averaged weights, ready to be used, and the run's settings."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    task = PortraitTask(Settings(**content["hyper_parameters"]))
    task.load_state_dict(content["state_dict"])
    return task.eval()


def _write_weights(network: nn.Module, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def _write_onnx(
    network: nn.Module,
    examples: tuple[Tensor, ...],
    path: Path,
    dynamic_shapes: dict | None = None,
) -> None:
    program = torch.onnx.export(
        network,
        examples,
        dynamo=True,
        output_names=["planes"],
        dynamic_shapes=dynamic_shapes,
        verbose=False,
    )
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the folders of this machine
    onnx.save(model, path)
