"""The keyword files: what they find in sentences, and that spelling habits do not matter."""

import tomllib
from pathlib import Path

import pytest

from services.insights import themes
from services.insights.themes import keywords

SENTENCES = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8"))
LANGUAGES = ("pl", "ur", "ar", "pa")
# Measured when the files were written, less a sentence or two: precision, recall.
FLOORS = {"drafted": (0.97, 0.97), "fresh": (0.85, 0.40)}


@pytest.fixture(scope="module")
def reader() -> themes.ThemeReader:
    return themes.load()


def outcomes(reader: themes.ThemeReader, kind: str, language: str) -> tuple[int, int, int]:
    """Themes found and wanted, found, wanted, over the sentences of one kind and language."""
    rows = SENTENCES[kind][language]
    readings = reader.read_many([(language, row["text"]) for row in rows])
    both = sum(len(set(reading.themes) & set(row["themes"])) for reading, row in zip(readings, rows))
    return both, sum(len(reading.themes) for reading in readings), sum(len(row["themes"]) for row in rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_language_find_what_its_sentences_are_about(reader, language):
    precise, complete = FLOORS["drafted"]

    both, found, wanted = outcomes(reader, "drafted", language)

    assert len(SENTENCES["drafted"][language]) >= 25
    assert both / found >= precise
    assert both / wanted >= complete


def test_fresh_sentences_are_read_with_few_mistakes_and_many_gaps(reader):
    precise, complete = FLOORS["fresh"]

    both, found, wanted = (sum(column) for column in zip(*(outcomes(reader, "fresh", tag) for tag in LANGUAGES)))

    assert both / found >= precise
    assert both / wanted >= complete


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_model_card_quotes_what_the_sentences_measure(reader, language):
    card = (themes.FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")

    cells = []
    for kind in ("drafted", "fresh"):
        both, found, wanted = outcomes(reader, kind, language)
        cells.append(f"{len(SENTENCES[kind][language])} | {both / found:.2f} | {both / wanted:.2f}")

    assert f"| {language} | {' | '.join(cells)} |" in card


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_every_theme_and_for_no_other(reader, language):
    table = tomllib.loads((themes.FOLDER / "words" / f"{language}.toml").read_text(encoding="utf-8"))

    assert set(table["themes"]) == set(reader.themes)
    assert all(table["themes"].values())


@pytest.mark.parametrize(
    ("language", "text", "theme"),
    [
        pytest.param("pl", "PIELEGNIARKA BYLA ZYCZLIWA", "staff-manner", id="Polish in capitals without accents"),
        pytest.param("pl", "Pielęgniarka była nieuprzejma", "staff-manner", id="a Polish word behind its 'not'"),
        pytest.param("ar", "اِنْتَظَرْنا", "timeliness", id="Arabic with its vowel marks"),
        pytest.param("ar", "وبالمواعيد", "appointment-arrangements", id="Arabic behind 'and', 'with' and 'the'"),
        pytest.param("ar", "مترجمـــة", "equality-inclusion", id="Arabic stretched with tatweel"),
        pytest.param("ur", "پارکنگ مہنگی", "transport", id="Urdu from an Urdu keyboard"),
        pytest.param("ur", "پاركنگ", "transport", id="Urdu with an Arabic kaf"),
        pytest.param("ur", "دوائي نہیں ملی", "medication", id="Urdu with an Arabic yeh"),
        pytest.param("ur", "Intizaar bohat lamba", "timeliness", id="Urdu in Latin letters"),
        pytest.param("pa", "ਬਦਇੰਤਜਾਮੀ", "organisation-efficiency", id="Gurmukhi without its dot"),
        pytest.param("pa", "ਬਦਇਂਤਜ਼ਾਮੀ", "organisation-efficiency", id="Gurmukhi with a bindi for a tippi"),
        pytest.param("pa", "ਸਫ਼ਾਈ ਨਹੀਂ", "cleanliness", id="Gurmukhi with the dot as a letter of its own"),
        pytest.param("pa", "udeekna painda", "timeliness", id="Panjabi in Latin letters"),
        pytest.param("pa", "مینوں بہت اڈیکنا پیا", "timeliness", id="Panjabi in Shahmukhi"),
    ],
)
def test_spelling_habits_do_not_hide_a_theme(reader, language, text, theme):
    reading = reader.read_many([(language, text)])[0]

    assert theme in reading.themes


@pytest.mark.parametrize(
    ("entry", "text", "found"),
    [
        pytest.param("lek", "lek pomógł", True, id="a word is found"),
        pytest.param("lek", "lekarz pomógł", False, id="a word is not the beginning of another"),
        pytest.param("lek*", "lekarz pomógł", True, id="a stem is found with any ending"),
        pytest.param("lek*", "człek pomógł", False, id="a stem is not found inside a word"),
        pytest.param("za mało", "za  bardzo mało", False, id="a phrase has no gaps"),
        pytest.param("za mało", "Za\nMAŁO!", True, id="a phrase may cross a line"),
        pytest.param("ਦਵਾ", "ਦਵਾਈ", False, id="a Gurmukhi vowel sign belongs to its word"),
    ],
)
def test_an_entry_matches_from_the_start_of_a_word(tmp_path, entry, text, found):
    path = tmp_path / "xx.toml"
    path.write_text(f'[themes]\nmedication = ["{entry}"]\n', encoding="utf-8")

    assert keywords.load(path).themes(text) == (("medication",) if found else ())


def test_the_theme_with_the_most_different_words_comes_first(tmp_path):
    path = tmp_path / "xx.toml"
    path.write_text('[themes]\nfood-drink = ["a"]\nmedication = ["b", "c"]\n', encoding="utf-8")

    assert keywords.load(path).themes("a a a c b") == ("medication", "food-drink")
