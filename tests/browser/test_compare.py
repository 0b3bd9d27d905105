"""Compare: methods and others' results side by side, many photos, the leader board."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from helpers import (
    SIZE,
    broken_pictures,
    comes_to,
    download,
    drop,
    encoded,
    portrait,
    seen,
    settled,
    sideways_scroll,
)
from playwright.sync_api import expect

from deepmasque.evaluation.methods import methods
from deepmasque.evaluation.published import figures

QUICK = ("MediaPipe selfie", "PortraitFCN+")
TITLES = {method.name: method.title for method in methods()}


def tick(page, *titles):
    """Leave only these methods ticked."""
    pills = page.locator(".st-key-compare-methods, .st-key-many-methods").get_by_role("button")
    expect(pills.first).to_be_visible()
    for title in TITLES.values():
        pill = pills.filter(has_text=re.compile(f"^{re.escape(title)}$"))
        if pill.count() and (pill.get_attribute("aria-pressed") == "true") != (title in titles):
            pill.click()
            settled(page)
    expect(page.locator("[data-variant=pills][aria-pressed=true]")).to_have_count(len(titles))


def tile(page, label):
    """A picture of the row by its label."""
    return page.locator("figure").filter(
        has=page.locator("b", has_text=re.compile(f"^{re.escape(label)}$"))
    )


def cells(page, key, heading):
    """What a table shows, row by row, as text, once it has a column of this heading."""
    table = page.locator(f".st-key-table-{key} canvas").first
    expect(table.locator("th", has_text=heading).first).to_be_attached()
    expect(table.locator("tr").nth(1)).to_be_attached()
    rows = table.locator("tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


@pytest.fixture
def compared(laptop):
    """A small portrait with two quick methods on it."""
    laptop.goto("/compare")
    drop(laptop, portrait())
    tick(laptop, *QUICK)
    laptop.get_by_role("button", name="Run these methods").click()
    for title in QUICK:
        tile(laptop, title).locator(".stage[data-ready='Cut-out']").wait_for(timeout=120_000)
    settled(laptop)
    return laptop


def test_a_photo_that_was_left_is_let_go(fresh_app, tmp_path, laptop):
    laptop.goto(f"{fresh_app}/compare")
    for width in (60, 61, 62):
        drop(laptop, portrait((width, 70)))
        laptop.locator("figure .stage[data-ready]").wait_for(timeout=60_000)
        settled(laptop)
        laptop.get_by_role("button", name="New photo").click()
        laptop.locator(".st-key-drop").wait_for()
    comes_to(lambda: len(list(tmp_path.glob("*/photo.png"))) <= 1)


def give(page, label, *files):
    """Put files, each (name, bytes), into an uploader."""
    settled(page)
    payload = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    page.get_by_test_id("stFileUploader").filter(has_text=label).locator(
        "input[type=file]"
    ).set_input_files(payload)


def cut_out(size=SIZE):
    """What another program might have made: an ellipse, (h, w, 4)."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    inside = ((x / width - 0.5) / 0.4) ** 2 + ((y / height - 0.6) / 0.5) ** 2 < 1
    return np.dstack([np.full((height, width, 3), 90, np.uint8), (255 * inside).astype(np.uint8)])


def test_methods_stand_side_by_side_and_zoom_together(compared):
    for title in QUICK:
        expect(tile(compared, title).locator("figcaption span")).to_have_text(
            re.compile(r"^(\d+ ms|\d+\.\d s)(, \d+ MB)?$")
        )
    looks = {title: seen(tile(compared, title).locator(".stage")) for title in ("Photo", *QUICK)}
    assert np.abs(looks["Photo"] - looks[QUICK[0]]).mean() > 4
    box = tile(compared, QUICK[0]).locator(".stage").bounding_box()
    compared.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    compared.mouse.wheel(0, -600)
    zooms = compared.locator("figure output")
    expect(zooms).to_have_text([re.compile(r"^[2-9]\.\d×$")] * 3)
    assert len(set(zooms.all_inner_texts())) == 1
    places = [box["x"] - stage["x"] for box, stage in positions(compared)]
    assert max(places) - min(places) < 2
    compared.mouse.down()
    compared.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 3, steps=4)
    compared.mouse.up()
    moved = [box["x"] - stage["x"] for box, stage in positions(compared)]
    assert max(moved) - min(moved) < 2
    assert moved[0] < places[0] - 40

    compared.get_by_role("radio", name="White", exact=True).click()
    compared.keyboard.press("0")
    compared.get_by_role("radio", name="Difference").click()
    tile(compared, QUICK[0]).locator(".stage[data-ready=Difference]").wait_for()
    assert np.abs(seen(tile(compared, QUICK[0]).locator(".stage")) - looks[QUICK[0]]).mean() > 4


