"""Stages: step through a photo's stages, point at pixels, look at the solver."""

import json
import re
import sys
import zipfile
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from helpers import (
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

STEPS = [
    "Landmarks",
    "Alignment",
    "PortraitFCN+",
    "Uncertainty",
    "Trimap",
    "Neighbours",
    "Convergence",
    "KNN matting",
    "RGB or HSV",
    "Refinement",
    "Correction",
    "Foreground",
    "Cut-out",
]
VIEWS = ("Uncertainty", "Neighbours", "Convergence", "RGB or HSV", "Correction", "Cut-out")
RUN = [name for name in STEPS if name not in VIEWS]


@pytest.fixture
def traced(laptop):
    """A small portrait with all its stages."""
    laptop.goto("/stages")
    drop(laptop, portrait())
    return opened_at_first(laptop)


def opened_at_first(page):
    expect(page.get_by_role("tab")).to_have_count(len(STEPS), timeout=90_000)
    page.locator(".stage[data-ready=Landmarks]").wait_for()
    settled(page)
    return page


def tab(page, name):
    """A step by its label, whatever time stands under it."""
    return page.get_by_role("tab").filter(
        has=page.locator("span", has_text=re.compile(f"^{re.escape(name)}$"))
    )


def go(page, name):
    tab(page, name).click()
    expect(tab(page, name)).to_have_attribute("aria-selected", "true")
    settled(page)


def at_neighbours(page):
    go(page, "Neighbours")
    stage = page.locator(".stage[data-pixel][data-ready]")
    stage.wait_for()
    return stage


def pixel_of(stage):
    return [int(value) for value in stage.get_attribute("data-pixel").split(",")]


def spot(stage, x, y, size=(256, 300)):
    """Where the photo's pixel (x, y) lies on the screen."""
    box = stage.locator(".photo").bounding_box()
    across, down = (x + 0.5) / size[0], (y + 0.5) / size[1]
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def test_a_sample_opens_with_one_click_and_the_arrow_keys_step_through(laptop):
    laptop.goto("/stages")
    laptop.locator(".gallery button").first.click()
    opened_at_first(laptop)
    expect(laptop.get_by_role("tab").locator("span")).to_have_text(STEPS)
    looks = []
    for name in STEPS[1:5]:
        laptop.keyboard.press("ArrowRight")
        laptop.locator(f".stage[data-ready='{name}']").wait_for()
        looks.append(seen(laptop.locator(".stage")))
    assert all(np.abs(a - b).mean() > 1 for a, b in pairwise(looks))
    expect(laptop.locator(".dm-caption")).to_contain_text("of the photo is left to matting")
    laptop.keyboard.press("ArrowLeft")
    laptop.locator(".stage[data-ready='Uncertainty']").wait_for()
    assert not broken_pictures(laptop)


def take_home(page, name):
    page.get_by_role("button", name="Download").click()
    return download(page, name)


def test_the_pictures_come_home_with_times_memory_and_residuals(traced):
    name, data = take_home(traced, "Pictures")
    assert name == "portrait-stages.zip"
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert [name.split(" ", 1)[1] for name in archive.namelist()[:-1]] == [
            f"{name}.png" for name in RUN
        ]
        record = json.loads(archive.read("stages.json"))
    assert all(stage["seconds"] > 0 for stage in record["stages"])
    if sys.platform == "linux":
        assert all(stage["added_mb"] >= 0 for stage in record["stages"])
        assert all("MB" in tab(traced, stage).inner_text() for stage in RUN)
    assert record["residuals"]["rgb"][-1] < 1e-5


def test_the_report_is_a_page_that_needs_nothing_else(traced, chromium, tmp_path):
    name, data = take_home(traced, "Report")
    assert name == "portrait-stages.html"
    (tmp_path / name).write_bytes(data)
    asked = []
    page = chromium.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{tmp_path / name}")
    expect(page.locator(".dm-film b")).to_have_text(RUN)
    expect(page.locator(".js-plotly-plot .scatterlayer path.js-line")).to_have_count(1)
    assert not broken_pictures(page)
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    page.close()


def test_parameters_run_again_only_what_they_affect(traced):
    kept = [tab(traced, name).inner_text() for name in RUN[:3]]
    go(traced, "Trimap")
    traced.locator(".stage[data-ready=Trimap]").wait_for()
    narrow = seen(traced.locator(".stage"))
    traced.get_by_role("button", name="Parameters").click()
    band = traced.get_by_role("slider", name="Band width")
    for _ in range(4):
        band.press("ArrowRight")
    traced.locator(".stage[data-ready='Trimap rgb-2.0-5-exponential']").wait_for()
    assert np.abs(seen(traced.locator(".stage")) - narrow).mean() > 1
    trimap_too = [*kept, tab(traced, "Trimap").inner_text()]
    traced.get_by_role("radio", name="HSV").click()
    traced.get_by_role("radio", name="1 − d / max d").click()
    traced.get_by_role("slider", name="Neighbours").press("ArrowRight")
    traced.locator(".stage[data-ready='Trimap hsv-2.0-6-linear']").wait_for()
    settled(traced)
    assert [tab(traced, name).inner_text() for name in RUN[:4]] == trimap_too
    _, data = take_home(traced, "Pictures")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        record = json.loads(archive.read("stages.json"))
    assert record["parameters"] == {
        "band width": 2.0,
        "features": "hsv",
        "neighbours": 6,
        "kernel": "linear",
    }
    assert [stage["added_mb"] is None for stage in record["stages"][3:]] == [True] * 4
    at_neighbours(traced)
    expect(traced.locator(".rings li")).to_have_count(12)


def test_uncertainty_and_correction_are_seen(traced):
    for name in ("Uncertainty", "Correction"):
        go(traced, name)
        traced.locator(f".stage[data-ready={name}]").wait_for()
        assert seen(traced.locator(".stage")).std() > 1
    expect(traced.locator(".dm-caption")).to_contain_text("more opaque than KNN matting said")


def test_a_pixel_of_the_band_shows_its_neighbours_and_a_known_one_says_so(traced):
    stage = at_neighbours(traced)
    rows, sentence = traced.locator(".rings li"), traced.locator(".sentence")
    expect(rows).to_have_count(10)
    first, told = pixel_of(stage), rows.all_inner_texts()
    assert told == sorted(told[:5], reverse=True) + sorted(told[5:], reverse=True)
    assert all(0 < float(affinity) <= 1 for affinity in told)
    drawn = seen(stage)

    stage.get_by_role("button", name="Another").click()
    expect(sentence).not_to_contain_text(f"Pixel {first[0]}, {first[1]} ")
    expect(rows).to_have_count(10)
    second = pixel_of(stage)
    assert np.abs(seen(stage) - drawn).max() > 60

    traced.mouse.click(*spot(stage, 3, 40))
    expect(sentence).to_contain_text("known: the trimap says background")
    expect(rows).to_have_count(0)
    assert pixel_of(stage) == [3, 40]
    traced.mouse.click(*spot(stage, 130, 270))
    expect(sentence).to_contain_text("known: the trimap says subject")

    traced.mouse.click(*spot(stage, *second))
    expect(sentence).to_contain_text(f"Pixel {second[0]}, {second[1]} asks 10 neighbours")
    expect(rows).to_have_count(10)


def test_dragging_in_a_zoomed_photo_moves_it_and_points_at_nothing(traced):
    stage = at_neighbours(traced)
    before = pixel_of(stage)
    box = stage.bounding_box()
    traced.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    traced.mouse.wheel(0, -600)
    left = stage.locator(".photo").bounding_box()["x"]
    traced.mouse.down()
    traced.mouse.move(box["x"] + box["width"] / 2 - 80, box["y"] + box["height"] / 2, steps=5)
    traced.mouse.up()
    assert stage.locator(".photo").bounding_box()["x"] < left - 40
    settled(traced)
    assert pixel_of(stage) == before


def test_convergence_of_three_colour_spaces_and_the_tolerance(traced):
    go(traced, "Convergence")
    legend = traced.locator(".js-plotly-plot .legendtext")
    expect(legend).to_have_count(3, timeout=60_000)
    for text, space in zip(legend.all_text_contents(), ("RGB", "HSV", "Lab"), strict=True):
        assert text.startswith(space)
        assert "steps" in text
        assert text.endswith("s")
    curves = traced.locator(".js-plotly-plot .scatterlayer path.js-line")
    assert len({curve.get_attribute("d") for curve in curves.all()}) == 3
    expect(traced.locator(".js-plotly-plot .annotation-text")).to_contain_text("tolerance")


def test_rgb_and_hsv_lie_under_one_slider_on_any_background(traced):
    go(traced, "RGB or HSV")
    stage = traced.locator(".stage[data-ready]").filter(has=traced.get_by_role("slider"))
    stage.wait_for(timeout=60_000)
    expect(stage.locator(".tag-before")).to_have_text("RGB")
    expect(stage.locator(".tag-after")).to_have_text("HSV")
    expect(stage.get_by_role("button", name="Alpha")).to_have_attribute("aria-pressed", "true")
    grip = stage.get_by_role("slider")
    grip.press("End")
    rgb = seen(stage)
    grip.press("Home")
    assert np.abs(rgb - seen(stage)).max() > 20
    traced.get_by_role("radio", name="White", exact=True).click()
    expect(stage.get_by_role("button", name="Alpha")).to_have_attribute("aria-pressed", "false")
    grip.press("End")
    first = stage.locator(".first").bounding_box()
    box = stage.bounding_box()
    x, y = round(first["x"] - box["x"] + 12), round(first["y"] - box["y"] + 60)
    comes_to(lambda: seen(stage)[y : y + 8, x : x + 8].min() > 225)
    expect(traced.locator(".dm-caption")).to_contain_text("apart on average in the band")
    traced.locator(".stage[data-ready=difference]").wait_for()
    go(traced, "Cut-out")
    traced.get_by_text("Before", exact=True).wait_for()
    expect(traced.get_by_text("HSV", exact=True)).to_have_count(0)


def test_what_is_no_photo_gets_one_sentence_and_a_large_one_is_reduced(laptop):
    laptop.goto("/stages")
    drop(laptop, ("portrait.jpg", b"not a photo"))
    expect(laptop.get_by_role("alert")).to_contain_text("; please choose another photo.")
    drop(laptop, ("grey.png", encoded(np.full((1200, 1600, 3), 120, np.uint8))))
    opened_at_first(laptop)
    expect(laptop.locator(".dm-line")).to_contain_text("reduced from 1600 × 1200")
    for name in ("Neighbours", "Convergence"):
        go(laptop, name)
        expect(laptop.locator(".dm-caption")).to_contain_text("nothing to solve")
    laptop.get_by_role("button", name="New photo").click()
    expect(laptop.locator(".st-key-drop")).to_be_visible()


def test_phone_points_by_touch_and_never_scrolls_sideways(phone):
    phone.goto("/stages")
    drop(phone, portrait())
    opened_at_first(phone)
    assert not sideways_scroll(phone)
    stage = at_neighbours(phone)
    expect(phone.locator(".rings li")).to_have_count(10)
    assert not sideways_scroll(phone)
    phone.touchscreen.tap(*spot(stage, 4, 40))
    expect(phone.locator(".sentence")).to_contain_text("known")
    for name in STEPS[6:]:
        tab(phone, name).tap()
        settled(phone)
        assert not sideways_scroll(phone)
