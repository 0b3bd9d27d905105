"""Hardware: columns, portraits and sounds through the virtual LaunchPad."""

import io
import json
import re

import numpy as np
import pytest
from helpers import (
    broken_pictures,
    download,
    drop,
    encoded,
    opened,
    portrait,
    settled,
    sideways_scroll,
)
from playwright.sync_api import expect
from scipy.io import wavfile

import deepmasque
from deepmasque.launchpad import columns, sample_sound, twin

VIEWS = ("Column", "Whole portrait", "Sound", "Memory", "Your board")


def go(page, view):
    page.get_by_role("tab", name=view, exact=True).click()
    expect(page.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")
    settled(page)


def press(page, name):
    settled(page)
    page.get_by_role("button", name=name).click()


def figure(page, name):
    """The value beside a name in the table of figures."""
    return page.locator(".dm-table dt", has_text=re.compile(f"^{name}$")).locator("+ dd")


def charts(page, count):
    expect(page.locator(".js-plotly-plot .main-svg:first-child")).to_have_count(count)


@pytest.fixture
def photo(laptop):
    """A small portrait, cut into columns."""
    laptop.goto("/hardware")
    laptop.get_by_role("tab").first.wait_for()
    drop(laptop, portrait())
    laptop.get_by_role("button", name="Send column").wait_for(timeout=90_000)
    settled(laptop)
    return laptop


def test_the_virtual_board_answers(laptop):
    laptop.goto("/hardware")
    expect(laptop.get_by_role("combobox", name="Port")).to_have_value("Virtual LaunchPad")
    press(laptop, "Connect")
    chips = laptop.locator(".st-key-ports .dm-chip")
    expect(chips).to_have_text(["connected", "16 MHz", "4,096 bytes of RAM"])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/dev/ttyABSENT", "There is no port /dev/ttyABSENT"),
        ("socket://127.0.0.1:9", "Nobody answers at"),
        ("spy:///dev/ttyS0", "is no board"),
    ],
)
def test_a_bad_port_gets_one_sentence(laptop, address, sentence):
    laptop.goto("/hardware")
    port = laptop.get_by_role("combobox", name="Port")
    port.fill(address)
    port.press("Enter")
    press(laptop, "Connect")
    alert = laptop.get_by_role("alert")
    expect(alert).to_contain_text(sentence)
    assert "Traceback" not in alert.inner_text() and alert.inner_text().endswith(".")
    expect(laptop.locator(".st-key-ports .dm-chip")).to_have_count(0)


def test_a_column_is_picked_sent_and_compared(photo):
    slider = photo.get_by_role("slider", name="Column")
    first = int(slider.input_value())
    slider.press("ArrowRight")
    expect(photo.get_by_role("heading", name=f"column {first + 1}")).to_be_visible()
    expect(photo.locator(".dm-table")).to_have_count(0)
    press(photo, "Send column")
    charts(photo, 2)
    expect(figure(photo, "Board and twin")).to_have_text("identical bytes")
    expect(figure(photo, "Board and float64 exact")).to_have_text(
        re.compile(r"at most [012] of 255")
    )
    ram = int(figure(photo, "RAM, stack included").inner_text().split(" ")[0].replace(",", ""))
    assert 2000 < ram <= 4096
    assert int(figure(photo, "CPU cycles").inner_text().replace(",", "")) > 100_000
    strips = photo.locator(".js-plotly-plot .yaxislayer-above .ytick")
    for name in ("Trimap", "Board", "Twin", "Exact", "Desktop"):
        expect(strips.filter(has_text=name).first).to_be_attached()
    assert not broken_pictures(photo)


def test_a_noisy_line_changes_no_alpha(photo):
    photo.locator(".st-key-noise label").click()
    press(photo, "Send column")
    expect(figure(photo, "Line faults")).to_have_text(re.compile(r"\d+, all noticed"))
    expect(figure(photo, "Board and twin")).to_have_text("identical bytes")


