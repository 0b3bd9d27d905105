import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from deepmasque import samples
from deepmasque.cli import app
from deepmasque.image import encode_jpeg, encode_png, read_image, read_trimap
from deepmasque.launchpad import Board, columns
from deepmasque.launchpad.twin import solve_column


@pytest.fixture
def photo(tmp_path, portrait):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode_jpeg(portrait))
    return path


def call(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def refused(result, sentence, code=1):
    """The call failed with one sentence on standard error and nothing on standard output."""
    assert result.exit_code == code
    assert sentence in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    return code == 2 or result.stderr.strip().count("\n") == 0


class TestOnePhoto:
    def test_default_name(self, photo):
        result = call("i", photo)
        assert result.exit_code == 0, result.stderr
        with Image.open(photo.with_name("photo_cutout.png")) as image:
            assert image.mode == "RGBA" and image.size == (192, 192)
        assert result.stdout == "" and "photo_cutout.png" in result.stderr

    def test_alpha(self, photo):
        assert call("i", photo, "--alpha-only", "--features", "hsv").exit_code == 0
        with Image.open(photo.with_name("photo_alpha.png")) as image:
            assert image.mode == "L" and image.getextrema() == (0, 255)

    def test_log(self, photo, tmp_path):
        assert call("i", photo, "--log", tmp_path / "logs").exit_code == 0
        assert list((tmp_path / "logs/photo").glob("events.out.tfevents.*"))

    def test_quiet(self, photo):
        result = call("i", photo, "-q")
        assert (result.exit_code, result.stderr, result.stdout) == (0, "", "")

    @pytest.mark.parametrize("suffix", [".png", ".JPG"])
    def test_background(self, photo, suffix):
        target = photo.with_name(f"new{suffix}")
        assert call("i", photo, target, "--background", "#00ff00,#0000ff").exit_code == 0
        pixels = read_image(target).astype(int)
        assert np.abs(pixels[2, -3] - [0, 252, 3]).max() < 15

    def test_background_picture(self, photo):
        sunset = samples.backgrounds()[2].path
        assert call("i", photo, "--background", sunset).exit_code == 0
        pixels = read_image(photo.with_name("photo_composite.png"))
        assert np.abs(pixels[0, -1].astype(int) - read_image(sunset)[0, 1400]).max() < 30

    def test_own_trimap_decides(self, photo):
        trimap = np.full((192, 192), 255, np.uint8)
        trimap[:, :96] = 0
        trimap[:, 90:102] = 128
        path = photo.with_name("trimap.png")
        path.write_bytes(encode_png(trimap))
        assert call("i", photo, "--alpha-only", "--trimap", path).exit_code == 0
        alpha = read_trimap(photo.with_name("photo_alpha.png"))
        assert (alpha[:, :90] == 0).all() and (alpha[:, 102:] == 255).all()

    def test_standard_input_to_standard_output(self, portrait_bytes):
        result = call("i", "-", input=portrait_bytes)
        assert result.exit_code == 0, result.stderr
        with Image.open(BytesIO(result.stdout_bytes)) as image:
            assert image.mode == "RGBA" and image.size == (192, 192)

    def test_it_is_not_done_twice_into_one_file(self, photo):
        target = photo.with_name("out.png")
        target.write_bytes(b"precious")
        assert refused(call("i", photo, target), "--overwrite replaces it")
        assert target.read_bytes() == b"precious"
        assert call("i", photo, target, "--overwrite").exit_code == 0
        assert read_image(target).shape == (192, 192, 3)


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "is empty"),
            (b"some text", "is not a JPEG"),
            (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "is not a JPEG"),
        ],
    )
    def test_bad_photo(self, content, sentence, tmp_path):
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        assert refused(call("i", path), sentence)
        assert refused(call("i", "-", "-", input=content), sentence)
        assert list(tmp_path.iterdir()) == [path]

    def test_truncated_photo(self, photo):
        data = photo.read_bytes()
        photo.write_bytes(data[: len(data) // 2])
        assert refused(call("i", photo), "photo.jpg is damaged or cut short.")

    def test_missing_photo(self, tmp_path):
        assert refused(call("i", tmp_path / "absent.jpg"), "absent.jpg does not exist")

    @pytest.mark.parametrize(
        ("target", "sentence"),
        [
            ("out.gif", "results are .png or .jpg"),
            ("out", "results are .png or .jpg"),
            ("out.jpg", "JPEG holds no transparency"),
            ("absent/out.png", "is not a folder that exists"),
            ("folder.png", "is a folder"),
        ],
    )
    def test_bad_target(self, photo, target, sentence):
        (photo.parent / "folder.png").mkdir()
        assert refused(call("i", photo, photo.parent / target), sentence)

    def test_the_photo_is_never_overwritten(self, portrait_bytes, tmp_path):
        path = tmp_path / "photo.png"
        path.write_bytes(portrait_bytes)
        link = tmp_path / "link.png"
        link.symlink_to(path)
        assert refused(call("i", path, path, "--overwrite"), "is the photo itself")
        assert refused(call("i", path, link, "--overwrite"), "is the photo itself")
        assert path.read_bytes() == portrait_bytes

    def test_trimap_of_another_size(self, photo):
        path = photo.with_name("trimap.png")
        path.write_bytes(encode_png(np.full((5, 5), 128, np.uint8)))
        result = call("i", photo, "--trimap", path)
        assert result.exit_code == 1 and "Traceback" not in result.stderr
        assert not photo.with_name("photo_cutout.png").exists()

    def test_bad_background(self, photo):
        assert refused(call("i", photo, "--background", "nothing"), "is no background")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("i",),
            ("i", "photo.jpg", "--features", "cmyk"),
            ("i", "photo.jpg", "--alpha-only", "--background", "red"),
            ("i", "photo.jpg", "--nonsense"),
            ("p", "photos"),
            ("nonsense",),
        ],
    )
    def test_wrong_use(self, arguments):
        refused(call(*arguments), "", code=2)


