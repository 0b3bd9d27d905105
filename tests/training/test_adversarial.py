"""Fine-tuning on frames nobody matted, and on a client's own pairs, on pictures of 64 pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deepmasque.errors import DeepMasqueError, SettingsError
from deepmasque.image import encode_png
from deepmasque.training import runs, shots
from deepmasque.training.__main__ import app
from deepmasque.training.adversarial import (
    FILMED,
    AdversarialTask,
    Crops,
    ShotSheet,
    changed,
    tune,
)
from deepmasque.training.journal import Journal
from deepmasque.training.two_photo import trained_weights
from deepmasque.two_photo.network import TwoPhotoNetwork

TINY = replace(FILMED, epochs=2, samples=4, batch=2, crop=64, side=96, discriminator_every=1)
EMPTY = (*range(12), *range(40, 52), *range(72, 80))
FRAMES = 80
LAMP = 36


class PowerCutError(Exception):
    pass


def place(number=0):
    """A textured place, (72, 96, 3) uint8; a lamp in its corner goes on."""
    coarse = np.random.default_rng(0).integers(60, 200, (9, 12, 3), np.uint8)
    image = cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_CUBIC)
    image[:12, :16] = 250 if number >= LAMP else 10
    return image


def occupied(number=0, column=30):
    """The same place with something blue in it, and where it is."""
    alpha = np.zeros((72, 96), np.uint8)
    alpha[20:66, column : column + 24] = 255
    image = place(number)
    image[alpha > 0] = 20, 30, 230
    return image, alpha


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder with a video of a still camera, and which of its frames show nobody."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "room.avi")
    listed = "room.avi: 80 frames, 96x72.\nEmpty, 0-based: 0-11, 40-51, 72-79.\n"
    (folder / "room.empty_frames.txt").write_text(listed)
    return folder


def film(path, lamp=LAMP):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 72))
    for number in range(FRAMES):
        light = 99 if number >= lamp else 0
        image = place(light) if number in EMPTY else occupied(light, number % 60)[0]
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()


@pytest.fixture(scope="module")
def filmed(films, tmp_path_factory):
    """The shots of that video."""
    folder = tmp_path_factory.mktemp("shots") / "shots"
    shots.write(shots.filmed(films, 96, 12), folder)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A checkpoint of an untrained network, as a run leaves it."""
    path = tmp_path_factory.mktemp("start") / "last.ckpt"
    torch.manual_seed(3)
    network = TwoPhotoNetwork()
    torch.nn.init.normal_(network.refinement.fine[-1].weight, std=0.05)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": weights}, path)
    return path


@pytest.fixture(scope="module")
def run(filmed, start, tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("run")
    tune(replace(TINY, start=str(start)), shots=filmed, run=folder)
    return folder


def weights(run):
    return torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]


def part(state, prefix):
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def test_frames_get_the_plate_of_the_empty_stretch_nearest_in_time(filmed):
    names = [path.stem for path in sorted(filmed.glob("*.npz"))]
    by_split = {
        split: [int(name[-6:]) for name in names if name.startswith(split)]
        for split in ("train", "development", "empty")
    }
    assert len(by_split["train"]) == 12
    shown = {*by_split["train"], *by_split["development"]}
    assert shown <= {*range(17, 35), *range(57, 67)}
    assert {*by_split["empty"]} <= {*range(72, 80)}
    assert max(by_split["train"]) < 64 <= min(by_split["development"])
    for name in names:
        shot = shots.load(filmed / f"{name}.npz")
        # The stretches' middles are 6, 46 and 76; a plate's own frames get another plate.
        assert (shot.plate[2:8, 2:12].mean() > 128) == (int(name[-6:]) > 26)
        assert np.abs(cv2.absdiff(shot.plate, place())[16:]).mean() < 6
        assert shot.prior.shape == (2, 72, 96)
        assert (shot.alpha is not None) == name.startswith("empty")


