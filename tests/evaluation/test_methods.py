import sys

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import deepmasque
from deepmasque import samples
from deepmasque.errors import DeepMasqueError, TrimapError
from deepmasque.evaluation.methods import chosen, method, methods, pipeline_trimap
from deepmasque.evaluation.metrics import iou
from deepmasque.image import read_image, read_trimap

OURS = (
    "portraitfcn",
    "portraitfcn-knn",
    "portraitfcn-knn-residual",
    "knn-rgb",
    "knn-hsv",
    "knn-textbook",
    "knn-rgb-residual",
)
OTHERS = ("pymatting-cf", "pymatting-knn", "pymatting-lbdm", "pymatting-rw", "grabcut")


@pytest.fixture(scope="module")
def solved(portrait):
    return deepmasque.matte(portrait)


def test_names_are_unique_and_everything_is_credited():
    every = methods()
    assert len({each.name for each in every}) == len(every)
    assert {*OURS, *OTHERS, "two-photo", "mediapipe-selfie"} <= {each.name for each in every}
    assert all(each.title and each.source for each in every)
    assert all(each.version() for each in every if each.unusable() is None)


@pytest.mark.parametrize("name", [*OURS, *OTHERS, "mediapipe-selfie"])
def test_every_method_finds_the_person(name, portrait, solved):
    image, trimap = portrait.copy(), solved.trimap.copy()
    alpha = method(name).load()(image, trimap)
    assert alpha.shape == trimap.shape and iou(alpha, solved.alpha) > 0.9
    assert np.array_equal(image, portrait) and np.array_equal(trimap, solved.trimap)


