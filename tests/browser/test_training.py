"""Training: the ladder, curves to compare, sample predictions, the weights and their terms."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import broken_pictures, comes_to, download, seen, settled, sideways_scroll
from playwright.sync_api import expect

from deepmasque.training.ladder import ABLATIONS, LADDER, read_ladder
from deepmasque.weights import MODELS

GOING, LATER = 6, 9


@pytest.fixture(scope="module", autouse=True)
def going(runs_folder):
    """A run with six channels that has done some of its epochs; its log can grow."""
    folder = runs_folder / "six-more"
    (folder / "samples").mkdir(parents=True)
    hparams = {"epochs": 20, "inputs": ["rgb", "x and y", "mean mask"], "seed": 7}
    (folder / "hparams.yaml").write_text(yaml.dump(hparams))
    for epoch in range(2, GOING + 1, 2):
        sheet = np.full((160, 480, 3), 40 * epoch, np.uint8)
        cv2.imwrite(str(folder / "samples" / f"{epoch:04d}.jpg"), sheet)
    write_log(folder, GOING)
    return folder


@pytest.fixture(scope="module", autouse=True)
def two_photo_runs(runs_folder):
    """A run of two-photo matting, and one that tunes it adversarially."""
    step = np.arange(40)
    axes = {"epoch": step // 10, "step": step, "train_loss": 1 / (step + 2)}
    joint = pd.DataFrame(axes | {"train_mad": 0.4 / (step + 2), "development_mad": 0.02})
    scores = {"generator_loss": 0.3, "discriminator_loss": 0.2}
    scores |= {"photo_score": 0.6, "composite_score": 0.4, "development_empty_mad": 0.0123}
    for name, table, hparams in (
        ("joint", joint, {"curriculum": [[0.0, 512, 2.0], [0.4, 640, 3.0]]}),
        ("adversarial", pd.DataFrame(axes | scores), {"supervision": 0.05}),
    ):
        folder = runs_folder / f"{name}-more"
        (folder / "samples").mkdir(parents=True)
        table.to_csv(folder / "metrics.csv", index=False)
        (folder / "hparams.yaml").write_text(yaml.dump({"epochs": 4} | hparams))
        (folder / "run.json").write_text(json.dumps({"pictures": ["Photo", "Predicted alpha"]}))
        cv2.imwrite(str(folder / "samples" / "0004.jpg"), np.full((160, 320, 3), 90, np.uint8))


def write_log(folder, epochs):
    step = np.arange(epochs * 10)
    table = pd.DataFrame({"epoch": step // 10, "step": step, "train_loss": 1 / (step + 2)})
    table["train_iou"] = 1 - table["train_loss"] / 2
    looks = table[step % 20 == 19][["epoch", "step"]]
    looks["development_iou"] = 1 - 0.3 / (looks["epoch"] + 1)
    pd.concat([table, looks]).to_csv(folder / "metrics.csv", index=False)


@pytest.fixture
def training(laptop):
    return opened(laptop)


def opened(page):
    page.goto("/training")
    page.locator(".dm-rights").wait_for()
    charts = page.locator(".js-plotly-plot")
    expect(charts).to_have_count(2)
    for chart in (charts.first, charts.last):
        chart.locator(".scatterlayer .trace").first.wait_for()
    settled(page)
    return page


def names(page, chart=0):
    """The runs in a chart's legend."""
    return page.locator(".js-plotly-plot").nth(chart).locator(".legendtext")


def drawn(page, chart=0):
    """What the curves of a chart look like."""
    lines = page.locator(".js-plotly-plot").nth(chart).locator(".scatterlayer path.js-line")
    return lines.evaluate_all("lines => lines.map(line => line.getAttribute('d'))")


def choose(page, label, option):
    box = page.get_by_role("combobox", name=label)
    box.evaluate("box => box.scrollIntoView({block: 'center', behavior: 'instant'})")
    box.click()  # scrolling would close the list
    box.fill(option)
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def test_nothing_stands_before_the_title(training):
    said = training.get_by_test_id("stMain").inner_text()
    assert said.strip().splitlines()[0] == "Training"


def test_the_ladder_shows_what_was_measured_beside_original_and_paper(training):
    measured = read_ladder()
    steps, ablations = training.locator(".dm-ladder").all()
    expect(steps.locator("tbody tr")).to_have_count(len(LADDER))
    expect(ablations.locator("tbody tr")).to_have_count(len(ABLATIONS))
    for rung in (*LADDER, *ABLATIONS):
        table = steps if rung in LADDER else ablations
        row = table.locator("tbody tr", has_text=rung.title).first
        if rung.key in measured.index:
            expect(row).to_contain_text(f"{measured.loc[rung.key, 'mean_iou']:.2f}")
    expect(steps.locator("tr", has_text="6 channels")).to_contain_text("95.91")
    expect(steps.locator("tr", has_text="residual network")).to_contain_text("97.1")