def positions(page):
    """Of the picture and of its stage in every tile."""
    for figure in page.locator("figure").all():
        scene = figure.locator(".scene:not([hidden])").last
        yield scene.bounding_box(), figure.locator(".stage").bounding_box()


def test_others_join_row_and_table_and_a_truth_measures_all(compared):
    cut = cut_out()
    give(compared, "remove.bg", ("theirs.png", encoded(cut)))
    expect(tile(compared, "theirs").locator("figcaption span")).to_have_text("uploaded")
    give(compared, "A mask", ("truth.png", encoded(cut[..., 3])))
    tile(compared, "Ground truth").wait_for()
    settled(compared)
    head, *rows = cells(compared, "compare-figures", "IoU")
    by_name = {row[head.index("method")]: row for row in rows}
    assert set(by_name) == {*QUICK, "theirs"}
    iou = next(place for place, name in enumerate(head) if name.startswith("IoU"))
    assert float(by_name["theirs"][iou]) == 100
    assert all(0 < float(by_name[title][iou]) < 100 for title in QUICK)
    compared.get_by_role("button", name="Forget the truth").click()
    expect(tile(compared, "Ground truth")).to_have_count(0)


def test_two_photos_on_a_pair_and_without_a_plate(laptop):
    laptop.goto("/compare")
    settled(laptop)
    laptop.get_by_role("button", name="Take the pair").click()
    tile(laptop, "Ground truth").locator(".stage[data-ready]").wait_for()
    tick(laptop, "Two photos")
    laptop.get_by_role("button", name="Run these methods").click()
    tile(laptop, "Two photos").locator(".stage[data-ready='Cut-out']").wait_for(timeout=120_000)
    settled(laptop)
    head, row = cells(laptop, "compare-figures", "IoU")
    iou = next(place for place, name in enumerate(head) if name.startswith("IoU"))
    assert 80 < float(row[iou]) < 100
    laptop.get_by_role("button", name="New photo").click()
    drop(laptop, portrait())
    tick(laptop, "Two photos")
    laptop.get_by_role("button", name="Run these methods").click()
    alert = laptop.get_by_role("alert")
    expect(alert).to_have_text("Two photos: There is no plate, the same place without the subject.")
    give(laptop, "The same place", ("plate.png", b"no picture"))
    expect(alert.first).to_contain_text("picture that can be read")