def test_network_and_discriminator_learn_and_the_first_network_does_not(run, start):
    before = part(torch.load(start, weights_only=True)["state_dict"], "network.")
    after = weights(run)
    first, network = part(after, "first.network."), part(after, "network.")
    for name, value in before.items():
        torch.testing.assert_close(first[name], value, rtol=0, atol=0)
    changed = {name for name, value in before.items() if not torch.equal(network[name], value)}
    assert {"base.score.weight", "refinement.fine.2.weight"} <= changed
    assert not any("running" in name for name in changed)
    torch.manual_seed(TINY.seed)
    fresh = part(AdversarialTask(TINY).state_dict(), "discriminator.")
    moved = part(after, "discriminator.")
    assert any(not torch.equal(fresh[name], value) for name, value in moved.items())


def test_other_runs_and_the_export_take_its_checkpoint(run):
    taken = trained_weights(run / "last.ckpt")
    for name, value in part(weights(run), "network.").items():
        assert torch.equal(taken[name], value)


def test_a_run_logs_the_balance_and_shows_every_stage(run):
    read = runs.read_run(run)
    logged = {
        "generator_loss",
        "discriminator_loss",
        "photo_score",
        "composite_score",
        "development_apart",
        "development_empty_mad",
    }
    assert logged <= set(read.curves["measure"])
    for loss in ("generator_loss", "discriminator_loss"):
        assert read.curve(loss)["value"].nunique() == TINY.epochs
    assert read.epochs == TINY.epochs
    assert read.curve("development_apart")["value"].iloc[0] == 0
    assert read.curve("development_apart")["value"].iloc[-1] > 0
    assert read.record.pictures == ShotSheet.titles
    sheet = cv2.imread(str(read.samples[2]))
    assert sheet.shape[1] == 160 * len(ShotSheet.titles)


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(
    run, filmed, start, tmp_path, monkeypatch
):
    write = Journal.on_train_epoch_end

    def break_off(self, trainer, *rest):
        write(self, trainer, *rest)
        if trainer.current_epoch == 1:
            raise PowerCutError

    settings = replace(TINY, start=str(start))
    with monkeypatch.context() as patched, pytest.raises(PowerCutError):
        patched.setattr(Journal, "on_train_epoch_end", break_off)
        tune(settings, shots=filmed, run=tmp_path)
    tune(settings, shots=filmed, run=tmp_path)
    expected, found = weights(run), weights(tmp_path)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_crops_show_the_subject_before_the_grounds_of_others(filmed):
    crops = Crops(replace(TINY, samples=6, crop=40), sorted(filmed.glob("train_*")), [])
    for index in range(len(crops)):
        batch = crops[index]
        shown = [(x[2] > 0.8) & (x[0] < 0.2) for x in (batch.photo, batch.plate, batch.elsewhere)]
        assert [blue.any() for blue in shown] == [True, False, False]
        again = crops[index]
        assert all(torch.equal(one, other) for one, other in zip(batch, again, strict=True))
    assert not batch.known


def test_pictures_smaller_than_a_crop_go_on_at_their_border(filmed):
    crops = Crops(replace(TINY, crop=128), sorted(filmed.glob("train_*")), [])
    assert all(x.shape[1:] == (128, 128) for x in crops[0][:6])


@pytest.fixture
def client(tmp_path):
    """A client's folder: five pairs, three of them with a matte, one of these as a cut-out."""
    folder = tmp_path / "client"
    (folder / "monday").mkdir(parents=True)
    for number in range(5):
        image, alpha = occupied(column=6 * number + 20)
        name = folder / ("monday" if number else "") / f"{number}"
        name.with_suffix(".png").write_bytes(encode_png(image))
        name.with_name(f"{number}_plate.png").write_bytes(encode_png(place()))
        if number < 2:
            name.with_name(f"{number}_alpha.png").write_bytes(encode_png(alpha))
        if number == 4:
            name.with_name("4_alpha.png").write_bytes(encode_png(np.dstack([image, alpha])))
    return folder


