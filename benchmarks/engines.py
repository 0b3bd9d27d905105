"""Milliseconds of PortraitFCN+ under each engine that could run it on the CPU.

    python benchmarks/engines.py

One photo of 384 x 288 at a time, one thread and two, medians.
ONNX Runtime is measured if it is installed; DeepMasque does not need it.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import openvino
import torch
from safetensors.torch import load_file

from deepmasque.portrait.network import PortraitFCN
from deepmasque.weights import verified

SIZE = (384, 288)
REPEATS = 100
PAUSE = 1.0
"""Seconds before each engine, in which the threads of the last one stop waiting for work."""


def main() -> None:
    """Print the table as Markdown."""
    x = np.random.default_rng(0).normal(size=(1, 7, *SIZE)).astype(np.float32)
    print("| engine | 1 thread, ms | 2 threads, ms | largest difference in probability |")
    print("|---|---:|---:|---:|")
    columns = [timed(engines(threads), x) for threads in (1, 2)]
    for name in columns[0]:
        (one, error), (two, _) = columns[0][name], columns[1][name]
        print(f"| {name} | {one:.0f} | {two:.0f} | {error:.1e} |")


def timed(runs: dict[str, Callable], x: np.ndarray) -> dict[str, tuple[float, float]]:
    """Median milliseconds, and the largest difference in probability from the first engine."""
    seconds = {name: [] for name in runs}
    answers = {name: probability(run(x)) for name, run in runs.items()}
    for name, run in runs.items():
        time.sleep(PAUSE)
        for _ in range(REPEATS):
            start = time.perf_counter()
            run(x)
            seconds[name].append(time.perf_counter() - start)
    truth = next(iter(answers.values()))
    return {
        name: (1000 * float(np.median(s)), float(np.abs(answers[name] - truth).max()))
        for name, s in seconds.items()
    }


def engines(threads: int) -> dict[str, Callable]:
    """Every engine as a function from input to logits, limited to that many threads."""
    runs = {
        "torch, 32 bit": torch_engine(threads, half=False),
        "torch, bfloat16": torch_engine(threads, half=True),
        "OpenVINO, 32 bit": openvino_engine(threads, "f32"),
        "OpenVINO, bfloat16": openvino_engine(threads, "bf16"),
    }
    if find_spec("onnxruntime"):
        runs["ONNX Runtime, 32 bit"] = onnxruntime_engine(threads)
    return runs


def torch_engine(threads: int, half: bool) -> Callable:
    """Channels last, which is the faster layout for convolutions."""
    network = PortraitFCN().eval().to(memory_format=torch.channels_last)
    network.load_state_dict(load_file(verified("portrait.safetensors")))

    def run(x: np.ndarray) -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return network(torch.from_numpy(x)).float().numpy()

    return run


def openvino_engine(threads: int, precision: str) -> Callable:
    """As `deepmasque.engine` does it."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
    }
    request = openvino.Core().compile_model(verified("portrait.onnx"), "CPU", settings)
    return lambda x: request([x])[0].copy()


def onnxruntime_engine(threads: int) -> Callable:
    """The same ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(verified("portrait.onnx"), options)
    return lambda x: session.run(None, {"photo": x})[0]


def probability(logits: np.ndarray) -> np.ndarray:
    """Sigmoid."""
    return 1 / (1 + np.exp(-logits))


if __name__ == "__main__":
    main()
