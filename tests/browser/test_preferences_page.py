"""Preferences: blind votes from many browsers at once, and what is made of them."""

import io
import itertools
import random
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import comes_to, download, seen, settled, sideways_scroll
from playwright.sync_api import expect

from deepmasque.evaluation.benchmark import Row, table
from deepmasque.evaluation.methods import methods
from deepmasque.evaluation.preferences import COLUMNS, Ballot
from deepmasque.image import encode_png

COMPARED = ("portraitfcn-knn", "pymatting-cf", "mediapipe-selfie", "grabcut")
SMALL = {"width": 700, "height": 500}  # quickly drawn, four times at once
VOTES_EACH = 10  # 50 passed too, and take minutes
KEYS = {"left": "ArrowLeft", "right": "ArrowRight", "tie": "ArrowDown", "skip": " "}


@pytest.fixture(scope="module", autouse=True)
def results(runs_folder, tmp_path_factory):
    """Results of four methods on two small photos, as a benchmark leaves them."""
    photos = tmp_path_factory.mktemp("photos")
    shutil.rmtree(runs_folder / "dashboard", ignore_errors=True)
    out = runs_folder / "dashboard" / "people"
    rng = np.random.default_rng(0)
    titles = {method.name: method.title for method in methods()}
    rows = []
    for image in ("one", "two"):
        photo = rng.integers(0, 255, (80, 64, 3), dtype=np.uint8)
        (photos / f"{image}.png").write_bytes(encode_png(photo))
        for number, method in enumerate(COMPARED):
            alpha = f"alphas/{method}/{image}.png"
            (out / alpha).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((80, 64), np.uint8)
            pixels[10 + 5 * number :, 12:52] = 255
            (out / alpha).write_bytes(encode_png(pixels))
            rows.append(Row(image, "", method, titles[method], "done", alpha=alpha))
    table(rows).to_parquet(out / "results.parquet")
    (out / "photos.txt").write_text(str(photos))
    return Ballot(runs_folder / "votes.sqlite")


@pytest.fixture(autouse=True)
def nobody_has_voted(results):
    for file in results.path.parent.glob("votes.sqlite*"):
        file.unlink()


@pytest.fixture
def voters(app, chromium):
    """Four browsers that know nothing of each other."""
    contexts = [chromium.new_context(base_url=app, viewport=SMALL) for _ in range(4)]
    yield [at_the_ballot(context.new_page()) for context in contexts]
    for context in contexts:
        context.close()


def at_the_ballot(page):
    expect.set_options(timeout=60_000)
    page.goto("/preferences", timeout=60_000)
    expect(page.locator("figure .stage[data-ready]")).to_have_count(2)
    settled(page)
    return page


def asked(page):
    return page.locator(".ballot").get_attribute("data-asked")


def press(page, key):
    """Answer by a key, and wait for the next question."""
    before = asked(page)
    page.keyboard.press(key)
    asked_anew(page, before)


def asked_anew(page, before):
    """Wait for another question; looks more often than `expect`, for this is done 200 times."""
    comes_to(lambda: asked(page) != before, seconds=60)


def heat_map(page):
    """The numbers of the live matrix, and its methods."""
    return page.evaluate(
        """() => {
            const [{ x, z }] = document.querySelector(".st-key-matrix .js-plotly-plot")._fullData;
            return [[...x], [...z].map(row => [...row])];
        }"""
    )


def preferred(rows, column, row):
    """In how many percent of the votes between two, vote by vote."""
    points, met = 0.0, 0
    for vote in rows.itertuples():
        if {vote.left, vote.right} != {column, row} or vote.choice == "skip":
            continue
        met += 1
        if vote.choice == "tie":
            points += 0.5
        elif getattr(vote, vote.choice) == column:
            points += 1
    return 100 * points / met