@pytest.mark.parametrize(
    ("name", "pixels", "sentence"),
    [
        ("small.png", cut_out((20, 30)), "small.png is 20 × 30 and the photo 256 × 300"),
        ("opaque.png", cut_out()[..., :3], "opaque.png has nothing transparent"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(laptop, name, pixels, sentence):
    laptop.goto("/compare")
    drop(laptop, portrait())
    tile(laptop, "Photo").locator(".stage[data-ready]").wait_for()
    give(laptop, "remove.bg", (name, encoded(pixels)))
    alert = laptop.get_by_role("alert")
    expect(alert).to_contain_text(sentence)
    assert re.search(r"save .+\.$", alert.inner_text())
    expect(laptop.locator("figure")).to_have_count(1)


def test_a_truth_is_painted(compared):
    compared.locator(".st-key-paint-truth label").click()
    stage = compared.locator(".stage[data-strokes]")
    stage.wait_for()
    box = stage.locator(".photo").bounding_box()
    compared.get_by_role("radio", name="Keep").click()
    compared.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    compared.mouse.down()
    compared.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.1 * box["height"], steps=4)
    compared.mouse.up()
    compared.get_by_role("button", name="Measure against this").click()
    tile(compared, "Ground truth").wait_for()
    settled(compared)
    head, *rows = cells(compared, "compare-figures", "IoU")
    assert any(name.startswith("IoU") for name in head)
    assert len(rows) == 2


class TestMany:
    @pytest.fixture
    def folder(self, tmp_path):
        """Four small photos with masks, laid out as EG1800."""
        for part in ("images", "masks"):
            (tmp_path / part).mkdir()
        for number in range(4):
            _, photo = portrait((64 + number, 80))
            mask = cut_out((64 + number, 80))[..., 3]
            (tmp_path / "images" / f"{number}.jpg").write_bytes(photo)
            (tmp_path / "masks" / f"{number}.png").write_bytes(encoded(mask))
        return tmp_path

    def open(self, page, photos, *titles):
        page.goto("/compare")
        page.get_by_role("tab", name="Many photos").click()
        box = page.get_by_role("textbox", name="Photos")
        box.fill(str(photos))
        box.press("Enter")
        settled(page)
        tick(page, *titles)
        return page

    def test_a_run_is_cancelled_and_gone_on_with(self, laptop, folder):
        page = self.open(laptop, folder, *QUICK)
        run = page.get_by_role("button", name="Run", exact=True)
        run.click()
        page.get_by_text(re.compile("^[1-7] of 8 · ")).wait_for(timeout=120_000)
        page.get_by_role("button", name="Cancel").click()
        run.wait_for()
        settled(page)
        part = pd.read_csv(io.BytesIO(download(page, "Download table")[1]))
        assert 0 < len(part) < 8
        run.click()
        page.get_by_role("button", name="Cancel").wait_for()
        run.wait_for(timeout=120_000)
        settled(page)
        whole = pd.read_csv(io.BytesIO(download(page, "Download table")[1]))
        assert len(whole) == 8
        assert set(whole["title"]) == set(QUICK)
        assert whole["iou"].between(0, 1).all()
        kept = part.merge(whole, on=["image", "method", "date"])
        assert len(kept) == len(part)
        head, *rows = cells(page, "many-worst", "IoU")
        at = next(place for place, name in enumerate(head) if name.startswith("IoU"))
        assert [float(row[at]) for row in rows] == sorted(float(row[at]) for row in rows)
        _, report = download(page, "Download report")
        assert b"<table" in report

        page.get_by_role("tab", name="Leader board").click()
        page.locator(".st-key-benchmark").get_by_role("combobox").click()
        page.get_by_role("option", name=folder.name).click()
        settled(page)
        dots = page.locator(".js-plotly-plot .scatterlayer path.point")
        expect(dots).to_have_count(8)
        dots.nth(2).evaluate("dot => dot.scrollIntoView({block: 'center'})")
        box = dots.nth(2).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator("figure")).to_have_count(4)  # photo, truth, two methods
        tile(page, QUICK[0]).locator(".stage[data-ready]").wait_for()
        assert not broken_pictures(page)

    def test_a_folder_that_is_none_gets_one_sentence(self, laptop):
        page = self.open(laptop, "/nowhere/at/all", QUICK[0])
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("alert")).to_have_text("/nowhere/at/all is not a folder.")


def test_published_figures_stand_apart_with_their_sources(laptop):
    laptop.goto("/compare")
    laptop.get_by_role("tab", name="Leader board").click()
    expect(laptop.get_by_role("heading", name="As published")).to_be_visible()
    head, *rows = cells(laptop, "published", "method")
    assert {"method", "data", "source"} <= set(head)
    published = {each.method for each in figures()}
    assert {row[head.index("method")] for row in rows} <= published
    assert all(each.source for each in figures())


def test_phone_compares_without_sideways_scrolling(phone):
    phone.goto("/compare")
    phone.locator(".gallery button").nth(1).tap()
    tile(phone, "Photo").locator(".stage[data-ready]").wait_for()
    assert not sideways_scroll(phone)
    for view in ("Many photos", "Leader board"):
        phone.get_by_role("tab", name=view).tap()
        settled(phone)
        assert not sideways_scroll(phone), view
