"""What a message says in each language, and how many parts a text takes."""

import itertools
import re

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from services.notifications import app, wording
from services.notifications.wording import GSM, GSM_EXTENSION, WORDINGS, fewest_parts, parts, write
from shared import i18n

CATALOGUES = i18n.load(app.HERE / "translations")
PLACEHOLDER = re.compile(r"%\(\w+\)s")
STOP = {"en-GB": "STOP", "pl": "STOP", "ur": "بند", "ar": "توقف", "pa": "ਬੰਦ"}
START = {"en-GB": "START", "pl": "START", "ur": "شروع", "ar": "ابدأ", "pa": "ਸ਼ੁਰੂ"}


def written(language, kind="receipt", channel="sms", reference="K7MX-4TQP"):
    """Subject and text."""
    return write(CATALOGUES, language, kind=kind, channel=channel, params={"reference": reference},
                 hub_name="Say it", public_url="https://hub.example.org")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("", 1, id="nothing"),
        pytest.param("a" * 160, 1, id="one full part"),
        pytest.param("a" * 161, 2, id="one more"),
        pytest.param("a" * 306, 2, id="two full parts"),
        pytest.param("a" * 307, 3, id="one more than two"),
        pytest.param("€" * 80, 1, id="extension characters take two"),
        pytest.param("€" * 81, 2, id="one extension character more"),
        pytest.param("a" * 152 + "€" + "a" * 152, 3, id="an extension character is not split"),
        pytest.param("ą" * 70, 1, id="one full part of UCS-2"),
        pytest.param("ą" * 71, 2, id="one more of UCS-2"),
        pytest.param("ą" * 134, 2, id="two full parts of UCS-2"),
        pytest.param("ą" * 135, 3, id="one more than two of UCS-2"),
        pytest.param("😀" * 35, 1, id="emoji take two"),
        pytest.param("😀" * 36, 2, id="one emoji more"),
        pytest.param("ą" * 66 + "😀" + "ą" * 66, 3, id="a surrogate pair is not split"),
        pytest.param("a" * 69 + "ą", 1, id="one letter makes all of it UCS-2"),
        pytest.param("`" * 71, 2, id="a grave accent is not in the GSM alphabet"),
    ],
)
def test_parts_are_counted_as_networks_count_them(text, count):
    assert parts(text) == count


@given(st.text(st.sampled_from(sorted(GSM | GSM_EXTENSION)), max_size=700))
def test_gsm_parts_hold_no_more_than_they_can(text):
    places = len(text) + sum(letter in GSM_EXTENSION for letter in text)

    assert parts(text) == 1 if places <= 160 else -(-places // 153) <= parts(text) <= -(-places // 152)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_more_text_never_takes_fewer_parts(text):
    counts = [parts(text[:length] + "ą") for length in range(0, len(text), 7)]

    assert all(one <= next_one for one, next_one in itertools.pairwise(counts))


@given(st.text(st.sampled_from("aąż’“”–…\u00a0بਬ1"), max_size=200))
def test_straightening_changes_no_letter_and_never_costs_a_part(text):
    plain = fewest_parts(text)

    assert parts(plain) <= parts(text)
    assert [letter for letter in plain if letter.isalnum()] == [letter for letter in text if letter.isalnum()]


def test_typographic_signs_are_made_plain_only_where_that_saves_a_part():
    assert fewest_parts("It’s here" + "a" * 80) == "It's here" + "a" * 80
    assert fewest_parts("It’s here") == "It’s here"
    assert fewest_parts("ą" * 69 + "…") == "ą" * 69 + "…"


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("kind", ["receipt", "stopped", "started"])
def test_a_text_takes_one_part_of_gsm_or_two_of_ucs2(language, kind):
    _, text = written(language, kind)

    assert parts(text) <= (1 if language == "en-GB" else 2)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_receipt_says_the_reference_and_how_to_end_in_its_own_language(language):
    _, text = written(language)
    _, stopped = written(language, "stopped")

    assert "K7MX-4TQP" in text
    assert STOP[language] in text
    assert START[language] in stopped


@pytest.mark.parametrize("language", i18n.LANGUAGES.values(), ids=lambda language: language.tag)
def test_a_catalogue_holds_every_message_with_its_placeholders_and_nothing_else(language):
    with open(app.HERE / "translations" / language.locale / "messages.po", "rb") as file:
        catalogue = read_po(file, locale=language.locale)
    wanted = {message for one in WORDINGS.values() for message in (one.text, one.subject) if message}

    entries = {entry.id: entry for entry in catalogue if entry.id}

    assert entries.keys() == wanted
    for source, entry in entries.items():
        assert not entry.fuzzy
        assert set(PLACEHOLDER.findall(entry.string)) == set(PLACEHOLDER.findall(source))


@pytest.mark.parametrize("language", [tag for tag in i18n.LANGUAGES if tag != "en-GB"])
@pytest.mark.parametrize(("kind", "channel"), WORDINGS)
def test_no_message_is_silently_english(language, kind, channel):
    subject, text = written(language, kind, channel)
    english_subject, english = written("en-GB", kind, channel)

    assert text != english
    assert not subject or subject != english_subject


@pytest.mark.parametrize("language", ["ur", "ar"])
def test_right_to_left_texts_begin_so_and_keep_their_reference_in_order(language):
    _, text = written(language, reference="4444-3333")

    assert text.startswith(wording.RIGHT_TO_LEFT)
    assert wording.LEFT_TO_RIGHT + "4444-3333" in text


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_an_email_says_where_to_see_what_happens(language):
    subject, text = written(language, channel="email")

    assert "K7MX-4TQP" in subject
    assert "\nhttps://hub.example.org/status/K7MX-4TQP\n" in text
