"""Every macro, in five languages and three widths, is open to people who use it with what they have."""

import pytest
from playwright.sync_api import Browser, Page

from .axe import assert_accessible, check

LANGUAGES = ("en-GB", "pl", "ur", "ar", "pa")
CONTROLS = (
    ".govuk-button, .govuk-input, .govuk-textarea, .govuk-radios__input, .govuk-checkboxes__input, summary, "
    ".hub-links__link, .hub-header__name"
)


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_is_accessible(page: Page, gallery: str, language: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})

    assert_accessible(page, f"{gallery}/?lang={language}")


@pytest.mark.parametrize("address", ["/?errors=1", "/?errors=1&lang=ur", "/?many=1", "/?many=1&lang=fa", "/error"])
def test_errors_and_long_language_lists_are_accessible(page: Page, gallery: str, address: str) -> None:
    assert_accessible(page, gallery + address)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_tapped_is_large_enough_for_a_thumb(page: Page, gallery: str, language: str) -> None:
    page.goto(f"{gallery}/?lang={language}&many=1")

    heights = page.locator(CONTROLS).evaluate_all("all => all.map(it => [it.outerHTML.slice(0, 80), it.offsetHeight])")

    assert len(heights) > 20
    assert [(html, height) for html, height in heights if 0 < height < 44] == []


def test_an_error_is_reached_from_the_summary_and_read_with_its_field(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}/?errors=1")

    page.get_by_role("link", name="Write a few words, in any language.").click()

    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.id || location.hash") in {"words", "#words"}
    assert page.locator("#words").get_attribute("aria-describedby") == "words-hint words-error"
    assert page.locator("fieldset:has(#answer)").get_attribute("aria-describedby") == "answer-hint answer-error"


def test_the_summary_of_errors_has_the_focus_without_a_script(browser: Browser, gallery: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(f"{gallery}/?errors=1")

    assert page.locator(".govuk-error-summary:focus").count() == 1
    context.close()


def test_what_belongs_to_a_choice_shows_with_the_choice_and_without_a_script(browser: Browser, gallery: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(gallery)
    before = page.locator("#phone").is_visible(), page.locator("#email").is_visible()

    page.locator("label", has_text="Yes, by email").click()

    assert before == (True, False)
    assert (page.locator("#phone").is_visible(), page.locator("#email").is_visible()) == (False, True)
    context.close()


def test_a_language_is_one_link_in_its_own_name(page: Page, gallery: str) -> None:
    page.goto(gallery)

    page.get_by_role("link", name="اردو").click()

    assert page.locator("html").get_attribute("dir") == "rtl"
    assert page.locator(".hub-languages [aria-current]").inner_text() == "اردو"


def test_the_language_in_use_stands_open_in_a_long_list(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}/?many=1&lang=fa")

    assert page.locator(".hub-languages [aria-current]").is_visible()
    assert page.locator(".hub-languages a:visible").count() == 5
    assert page.locator(".hub-languages a").count() == 14


@pytest.mark.parametrize(("language", "side"), [("en-GB", "left"), ("ar", "right")])
def test_bars_grow_from_the_side_the_language_starts(page: Page, gallery: str, language: str, side: str) -> None:
    page.goto(f"{gallery}/?lang={language}")

    chart = page.locator(".hub-chart__bar").nth(1).bounding_box()
    bar = page.locator(".hub-chart__bar").nth(1).locator("rect").nth(1).bounding_box()

    assert chart
    assert bar
    assert bar["width"] == pytest.approx(chart["width"] * 0.615, abs=2)
    gap = bar["x"] - chart["x"] if side == "left" else chart["x"] + chart["width"] - bar["x"] - bar["width"]
    assert gap == pytest.approx(0, abs=1)


def test_a_number_too_small_to_show_has_a_star_and_no_bar(page: Page, gallery: str) -> None:
    page.goto(gallery)

    row = page.locator(".hub-chart__row", has_text="Parking")

    assert row.locator(".hub-chart__value").inner_text() == "*"
    assert row.locator("svg").count() == 0
    assert page.get_by_text("* stands for a number too small to show").is_visible()


def test_the_table_holds_the_numbers_of_the_chart(page: Page, gallery: str) -> None:
    page.goto(gallery)

    drawn = page.locator(".hub-chart__value").all_text_contents()
    written = page.locator(".hub-chart td").all_text_contents()

    assert drawn == written == ["65", "40", "10", "*"]


def test_urdu_lines_are_tall_enough_not_to_touch(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}/?lang=ur")

    line, letters = page.locator(".govuk-body-l").evaluate(
        "it => [getComputedStyle(it).lineHeight, getComputedStyle(it).fontSize].map(parseFloat)"
    )

    assert line / letters >= 1.9


def test_the_harness_finds_what_is_wrong(page: Page) -> None:
    page.route("http://hub.test/**", lambda route: route.fulfill(content_type="text/html", body=_WRONG))

    violations = check(page, "http://hub.test/")
    with pytest.raises(AssertionError) as failure:
        assert_accessible(page, "http://hub.test/")

    assert {"html-has-lang", "label"} <= {violation["id"] for violation in violations}
    for fault in ("<html> has no lang", '"{\'"', "'None'", "px wide", "asks another site"):
        assert fault in str(failure.value)


_WRONG = """<!doctype html><html><head><title>None</title><link rel="stylesheet" href="https://fonts.test/sans.css"></head>
<body><p style="width: 900px">{'code': 1}</p><input></body></html>"""
