"""The rules about references, contacts, wishes and texts in parts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engagement import domain
from services.engagement.domain import Contribution, Original, Part, Person, Understood
from shared.errors import Invalid

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PERSON = Person("p1", 1, "key", phone="+447700900123")
FULL = "x" * 153


def contribution(*texts: str, at: datetime = NOW) -> Contribution:
    parts = tuple(Part(f"sms:simulator:m{number}", text) for number, text in enumerate(texts))
    return Contribution(
        feedback_id="f1",
        version=1,
        reference="K7MX4TQP",
        person_id="p1",
        channel="sms",
        received_at=at,
        original=Original(domain.joined(parts)),
        understood=Understood("", "en-GB", 0.9, False),
        may_answer=True,
        may_share=False,
        fingerprint="",
        parts=parts,
        last_part_at=at,
    )


@given(st.text(), st.integers(0, 100))
def test_a_reference_is_read_back_however_it_is_typed(feedback_id: str, attempt: int) -> None:
    made = domain.reference(feedback_id, attempt)
    mistaken = made.translate(str.maketrans("258", "ZSB"))

    for typed in (made, domain.shown(made), made.lower(), f" {made[:3]} {made[3:]} ", mistaken, "–".join(made)):
        assert domain.read_reference(typed) == made


@given(st.text(), st.integers(0, 100))
def test_a_reference_has_eight_characters_of_the_alphabet(feedback_id: str, attempt: int) -> None:
    made = domain.reference(feedback_id, attempt)

    assert len(made) == 8
    assert set(made) <= set(domain.ALPHABET)


def test_another_attempt_gives_another_reference() -> None:
    assert len({domain.reference("f1", attempt) for attempt in range(50)}) == 50


def test_the_alphabet_holds_nothing_that_is_taken_for_another_of_it_and_spells_nothing() -> None:
    assert not set(domain.ALPHABET) & set("01OILUV" + "AEIOU" + "ZSB")
    assert len(set(domain.ALPHABET)) == 24


@pytest.mark.parametrize("typed", ["۲۳۴۵۶۷۸۹", "２３４５６７８９", "٢٣٤٥٦٧٨٩"])
def test_a_reference_may_be_typed_in_digits_of_any_script(typed: str) -> None:
    assert domain.read_reference(typed) == "23456789"


@pytest.mark.parametrize(
    "typed", ["", "K7MX", "K7MX-4TQPP", "0000-0000", "K7MX-4TQ€", "' OR 1=1", "K" * 10_000, "\x00" * 8]
)
def test_what_cannot_be_a_reference_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as error:
        domain.read_reference(typed)
    assert error.value.slug == "reference-unlike"


@given(st.text())
def test_any_text_is_a_reference_or_refused(typed: str) -> None:
    try:
        read = domain.read_reference(typed)
    except Invalid:
        return
    assert len(read) == 8


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Name@Example.COM ", "Name@example.com"),
        ("a.b+c@mail.example.org", "a.b+c@mail.example.org"),
        ("józef@poczta.example", "józef@poczta.example"),
    ],
)
def test_an_email_address_is_kept_with_its_host_in_lower_case(typed: str, kept: str) -> None:
    assert domain.email_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "name", "name@", "@example.com", "a@b@example.com", "a b@example.com", "a@x", "a@x." + "y" * 300, "a\n@b.org"],
)
def test_what_cannot_be_an_email_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        domain.email_address(typed)


@pytest.mark.parametrize(
    ("label", "text", "fills"),
    [
        ("one part of GSM 7-bit", "x" * 153, True),
        ("one text of GSM 7-bit", "x" * 160, True),
        ("cut between words", "x" * 138, True),
        ("too short to be cut", "x" * 137, False),
        ("already joined by the gateway", "x" * 161, False),
        ("characters that count two", "€" * 80, True),
        ("one part of UCS-2", "ڈ" * 67, True),
        ("one text of UCS-2", "ڈ" * 70, True),
        ("short UCS-2", "ڈ" * 60, False),
        ("surrogate pairs count two", "😀" * 35, True),
        ("a few words", "The bus is late", False),
        ("nothing", "", False),
    ],
)
def test_a_text_that_nearly_fills_a_part_may_go_on(label: str, text: str, fills: bool) -> None:
    assert domain.fills_a_part(text) is fills, label


@pytest.mark.parametrize(
    ("label", "texts", "seconds", "joins"),
    [
        ("at once", [FULL], 0, True),
        ("at the edge of the window", [FULL], 20, True),
        ("too late", [FULL], 20.001, False),
        ("after a short text", ["The bus is late"], 1, False),
        ("after a short last part", [FULL, "and late"], 1, False),
        ("after a full last part", [FULL, FULL], 1, True),
    ],
)
def test_a_text_is_joined_only_to_a_full_part_just_before(
    label: str, texts: list[str], seconds: float, joins: bool
) -> None:
    assert domain.continues(contribution(*texts), NOW + timedelta(seconds=seconds)) is joins, label


def test_a_withdrawn_contribution_is_not_continued() -> None:
    assert not domain.continues(replace(contribution(FULL), state="withdrawn"), NOW)


def test_what_came_by_the_web_is_not_continued() -> None:
    assert not domain.continues(replace(contribution(FULL), parts=(), last_part_at=None), NOW)


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["x" * 152 + "h", "ospital"], "x" * 152 + "hospital"),
        (["x" * 140, "hospital"], "x" * 140 + " hospital"),
        (["x" * 140 + " ", "hospital"], "x" * 140 + " hospital"),
        (["x" * 140, "\nhospital"], "x" * 140 + "\nhospital"),
    ],
)
def test_parts_are_joined_as_they_were_cut(texts: list[str], whole: str) -> None:
    assert domain.joined([Part(str(number), text) for number, text in enumerate(texts)]) == whole


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_joining_loses_no_letter(texts: list[str]) -> None:
    whole = domain.joined([Part(str(number), text) for number, text in enumerate(texts)])

    assert whole.replace(" ", "") == "".join(texts).replace(" ", "")


def test_stop_is_noted_once_and_start_takes_it_back() -> None:
    stopped = domain.stopped(PERSON, "a")

    assert (stopped.opted_out, stopped.version) == (("sms",), 2)
    assert domain.stopped(stopped, "b") == stopped
    assert (domain.started(stopped, "c").opted_out, domain.started(stopped, "c").version) == ((), 3)


def test_a_request_that_was_handled_changes_nothing_when_it_comes_again_late() -> None:
    started = domain.started(domain.stopped(PERSON, "a"), "b")

    assert domain.stopped(started, "a") == started
    assert domain.started(started, "b") == started


@given(st.lists(st.tuples(st.sampled_from(["stop", "start"]), st.integers(0, 5)), max_size=40))
def test_the_last_new_request_wins(requests: list[tuple[str, int]]) -> None:
    person, seen, wanted = PERSON, set(), ()
    for kind, number in requests:
        cause = f"{kind}{number}"
        ignored = kind == "stop" and "sms" in person.opted_out
        person = (domain.stopped if kind == "stop" else domain.started)(person, cause)
        if cause not in seen and not ignored:
            seen.add(cause)
            wanted = ("sms",) if kind == "stop" else ()

    assert person.opted_out == wanted
    assert len(person.handled) <= domain.REMEMBERED


def test_a_language_is_noted_at_the_first_sure_detection_and_never_switched() -> None:
    known = ("en-GB", "pl", "ur")

    noted = domain.with_language(PERSON, Understood("", "ur", 0.9, False), known=known)
    again = domain.with_language(noted, Understood("", "pl", 0.99, False), known=known)

    assert (noted.language, noted.version, again) == ("ur", 2, noted)
    assert domain.with_language(PERSON, Understood("", "ur", 0.7, False), known=known) == PERSON
    assert domain.with_language(PERSON, Understood("", "ro", 0.99, False), known=known) == PERSON


@pytest.mark.parametrize(
    ("label", "detected", "sure", "others", "answered_in"),
    [
        ("sure and ours", "ur", 0.9, ("pl",), "ur"),
        ("unsure", "ur", 0.5, ("pl",), "pl"),
        ("not ours", "ro", 0.99, ("pl",), "pl"),
        ("nothing known", "und", 0.0, (None, None), "en-GB"),
        ("the page's", "und", 0.0, (None, "ar"), "ar"),
    ],
)
def test_the_answer_is_in_the_surest_language_we_have(
    label: str, detected: str, sure: float, others: tuple, answered_in: str
) -> None:
    understood = Understood("", detected, sure, False)

    language = domain.reply_language(understood, *others, known=("en-GB", "pl", "ur", "ar"), default="en-GB")

    assert language == answered_in, label
