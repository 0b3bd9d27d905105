import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from deepmasque import samples
from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation import benchmark, metrics
from deepmasque.evaluation.benchmark import (
    VOLATILE,
    Scene,
    read_table,
    run_benchmark,
    scenes,
    table,
)
from deepmasque.evaluation.methods import method
from deepmasque.image import encode_jpeg, encode_png, read_trimap
from deepmasque.portrait.knn_matting import solve

PHOTOS = 6


def figures(found):
    """The columns that have to be the same in every run."""
    return found.drop(columns=list(VOLATILE))


@pytest.fixture(scope="module")
def data(tmp_path_factory, portrait):
    """Crops of a portrait with alphas and trimaps of our own making, and one broken photo."""
    folder = tmp_path_factory.mktemp("alphamatting")
    for part in ("input", "alpha", "trimap1"):
        (folder / part).mkdir()
    ramp = np.clip(np.mgrid[:96, :96][1] * 8 - 300, 0, 255).astype(np.uint8)
    trimap = np.where((ramp > 0) & (ramp < 255), np.uint8(128), ramp)
    for number in range(PHOTOS):
        photo = portrait[8 * number : 8 * number + 96, 40:136]
        (folder / "input" / f"{number}.png").write_bytes(encode_png(photo))
        (folder / "alpha" / f"{number}.png").write_bytes(encode_png(ramp))
        (folder / "trimap1" / f"{number}.png").write_bytes(encode_png(trimap))
    (folder / "input" / "broken.png").write_bytes(b"no picture")
    (folder / "trimap1" / "broken.png").write_bytes(encode_png(trimap))
    return folder


METHODS = "knn-rgb,grabcut"


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    heard = []
    rows = run_benchmark(
        scenes(data), [method(m) for m in METHODS.split(",")], out, on_row=heard.append
    )
    assert rows == heard
    return out, rows


def test_a_row_for_every_photo_and_method_with_what_it_took(undisturbed, data):
    out, rows = undisturbed
    assert len(rows) == 2 * (PHOTOS + 1)
    done = [row for row in rows if row.state == "done"]
    assert len(done) == 2 * PHOTOS
    for row in done:
        assert row.trimap == "given" and row.trimaps == "trimap1" and row.error == ""
        assert row.cpu_seconds > 0 and row.seconds > 0
        assert row.peak_mb > 50 and 0 <= row.added_mb < row.peak_mb
        assert row.hardware and row.version and row.date and row.device == "CPU"
        assert (row.width, row.height) == (96, 96)
    pd.testing.assert_frame_equal(read_table(out), table(rows))
    read = pd.read_csv(out / "results.csv")
    assert list(read.columns) == list(table(rows).columns) and len(read) == len(rows)


def test_the_alpha_is_the_method_s_and_the_errors_are_those_of_the_file(undisturbed, data):
    out, rows = undisturbed
    row = rows[2]
    assert (row.image, row.method) == ("2", "knn-rgb")
    photo = cv2.imread(str(data / "input" / "2.png"))[..., ::-1]
    trimap = read_trimap(data / "trimap1" / "2.png")
    alpha = read_trimap(out / row.alpha)
    assert np.array_equal(alpha, np.rint(255 * solve(np.ascontiguousarray(photo), trimap).alpha))
    truth = read_trimap(data / "alpha" / "2.png") / 255
    unknown = (trimap > 0) & (trimap < 255)
    assert row.sad == metrics.sad(alpha / 255, truth)
    assert row.conn_unknown == metrics.conn(alpha / 255, truth, unknown)
    assert row.iou == metrics.iou(alpha / 255, truth) > 0.5


def test_a_broken_photo_is_a_row_with_a_sentence(undisturbed):
    broken = [row for row in undisturbed[1] if row.image == "broken"]
    assert len(broken) == 2
    for row in broken:
        assert row.state == "failed" and row.seconds is None and row.alpha == ""
        assert row.error.endswith(
            "broken.png is not a JPEG, PNG, WebP, HEIC, TIFF or BMP picture that can be read."
        )


def test_the_same_run_again_keeps_everything(undisturbed, data):
    out, rows = undisturbed
    started = []
    again = run_benchmark(
        scenes(data),
        [method(m) for m in METHODS.split(",")],
        out,
        on_start=lambda scene, method: started.append(scene.name),
    )
    assert started == ["broken", "broken"]
    assert [row for row in again if row.state == "done"] == [r for r in rows if r.state == "done"]