class TestFolder:
    @pytest.fixture
    def photos(self, tmp_path, portrait_bytes, portrait):
        folder = tmp_path / "photos"
        (folder / "sub").mkdir(parents=True)
        (folder / "a.png").write_bytes(portrait_bytes)
        (folder / "sub" / "a.jpg").write_bytes(encode_jpeg(portrait))
        return folder

    def test_a_folder_and_then_again(self, photos):
        out = photos / "results"
        first = call("p", photos, out)
        assert first.exit_code == 0 and "2 done" in first.stderr, first.stderr
        for name in ("a.png", "sub/a.png"):
            with Image.open(out / name) as image:
                assert image.mode == "RGBA"
        again = call("p", photos, out)
        assert again.exit_code == 0 and "0 done, 2 were there already" in again.stderr
        assert first.stdout == again.stdout == ""

    def test_failures_are_counted_named_and_end_in_an_error(self, photos, tmp_path):
        (photos / "b[1].jpg").write_bytes(b"no picture")
        (photos / "c.gif").write_bytes(b"GIF89a")
        result = call("p", photos, tmp_path / "out", "--alpha-only")
        assert result.exit_code == 1 and "Traceback" not in result.stderr
        assert "b[1].jpg is not a JPEG" in result.stderr
        assert "2 done, 1 failed, 1 ignored (no pictures)" in result.stderr

    def test_empty_folder(self, tmp_path):
        assert refused(call("p", tmp_path, tmp_path / "out"), "holds no pictures")
        assert not (tmp_path / "out").exists()

    def test_missing_folder(self, tmp_path):
        assert refused(call("p", tmp_path / "absent", tmp_path / "out"), "is not a folder")


class TestBenchmark:
    @pytest.fixture
    def photos(self, tmp_path, portrait):
        folder = tmp_path / "photos"
        folder.mkdir()
        (folder / "a.jpg").write_bytes(encode_jpeg(portrait))
        return folder

    def test_table_report_and_alphas(self, photos, tmp_path):
        out = tmp_path / "run"
        arguments = ("benchmark", "--data", photos, "--methods", "mediapipe-selfie", "--out", out)
        result = call(*arguments)
        assert result.exit_code == 0, result.stderr
        assert "MediaPipe selfie" in result.stdout and "seconds" in result.stdout
        assert {path.name for path in out.iterdir()} == {
            "alphas",
            "rows",
            "results.csv",
            "results.parquet",
            "report.html",
            "report.md",
        }
        assert read_trimap(out / "alphas" / "mediapipe-selfie" / "a.png").shape == (192, 192)
        again = call(*arguments, "--quiet")
        assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")

    def test_failures_are_named_and_end_in_an_error(self, photos, tmp_path):
        (photos / "b.jpg").write_bytes(b"no picture")
        result = call(
            "benchmark",
            "--data",
            photos,
            "--methods",
            "mediapipe-selfie",
            "--out",
            tmp_path / "run",
        )
        assert result.exit_code == 1 and "Traceback" not in result.stderr
        assert "MediaPipe selfie, b: " in result.stderr and "b.jpg is not a JPEG" in result.stderr

    def test_only_some_photos(self, photos, tmp_path):
        (tmp_path / "ids.txt").write_text("c\n")
        arguments = (
            "--ids",
            tmp_path / "ids.txt",
            "--methods",
            "grabcut",
            "--out",
            tmp_path / "run",
        )
        assert refused(
            call("benchmark", "--data", photos, *arguments), "no pictures of these names"
        )

    def test_wrong_use(self, photos, tmp_path):
        out = ("--out", tmp_path / "run")
        assert refused(call("benchmark", "--data", photos, "--methods", "x", *out), "is no method")
        assert refused(call("benchmark", "--data", tmp_path / "no", *out), "is not a folder")
        assert not (tmp_path / "run").exists()

    def test_list(self):
        result = call("benchmark", "--list")
        assert result.exit_code == 0
        assert "pymatting-cf" in result.stdout and "Not usable here: rembg is not" in result.stdout


