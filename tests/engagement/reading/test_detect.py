"""Which language a text is in: the labelled set, its honesty about short and mixed texts, its speed."""

import time
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engagement.reading import language
from services.engagement.reading.language import detect
from tests.engagement.reading.labelled_sets import rows

LABELLED = rows("languages.tsv")
# Right answers measured on the labelled set; a change may raise a floor, never lower it.
FLOORS = {tag: 1.0 for tag, _, _ in LABELLED} | {"ur": 0.97}


@pytest.mark.parametrize("tag", sorted(FLOORS.keys() - {"und"}))
def test_a_language_is_known_in_its_script_and_in_latin_letters_and_in_texters_spelling(tag):
    texts = [text for label, _, text in LABELLED if label == tag]

    right = [text for text in texts if detect(text).language == tag]

    assert len(right) / len(texts) >= FLOORS[tag], sorted(set(texts) - set(right))


@pytest.mark.parametrize(
    ("tag", "least"), [("en-GB", 25), ("pl", 25), ("ur", 25), ("ar", 25), ("pa", 25), ("cy", 6), ("so", 6)]
)
def test_the_labelled_set_is_large_enough_to_say_something(tag, least):
    assert sum(label == tag for label, _, _ in LABELLED) >= least


@pytest.mark.parametrize(("form", "text"), [(form, text) for label, form, text in LABELLED if label == "und"])
def test_what_holds_no_words_is_not_given_a_language_with_confidence(form, text):
    found = detect(text)

    assert found.language == "und" or (form in ("short", "noise") and found.confidence <= 0.5)


def test_confidence_is_at_most_the_share_of_right_answers():
    answers = defaultdict(list)
    for tag, _, text in LABELLED:
        found = detect(text)
        if found.language != "und":
            answers[min(int(found.confidence * 4), 3)].append((found.confidence, found.language == tag))

    for given_and_right in answers.values():
        confidence = sum(given for given, _ in given_and_right) / len(given_and_right)
        right = sum(right for _, right in given_and_right) / len(given_and_right)
        assert len(given_and_right) < 5 or confidence <= right + 0.02


def test_above_sure_enough_nothing_in_the_labelled_set_is_wrong():
    sure = [(tag, detect(text), text) for tag, _, text in LABELLED if detect(text).confidence >= language.SURE_ENOUGH]

    assert [text for tag, found, text in sure if found.language != tag] == []
    assert len(sure) > len(LABELLED) / 2


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("two languages in even parts", "thank you very much ਬਹੁਤ ਧੰਨਵਾਦ ਜੀ"),
        ("one English word in Latin letters", "hello"),
        ("one Polish word", "dziekuje"),
    ],
)
def test_short_and_mixed_texts_are_never_sure(label, text):
    assert detect(text).confidence < language.SURE_ENOUGH, label


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("ਬੰਦ ਕਰੋ ਜੀ", "script"),
        ("آپ کا بہت شکریہ", "letters"),
        ("aap ka bohat shukriya", "romanised"),
        ("12345", "none"),
    ],
)
def test_what_decided_is_said(text, method):
    assert detect(text).method == method


def test_traditional_chinese_is_told_from_simplified():
    assert detect("我們等了六個星期才見到醫生").language == "zh-Hant"
    assert detect("我们等了六个星期才见到医生").language == "zh-Hans"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_an_answer_between_nought_and_one(text):
    found = detect(text)

    assert 0 <= found.confidence <= 1
    assert found.language


def test_twenty_thousand_texts_a_second_are_read():
    texts = [text for _, _, text in LABELLED]
    language.load()

    took = min(_seconds(texts) for _ in range(5))

    assert len(texts) / took > 20_000


def _seconds(texts):
    start = time.process_time()
    for text in texts:
        detect(text)
    return time.process_time() - start