def test_two_photos_find_what_the_plate_does_not_show():
    pair = samples.pairs()[0]
    image, plate, truth = (
        cv2.resize(read(path), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        for read, path in (
            (read_image, pair.path),
            (read_image, pair.plate),
            (read_trimap, pair.truth),
        )
    )
    solve = method("two-photo").load()
    alpha = solve(image, plate)
    assert alpha.shape == truth.shape and iou(alpha, truth / 255) > 0.8
    with pytest.raises(DeepMasqueError):
        solve(image, image)


def test_ours_are_the_stages_of_the_pipeline(portrait, solved):
    of = {name: method(name).load()(portrait, solved.trimap) for name in OURS}
    assert np.array_equal(of["portraitfcn"], solved.mask)
    assert not np.array_equal(of["portraitfcn-knn"], of["knn-rgb"])
    assert np.array_equal(of["portraitfcn-knn-residual"], solved.alpha)
    assert not np.array_equal(of["knn-rgb-residual"], of["knn-rgb"])
    drawn = pipeline_trimap().load()(portrait, None)
    assert np.array_equal(np.rint(drawn * 255), solved.trimap)


@pytest.mark.parametrize("name", OTHERS)
def test_a_decided_trimap_is_the_answer_and_half_a_one_is_refused(name, portrait):
    solve = method(name).load()
    half = np.zeros(portrait.shape[:2], np.uint8)
    half[:96] = 255
    assert np.array_equal(solve(portrait, half), half / 255)
    half[:96] = 128
    with pytest.raises(TrimapError, match="no foreground"):
        solve(portrait, half)


def test_a_face_that_is_not_found_is_said(portrait):
    with pytest.warns(UserWarning, match="No face was found"):
        method("portraitfcn").load()(np.full_like(portrait, 120), None)


def test_choosing():
    assert [each.name for each in chosen("knn-hsv, grabcut,knn-hsv,")] == [
        "knn-hsv",
        "grabcut",
    ]
    assert {each.name for each in chosen("all")} >= {*OURS, *OTHERS}
    assert all(each.unusable() is None for each in chosen("all"))
    with pytest.raises(DeepMasqueError, match="nonsense is no method: there are portraitfcn,"):
        chosen("knn-rgb,nonsense")


class TestPeers:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        for name in ("REMBG_HOME", "U2NET_HOME", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TRANSPARENT_BACKGROUND_FILE_PATH", str(tmp_path / "home"))

    def install(self, tmp_path, monkeypatch, package, code):
        monkeypatch.setitem(sys.modules, package, None)  # so that it is forgotten afterwards
        del sys.modules[package]
        (tmp_path / "site" / package).mkdir(parents=True)
        (tmp_path / "site" / package / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path / "site")

    def test_what_is_not_installed_says_so(self):
        assert method("rembg").unusable() == "rembg is not installed."
        reason = method("transparent-background").unusable()
        assert reason == "transparent-background is not installed."
        with pytest.raises(DeepMasqueError, match="not installed"):
            method("rembg").load()

    def test_rembg_runs_the_models_that_are_on_this_disk(self, tmp_path, monkeypatch, portrait):
        code = (
            "class Session:\n"
            "    def __init__(self, name): self.name = name\n"
            "    def predict(self, image): return [image.getchannel(0)]\n"
            "new_session = Session\n"
        )
        self.install(tmp_path, monkeypatch, "rembg", code)
        reason = method("rembg").unusable()
        assert reason.startswith("rembg is installed, but no model of it lies under")
        for place in ("home/.rembg/models/isnet-general-use", "home/.u2net"):
            (tmp_path / place).mkdir(parents=True)
        (tmp_path / "home/.rembg/models/isnet-general-use/isnet-general-use.onnx").touch()
        (tmp_path / "home/.u2net/u2netp.onnx").touch()
        (tmp_path / "home/.u2net/sam.onnx").touch()
        found = [each.name for each in methods() if each.name.startswith("rembg")]
        assert found == ["rembg-isnet-general-use", "rembg-u2netp"]
        alpha = method("rembg-u2netp").load()(portrait, None)
        assert np.allclose(alpha, portrait[..., 0] / 255)

    def test_transparent_background_wants_its_weights(self, tmp_path, monkeypatch, portrait):
        code = (
            "import numpy\n"
            "class Remover:\n"
            "    def __init__(self, mode, device, ckpt): open(ckpt)\n"
            "    def process(self, image, type): return numpy.stack([image[..., 1]] * 3, -1)\n"
        )
        self.install(tmp_path, monkeypatch, "transparent_background", code)
        assert method("transparent-background").unusable().endswith("is not on this disk.")
        (tmp_path / "home" / ".transparent-background").mkdir(parents=True)
        (tmp_path / "home" / ".transparent-background" / "ckpt_fast.pth").touch()
        fast = method("transparent-background-fast")
        assert fast.unusable() is None and method("transparent-background").unusable()
        assert np.allclose(fast.load()(portrait, None), portrait[..., 1] / 255)


class TestNetworks:
    """Networks of one layer: the mean of the channels, a trimap's channel, or logits."""

    def saved(self, path, channels, weights, height=None, width=None, outputs=1):
        picture = helper.make_tensor_value_info(
            "x", TensorProto.FLOAT, [1, channels, height, width]
        )
        alpha = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs, height, width])
        kernel = helper.make_tensor(
            "w", TensorProto.FLOAT, [outputs, channels, 1, 1], [*weights] * outputs
        )
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        graph = helper.make_graph([node], "network", [picture], [alpha], [kernel])
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return method(f"onnx:{path}")

    def plain(self, path):
        path.with_suffix(".toml").write_text("mean = [0, 0, 0]\ndeviation = [1, 1, 1]\n")

    def test_probabilities(self, tmp_path, portrait):
        network = self.saved(tmp_path / "mean.onnx", 3, [1 / 3] * 3)
        self.plain(tmp_path / "mean.onnx")
        assert network.unusable() is None and network.needs == "image"
        alpha = network.load()(portrait, None)
        assert np.allclose(alpha, portrait.mean(axis=2) / 255, atol=1e-5)

    def test_logits_of_imagenet_s_scaling_at_a_size_of_its_own(self, tmp_path, portrait):
        network = self.saved(tmp_path / "red.onnx", 3, [1, 0, 0], 64, 96)
        with pytest.warns(UserWarning, match="logits"):
            alpha = network.load()(portrait, None)
        assert alpha.shape == portrait.shape[:2]
        red = 1 / (1 + np.exp(-(portrait[..., 0] / 255 - 0.485) / 0.229))
        assert np.corrcoef(alpha.ravel(), red.ravel())[0, 1] > 0.95

    def test_a_fourth_channel_is_the_trimap(self, tmp_path, portrait, solved):
        network = self.saved(tmp_path / "fourth.onnx", 4, [0, 0, 0, 1])
        assert network.needs == "image and trimap"
        alpha = network.load()(portrait, solved.trimap)
        assert np.allclose(alpha, solved.trimap / 255)

    def test_files_that_will_not_do(self, tmp_path):
        text = tmp_path / "text.onnx"
        text.write_text("no network")
        assert "is not an ONNX network" in method(f"onnx:{text}").unusable()
        assert method(f"onnx:{tmp_path}/absent.onnx").unusable().endswith("does not exist.")
        two = self.saved(tmp_path / "two.onnx", 2, [1, 1])
        assert "does not take one picture of 3 channels" in two.unusable()

    @pytest.mark.parametrize(
        "wishes", ["mean = 3", "deviation = [0, 1, 1]", "size = 'large'", "mean = [1", "size = 0"]
    )
    def test_wishes_that_make_no_sense(self, wishes, tmp_path):
        network = self.saved(tmp_path / "mean.onnx", 3, [1, 0, 0])
        (tmp_path / "mean.toml").write_text(wishes)
        assert "must give mean and deviation" in network.unusable()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.binary()
        | st.builds(
            "{} = {}".format,
            st.sampled_from(["mean", "deviation", "size", "other"]),
            st.sampled_from(["inf", "nan", "-5", "1e99", "true", "[]", "[1, 2, 3]", "{a = 1}"]),
        ).map(str.encode)
    )
    def test_any_wishes_are_taken_or_refused_in_a_sentence(self, tmp_path, wishes):
        path = tmp_path / "mean.onnx"
        network = method(f"onnx:{path}") if path.exists() else self.saved(path, 3, [1, 0, 0])
        path.with_suffix(".toml").write_bytes(wishes)
        assert network.unusable() is None or "must give mean" in network.unusable()

    def test_an_answer_that_is_no_alpha(self, tmp_path, portrait):
        network = self.saved(tmp_path / "planes.onnx", 3, [1, 0, 0], outputs=2)
        with pytest.raises(DeepMasqueError, match="not one alpha"):
            network.load()(portrait, None)

    def test_another_file_is_another_version(self, tmp_path):
        first = self.saved(tmp_path / "a.onnx", 3, [1, 0, 0]).version()
        assert first.startswith("a.onnx ")
        assert self.saved(tmp_path / "a.onnx", 3, [0, 1, 0]).version() != first
