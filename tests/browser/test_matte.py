"""Upload & matte: from a dropped file to downloads, by mouse, touch and keyboard."""

import re
import zipfile
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from helpers import (
    SIZE,
    broken_pictures,
    comes_to,
    download,
    download_button,
    drop,
    encoded,
    opened,
    portrait,
    redrawn,
    result,
    seen,
    sideways_scroll,
    upload,
)
from PIL import Image
from playwright.sync_api import expect

STAGES = (
    "Landmarks",
    "Alignment",
    "PortraitFCN+",
    "Trimap",
    "KNN matting",
    "Refinement",
    "Foreground",
)


def drag(page, start, *stops):
    page.mouse.move(*start)
    page.mouse.down()
    for stop in stops:
        page.mouse.move(*stop, steps=6)
    page.mouse.up()


def at(box, x, y):
    """A point of an element's box by its shares of width and height."""
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


def correcting(page):
    """The stage of the brush."""
    page.get_by_role("radio", name="Correct").click()
    stage = page.locator(".stage[data-strokes]")
    stage.wait_for()
    return stage


def pick(page, label):
    page.get_by_role("radio", name=label, exact=True).click()


def test_its_own_address_opens_the_whole_dashboard_of_a_fresh_server(fresh_app, laptop):
    laptop.goto(f"{fresh_app}/matte")
    laptop.get_by_role("button", name="Use the webcam").wait_for()
    expect(laptop.get_by_test_id("stTopNavLink").filter(has_text="Home")).to_be_visible()


def test_stages_appear_one_by_one_while_they_run(laptop):
    upload(laptop, portrait())
    laptop.wait_for_function(
        """() => {
            const rows = [...document.querySelectorAll("ol.dm-rows li")];
            return rows.length === 7 && rows[0].matches(".done") && rows[0].querySelector("img")
                && rows[0].innerText.includes("Landmarks") && !rows[6].matches(".done")
                && rows[6].innerText.trim() === "Foreground";
        }""",
        timeout=60_000,
    )
    result(laptop)
    names = laptop.locator(".dm-film b").all_inner_texts()
    assert tuple(names) == STAGES
    times = laptop.locator(".dm-film .dm-chip").all_inner_texts()
    assert all(re.fullmatch(r"\d+ ms|\d+\.\d s", time) for time in times)


def test_slider_follows_mouse_and_keys_and_uncovers_the_photo(laptop):
    upload(laptop, portrait())
    stage = result(laptop)
    pick(laptop, "White")
    redrawn(laptop)
    grip = stage.get_by_role("slider")
    picture = stage.locator(".cut").bounding_box()
    drag(laptop, at(picture, 0.5, 0.5), at(picture, 0.02, 0.5))
    after = seen(stage)
    drag(laptop, at(picture, 0.02, 0.5), at(picture, 0.98, 0.5))
    before = seen(stage)
    assert int(grip.get_attribute("aria-valuenow")) == pytest.approx(98, abs=1)
    box = stage.bounding_box()
    x, y = (round(c - box[k]) for c, k in zip(at(picture, 0.9, 0.25), ("x", "y"), strict=True))
    corner = np.s_[y - 8 : y + 8, x - 8 : x + 8]
    assert after[corner].min() > 225  # beside the head: the new background
    assert before[corner].mean() < 200  # the photo's own
    laptop.keyboard.press("ArrowLeft")
    assert int(grip.get_attribute("aria-valuenow")) == pytest.approx(96, abs=1)


def test_wheel_zooms_and_drag_pans(laptop):
    upload(laptop, portrait())
    stage = result(laptop)
    laptop.mouse.move(*at(stage.bounding_box(), 0.5, 0.5))
    laptop.mouse.wheel(0, -600)
    expect(stage.locator("output")).to_have_text(re.compile(r"[2-9]\.\d×"))
    left = stage.locator(".photo").bounding_box()["x"]
    drag(laptop, at(stage.bounding_box(), 0.2, 0.3), at(stage.bounding_box(), 0.3, 0.3))
    assert stage.locator(".photo").bounding_box()["x"] > left + 40
    stage.get_by_role("button", name="Zoom out").click(click_count=6, delay=20)
    expect(stage.locator("output")).to_have_text("1×")


