"""What the browser tests do and ask again and again."""

import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from deepmasque import samples

SIZE = (256, 300)  # small, so that a cut-out takes a moment


def portrait(size=SIZE):
    """A sample as an upload: name and JPEG bytes."""
    path = {sample.name: sample.path for sample in samples.portraits()}["grace_hopper"]
    with Image.open(path) as image:
        return "portrait.jpg", encoded(np.asarray(image.convert("RGB").resize(size)), "JPEG")


def viewer(page):
    """The large stage, once its pictures are drawn."""
    stage = page.locator(".stage[data-ready]")
    stage.wait_for(timeout=90_000)
    return stage


def result(page):
    """The stage of a finished cut-out, with all that belongs to it."""
    page.get_by_role("button", name="Download cut-out").wait_for(timeout=90_000)
    settled(page)
    return viewer(page)


def upload(page, *files):
    """Drop files, each (name, bytes), on a fresh Upload & matte page."""
    page.goto("/matte")
    drop(page, *files)


def drop(page, *files):
    """Drop files on the page that is open."""
    payload = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        for name, data in files
    ]
    settled(page)
    page.locator(".st-key-drop input[type=file]").set_input_files(payload)


def settled(page):
    """Wait until the page has been drawn to its end."""
    page.locator("[data-test-script-state=notRunning]").wait_for()


def redrawn(page):
    """Wait until the page has answered what was just pressed, and has been drawn to its end."""
    with suppress(PlaywrightTimeoutError):  # it may have answered before one looks
        page.locator("[data-test-script-state=running]").wait_for(timeout=2500)
    settled(page)


def download(page, name):
    """Name and bytes behind a download button."""
    settled(page)
    with page.expect_download() as waiting:
        download_button(page, name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def download_button(page, name):
    """A download button by its label."""
    return page.locator(".stDownloadButton").get_by_role("button", name=name, exact=True)


def opened(data):
    """A picture file as an array."""
    return np.asarray(Image.open(BytesIO(data)))


def encoded(pixels, kind="PNG"):
    """An array as a picture file."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def seen(locator):
    """What an element looks like on the screen, (h, w, 3) int."""
    return opened(locator.screenshot(animations="disabled"))[..., :3].astype(int)


def comes_to(holds, seconds=20):
    """Fail unless what is drawn a little later holds in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "It was never drawn"
        time.sleep(0.2)


def broken_pictures(page):
    """Pictures of the page, shadow roots included, that show nothing after a while.

    An element without a source waits for one and is no picture yet.
    """
    broken = []
    for picture in page.locator("img[src]").all():
        shown = picture.evaluate(
            "async image => { await image.decode().catch(() => 0); return image.naturalWidth > 0 }"
        )
        if not shown:
            broken.append(picture.get_attribute("src")[:80])
    return broken


def sideways_scroll(page):
    """Pixels by which the page, or what scrolls in it, is wider than the screen."""
    return page.evaluate(
        """() => Math.max(...[document.documentElement, document.querySelector(
            "[data-testid=stMain]")].map(part => part.scrollWidth - part.clientWidth))"""
    )
