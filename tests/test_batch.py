from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepmasque import samples
from deepmasque.batch import (
    MARK,
    Job,
    Options,
    background_from,
    plan,
    reason,
    render,
    result_names,
    run,
)
from deepmasque.compose import Gradient
from deepmasque.errors import DeepMasqueError, ImageError
from deepmasque.image import encode_png, png_comment, read_image, read_trimap


@pytest.fixture
def photos(tmp_path, portrait_bytes):
    """A tree of photos, of which only two can be matted, among other files."""
    folder = tmp_path / "photos"
    for name in ("a.png", "sub/b.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(portrait_bytes)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo")
    (folder / ".hidden.png").write_bytes(portrait_bytes)
    return folder


def states(outcomes):
    return {outcome.job.photo.name: outcome.state for outcome in outcomes}


class TestResultNames:
    def test_plain(self):
        assert result_names(["a.jpg", "b.HEIC"]) == {"a.jpg": "a.png", "b.HEIC": "b.png"}

    def test_photos_that_share_a_stem_keep_their_whole_name(self):
        names = result_names(["a.jpg", "a.png", "b.png"])
        assert names == {"a.jpg": "a.jpg.png", "a.png": "a.png.png", "b.png": "b.png"}

    def test_names_that_differ_in_case_only(self):
        assert len({n.casefold() for n in result_names(["A.jpg", "a.jpg", "a.JPG"]).values()}) == 3

    def test_a_long_name_that_looks_like_a_result(self):
        names = result_names(["a.jpg", "a.png", "a.jpg.tif"])
        assert len(set(names.values())) == 3

    @given(
        st.sets(
            st.builds(
                lambda stem, suffix: stem + suffix,
                st.sampled_from(["a", "A", "a.jpg", "a.png", "a.jpg.2", "b"]),
                st.sampled_from([".jpg", ".JPG", ".png", ".tif"]),
            )
        )
    )
    def test_never_two_alike(self, names):
        result = result_names(names)
        assert result.keys() == names
        assert len({name.casefold() for name in result.values()}) == len(names)
        assert all(name.endswith(".png") for name in result.values())


class TestPlan:
    def test_the_tree_is_kept_and_other_files_are_named(self, photos, tmp_path):
        jobs, others = plan(photos, tmp_path / "out")
        found = {str(j.photo.relative_to(photos)): j.result.relative_to(tmp_path) for j in jobs}
        assert found == {
            "a.png": Path("out/a.png"),
            "broken.jpg": Path("out/broken.png"),
            "sub/b.png": Path("out/sub/b.png"),
        }
        assert [path.name for path in others] == ["notes.txt"]

    def test_same_stem_in_one_folder(self, photos, tmp_path, portrait_bytes):
        (photos / "a.jpg").write_bytes(portrait_bytes)
        jobs, _ = plan(photos, tmp_path / "out")
        results = {job.photo.name: job.result.name for job in jobs}
        assert results["a.jpg"] == "a.jpg.png" and results["a.png"] == "a.png.png"

    def test_results_inside_the_photos_are_no_photos(self, photos):
        out = photos / "sub" / "out"
        out.mkdir()
        (out / "a.png").write_bytes(b"an earlier result")
        jobs, _ = plan(photos, out)
        assert sorted(job.photo.name for job in jobs) == ["a.png", "b.png", "broken.jpg"]

    def test_results_need_a_folder_of_their_own(self, photos):
        with pytest.raises(DeepMasqueError, match="a folder other than"):
            plan(photos, photos / "sub" / "..")

    def test_a_result_may_not_replace_a_photo(self, photos):
        (photos / "sub" / "sub").mkdir()
        (photos / "sub" / "sub" / "b.png").write_bytes(b"")
        with pytest.raises(DeepMasqueError, match="would replace photos"):
            plan(photos / "sub", photos)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(DeepMasqueError, match="is not a folder"):
            plan(tmp_path / "absent", tmp_path / "out")

    def test_results_in_a_file(self, photos, tmp_path):
        (tmp_path / "out").write_text("a file")
        with pytest.raises(DeepMasqueError, match="is a file"):
            plan(photos, tmp_path / "out")

    def test_trimaps_are_named_like_results(self, photos, tmp_path):
        trimaps = tmp_path / "trimaps"
        (trimaps / "sub").mkdir(parents=True)
        for name in ("a.bmp", "broken.png", "sub/b.png"):
            (trimaps / name).write_bytes(b"")
        jobs, _ = plan(photos, tmp_path / "out", trimaps)
        assert [job.trimap for job in jobs] == [
            trimaps / "a.bmp",
            trimaps / "broken.png",
            trimaps / "sub" / "b.png",
        ]

    def test_one_trimap_for_all(self, photos, tmp_path):
        trimap = tmp_path / "trimap.png"
        trimap.write_bytes(b"")
        jobs, _ = plan(photos, tmp_path / "out", trimap)
        assert {job.trimap for job in jobs} == {trimap}

    def test_missing_trimap(self, photos, tmp_path):
        (tmp_path / "trimaps").mkdir()
        with pytest.raises(DeepMasqueError, match=r"no trimap for .*: it would be a\.png"):
            plan(photos, tmp_path / "out", tmp_path / "trimaps")