def test_downloads_hold_what_their_names_say(laptop):
    upload(laptop, portrait())
    result(laptop)
    name, data = download(laptop, "Download cut-out")
    cutout = opened(data)
    assert name == "portrait-cutout.png"
    assert cutout.shape == (SIZE[1], SIZE[0], 4)
    alpha = opened(download(laptop, "Alpha")[1])
    assert np.array_equal(alpha, cutout[..., 3])
    assert 0.2 < alpha.mean() / 255 < 0.9
    trimap = opened(download(laptop, "Trimap")[1])
    assert set(np.unique(trimap)) == {0, 128, 255}
    with zipfile.ZipFile(BytesIO(download(laptop, "ZIP")[1])) as archive:
        assert archive.namelist() == ["colour.jpg", "alpha.png"]
        assert opened(archive.read("colour.jpg")).shape == (SIZE[1], SIZE[0], 3)
        assert np.array_equal(opened(archive.read("alpha.png")), alpha)


def test_background_changes_at_once_and_goes_into_the_composite(laptop):
    upload(laptop, portrait())
    stage = result(laptop)
    composite = download_button(laptop, "Composite")
    expect(composite).to_be_disabled()
    solved = laptop.locator(".dm-times").inner_text()
    looks = []
    for label in ("White", "Dusk", "Sunset at sea"):
        pick(laptop, label)
        looks.append(seen(stage))
    assert np.abs(looks[0] - looks[1]).mean() > 4
    assert np.abs(looks[1] - looks[2]).mean() > 2
    pick(laptop, "White")
    expect(composite).to_be_enabled()
    alpha = opened(download(laptop, "Alpha")[1])
    comes_to(lambda: (opened(download(laptop, "Composite")[1])[alpha == 0] == 255).all())
    picture = opened(download(laptop, "Composite")[1])
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert laptop.locator(".dm-times").inner_text() == solved


def test_own_photo_becomes_the_background(laptop):
    upload(laptop, portrait())
    stage = result(laptop)
    green = encoded(np.full((60, 90, 3), (0, 160, 0), np.uint8))
    with laptop.expect_file_chooser() as chooser:
        stage.page.get_by_role("button", name="Your own photo").click()
    chooser.value.set_files({"name": "green.png", "mimeType": "image/png", "buffer": green})
    own = laptop.get_by_role("radio", name="Your photo", exact=True)
    expect(own).to_have_attribute("aria-checked", "true")
    expect(download_button(laptop, "Composite")).to_be_enabled()
    picture = opened(download(laptop, "Composite")[1])
    alpha = opened(download(laptop, "Alpha")[1])
    assert (picture[alpha == 0] == (0, 160, 0)).all()


def test_image_and_trimap_pair_uses_that_trimap(laptop):
    height, width = SIZE[1], SIZE[0]
    trimap = np.zeros((height, width), np.uint8)
    trimap[:, 75:180] = 255
    trimap[:, 65:75] = trimap[:, 180:190] = 128
    upload(
        laptop,
        ("hopper-Image.jpg", portrait()[1]),
        ("hopper-Trimap.png", encoded(trimap)),
    )
    result(laptop)
    assert np.array_equal(opened(download(laptop, "Trimap")[1]), trimap)
    alpha = opened(download(laptop, "Alpha")[1])
    assert (alpha[trimap == 255] == 255).all()
    assert (alpha[trimap == 0] == 0).all()


