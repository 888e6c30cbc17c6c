"""Everything the hub knows of a text by reading it, together and fast enough."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from services.engagement import reading
from services.engagement.reading import read

STORY = (
    "I waited six weeks to see a doctor at the surgery in BB1 7QA and nobody rang me back when they said they would. "
    "The receptionist was kind to my mum but there was no interpreter at the appointment again and we need someone "
    "who speaks our language. Please help, it would make a real difference to us. "
)


def test_a_text_is_cleaned_before_anything_else():
    found = read("\u200fst\x00op\u200f ")

    assert found.original == "\u200fst\x00op\u200f "
    assert found.text == "stop"
    assert found.request.kind == "stop"


def test_a_contribution_is_read_whole():
    found = read("Dr Patel nie słucha, proszę dzwonić 07700 900123")

    assert found.detection.language == "pl"
    assert found.request.kind == "contribution"
    assert found.hidden.text == "Dr [name] nie słucha, proszę dzwonić [phone]"
    assert found.text[found.hidden.found[1].start : found.hidden.found[1].end] == "07700 900123"


def test_nothing_is_read_as_a_contribution_of_no_language():
    found = read("\u200b \n")

    assert (found.text, found.detection.language, found.request.kind) == ("", "und", "contribution")


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=400))
def test_any_text_can_be_read(text):
    read(text)


def test_a_long_text_is_read_in_a_moment():
    reading.load()
    texts = [f"{STORY[:297]}{number:03}"[:300] for number in range(100, 400)]

    took = min(_seconds(texts) for _ in range(3))

    assert len(texts) / took > 1_500  # measured: 3,000 to 4,400 a second; the floor allows for a busy machine


def _seconds(texts):
    start = time.process_time()
    for text in texts:
        read(text)
    return time.process_time() - start