def test_votes_from_four_browsers_at_once_are_all_kept(voters, results):
    rng = random.Random(5)
    said = [[], [], [], []]
    for _ in range(VOTES_EACH):
        before = [asked(page) for page in voters]
        for page, answers in zip(voters, said, strict=True):
            choice = rng.choice(list(KEYS))
            page.keyboard.press(KEYS[choice])
            answers.append(choice)
        for page, old in zip(voters, before, strict=True):
            asked_anew(page, old)

    votes = results.votes()
    assert len(votes) == 4 * VOTES_EACH
    each = votes.groupby("session", sort=False)["choice"].agg(list)
    assert sorted(each) == sorted(said)
    times = votes.apply(lambda vote: frozenset((vote["left"], vote["right"])), axis=1)
    assert times.value_counts().max() - times.value_counts().min() <= 4
    assert {*votes["left"], *votes["right"]} == set(COMPARED)

    page = voters[0]
    expect(page.locator(".st-key-votes-head .dm-chip").first).to_have_text(
        f"votes {4 * VOTES_EACH}"
    )
    titles = {method.name: method.title for method in methods()}
    names = {titles[name]: name for name in COMPARED}
    comes_to(lambda: page.locator(".st-key-matrix .heatmaplayer image").count() == 1)

    def agrees():
        shown, numbers = heat_map(page)
        return {names[title] for title in shown} == set(COMPARED) and all(
            numbers[i][j] == pytest.approx(preferred(votes, names[shown[j]], names[shown[i]]))
            for i, j in itertools.permutations(range(len(shown)), 2)
        )

    comes_to(agrees)
    name, data = download(page, "Download votes")
    assert name == "votes.csv"
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(data), dtype=str), votes[COLUMNS])


def test_no_method_is_named_and_sides_look_different(laptop):
    page = at_the_ballot(laptop)
    assert page.locator("figcaption b").all_inner_texts() == ["Left", "Right"]
    text = page.locator(".st-key-vote").inner_text()
    assert not [each.title for each in methods() if each.title in text]
    left, right = (seen(page.locator("figure .stage").nth(side)) for side in (0, 1))
    assert np.abs(left - right).max() > 40


def test_buttons_keys_and_undo(laptop, results):
    page = at_the_ballot(laptop)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    press(page, "ArrowLeft")
    before = asked(page)
    page.get_by_role("button", name="No difference").click()
    expect(page.locator(".ballot")).not_to_have_attribute("data-asked", before)
    assert list(results.votes()["choice"]) == ["left", "tie"]
    press(page, "u")
    assert list(results.votes()["choice"]) == ["left"]
    undone = results.votes()
    press(page, "ArrowRight")
    again = results.votes()
    assert list(again["choice"]) == ["left", "right"]
    assert again.iloc[0].equals(undone.iloc[0])
    expect(page.get_by_text("Your answers: 2")).to_be_visible()


def test_the_study_of_the_slides_is_explained_and_invents_nothing(laptop):
    page = at_the_ballot(laptop)
    expect(page.locator(".st-key-study .xtick text")).to_have_count(8)
    comes_to(lambda: page.locator(".st-key-study .heatmaplayer image").count() == 1)
    numbers = page.evaluate(
        """() => [...document.querySelector(".st-key-study .js-plotly-plot")._fullData[0].z]
            .flatMap(row => [...row]).filter(Number.isFinite)"""
    )
    assert sorted(numbers) == pytest.approx([16.3, 83.7])
    expect(page.get_by_text("CVPR 2017, table 2")).to_be_visible()


def test_phone_votes_by_touch_and_never_scrolls_sideways(phone, results):
    page = at_the_ballot(phone)
    before = asked(page)
    page.get_by_role("button", name="Right is better").tap()
    expect(page.locator(".ballot")).not_to_have_attribute("data-asked", before)
    assert list(results.votes()["choice"]) == ["right"]
    comes_to(lambda: page.locator(".st-key-matrix .js-plotly-plot").count() == 1)
    assert not sideways_scroll(page)


def test_without_results_the_samples_are_offered(fresh_app, laptop):
    laptop.goto(f"{fresh_app}/preferences")
    expect(laptop.get_by_role("button", name="Matte the samples")).to_be_enabled()
    expect(laptop.get_by_text("Nobody has voted yet.")).to_be_visible()
