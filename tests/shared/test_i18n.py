"""Languages: every gap is an error that names itself, and numbers take the form the language wants."""

import gettext
import shutil
from datetime import date
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po

from shared import i18n
from shared.i18n import LANGUAGES, CatalogueIncomplete

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted([*ROOT.glob("shared/translations/*/*.po"), *ROOT.glob("services/*/translations/*/*.po")])
FORMS = ("zero", "one", "two", "few", "many", "other")


def header_of(path: Path) -> str:
    return path.read_text("utf-8").partition("\n\n")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Translations of a greeting, a share and a count, each form of which says its own name."""
    for language in LANGUAGES.values():
        rule = Locale.parse(language.locale).plural_form
        forms = [name for name in FORMS if name in rule.tags | {"other"}]
        entries = [
            f'msgid "Hello %(name)s"\nmsgstr "{language.tag} %(name)s"',
            f'msgid "100%%"\nmsgstr "{language.tag} 100%%"',
            'msgid "%(n)s person"\nmsgid_plural "%(n)s people"\n'
            + "\n".join(f'msgstr[{index}] "{form} %(n)s"' for index, form in enumerate(forms)),
        ]
        path = tmp_path / language.locale / "messages.po"
        path.parent.mkdir()
        header = header_of(i18n.SHARED / language.locale / "messages.po")
        path.write_text("\n\n".join([header, *entries]) + "\n", "utf-8")
    return tmp_path


def change(folder: Path, locale: str, old: str, new: str) -> None:
    path = folder / locale / "messages.po"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_message_is_filled_in_each_language(folder: Path) -> None:
    catalogues = i18n.load(folder)

    for tag in LANGUAGES:
        assert catalogues.text(tag, "Hello %(name)s", name="100% سارہ") == f"{tag} 100% سارہ"
        assert catalogues.gettext(tag)("100%%") == f"{tag} 100%"


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_number_takes_the_form_that_cldr_gives_it(folder: Path, tag: str) -> None:
    count = i18n.load(folder).ngettext(tag)
    rule = Locale.parse(LANGUAGES[tag].locale).plural_form

    for n in range(201):
        assert count("%(n)s person", "%(n)s people", n) == f"{rule(n)} {n}"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: "/".join(path.parts[-4:-1]))
def test_every_catalogues_plural_rule_is_cldrs(path: Path) -> None:
    locale = path.parent.name
    with open(path, "rb") as file:
        catalogue = read_po(file, locale=locale)
    rule = Locale.parse(locale).plural_form
    order = [name for name in FORMS if name in rule.tags | {"other"}]
    chosen = gettext.c2py(catalogue.plural_expr)

    assert "Plural-Forms" in header_of(path)
    assert [order[chosen(n)] for n in range(201)] == [rule(n) for n in range(201)]
    assert catalogue.num_plurals == len(order)


def test_there_are_catalogues_in_every_language() -> None:
    assert {path.parent.name for path in CATALOGUES} == {language.locale for language in LANGUAGES.values()}


def services() -> list[Path]:
    return sorted(path for path in (ROOT / "services").glob("*/translations") if list(path.glob("*/messages.po")))


@pytest.mark.parametrize("translations", services(), ids=lambda path: path.parent.name)
def test_every_services_catalogues_load_in_all_languages(translations: Path) -> None:
    assert [language.tag for language in i18n.load(translations).languages()] == list(LANGUAGES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('msgstr "pl %(name)s"', 'msgstr ""'),
        ('msgid "Hello %(name)s"', '#, fuzzy\nmsgid "Hello %(name)s"'),
        ('msgid "Hello %(name)s"', 'msgid "Hallo %(name)s"'),
    ],
    ids=["empty", "uncertain", "missing"],
)
def test_a_gap_in_one_language_is_named_before_anything_runs(folder: Path, old: str, new: str) -> None:
    change(folder, "pl", old, new)

    with pytest.raises(CatalogueIncomplete) as refusal:
        i18n.load(folder)

    assert "pl: 'Hello %(name)s'" in refusal.value.detail
    assert "ur: 'Hello %(name)s'" not in refusal.value.detail


def test_one_empty_plural_form_is_a_gap(folder: Path) -> None:
    change(folder, "ar", 'msgstr[3] "few %(n)s"', 'msgstr[3] ""')

    with pytest.raises(CatalogueIncomplete, match=r"ar: .*person"):
        i18n.load(folder)


def test_a_language_without_a_catalogue_stops_the_start(folder: Path) -> None:
    shutil.rmtree(folder / "ur")

    with pytest.raises(FileNotFoundError):
        i18n.load(folder)


def test_an_unknown_message_is_named_and_never_shown_in_english(folder: Path) -> None:
    catalogues = i18n.load(folder)

    for ask in (
        lambda: catalogues.text("pl", "Never translated"),
        lambda: catalogues.plural("pl", "Never translated", "many", 2),
        lambda: catalogues.text("cy", "Hello %(name)s"),
    ):
        with pytest.raises(CatalogueIncomplete):
            ask()


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ([], "en-GB"),
        (["en"], "en-GB"),
        (["en-US"], "en-GB"),
        (["pl-PL", "en"], "pl"),
        (["cy", "ur-PK", "en"], "ur"),
        (["AR-sy"], "ar"),
        (["pa-Guru-IN"], "pa"),
        (["xx", "*"], "en-GB"),
        (["", "-", "plx"], "en-GB"),
    ],
)
def test_the_language_is_the_first_of_ours_that_is_asked_for(accepted: list[str], tag: str) -> None:
    assert i18n.negotiate(accepted) == tag


def test_a_date_is_written_out() -> None:
    day = date(2026, 11, 21)

    assert i18n.date(day, "en-GB") == "21 November 2026"
    assert i18n.date(day, "pl") == "21 listopada 2026"
    assert len({i18n.date(day, tag) for tag in LANGUAGES}) == len(LANGUAGES)