class TestLaunchPad:
    @pytest.fixture
    def strip(self, tmp_path):
        """A photo of 24 columns with its trimap."""
        y, x = np.mgrid[:800, :24]
        image = np.stack([y // 4, 200 - y // 8 + 0 * x, 5 * x], axis=-1).astype(np.uint8)
        trimap = np.where(y < 380, 0, np.where(y < 420, 128, 255)).astype(np.uint8)
        (tmp_path / "photo.png").write_bytes(encode_png(image))
        (tmp_path / "trimap.png").write_bytes(encode_png(trimap))
        return tmp_path / "photo.png", tmp_path / "trimap.png"

    def test_whole_portrait(self, strip):
        photo, trimap = strip
        result = call("launchpad", photo, "--trimap", trimap)
        assert result.exit_code == 0, result.stderr
        target = photo.with_name("photo_launchpad.png")
        alpha, given = read_trimap(target), read_trimap(trimap)
        cut = columns(read_image(photo), given)
        expected = [solve_column(column.features, column.trimap).alpha for column in cut]
        assert np.array_equal(alpha, np.transpose(expected))
        assert "24 columns" in result.stderr and "bytes of RAM" in result.stderr
        assert {path.name for path in photo.parent.iterdir()} == {
            "photo.png",
            "trimap.png",
            "photo_launchpad.png",
        }
        assert refused(call("launchpad", photo, "--trimap", trimap), "--overwrite replaces it")

    def test_it_goes_on_where_it_was_stopped(self, strip, monkeypatch):
        photo, trimap = strip
        solve, asked = Board.solve_column, []

        def counted(board, *arguments, **options):
            asked.append(None)
            if len(asked) == 15:
                raise KeyboardInterrupt
            return solve(board, *arguments, **options)

        monkeypatch.setattr(Board, "solve_column", counted)
        out = photo.with_name("alpha.png")
        arguments = ("launchpad", photo, "--trimap", trimap, "--out", out)
        assert refused(call(*arguments), "Stopped after 14 of 24 columns: the same command")
        assert not out.exists()
        assert call(*arguments).exit_code == 0
        assert len(asked) == 15 + 10 and read_trimap(out).shape == (800, 24)

    def test_no_board(self, photo):
        assert refused(call("launchpad", photo, "--port", "/dev/ttyABSENT"), "There is no port")

    def test_bad_target(self, photo):
        assert refused(call("launchpad", photo, "--out", "a.jpg"), "the alpha is a .png file")


class TestProcess:
    """The command as a process of its own, as a shell runs it."""

    def run(self, *arguments, **options):
        command = [sys.executable, "-m", "deepmasque.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, **options)

    def test_pipe(self, portrait_bytes):
        result = self.run("i", "-", "-", "--background", "black", input=portrait_bytes)
        assert result.returncode == 0, result.stderr
        assert read_image(result.stdout).shape == (192, 192, 3)
        assert b"Traceback" not in result.stderr

    def test_error(self, tmp_path):
        result = self.run("i", tmp_path / "absent.jpg", text=True)
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr == f"deepmasque: {tmp_path / 'absent.jpg'} does not exist.\n"

    def test_version(self):
        result = self.run("--version", text=True)
        assert result.returncode == 0 and result.stdout.startswith("deepmasque 0.")

    def test_help_loads_no_network(self):
        code = (
            "import sys; sys.argv = ['deepmasque', '--help']; from deepmasque.cli import app\n"
            "try: app()\n"
            "finally: print(sorted({'torch', 'mediapipe', 'openvino', 'pymatting',"
            " 'serial', 'streamlit'} & set(sys.modules)))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Cut people out of photos" in result.stdout
        assert result.stdout.strip().endswith("[]")