def test_the_charts_show_curves_and_the_papers_line(training):
    expect(training.locator(".js-plotly-plot").first).to_contain_text("in the paper, 95.91 %")
    assert len(drawn(training)) >= 1
    assert len(drawn(training, 1)) >= 2  # as logged, and smoothed
    point = training.locator(".js-plotly-plot").first.locator(".scatterlayer .point").last
    point.hover(force=True)
    expect(training.locator(".hoverlayer").first).to_contain_text("epochs")
    expect(training.locator(".hoverlayer").first).to_contain_text("seed: ")


def test_runs_are_compared_by_a_hyperparameter(training):
    choose(training, "Compare by", "Inputs")
    expect(names(training, 1).first).to_contain_text("rgb")
    several = names(training, 1).count()
    assert several >= 2
    training.get_by_role("combobox", name="Inputs").press("Backspace")
    comes_to(lambda: names(training, 1).count() < several)


def test_smoothing_changes_the_lines_and_another_measure_the_chart(training):
    before = drawn(training, 1)
    training.get_by_role("slider", name="Smoothing").press("Home")
    comes_to(lambda: drawn(training, 1) != before)
    first = drawn(training)
    training.get_by_role("radio", name="IoU, training scenes").click()
    comes_to(lambda: drawn(training) not in ([], first))
    expect(training.locator(".js-plotly-plot").first).not_to_contain_text("in the paper")


def test_sample_predictions_epoch_by_epoch_and_what_the_run_was_made_of(training):
    sheet = training.locator(".dm-sheet img")
    expect(sheet).to_be_visible()
    assert not broken_pictures(training)
    choose(training, "Run", "six-more")
    expect(training.locator(".dm-run")).to_contain_text("rgb, x and y, mean mask")
    expect(training.locator(f".dm-sheet img[alt$='six-more after epoch {GOING}']")).to_be_visible()
    training.get_by_role("slider", name="After epoch").press("Home")
    first = training.locator(".dm-sheet img[alt$='six-more after epoch 2']")
    comes_to(lambda: seen(first).mean() == pytest.approx(80, abs=2))


def test_two_photo_runs_are_compared_among_themselves_with_their_balance(training):
    training.get_by_role("radio", name="Two photos").click()
    expect(training.locator(".js-plotly-plot")).to_have_count(4)
    expect(names(training).get_by_text("joint-more")).to_be_visible()
    expect(names(training).get_by_text("adversarial-more")).to_have_count(0)
    expect(names(training, 1).get_by_text("adversarial-more")).to_be_visible()
    expect(training.locator(".js-plotly-plot").first).not_to_contain_text("in the paper")
    for chart, said in ((2, "generator"), (3, "of photos")):
        expect(names(training, chart).get_by_text(f"{said} (adversarial-more)")).to_be_visible()
        expect(names(training, chart).get_by_text("joint-more")).to_have_count(0)


def test_sample_pictures_of_a_two_photo_run_have_their_titles_and_its_figures(training):
    choose(training, "Run", "adversarial-more")
    expect(training.locator(".dm-sheet figcaption")).to_have_text("PhotoPredicted alpha")
    expect(training.locator(".dm-run")).to_contain_text("MAD where nobody is to be seen0.0123")
    choose(training, "Run", "joint-more")
    expect(training.locator(".dm-run")).to_contain_text("MAD, development scenes0.0200")
    expect(training.locator(".dm-run")).to_contain_text("640 × 640 seen at 1 : 3 from 40%")


def test_a_run_that_goes_on_is_watched(training, going):
    choose(training, "Compare by", "Seed")
    told = training.locator(".dm-caption", has_text="Going on")
    expect(told).to_contain_text(f"six-more after {GOING}.0 epochs")
    write_log(going, LATER)
    expect(told).to_contain_text(f"six-more after {LATER}.0 epochs")


def test_weights_come_with_their_terms(training):
    expect(training.locator(".dm-rights")).to_contain_text("Academic use only")
    button = training.locator(".st-key-weights").get_by_role("button", name="portrait.safetensors")
    name, data = download(training, button.inner_text())
    assert name == "portrait.safetensors"
    assert data == (MODELS / "portrait.safetensors").read_bytes()


def test_phone_never_scrolls_sideways(phone):
    opened(phone)
    assert not sideways_scroll(phone)
    for part in (".dm-ladder", ".js-plotly-plot", ".dm-sheet", ".dm-rights"):
        phone.locator(part).first.scroll_into_view_if_needed()
        assert not sideways_scroll(phone)
