"""The theme reader: who reads which language, in which order, and never the wrong model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.insights import themes

READER = themes.load()
TAGS = st.sampled_from(["en", "en-GB", "pl", "ur", "ur-Latn", "ar", "pa-Arab", "fr", "", "und"])


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("The nurses were so kind and caring", "staff-manner"),
        ("I waited four hours for an ambulance", "timeliness"),
        ("Nobody listened to me", "listening-involvement"),
        ("The food was cold and there was no choice", "food-drink"),
        ("Everywhere was spotlessly clean", "cleanliness"),
        ("My medication was late again", "medication"),
        ("More staff are needed on the ward", "staff-numbers"),
        ("Could not get through on the phone", "contacting-services"),
    ],
)
def test_english_is_read_by_the_trained_model(text, theme):
    reading = READER.read_many([("en-GB", text)])[0]

    assert reading.method == "model"
    assert theme in reading.themes


@pytest.mark.parametrize(
    ("tag", "method", "version"),
    [
        pytest.param("en", "model", "nhs-v6-", id="English"),
        pytest.param("en-GB", "model", "nhs-v6-", id="English of a country"),
        pytest.param("EN_gb", "model", "nhs-v6-", id="a tag in another spelling"),
        pytest.param("pl", "keywords", "keywords-pl-", id="Polish"),
        pytest.param("ur-Latn", "keywords", "keywords-ur-", id="Urdu in Latin letters"),
        pytest.param("pa-Guru", "keywords", "keywords-pa-", id="Panjabi in Gurmukhi"),
        pytest.param("ar", "keywords", "keywords-ar-", id="Arabic"),
        pytest.param("fr", "none", "", id="a language without a reader"),
        pytest.param("eng-x", "none", "", id="a language that only begins like English"),
        pytest.param("", "none", "", id="no language known"),
    ],
)
def test_each_language_has_its_own_reader_or_none(tag, method, version):
    reading = READER.read_many([(tag, "The nurses were kind and I waited for hours")])[0]

    assert reading.method == method
    assert reading.model.startswith(version)
    assert bool(reading.model) == bool(version)


@pytest.mark.parametrize("tag", ["pl", "ur", "ar", "pa", "fr", ""])
def test_no_other_language_goes_through_the_english_model(tag):
    reading = READER.read_many([(tag, "Nobody listened to me, the toilets were dirty")])[0]

    assert reading.method != "model"
    assert "listening-involvement" not in reading.themes


@pytest.mark.parametrize("text", ["", "   ", "...", "👍🏽"])
@pytest.mark.parametrize("tag", ["en", "pl", "fr"])
def test_a_text_without_words_has_no_theme(tag, text):
    assert READER.read_many([(tag, text)])[0].themes == ()


def test_a_batch_of_nothing_is_nothing():
    assert READER.read_many([]) == []


def test_the_strongest_theme_comes_first():
    reading = READER.read_many([("en", "Food food food, the food and drink, meals and lunch. Staff friendly.")])[0]

    assert reading.themes[0] == "food-drink"
    assert "staff-manner" in reading.themes


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TAGS, st.text(max_size=200)), max_size=8))
def test_any_text_is_read_alone_as_in_a_batch_and_in_its_place(texts):
    together = READER.read_many(texts)

    assert together == [READER.read_many([pair])[0] for pair in texts]
    assert all(slug in READER.themes for reading in together for slug in reading.themes)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.text())
def test_no_tag_and_no_text_stops_the_reader(tag, text):
    assert len(READER.read_many([(tag, text)])) == 1
