"""Home: the hero's slider, the samples, the terms, at both widths."""

from helpers import broken_pictures, result, sideways_scroll, viewer
from playwright.sync_api import expect

from deepmasque.portrait.pipeline import STAGES


def test_first_portrait_is_cut_out_and_every_picture_is_there(laptop):
    laptop.goto("/")
    viewer(laptop)
    assert laptop.locator("img").count() >= 4
    assert not broken_pictures(laptop)


def test_about_says_what_the_network_was_trained_on(laptop):
    laptop.goto("/")
    about = laptop.locator(".dm-about")
    about.wait_for()
    assert "Academic use only" in about.inner_text()
    assert "EG1800" in about.inner_text()


def test_each_sample_gives_a_result_with_one_click(laptop):
    laptop.goto("/")
    for index in range(3):
        sample = laptop.locator(".gallery button").nth(index)
        title = sample.inner_text()
        sample.click()
        result(laptop)
        expect(laptop.locator("h1")).to_have_text([title])
        expect(laptop.locator(".dm-film figure")).to_have_count(len(STAGES))
        assert not broken_pictures(laptop)
        laptop.get_by_role("link", name="Home").click()


def test_phone_shows_it_all_without_sideways_scrolling(phone):
    phone.goto("/")
    viewer(phone)
    assert not sideways_scroll(phone)
    assert not broken_pictures(phone)
