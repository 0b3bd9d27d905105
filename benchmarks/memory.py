"""Memory of the matting step alone, beside what the board needs: writes benchmarks/memory.json.

    python benchmarks/memory.py

Each solver gets the same photo and trimap in a process of its own. What counts is by how much the
most memory the process ever held exceeds what it held just before: imports, photo, compiled code
and a first run on a small photo are not counted. The dashboard's page Hardware reads the file.
"""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from deepmasque import matte, samples
from deepmasque.launchpad import columns
from deepmasque.memory import PeakMeter
from deepmasque.portrait.knn_matting import knn_matting
from deepmasque.provenance import processor

RESULT = Path(__file__).with_suffix(".json")
SOLVERS = {"ours": "DeepMasque, desktop", "pymatting": "PyMatting KNN, desktop"}
PUBLISHED = [
    {
        "name": "Deep Image Matting, GPU",
        "bytes": 2_680_000_000,
        "measured": False,
        "source": "2680 to over 4000 MB reported for a 2080 Ti,"
        " github.com/poppinace/indexnet_matting/issues/8",
    }
]


def main() -> None:
    """Measure every solver and write the file."""
    if len(sys.argv) > 1:
        print(growth(sys.argv[1]))
        return
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    rows = list(PUBLISHED)
    for solver, name in sorted(SOLVERS.items(), reverse=True):
        command = [sys.executable, __file__, solver]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        height, width = photo()[1].shape
        source = f"measured on {width} × {height} pixels, {processor()}, {today}"
        rows.append({"name": name, "bytes": int(result.stdout), "measured": True, "source": source})
    RESULT.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    print(RESULT.read_text())


def photo() -> tuple[np.ndarray, np.ndarray]:
    """The second sample and its trimap at the 800 rows of a board's columns."""
    solved = matte(samples.portraits()[1].path)
    cut = columns(solved.image, solved.trimap)
    return cut.image, cut.trimap


def growth(solver: str) -> int:
    """Bytes by which the process grows to solve."""
    if solver == "ours":
        solve = knn_matting
    else:
        from pymatting import estimate_alpha_knn

        def solve(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
            return estimate_alpha_knn(image / 255.0, trimap / 255.0)

    image, trimap = photo()
    solve(np.ascontiguousarray(image[::8, ::8]), np.ascontiguousarray(trimap[::8, ::8]))
    meter = PeakMeter()
    solve(image, trimap)
    added = meter.added_mb()
    if added is None:
        raise SystemExit("This system cannot forget an older peak, so nothing can be told.")
    return round(added * 2**20)


if __name__ == "__main__":
    main()
