"""Pairs of photos on the command line: one pair, folders, layered files."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from psd_tools import PSDImage
from typer.testing import CliRunner

from deepmasque import samples
from deepmasque.batch import run
from deepmasque.cli import app
from deepmasque.errors import DeepMasqueError
from deepmasque.image import encode_jpeg, encode_png, read_image, reduced
from deepmasque.two_photo.batch import PairJob, PairOptions, plan_pairs
from deepmasque.two_photo.layers import psd, tiff
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.pipeline import matte_two_photo

PIXELS = 320 * 240


@pytest.fixture(scope="module")
def pair():
    """A sample pair, small: photo and plate, uint8."""
    sample = samples.pairs()[0]
    return tuple(reduced(read_image(path), PIXELS) for path in (sample.path, sample.plate))


@pytest.fixture(scope="module")
def matte(pair):
    return matte_two_photo(*pair)


@pytest.fixture
def folder(tmp_path, pair):
    """A tree with two pairs and a file that is no picture."""
    photo, plate = pair
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for stem in ("a", "sub/b"):
        (root / f"{stem}.png").write_bytes(encode_png(photo))
        (root / f"{stem}_plate.jpg").write_bytes(encode_jpeg(plate))
    (root / "notes.txt").write_text("not a photo")
    return root


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result, sentence):
    """The call failed with one sentence on standard error."""
    assert result.exit_code == 1, result.stderr
    assert sentence in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr.strip().count("\n") == 0


def written(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


class TestPlan:
    @pytest.fixture
    def make(self, tmp_path):
        def files(*names):
            for name in names:
                path = tmp_path / "in" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
            return tmp_path / "in"

        return files

    def plan(self, root, plate=None, options=None):
        jobs, others = plan_pairs(root, root.parent / "out", options or PairOptions(), plate)
        name = {
            job.photo.relative_to(root).as_posix(): job.plate and job.plate.name for job in jobs
        }
        return name, jobs, others

    def test_the_plate_lies_beside_its_photo_in_any_format(self, make):
        root = make("a.jpg", "a_plate.png", "sub/a.jpg", "sub/A_Plate.JPG", "notes.txt")
        plates, jobs, others = self.plan(root)
        assert plates == {"a.jpg": "a_plate.png", "sub/a.jpg": "A_Plate.JPG"}
        assert [job.result.relative_to(root.parent).as_posix() for job in jobs] == [
            "out/a.png",
            "out/sub/a.png",
        ]
        assert [path.name for path in others] == ["notes.txt"]

    def test_one_plate_for_all_but_those_with_their_own(self, make):
        root = make("a.jpg", "b.jpg", "b_plate.jpg", "studio.jpg")
        plates, jobs, _ = self.plan(root, root / "studio.jpg")
        assert plates == {"a.jpg": "studio.jpg", "b.jpg": "b_plate.jpg"}
        assert not any(job.missing for job in jobs)

    def test_what_has_no_other_half_is_named(self, make):
        root = make("a.jpg", "b_plate.jpg")
        _, jobs, _ = self.plan(root)
        assert "a.jpg has no plate: put a_plate.jpg beside it" in jobs[0].missing
        assert "b_plate.jpg is the plate of no photo" in jobs[1].missing

    def test_two_photos_never_write_one_file(self, make):
        root = make("a.jpg", "a_alpha.jpg", "a_plate.jpg", "a_alpha_plate.jpg")
        self.plan(root)
        with pytest.raises(DeepMasqueError, match=r"a_alpha\.png would be written for two photos"):
            self.plan(root, options=PairOptions(alpha=True))

    def test_the_plate_for_all_is_a_file(self, make):
        root = make("a.jpg")
        with pytest.raises(DeepMasqueError, match="is not a file"):
            self.plan(root, root / "absent.jpg")


class TestLayers:
    def test_psd(self, matte):
        document = PSDImage.open(BytesIO(psd(matte)))
        photo, plate, subject = document
        assert [layer.name for layer in document] == ["Photo", "Plate", "Subject"]
        assert all(layer.is_visible() for layer in document)
        for layer, pixels in (
            (photo, matte.image),
            (plate, matte.alignment.plate),
            (subject, matte.foreground),
        ):
            assert np.array_equal(np.asarray(layer.topil().convert("RGB")), pixels)
        mask = np.asarray(subject.mask.topil())
        assert np.array_equal(mask, np.rint(matte.alpha * 255))
        share = mask[..., None] / 255
        blended = share * matte.foreground + (1 - share) * matte.alignment.plate
        with Image.open(BytesIO(psd(matte))) as merged:  # what a viewer without layers shows
            assert np.abs(np.asarray(merged.convert("RGB")) - blended).max() <= 1

    def test_tiff(self, matte):
        with Image.open(BytesIO(tiff(matte))) as image:
            pages = []
            for index in range(image.n_frames):
                image.seek(index)
                pages.append((image.tag_v2[285], np.asarray(image)))
        assert [name for name, _ in pages] == ["Subject", "Plate", "Photo"]
        (_, subject), (_, plate), (_, photo) = pages
        assert np.array_equal(subject[..., :3], matte.foreground)
        assert np.array_equal(subject[..., 3], np.rint(matte.alpha * 255))
        assert np.array_equal(plate, matte.alignment.plate)
        assert np.array_equal(photo, matte.image)


class TestRun:
    """What is kept, made anew and left alone when a folder is run again."""

    OPTIONS = PairOptions(alpha=True, layers="tiff")

    @pytest.fixture
    def job(self, folder, tmp_path):
        return PairJob(folder / "a.png", tmp_path / "a.png", plate=folder / "a_plate.jpg")

    def state(self, job, options=OPTIONS, **choice):
        (outcome,) = run([job], options, **choice)
        return outcome.state

    def test_only_what_is_missing_or_changed_is_done(self, job):
        assert self.state(job) == "done"
        times = [path.stat().st_mtime_ns for path in self.OPTIONS.targets(job)]
        assert self.state(job) == "kept"
        assert times == [path.stat().st_mtime_ns for path in self.OPTIONS.targets(job)]
        job.result.with_name("a_alpha.png").unlink()
        assert self.state(job) == "done"
        cleaned = PairOptions(clean_up=CleanUp(largest=True), alpha=True, layers="tiff")
        assert self.state(job, cleaned) == "done"
        job.plate.write_bytes(encode_png(read_image(job.plate)))
        assert self.state(job, cleaned) == "done"
        assert self.state(job, cleaned) == "kept"

    def test_layers_that_someone_worked_on_are_left_alone(self, job):
        assert self.state(job) == "done"
        layers = job.result.with_suffix(".tiff")
        layers.write_bytes(b"retouched for hours")
        assert self.state(job) == "kept"
        job.result.with_name("a_alpha.png").unlink()
        assert self.state(job) == "failed"
        assert layers.read_bytes() == b"retouched for hours"
        assert self.state(job, overwrite=True) == "done"
        assert layers.read_bytes() != b"retouched for hours"

    def test_it_goes_on_after_stopping_between_the_files_of_a_pair(self, job, monkeypatch):
        from deepmasque import batch

        write, count = batch.write_atomic, []

        def killed(path, data):
            count.append(path)
            if len(count) == 2:
                raise KeyboardInterrupt
            write(path, data)

        monkeypatch.setattr(batch, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            self.state(job)
        assert job.result.exists() and not job.result.with_name("a_alpha.png").exists()
        monkeypatch.undo()
        assert self.state(job) == "done"
        assert self.state(job) == "kept"


class TestOnePair:
    def test_default_name(self, folder):
        result = call("pair", folder / "a.png", folder / "a_plate.jpg")
        assert result.exit_code == 0, result.stderr
        with Image.open(folder / "a_cutout.png") as image:
            assert image.mode == "RGBA"
            alpha = np.asarray(image.getchannel("A"))
        assert 0.02 < alpha.mean() / 255 < 0.9
        assert result.stdout == "" and "a_cutout.png" in result.stderr

    def test_everything_beside_it_and_clean_up(self, folder, tmp_path, matte):
        out = tmp_path / "out.png"
        flags = ("--alpha", "--foreground", "--layers", "psd", "-q", "--out", out)
        clean = ("--threshold", 0.2, 0.8, "--erode", 5, "--largest")
        assert call("pair", folder / "a.png", folder / "a_plate.jpg", *flags, *clean).exit_code == 0
        names = {"out.png", "out_alpha.png", "out_foreground.png", "out.psd"}
        assert {path.name for path in tmp_path.iterdir() if path.is_file()} == names
        cutout = np.asarray(Image.open(out))
        alpha = np.asarray(Image.open(tmp_path / "out_alpha.png"))
        foreground = np.asarray(Image.open(tmp_path / "out_foreground.png"))
        assert np.array_equal(cutout, np.dstack([foreground, alpha]))
        assert alpha.mean() < 255 * matte.alpha.mean() - 1, "the subject has shrunk"
        assert [layer.name for layer in PSDImage.open(tmp_path / "out.psd")] == [
            "Photo",
            "Plate",
            "Subject",
        ]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("a.png", "absent.jpg"), "absent.jpg does not exist"),
            (("a.png", "notes.txt"), "notes.txt is not a JPEG"),
            (("a.png", "a_plate.jpg", "-o", "a.jpg"), "the cut-out is a .png file"),
            (("a.png", "a_plate.jpg", "-o", "a.png", "--overwrite"), "is the photo itself"),
            (("a.png", "a_plate.jpg", "-o", "absent/a.png"), "is not a folder that exists"),
            (("a.png", "a_plate.jpg", "--threshold", "0.9", "0.1"), "black point below its white"),
            (("a.png", "a.png"), "same"),
        ],
    )
    def test_one_sentence(self, folder, monkeypatch, arguments, sentence):
        monkeypatch.chdir(folder)
        before = written(folder)
        assert refused(call("pair", *arguments), sentence)
        assert written(folder) == before

    def test_a_file_that_exists_is_left_alone(self, folder):
        precious = folder / "a_cutout_alpha.png"
        precious.write_bytes(b"precious")
        result = call("pair", folder / "a.png", folder / "a_plate.jpg", "--alpha")
        assert refused(result, "a_cutout_alpha.png exists already: --overwrite replaces it")
        assert precious.read_bytes() == b"precious"
        assert not (folder / "a_cutout.png").exists()


class TestFolder:
    def test_a_folder_and_then_again(self, folder, tmp_path):
        out = tmp_path / "out"
        first = call("pairs", folder, out, "--alpha", "--layers", "tiff")
        assert first.exit_code == 0, first.stderr
        assert "2 done, 1 ignored (no pictures)" in first.stderr
        assert written(out) == {
            f"{stem}{ending}"
            for stem in ("a", "sub/b")
            for ending in (".png", "_alpha.png", ".tiff")
        }
        again = call("pairs", folder, out, "--alpha", "--layers", "tiff")
        assert again.exit_code == 0 and "0 done, 2 were there already" in again.stderr

    def test_one_failure_does_not_stop_the_others(self, folder, tmp_path):
        (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
        (folder / "d.png").write_bytes(b"no picture")
        (folder / "d_plate.png").write_bytes((folder / "a.png").read_bytes())
        (folder / "e_plate.png").write_bytes((folder / "a.png").read_bytes())
        result = call("pairs", folder, tmp_path / "out")
        assert result.exit_code == 1 and "Traceback" not in result.stderr
        assert "2 done, 3 failed" in result.stderr
        for sentence in (
            "c.png has no plate",
            "d.png is not a JPEG",
            "e_plate.png is the plate of",
        ):
            assert sentence in result.stderr
        assert written(tmp_path / "out") == {"a.png", "sub/b.png"}

    def test_one_plate_for_all(self, folder, tmp_path):
        (folder / "a_plate.jpg").rename(tmp_path / "studio.jpg")
        result = call("pairs", folder, tmp_path / "out", "--plate", tmp_path / "studio.jpg", "-q")
        assert (result.exit_code, result.stderr, result.stdout) == (0, "", "")
        assert written(tmp_path / "out") == {"a.png", "sub/b.png"}

    def test_empty_folder(self, tmp_path):
        assert refused(call("pairs", tmp_path, tmp_path / "out"), "holds no pictures")

    def test_wrong_use(self):
        assert call("pairs", "photos").exit_code == 2
        assert call("pair", "a.jpg", "b.jpg", "--erode", "-1").exit_code == 2