def test_strokes_and_undo_change_only_what_was_painted(laptop):
    upload(laptop, portrait())
    result(laptop)
    before = opened(download(laptop, "Alpha")[1])
    landmarks = laptop.locator(".dm-times li").first.inner_text()
    stage = correcting(laptop)
    picture = stage.locator(".photo").bounding_box()
    pick(laptop, "Erase")
    drag(laptop, at(picture, 0.4, 0.8), at(picture, 0.6, 0.8))
    pick(laptop, "Keep")
    drag(laptop, at(picture, 0.95, 0.2), at(picture, 0.95, 0.3))
    expect(stage).to_have_attribute("data-strokes", "2")
    laptop.get_by_role("button", name="Undo").click()
    expect(stage).to_have_attribute("data-strokes", "1")
    laptop.get_by_role("button", name="Solve again").click()
    result(laptop)
    after = opened(download(laptop, "Alpha")[1])
    height, width = before.shape
    painted = np.s_[round(0.79 * height) : round(0.81 * height), width * 4 // 10 : width * 6 // 10]
    assert before[painted].min() > 250
    assert after[painted].max() == 0
    kept = np.s_[round(0.2 * height) : round(0.3 * height), round(0.93 * width) :]
    assert after[kept].max() < 30
    assert laptop.locator(".dm-times li").first.inner_text() == landmarks


def test_wider_band_reaches_the_new_trimap(laptop):
    upload(laptop, portrait())
    result(laptop)
    narrow = (opened(download(laptop, "Trimap")[1]) == 128).sum()
    correcting(laptop)
    handle = laptop.locator(".st-key-band").get_by_role("slider")
    handle.focus()
    for _ in range(4):
        laptop.keyboard.press("ArrowRight")
    laptop.locator(".stage[data-ready$='-2.0']").wait_for()
    laptop.get_by_role("button", name="Solve again").click()
    result(laptop)
    assert (opened(download(laptop, "Trimap")[1]) == 128).sum() > 1.5 * narrow


def test_webcam_picture_is_matted(laptop):
    laptop.goto("/matte")
    laptop.get_by_role("button", name="Use the webcam").click()
    laptop.locator("video").wait_for()
    laptop.wait_for_function("document.querySelector('video').readyState >= 3")
    laptop.get_by_role("button", name="Take Photo").click()
    result(laptop)
    assert not broken_pictures(laptop)


def test_heic_photo_is_accepted(laptop):
    stream = BytesIO()
    pillow_heif.from_pillow(Image.open(BytesIO(portrait()[1]))).save(stream)
    upload(laptop, ("phone.heic", stream.getvalue()))
    result(laptop)
    assert opened(download(laptop, "Alpha")[1]).shape == (SIZE[1], SIZE[0])


def test_bad_files_get_one_sentence_and_the_page_goes_on(laptop):
    laptop.goto("/matte")
    photo = portrait()[1]
    for data in (b"this is not a picture", b"", photo[: len(photo) // 2]):
        drop(laptop, ("portrait.jpg", data))
        alert = laptop.get_by_role("alert")
        expect(alert).to_have_text(re.compile(r"^[A-Z][^.]+; please choose another photo\.$"))
        drop(laptop, ("a.jpg", photo), ("b.jpg", photo))
        expect(alert).to_have_text(re.compile("^Add one photo, or two files"))
    drop(laptop, ("portrait.jpg", photo))
    result(laptop)


def test_trimap_of_another_size_gets_one_sentence(laptop):
    upload(
        laptop,
        ("Image.jpg", portrait()[1]),
        ("Trimap.png", encoded(np.full((20, 20), 128, np.uint8))),
    )
    alert = laptop.get_by_role("alert")
    alert.wait_for()
    assert "Traceback" not in alert.inner_text()
    assert alert.inner_text().count(".") == 1


def test_new_photo_returns_to_the_drop_zone(laptop):
    upload(laptop, portrait())
    result(laptop)
    laptop.get_by_role("button", name="New photo").click()
    laptop.get_by_text("Use the webcam").wait_for()
    expect(laptop.locator(".stage")).to_have_count(0)


def test_cancel_returns_to_the_drop_zone(laptop):
    upload(laptop, portrait((1000, 1172)))
    laptop.locator(".st-key-cancel").get_by_role("button").click()
    laptop.get_by_role("button", name="Use the webcam").wait_for(timeout=90_000)
    expect(laptop.locator("ol.dm-rows, .stage")).to_have_count(0)


def test_phone_slides_by_touch_and_never_scrolls_sideways(phone):
    phone.goto("/matte")
    phone.locator(".gallery button").nth(1).tap()
    stage = result(phone)
    assert not sideways_scroll(phone)
    assert not broken_pictures(phone)
    picture = stage.locator(".cut").bounding_box()
    phone.touchscreen.tap(*at(picture, 0.2, 0.5))
    assert int(stage.get_by_role("slider").get_attribute("aria-valuenow")) == pytest.approx(
        20, abs=2
    )
    correcting(phone)
    assert not sideways_scroll(phone)