class TestBackgroundFrom:
    @pytest.mark.parametrize(
        ("text", "background"),
        [
            ("#ffb000", "#ffb000"),
            ("black", "black"),
            ("255, 176,0", (255, 176, 0)),
            ("#fff,#000", Gradient("#fff", "#000")),
            ("red, rgb", None),
            ("300,0,0", None),
            ("absent.jpg", None),
            ("", None),
            (",", None),
            ("1,2,3,4", None),
        ],
    )
    def test_text(self, text, background, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        if background is None:
            with pytest.raises(DeepMasqueError):
                background_from(text)
        else:
            assert background_from(text) == background

    def test_picture(self):
        path = samples.backgrounds()[0].path
        assert np.array_equal(background_from(str(path)), read_image(path))


class TestRender:
    def test_cutout_alpha_and_composite(self, portrait_bytes, tmp_path):
        rgba, matte = render(portrait_bytes, Options())
        alpha, _ = render(portrait_bytes, Options(alpha_only=True))
        blue, _ = render(portrait_bytes, Options(background="#0000ff"), suffix=".JPG")
        (tmp_path / "cutout.png").write_bytes(rgba)
        with Image.open(tmp_path / "cutout.png") as image:
            assert image.mode == "RGBA" and image.size == (192, 192)
            channel = np.asarray(image.getchannel("A"))
        assert np.array_equal(channel, read_trimap(alpha))
        assert np.abs(channel - matte.alpha * 255).max() <= 0.5
        assert 0.2 < matte.alpha.mean() < 0.9, "the astronaut fills about half of the picture"
        assert blue[:2] == b"\xff\xd8"
        corner = read_image(blue)[4, -4].astype(int)
        assert np.abs(corner - [0, 0, 255]).max() < 12, "the corner is background"

    def test_same_photo_same_bytes(self, portrait_bytes):
        assert render(portrait_bytes, Options())[0] == render(portrait_bytes, Options())[0]


class TestRun:
    def test_a_bad_file_does_not_stop_the_others(self, photos, tmp_path):
        before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
        jobs, _ = plan(photos, tmp_path / "out")
        outcomes = list(run(jobs, Options()))
        assert states(outcomes) == {"a.png": "done", "b.png": "done", "broken.jpg": "failed"}
        failed = next(outcome for outcome in outcomes if outcome.state == "failed")
        assert "broken.jpg is not a" in failed.text
        written = {str(p.relative_to(tmp_path)) for p in (tmp_path / "out").rglob("*.*")}
        assert written == {"out/a.png", "out/sub/b.png"}
        assert all(path.read_bytes() == data for path, data in before.items())

    def test_resuming_does_only_what_is_missing_or_changed(self, photos, tmp_path, portrait):
        jobs, _ = plan(photos, tmp_path / "out")
        first, second = jobs[0], jobs[2]
        assert states(run([first], Options())) == {"a.png": "done"}
        made = first.result.stat().st_mtime_ns
        assert states(run([first, second], Options())) == {"a.png": "kept", "b.png": "done"}
        assert first.result.stat().st_mtime_ns == made
        first.photo.write_bytes(encode_png(np.ascontiguousarray(portrait[:, ::-1])))
        assert states(run([first, second], Options())) == {"a.png": "done", "b.png": "kept"}
        alpha = Options(alpha_only=True)
        assert states(run([second], alpha)) == {"b.png": "done"}
        assert states(run([second], alpha)) == {"b.png": "kept"}

    @pytest.mark.parametrize(
        "other",
        [
            Options(features="hsv"),
            Options(background="#fff"),
            Options(background=Gradient("#fff", "#000")),
            Options(background=np.zeros((2, 2, 3), np.uint8)),
            Options(background=np.zeros((3, 2, 3), np.uint8)),
        ],
    )
    def test_every_option_counts(self, other, photos, tmp_path, portrait_bytes):
        job = Job(photos / "a.png", tmp_path / "a.png")
        list(run([job], Options(background="#000")))
        mark = png_comment(job.result)
        list(run([job], other))
        assert mark.startswith(MARK) and png_comment(job.result) not in (None, mark)

    def test_a_file_of_the_user_is_left_alone(self, photos, tmp_path):
        job = Job(photos / "a.png", tmp_path / "a.png")
        job.result.write_bytes(b"precious")
        (outcome,) = run([job], Options())
        assert outcome.state == "failed" and "--overwrite" in outcome.text
        assert job.result.read_bytes() == b"precious"
        assert states(run([job], Options(), overwrite=True)) == {"a.png": "done"}
        assert read_image(job.result).shape == (192, 192, 3)

    def test_an_unusable_trimap_fails_with_its_own_sentence(self, photos, tmp_path):
        trimap = tmp_path / "trimap.png"
        trimap.write_bytes(encode_png(np.full((3, 3), 128, np.uint8)))
        (outcome,) = run([Job(photos / "a.png", tmp_path / "a.png", trimap)], Options())
        assert outcome.state == "failed" and outcome.text.count("\n") == 0
        assert not (tmp_path / "a.png").exists()

    def test_results_that_cannot_be_written(self, photos, tmp_path):
        (tmp_path / "out").write_text("a file where a folder should be")
        (outcome,) = run([Job(photos / "a.png", tmp_path / "out" / "a.png")], Options())
        assert outcome.state == "failed" and "out" in outcome.text


class TestReason:
    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (ImageError("The file is empty."), "The file is empty."),
            (OSError(28, "No space left on device", "a.png"), "a.png: No space left on device."),
            (OSError(28, "No space left on device"), "No space left on device."),
            (MemoryError(), "There is not enough memory for this photo."),
            (ValueError("two\nlines"), "Unexpected ValueError: two lines."),
            (KeyError(), "Unexpected KeyError: no details."),
        ],
    )
    def test_one_sentence(self, error, sentence):
        assert reason(error) == sentence
