"""From a run's checkpoint to the files in models/: safetensors for torch, ONNX for OpenVINO."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from deepmasque.portrait.network import CHANNELS, PortraitFCN
from deepmasque.training.portrait import PortraitTask, Settings
from deepmasque.weights import MODELS, enter_in_manifest

EXAMPLE_SIZE = (384, 288)


def export_portrait(checkpoint: Path) -> list[Path]:
    """Write models/portrait.safetensors and models/portrait.onnx and enter them in the manifest."""
    network = trained_task(checkpoint).network
    weights, graph = MODELS / "portrait.safetensors", MODELS / "portrait.onnx"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    _write_onnx(network, graph)
    enter_in_manifest(weights, "PortraitFCN+ with the prior, for torch on a GPU")
    enter_in_manifest(graph, "PortraitFCN+ with the prior, for OpenVINO on the CPU")
    return [weights, graph]


def trained_task(checkpoint: Path) -> PortraitTask:
    """A run's network with its averaged weights, ready to be used, and the run's settings."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    task = PortraitTask(Settings(**content["hyper_parameters"]))
    task.load_state_dict(content["state_dict"])
    return task.eval()


def _write_onnx(network: PortraitFCN, path: Path) -> None:
    example = torch.zeros(1, CHANNELS, *EXAMPLE_SIZE)
    rows, columns = (
        torch.export.Dim("rows", min=2, max=256),
        torch.export.Dim("columns", min=2, max=256),
    )
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        input_names=["photo"],
        output_names=["logits"],
        dynamic_shapes={"x": {2: 32 * rows, 3: 32 * columns}},
        verbose=False,
    )
    program.save(path, external_data=False)