def test_a_clients_pairs_are_read_aligned_and_every_fifth_is_held_back(client):
    found = dict(shots.photographed(client, 96))
    assert [name[:-6] for name in found] == ["train"] * 4 + ["development"]
    labelled = [shot for shot in found.values() if shot.alpha is not None]
    assert len(labelled) == 3
    for shot in labelled:
        _, alpha = occupied()
        assert (shot.alpha > 0).sum() == (alpha > 0).sum()
        assert (np.abs(shot.foreground[shot.alpha > 0] - [20, 30, 230.0]) < 4).all()


def test_tuning_on_a_clients_pairs_is_one_command(client, start, tmp_path):
    settings = ("epochs=1", "samples=4", "batch=4", "crop=64", "side=96")
    options = [word for setting in settings for word in ("--set", setting)]
    run = tmp_path / "run"
    command = ["client", str(client), "--run", str(run), "--start", str(start), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    read = runs.read_run(run)
    assert {"generator_loss", "labelled_alpha_loss", "development_mad"} <= set(
        read.curves["measure"]
    )
    assert read.settings["start"] == str(start)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: [path.unlink() for path in f.rglob("*.png")], "holds no pair"),
        (lambda f: (f / "0_plate.png").unlink(), "0.png has no plate"),
        (lambda f: (f / "0.png").unlink(), "no photo"),
        (lambda f: (f / "0.png").write_bytes(b"nothing"), "can be read"),
        (lambda f: (f / "0_alpha.png").write_bytes(encode_png(place()[:30])), "96 × 30 pixels"),
        (lambda f: (f / "0.png").write_bytes(encode_png(place())), "0.png: The two photos"),
    ],
)
def test_a_clients_mistakes_get_a_sentence(client, spoil, sentence):
    spoil(client)
    with pytest.raises(DeepMasqueError, match=sentence) as caught:
        list(shots.photographed(client, 96))
    assert str(caught.value).count("\n") == 0


def test_videos_without_a_plate_or_content_get_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="holds no video"):
        next(shots.filmed(tmp_path, 96, 4))
    video = tmp_path / "room.mp4"
    video.write_bytes(b"nothing")
    with pytest.raises(SettingsError, match="put room_plate"):
        next(shots.filmed(tmp_path, 96, 4))
    (tmp_path / "room.empty_frames.txt").write_text("none")
    with pytest.raises(SettingsError, match="not a video"):
        next(shots.filmed(tmp_path, 96, 4))
    film(video.with_suffix(".avi"))
    video.unlink()
    for listed, sentence in (("none", "no list of frames"), ("800-900", "lists no frame that")):
        (tmp_path / "room.empty_frames.txt").write_text(listed)
        with pytest.raises(SettingsError, match=sentence):
            next(shots.filmed(tmp_path, 96, 4))


def test_a_video_with_a_photo_of_the_place_shows_somebody_in_every_shot(tmp_path):
    film(tmp_path / "room.avi", lamp=FRAMES)
    (tmp_path / "room_plate.png").write_bytes(encode_png(place()))
    found = dict(shots.filmed(tmp_path / "room.avi", 96, 8))
    numbers = {int(name[-6:]) for name in found}
    assert numbers
    assert not numbers & {*EMPTY}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("speed=1", "no setting speed; there are epochs"),
        ("epochs=2.5", "epochs is a whole number"),
        ("rate=nan", "larger"),
        ("batch=0", "larger"),
    ],
)
def test_hyperparameters_that_do_not_fit_get_a_sentence(change, sentence):
    with pytest.raises(SettingsError, match=sentence):
        changed(TINY, [change])
    assert changed(TINY, ["rate=2e-3", "epochs=7"]) == replace(TINY, rate=2e-3, epochs=7)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40)), min_size=1), st.text())
def test_lists_of_frames_are_read_whatever_stands_around_them(parts, around):
    written = ", ".join(f"{start}-{start + more}" if more else f"{start}" for start, more in parts)
    expected = [range(start, start + more + 1) for start, more in parts]
    words = "".join(letter for letter in around if not letter.isdigit())
    assert shots.frame_numbers(f"film: {written}.\n{words}") == expected


@given(st.text())
def test_any_text_is_a_list_of_frames_or_a_sentence(text):
    try:
        assert all(shots.frame_numbers(text))
    except SettingsError as error:
        assert "list of frames" in str(error)