def test_whole_portrait_is_cancelled_gone_on_with_and_kept(laptop):
    name, data = portrait((30, 300))
    laptop.goto("/hardware")
    laptop.get_by_role("tab").first.wait_for()
    drop(laptop, (name, data))
    laptop.get_by_role("button", name="Send column").wait_for(timeout=90_000)
    go(laptop, "Whole portrait")
    press(laptop, "Send all columns")
    laptop.wait_for_function(
        r"""() => Number((document.body.innerText.match(/(\d+) of 80 columns/) ?? [])[1]) > 3"""
    )
    laptop.get_by_role("button", name="Cancel").click()
    again = laptop.get_by_role("button", name="Go on at column")
    again.wait_for()
    settled(laptop)
    assert 3 < int(again.inner_text().split()[-1]) < 80
    go(laptop, "Column")
    go(laptop, "Whole portrait")
    again.click()
    expect(figure(laptop, "Columns")).to_have_text(re.compile("^80, "), timeout=90_000)

    matte = deepmasque.matte(data)
    cut = columns(matte.image, matte.trimap)
    expected = [twin.solve_column(each.features, each.trimap).alpha for each in cut]
    name, alpha = download(laptop, "Alpha")
    assert name == "portrait-launchpad.png"
    assert np.array_equal(opened(alpha), np.transpose(expected))
    record = json.loads(download(laptop, "Figures")[1])
    assert record["Columns"] == 80 and record["RAM, stack included"] <= 4096
    assert not broken_pictures(laptop)


class TestSound:
    def open(self, page):
        page.goto("/hardware")
        go(page, "Sound")
        return page

    def give(self, page, data):
        file = {"name": "word.wav", "mimeType": "audio/wav", "buffer": data}
        settled(page)
        page.locator(".st-key-wav input[type=file]").set_input_files(file)

    def test_a_wav_file_takes_the_place_of_a_column(self, laptop):
        samples, rate = sample_sound()
        stream = io.BytesIO()
        wavfile.write(stream, rate, (samples * 32767).astype(np.int16))
        page = self.open(laptop)
        self.give(page, stream.getvalue())
        expect(page.get_by_role("heading", name="Your file")).to_be_visible()
        charts(page, 2)
        expect(figure(page, "Board and twin")).to_have_text("identical bytes")

    @pytest.mark.parametrize("data", [b"no sound", b"RIFF\x24\0\0\0WAVEfmt "])
    def test_anything_else_gets_one_sentence(self, laptop, data):
        page = self.open(laptop)
        self.give(page, data)
        expect(page.get_by_role("alert")).to_have_text(
            "This is not a WAV recording that can be read."
        )

    def test_the_browsers_microphone_records(self, laptop):
        page = self.open(laptop)
        page.get_by_role("button", name="Record").click()
        page.get_by_role("button", name="Stop recording").wait_for()
        page.wait_for_timeout(2500)
        page.get_by_role("button", name="Stop recording").click()
        expect(page.get_by_role("heading", name="Your recording")).to_be_visible()
        expect(figure(page, "Board and twin")).to_have_text("identical bytes")

    def test_the_boards_microphone_hears_the_sample(self, laptop):
        page = self.open(laptop)
        press(page, "The board’s microphone")
        expect(page.get_by_role("heading", name="The board’s microphone")).to_be_visible()
        expect(figure(page, "Board and twin")).to_have_text("identical bytes")


def test_memory_is_measured_or_has_a_source(laptop):
    laptop.goto("/hardware")
    go(laptop, "Memory")
    bars = laptop.locator(".js-plotly-plot .bars path")
    expect(bars).to_have_count(3)
    press(laptop, "Measure the board")
    expect(bars).to_have_count(4)
    sources = laptop.locator(".dm-sources dd")
    expect(sources).to_have_text([re.compile("measured|github.com")] * 4)


def test_firmware_is_there_to_take_home(laptop):
    laptop.goto("/hardware")
    go(laptop, "Your board")
    name, data = download(laptop, "fr2433.elf")
    assert name == "fr2433.elf" and data[:4] == b"\x7fELF"
    assert not broken_pictures(laptop)


def test_a_bad_photo_gets_one_sentence(laptop):
    laptop.goto("/hardware")
    laptop.get_by_role("tab").first.wait_for()
    drop(laptop, ("portrait.jpg", b"no picture"))
    expect(laptop.get_by_role("alert")).to_have_text(re.compile("please choose another photo.$"))
    panorama = encoded(np.zeros((20, 100, 3), np.uint8))
    drop(laptop, ("portrait.png", panorama))
    expect(laptop.get_by_role("alert")).to_have_text(re.compile("crop it first.$"), timeout=60_000)


def test_phone_shows_it_all_without_sideways_scrolling(phone):
    phone.goto("/hardware")
    phone.locator(".gallery button").nth(1).tap()
    phone.get_by_role("button", name="Send column").wait_for(timeout=90_000)
    press(phone, "Send column")
    charts(phone, 2)
    for view in VIEWS:
        go(phone, view)
        assert not sideways_scroll(phone), view
        assert not broken_pictures(phone), view
