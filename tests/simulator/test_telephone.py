"""The telephone for people: a page that works without a script and reads well in every direction."""

import pytest

from tests.accessibility.axe import assert_accessible

from .conftest import Telephone

URDU = "شکریہ۔ آپ کا پیغام ہمیں مل گیا۔"


@pytest.fixture
def page(browser):
    """A page as wide as a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


def answer_in(phone: Telephone, words: str):
    """A hub that answers each text with these words."""

    def answer(path, body):
        if path == "/sms/simulator":
            phone.send({"to": body["from"], "text": words, "reference": body["id"]}, key=body["id"])
        return 200

    return answer


def test_a_text_is_sent_and_its_answer_is_on_the_page_that_follows(phone, hub, page):
    hub.answer = answer_in(phone, URDU)
    page.goto(phone.url + "/simulator/?number=07700900003")

    page.get_by_label("Your text").fill("ڈاکٹر کا انتظار")
    page.get_by_role("button", name="Send").click()

    bubbles = page.locator(".tel__text")
    assert bubbles.all_text_contents() == ["ڈاکٹر کا انتظار", URDU]
    assert bubbles.nth(1).evaluate("it => getComputedStyle(it).direction") == "rtl"
    assert hub.bodies("/sms/simulator")[0]["from"] == "+447700900003"


def test_a_phone_shows_its_own_texts_only(phone, page):
    phone.send({"to": "+447700900001", "text": "for one"})
    phone.send({"to": "+447700900002", "text": "for two"})

    page.goto(phone.url + "/simulator/?number=%2B447700900002")

    assert page.locator(".tel__text").all_text_contents() == ["for two"]


def test_what_was_typed_stays_when_the_number_is_none(phone, page):
    page.goto(phone.url + "/simulator/?number=what")

    page.get_by_label("Your text").fill("do not lose me")
    page.get_by_role("button", name="Send").click()

    assert page.get_by_label("Your text").input_value() == "do not lose me"
    assert page.get_by_text("does not look like a phone number").count() >= 1


def test_emails_are_shown_with_subject_and_words(phone, page):
    phone.send({"channel": "email", "to": "a@hub.example.org", "subject": "شکریہ", "text": "One\n\nTwo"})

    page.goto(phone.url + "/simulator/emails")

    assert page.get_by_role("heading", name="شکریہ").is_visible()
    assert page.locator(".tel__letter p").all_text_contents() == ["One", "Two"]


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible(phone, hub, page, width):
    hub.answer = answer_in(phone, URDU)
    phone.text(**{"from": "+447700900001", "text": "hello"})
    phone.send({"channel": "email", "to": "a@hub.example.org", "subject": "Thank you", "text": "One\n\nTwo"})
    page.set_viewport_size({"width": width, "height": 900})

    for path in ("/simulator/", "/simulator/?number=07700900002", "/simulator/?number=what", "/simulator/emails"):
        assert_accessible(page, phone.url + path)
