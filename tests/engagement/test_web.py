"""The pages: what people get whatever they send, in their language."""

import re

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from services.engagement.app import Hub
from shared import events, i18n

from .conftest import EMPTY, NASTY, Clock, nonce_of

LANGUAGES = list(i18n.LANGUAGES)
WORDS = "The surgery moved and there is no bus to it on Saturdays"


def form(client: FlaskClient, **values: str) -> dict[str, str]:
    """What a browser sends of a form it got."""
    return {"text": WORDS, "nonce": nonce_of(client.get("/").text), "answer": "no", "share": "no", **values}


def reference_in(location: str) -> str:
    found = re.search(r"/thanks/(\w{4}-\w{4})", location)
    assert found, location
    return found[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_says_who_reads_what_is_next_and_by_when(client: FlaskClient, language: str) -> None:
    page = client.get(f"/?lang={language}")

    known = i18n.LANGUAGES[language]
    assert page.status_code == 200
    assert f'<html lang="{language}" dir="{known.dir}"' in page.text
    assert "28" in page.text
    assert "07700\u00a0900999" in page.text
    assert page.content_language.to_header() == language
    if language != "en-GB":
        assert "your words" not in page.text.lower()


def test_words_are_kept_and_the_page_may_be_loaded_again(client: FlaskClient, database: Database) -> None:
    sent = client.post("/", data=form(client))

    page = client.get(sent.location)

    assert sent.status_code == 303
    assert reference_in(sent.location) in page.text
    assert client.get(sent.location).status_code == 200
    assert database["feedback"].count_documents({}) == 1


def test_the_choices_default_to_no(client: FlaskClient, database: Database) -> None:
    client.post("/", data={"text": WORDS})

    kept = database["feedback"].find_one()
    assert (kept["may_answer"], kept["may_share"]) == (False, False)


def test_a_number_beside_the_answer_no_is_not_kept(client: FlaskClient, database: Database) -> None:
    client.post("/", data=form(client, phone="07700 900123", email="a@example.com"))

    assert database["people"].count_documents({}) == 0
    assert "900123" not in str(database["feedback"].find_one())


def test_a_form_sent_twice_is_one_contribution(client: FlaskClient, database: Database) -> None:
    filled = form(client, answer="sms", phone="07700 900123")

    first, again = client.post("/", data=filled), client.post("/", data=filled)

    assert first.location == again.location
    assert database["feedback"].count_documents({}) == 1


def test_a_form_sent_again_with_other_words_loses_none(client: FlaskClient, database: Database) -> None:
    filled = form(client)

    first, again = client.post("/", data=filled), client.post("/", data={**filled, "text": "And it rains"})

    assert first.location != again.location
    assert database["feedback"].count_documents({}) == 2


@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY.keys())
def test_odd_words_are_kept(client: FlaskClient, database: Database, words: str) -> None:
    body = {**form(client), "text": words.encode("utf-8", "replace").decode()}

    sent = client.post("/", data=body)

    assert sent.status_code == 303
    kept = database["feedback"].find_one()["original"]["text"]
    assert kept.endswith(("is late", "So", "is late\ufffd")) or kept == "😡🚌💔"


@pytest.mark.parametrize("words", EMPTY.values(), ids=EMPTY.keys())
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_form_comes_back_with_what_else_was_typed(client: FlaskClient, words: str, language: str) -> None:
    page = client.post(f"/?lang={language}", data=form(client, text=words, would_help="A bus & a bench", area="BB1"))

    assert page.status_code == 422
    assert "govuk-error-summary" in page.text
    assert 'href="#text"' in page.text
    assert "A bus &amp; a bench" in page.text
    assert f'lang="{language}"' in page.text
    assert ("Write a few words" in page.text) is (language == "en-GB")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"answer": "sms", "phone": ""}, "phone"),
        ({"answer": "sms", "phone": "12"}, "phone"),
        ({"answer": "email", "email": ""}, "email"),
        ({"answer": "email", "email": "nobody"}, "email"),
        ({"area": "x" * 81}, "area"),
        ({"communities": ",".join("abcdef")}, "communities"),
        ({"would_help": "x" * 10_001}, "would_help"),
        ({"text": "x" * 10_001}, "text"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client: FlaskClient, database: Database, values: dict, field: str) -> None:
    page = client.post("/", data=form(client, **values))

    assert page.status_code == 422
    assert f'<a href="#{field}">' in page.text
    assert f'id="{field}-error"' in page.text
    assert database["feedback"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("label", "body", "type", "kept"),
    [
        ("Windows-1252", b"text=caf%E9+is+closed", "application/x-www-form-urlencoded", "café is closed"),
        ("a wrong charset", "text=łóżko".encode(), "application/x-www-form-urlencoded; charset=latin-1", "łóżko"),
        ("declared", b"text=%B3%F3%BFko", "application/x-www-form-urlencoded; charset=iso-8859-2", "łóżko"),
        ("no such charset", "text=łóżko".encode(), "application/x-www-form-urlencoded; charset=nonsense", "łóżko"),
    ],
)
def test_words_in_another_encoding_are_read(
    client: FlaskClient, database: Database, label: str, body: bytes, type: str, kept: str
) -> None:
    sent = client.post("/", data=body, content_type=type)

    assert sent.status_code == 303, label
    assert database["feedback"].find_one()["original"]["text"] == kept