def children(process):
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in listed.split()]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("finished", [1, PHOTOS + 1])
def test_killed_in_the_middle_it_resumes_to_the_same_table(finished, undisturbed, data, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "deepmasque.cli", "benchmark", "--quiet"]
    command += ["--data", data, "--methods", METHODS, "--out", out]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    while len(list(out.rglob("*.json"))) < finished and process.poll() is None:
        time.sleep(0.002)
    workers = children(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert finished <= len(kept) < 2 * PHOTOS
    assert not (out / "results.csv").exists()
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers and not any(map(is_alive, workers))

    resumed = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert resumed.returncode == 1 and "Traceback" not in resumed.stderr, resumed.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    expected = figures(read_table(undisturbed[0]))
    pd.testing.assert_frame_equal(figures(read_table(out)), expected)
    for row in undisturbed[1]:
        if row.alpha:
            assert (out / row.alpha).read_bytes() == (undisturbed[0] / row.alpha).read_bytes()
    assert (out / "report.html").exists() and (out / "report.md").exists()


def test_stopped_it_keeps_what_is_done(data, tmp_path):
    rows = []
    chosen = [method("knn-rgb"), method("grabcut")]
    kept = run_benchmark(
        scenes(data), chosen, tmp_path, on_row=rows.append, should_stop=lambda: len(rows) >= 2
    )
    assert kept == rows and len(rows) == len(read_table(tmp_path)) == 2


SLOW = """
import json, os, sys, time
from pathlib import Path
Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
print(json.dumps({"device": "CPU", "load_seconds": 0}), flush=True)
sys.stdin.readline()
time.sleep(600)
"""


def test_a_stop_does_not_wait_for_the_method_at_work(data, tmp_path, monkeypatch):
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    monkeypatch.setattr(benchmark, "WORKER", (sys.executable, "-c", SLOW))
    begun, asked = [], []

    def should_stop():
        asked.append(time.monotonic())
        return bool(begun) and (tmp_path / "pid").exists()

    rows = run_benchmark(
        scenes(data),
        [method("grabcut")],
        tmp_path / "out",
        on_start=lambda *_: begun.append(time.monotonic()),
        should_stop=should_stop,
    )
    assert rows == [] and time.monotonic() - asked[-1] < 5
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_photo_that_changed_is_measured_anew(data, tmp_path, portrait):
    scene = Scene("a", tmp_path / "a.png", trimap=data / "trimap1" / "0.png")
    scene.image.write_bytes(encode_png(portrait[:96, :96]))
    out, started = tmp_path / "out", []

    def alpha():
        (row,) = run_benchmark(
            [scene], [method("grabcut")], out, on_start=lambda *pair: started.append(pair)
        )
        return (out / row.alpha).read_bytes()

    first = alpha()
    assert alpha() == first and len(started) == 1
    scene.image.write_bytes(encode_png(portrait[96:, 96:]))
    assert alpha() != first and len(started) == 2


def test_a_row_that_was_damaged_is_measured_anew(data, tmp_path):
    chosen = [scenes(data)[0]], [method("grabcut")], tmp_path
    (first,) = run_benchmark(*chosen)
    (stored,) = tmp_path.rglob("*.json")
    stored.write_bytes(b"{")
    (again,) = run_benchmark(*chosen)
    assert figures(table([again])).equals(figures(table([first])))
    assert len(stored.read_bytes()) > 100


def test_without_a_trimap_the_pipeline_draws_one_and_the_row_says_so(tmp_path, portrait):
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(encode_jpeg(portrait))
    photo.with_name("b.jpg").write_bytes(encode_jpeg(np.full((60, 80, 3), 90, np.uint8)))
    out = tmp_path / "out"
    seen = run_benchmark(scenes(photo.parent), [method("mediapipe-selfie"), method("grabcut")], out)
    assert [row.trimap for row in seen] == ["", "", "portrait pipeline", "portrait pipeline"]
    assert all(row.state == "done" and row.iou is None for row in seen)
    said = "No face was found, so the mean placement was used."
    assert [row.notes for row in seen] == ["", "", "", said]
    selfie, _, cut, nobody = (read_trimap(out / row.alpha) for row in seen)
    assert metrics.iou(selfie / 255, cut / 255) > 0.8
    assert not nobody.any()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A sample pair and its truth at a quarter of the size, named as a folder of photos has it."""
    folder, sample = tmp_path_factory.mktemp("pair"), samples.pairs()[0]
    for name, path in (("a", sample.path), ("a_plate", sample.plate), ("truth/a", sample.truth)):
        (folder / name).parent.mkdir(exist_ok=True)
        small = cv2.resize(cv2.imread(str(path)), None, fx=0.25, fy=0.25)
        cv2.imwrite(str(folder / f"{name}.png"), small)
    return folder


def test_two_photos_are_matted_where_there_is_a_plate_and_else_the_row_says_so(pair, tmp_path):
    (scene,) = scenes(pair)
    assert scene.plate == pair / "a_plate.png"
    matted = replace(scene, truth=pair / "truth" / "a.png")
    alone = Scene("alone", scene.image)
    done, failed = run_benchmark([matted, alone], [method("two-photo")], tmp_path / "out")
    assert done.state == "done" and done.error == "" and done.iou > 0.8
    assert failed.state == "failed" and failed.error.startswith("There is no plate")


def test_a_truth_of_another_size_costs_the_errors_alone(data, tmp_path):
    scene = replace(scenes(data)[0], truth=tmp_path / "truth.png")
    scene.truth.write_bytes(encode_png(np.zeros((5, 5), np.uint8)))
    (row,) = run_benchmark([scene], [method("grabcut")], tmp_path / "out")
    assert row.state == "done" and row.iou is None
    assert row.notes.endswith("truth.png is not of the photo's size.")


DYING = """
import json, os, signal, sys
print(json.dumps({"device": "CPU", "load_seconds": 0}), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_dies_is_a_row_and_the_next_photo_goes_on(data, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "WORKER", (sys.executable, "-c", DYING))
    rows = run_benchmark(scenes(data)[:2], [method("grabcut")], tmp_path)
    assert [row.state for row in rows] == ["failed", "failed"]
    assert all("killed, most likely because memory ran out" in row.error for row in rows)


class TestLayouts:
    @pytest.fixture
    def folder(self, tmp_path):
        def made(*names):
            for name in names:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_png(np.zeros((4, 4), np.uint8)))
            return tmp_path

        return made

    def test_samples(self):
        found = scenes("samples")
        assert "astronaut" in [scene.name for scene in found]
        assert all(scene.image.is_file() and scene.truth is None for scene in found)

    def test_masks(self, folder):
        root = folder("images/a.jpg", "images/b.png", "masks/a.png", "images/notes.txt")
        assert scenes(root) == [
            Scene("a", root / "images" / "a.jpg", root / "masks" / "a.png"),
            Scene("b", root / "images" / "b.png"),
        ]
        assert [scene.name for scene in scenes(root, ["b", "c"])] == ["b"]

    def test_pairs(self):
        found = scenes("pairs")
        assert len(found) == len(samples.pairs())
        assert all(path.is_file() for each in found for path in (each.plate, each.truth))

    def test_plates(self, folder):
        root = folder("images/a.jpg", "images/b.png", "masks/a.png", "plates/a.jpg")
        assert [scene.plate for scene in scenes(root)] == [root / "plates" / "a.jpg", None]
        plain = folder("a.jpg", "a_plate.png", "b_plate.jpg")
        (plain / "images").rename(plain / "others")
        assert scenes(plain) == [
            Scene("a", plain / "a.jpg", plate=plain / "a_plate.png"),
            Scene("b_plate", plain / "b_plate.jpg"),
        ]

    def test_sets_of_trimaps(self, folder):
        root = folder("input/a.png", "alpha/a.png", "trimap1/a.png", "trimap2/a.png", "input/b.png")
        found = scenes(root)
        assert [(scene.name, scene.trimaps) for scene in found] == [
            ("a", "trimap1"),
            ("a", "trimap2"),
        ]
        assert found[1].trimap == root / "trimap2" / "a.png"
        assert found[1].truth == root / "alpha" / "a.png"

    def test_plain_folder_with_names_that_would_collide(self, folder):
        root = folder("a.jpg", "a.png", ".hidden.png", "sub/c.png")
        assert [scene.name for scene in scenes(root)] == ["a.jpg", "a.png"]

    @pytest.mark.parametrize("data", ["absent", "empty"])
    def test_nothing_there(self, data, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(DeepMasqueError, match=r"is not a folder|holds no pictures"):
            scenes(tmp_path / data)

    def test_names_that_occur_twice(self, tmp_path):
        twice = [Scene("a", tmp_path / "a.png")] * 2
        with pytest.raises(DeepMasqueError, match="a name of its own"):
            run_benchmark(twice, [], tmp_path)
        with pytest.raises(DeepMasqueError, match="a name of its own"):
            run_benchmark([Scene("../a", tmp_path / "a.png")], [], tmp_path)
