"""Two photos: from the two boxes to downloads, and everything that shows how it came about."""

import re
from io import BytesIO

import cv2
import numpy as np
import pytest
from helpers import (
    broken_pictures,
    comes_to,
    download,
    encoded,
    opened,
    redrawn,
    result,
    seen,
    settled,
    sideways_scroll,
    viewer,
)
from playwright.sync_api import expect
from psd_tools import PSDImage

from deepmasque import samples
from deepmasque.image import read_image, reduced
from deepmasque.two_photo.pipeline import STAGES

PIXELS = 320 * 240  # small, so that a cut-out takes a moment


@pytest.fixture(scope="module")
def pair():
    """A sample pair, photo and plate, (h, w, 3) uint8."""
    sample = samples.pairs()[0]
    return tuple(reduced(read_image(path), PIXELS) for path in (sample.path, sample.plate))


def visit(page):
    """Open the page; the first visit of all loads the library."""
    page.goto("/two_photo")
    page.get_by_role("button", name="Use the webcam").wait_for(timeout=90_000)


def give(page, box, pixels, name="file.png"):
    """Drop a picture, or the bytes of a file, into one of the two boxes."""
    data = pixels if isinstance(pixels, bytes) else encoded(pixels)
    settled(page)
    page.locator(f".st-key-drop-pair-{box} input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def given(page, box):
    """The picture that lies in a box."""
    return page.locator(f".st-key-given-pair-{box}")


def cut_out(page, pair):
    """Upload both and wait for the result."""
    visit(page)
    give(page, "photo", pair[0], "subject.png")
    given(page, "photo").wait_for()
    give(page, "plate", pair[1], "plate.png")
    return result(page)


def view(page, name):
    """Turn to another view; its stage."""
    page.get_by_role("radio", name=name, exact=True).click()
    redrawn(page)
    return viewer(page)


def test_two_uploads_become_a_cut_out_to_take_home(laptop, pair):
    visit(laptop)
    give(laptop, "photo", pair[0], "subject.png")
    expect(given(laptop, "photo").locator("img")).to_be_visible()
    expect(laptop.locator("ol.dm-rows")).to_have_count(0)
    give(laptop, "plate", pair[1], "plate.png")
    result(laptop)
    expect(laptop.locator(".dm-film b")).to_have_text(list(STAGES))
    expect(laptop.locator(".dm-lights li em")).to_have_text([re.compile("good|fair|poor")] * 6)
    assert not broken_pictures(laptop)
    height, width = pair[0].shape[:2]
    name, data = download(laptop, "Download cut-out")
    cutout = opened(data)
    assert name == "subject-cutout.png" and cutout.shape == (height, width, 4)
    alpha = opened(download(laptop, "Alpha")[1])
    assert np.array_equal(alpha, cutout[..., 3])
    assert 0.02 < alpha.mean() / 255 < 0.9
    foreground = opened(download(laptop, "Foreground")[1])
    assert np.array_equal(foreground, cutout[..., :3])
    layers = PSDImage.open(BytesIO(download(laptop, "Layers (PSD)")[1]))
    assert [layer.name for layer in layers] == ["Photo", "Plate", "Subject"]
    assert np.array_equal(np.asarray(layers[2].mask.topil()), alpha)
    laptop.get_by_role("button", name="New pair").click()
    expect(laptop.locator(".st-key-drop-pair-photo")).to_be_visible()


def test_photo_and_laid_plate_flicker_by_press_key_and_by_themselves(laptop, pair):
    cut_out(laptop, pair)
    stage = view(laptop, "Alignment")
    expect(stage).to_have_attribute("data-shown", "Photo")
    photo = seen(stage)
    stage.click(position={"x": 200, "y": 150})
    expect(stage).to_have_attribute("data-shown", "Plate")
    assert np.abs(seen(stage) - photo).mean() > 2
    laptop.keyboard.press("Space")
    expect(stage).to_have_attribute("data-shown", "Photo")
    laptop.get_by_role("radio", name="Difference").click()
    expect(stage).to_have_attribute("data-shown", "Difference")
    flicker = laptop.get_by_role("button", name="Flicker")
    flicker.click()
    for shown in ("Photo", "Plate", "Photo"):
        expect(stage).to_have_attribute("data-shown", shown)
    stage.click(position={"x": 200, "y": 150})
    expect(flicker).to_have_attribute("aria-pressed", "false")
    expect(laptop.locator(".dm-table dt")).to_contain_text(["Camera", "Moved by", "Confidence"])
    stage = view(laptop, "Error")
    expect(stage).to_have_attribute("data-shown", "Expected error")
    assert not broken_pictures(laptop)


def test_clean_up_is_seen_at_once_stays_zoomed_and_can_be_reset(laptop, pair):
    stage = cut_out(laptop, pair)
    before = opened(download(laptop, "Alpha")[1])
    times = laptop.locator(".dm-times li").first.inner_text()
    stage = view(laptop, "Clean up")
    stage.get_by_role("button", name="Zoom in").click(click_count=2, delay=20)
    zoom = stage.locator("output").inner_text()
    assert zoom != "1×"
    picture = stage.get_attribute("data-ready")
    laptop.locator("[class*=st-key-clean-edge]").get_by_role("slider").focus()
    for _ in range(15):
        laptop.keyboard.press("ArrowLeft")
    comes_to(lambda: "erode=1.5" in stage.get_attribute("data-ready") != picture)
    expect(stage.locator("output")).to_have_text(zoom)
    view(laptop, "Compare")
    shrunk = opened(download(laptop, "Alpha")[1])
    assert (shrunk <= before).all() and shrunk.mean() < before.mean() - 0.3
    assert laptop.locator(".dm-times li").first.inner_text() == times
    view(laptop, "Clean up")
    laptop.get_by_role("button", name="Reset").click()
    expect(laptop.get_by_role("button", name="Reset")).to_be_disabled()
    view(laptop, "Compare")
    assert np.array_equal(opened(download(laptop, "Alpha")[1]), before)


def test_what_cannot_work_is_said_in_one_sentence_and_nothing_is_lost(laptop, pair):
    photo, plate = pair
    visit(laptop)
    give(laptop, "photo", b"this is not a picture", "photo.jpg")
    alert = laptop.get_by_role("alert")
    expect(alert).to_have_text(re.compile(r"^[A-Z][^.]+; please choose another photo\.$"))
    give(laptop, "photo", photo)
    given(laptop, "photo").wait_for()
    give(laptop, "plate", photo)
    expect(alert).to_have_text(re.compile(r"same[^.]*\.$"), timeout=90_000)
    expect(given(laptop, "photo")).to_be_visible()
    given(laptop, "plate").get_by_role("button", name="Replace").click()
    give(laptop, "plate", plate)
    result(laptop)


def test_swapped_photos_are_told_and_swapped_back_with_one_press(laptop, pair):
    visit(laptop)
    give(laptop, "photo", pair[1])
    given(laptop, "photo").wait_for()
    give(laptop, "plate", pair[0])
    told = re.compile(r"^[A-Z].*swap.*\.$")
    expect(laptop.get_by_role("alert")).to_have_text(told, timeout=90_000)
    settled(laptop)
    subject = given(laptop, "plate").locator("img").get_attribute("src")
    laptop.get_by_role("button", name="Swap the two").click()
    redrawn(laptop)
    expect(given(laptop, "photo").locator("img")).to_have_attribute("src", subject)
    settled(laptop)
    laptop.get_by_role("button", name="Cut out", exact=True).click()
    result(laptop)


def test_a_short_video_gives_the_plate(laptop, pair, tmp_path):
    photo, plate = (
        picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2] for picture in pair
    )
    height, width = plate.shape[:2]
    path = tmp_path / "place.mp4"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (width, height))
    for left in range(0, width, width // 12):
        frame = plate.copy()
        frame[:, left : left + width // 12] = (200, 40, 40)
        video.write(frame[..., ::-1])
    video.release()
    visit(laptop)
    give(laptop, "plate", path.read_bytes(), "place.mp4")
    expect(given(laptop, "plate").locator("img")).to_be_visible()
    give(laptop, "photo", photo)
    result(laptop)
    expect(laptop.locator(".dm-film figure")).to_have_count(len(STAGES))


def test_webcam_takes_the_place_and_then_the_subject(laptop):
    visit(laptop)
    laptop.get_by_role("button", name="Use the webcam").click()
    start = laptop.get_by_role("button", name="Start")
    expect(start).to_be_enabled()
    laptop.clock.install()
    start.click()
    status = laptop.get_by_role("status")
    for said in ("Step out", "back in"):
        expect(status.filter(has_text=said)).to_be_visible()
        for _ in range(5):
            laptop.clock.run_for(1000)
    result(laptop)
    expect(laptop.locator("h1")).to_have_text("webcam")
    expect(laptop.get_by_role("dialog")).to_have_count(0)


def test_phone_takes_a_sample_and_never_scrolls_sideways(phone):
    visit(phone)
    expect(phone.locator(".gallery button")).to_contain_text(["synthetic"])
    assert not sideways_scroll(phone)
    phone.locator(".gallery button").first.tap()
    result(phone)
    for name in ("Clean up", "Alignment", "Error"):
        stage = view(phone, name)
        assert not sideways_scroll(phone)
    stage = view(phone, "Alignment")
    stage.tap(position={"x": 60, "y": 160})
    expect(stage).to_have_attribute("data-shown", "Plate")
    assert not broken_pictures(phone)