def test_a_form_with_files_is_read_too(client: FlaskClient, database: Database) -> None:
    sent = client.post("/", data={"text": WORDS}, content_type="multipart/form-data")

    assert sent.status_code == 303
    assert database["feedback"].find_one()["original"]["text"] == WORDS


@pytest.mark.parametrize("type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_ten_megabytes_are_refused_in_the_readers_language(client: FlaskClient, type: str, language: str) -> None:
    page = client.post(
        f"/?lang={language}", data=b"text=" + b"x" * 10_000_000, content_type=type, headers={"Accept": "text/html"}
    )

    assert page.status_code == 413
    assert f'<html lang="{language}"' in page.text
    assert ("too long for us" in page.text) is (language == "en-GB")


def test_a_form_of_many_fields_is_refused(client: FlaskClient) -> None:
    assert (
        client.post(
            "/",
            data="&".join(f"a{n}=1" for n in range(300)),
            content_type="application/x-www-form-urlencoded",
            headers={"Accept": "text/html"},
        ).status_code
        == 422
    )


def test_the_language_goes_along_without_a_cookie(client: FlaskClient) -> None:
    sent = client.post("/?lang=ar", data=form(client))

    client.delete_cookie("lang")

    assert '<html lang="ar" dir="rtl"' in client.get(sent.location).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_status_is_found_however_the_reference_is_typed(client: FlaskClient, language: str) -> None:
    reference = reference_in(client.post("/", data=form(client, answer="sms", phone="07700 900123")).location)

    found = client.post(f"/status?lang={language}", data={"reference": reference.lower().replace("-", " ")})
    page = client.get(found.location)

    assert found.status_code == 303
    assert page.status_code == 200
    assert "hub-timeline" in page.text
    assert WORDS not in page.text
    assert "900123" not in page.text


@pytest.mark.parametrize("typed", ["", "K7MX", "nonsense", "<script>", "\x00", "K7MX-4TQP-"])
def test_a_reference_that_cannot_be_one_is_asked_for_again(client: FlaskClient, typed: str) -> None:
    page = client.post("/status", data={"reference": typed})

    assert page.status_code in (303, 422)
    assert page.status_code == 303 or 'id="reference-error"' in page.text


@pytest.mark.parametrize("path", ["/status/K7MX-4TQP", "/thanks/K7MX-4TQP", "/status/nonsense", "/thanks/%00"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reference_nobody_has_leads_to_the_question_again(client: FlaskClient, path: str, language: str) -> None:
    page = client.get(f"{path}?lang={language}")

    assert page.status_code == 404
    assert 'id="reference-error"' in page.text
    assert f'<html lang="{language}"' in page.text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("sent", "We sent you a text message"),
        ("delivered", "We sent you a text message"),
        ("failed", "We could not reach you by text message"),
        ("cancelled", "because you asked us to stop"),
    ],
)
def test_the_timeline_says_whether_the_receipt_reached_the_person(
    client: FlaskClient, hub: Hub, database: Database, clock: Clock, state: str, words: str
) -> None:
    reference = reference_in(client.post("/", data=form(client, answer="sms", phone="07700 900123")).location)
    feedback_id = database["feedback"].find_one()["_id"]
    told = events.Delivery(
        f"{feedback_id}.receipt", 1, "p", "receipt", "sms", state, "", 1, clock(), clock(), feedback_id=feedback_id
    )

    hub.engagement.on_deliveries([events.Incoming("notifications.deliveries", told.delivery_id, told)])

    assert words in client.get(f"/status/{reference}").text


def test_a_late_reading_is_admitted(client: FlaskClient, clock: Clock) -> None:
    reference = reference_in(client.post("/", data=form(client)).location)

    clock.passes(29 * 24 * 60 * 60)

    assert "later than we promised" in client.get(f"/status/{reference}").text


def test_nothing_on_a_page_comes_from_elsewhere_or_runs(client: FlaskClient) -> None:
    page = client.get("/")

    assert "<script" not in page.text
    assert " style=" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_address_that_is_none_is_said_so_in_the_readers_language(client: FlaskClient, language: str) -> None:
    page = client.get(f"/nowhere?lang={language}", headers={"Accept": "text/html"})

    assert page.status_code == 404
    assert f'<html lang="{language}"' in page.text
