"""The check of the catalogues: all is well in the repository, and whatever breaks a catalogue is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import catalogues
from shared.i18n import LANGUAGES

WEB = """
PAGES = [N_("Thank you"), N_("Read by %(who)s"), N_("SMS")]
"""
PAGE = """
<p>{{ _("Shared words") }} {{ _("Own words") }}</p>
<p>{{ ngettext("One person", "%(n)s people", n) }}</p>
"""
THEMES = """
[[theme]]
name = "Waiting times"
group = "Access"
definition = "How long people wait."
"""
MESSAGES = {"Thank you", "Read by %(who)s", "SMS", "Own words", "Waiting times", "Access", "How long people wait."}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project, all of it translated: each word into the word itself with a mark."""
    for name, text in {
        "shared/templates/base.html": '<b>{{ _("Shared words") }}</b>',
        "services/one/__init__.py": "",
        "services/one/web.py": WEB,
        "services/one/templates/page.html": PAGE,
        "services/one/themes/themes.toml": THEMES,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert catalogues.main(["--update"], root=tmp_path) == 1  # All empty still.
    for path in tmp_path.rglob("messages.po"):
        if path.parent.name != "en_GB":
            path.write_text(translated(path.read_text("utf-8")), "utf-8")
    return tmp_path


def translated(text: str) -> str:
    header, _, entries = text.partition("\n\n")
    message = ""
    lines = []
    for line in entries.splitlines():
        if line.startswith(("msgid", "msgid_plural")):
            message = line.partition('"')[2].removesuffix('"')
        lines.append(line.replace('""', f'"ż {message}"') if line.startswith("msgstr") else line)
    return header + "\n\n" + "\n".join(lines) + "\n"


def po(root: Path, locale: str = "pl") -> Path:
    return root / "services" / "one" / "translations" / locale / "messages.po"


@pytest.fixture
def check(root: Path, capsys) -> Callable[[], list[str]]:
    """The problems that the check finds, one a line; none when it ends with 0."""

    def run() -> list[str]:
        capsys.readouterr()
        status = catalogues.main([], root=root)
        problems = capsys.readouterr().err.splitlines()
        assert status == (1 if problems else 0)
        return problems

    return run


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text, text
    path.write_text(text.replace(old, new), "utf-8")


def test_every_catalogue_of_this_repository_is_complete(capsys) -> None:
    status = catalogues.main([])

    assert status == 0, capsys.readouterr().err


def test_a_translated_project_has_no_problems(check) -> None:
    assert check() == []


def test_messages_are_found_in_python_in_templates_and_in_the_table_of_themes(root: Path) -> None:
    text = po(root).read_text("utf-8")

    assert all(f'msgid "{message}"' in text for message in MESSAGES)
    assert 'msgid_plural "%(n)s people"' in text
    assert "Shared words" not in text  # The shared catalogue has them.


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('msgstr "ż Own words"', 'msgstr ""', "empty: 'Own words'"),
        ('msgstr[2] "ż %(n)s people"', 'msgstr[2] ""', "empty: ('One person', '%(n)s people')"),
        ('msgid "Own words"', '#, fuzzy\nmsgid "Own words"', "fuzzy: 'Own words'"),
        ('msgid "Own words"\nmsgstr "ż Own words"\n', "", "missing: 'Own words'"),
        ('msgid "Own words"', 'msgid "Old words"', "obsolete: 'Old words'"),
        ('msgid "Own words"\n', 'msgid "Own words"\n', ""),
        ('msgid "Thank you"\n', '#~ msgid "Gone"\n#~ msgstr "x"\n\nmsgid "Thank you"\n', "obsolete: 'Gone'"),
        ('msgstr "ż Own words"', 'msgstr "Own words"', "identical to the English: 'Own words'"),
        ('msgstr "ż Read by %(who)s"', 'msgstr "ż"', "placeholders of 'ż' differ"),
        ('msgstr "ż Read by %(who)s"', 'msgstr "ż %(kto)s"', "placeholders of 'ż %(kto)s' differ"),
        ('msgstr "ż Read by %(who)s"', 'msgstr "100% %(who)s"', "placeholders of '100% %(who)s' differ"),
        ('msgstr "ż Read by %(who)s"', 'msgstr "%(who)"', "placeholders of '%(who)' differ"),
        ('msgstr[1] "ż %(n)s people"', 'msgstr[1] "ż %(m)s"', "placeholders of 'ż %(m)s' differ"),
        ("nplurals=4; plural=(", "nplurals=4; plural=1+(", "Plural-Forms"),
        ("nplurals=4; plural=(", "nplurals=4; plural=import(", "Plural-Forms"),
        ('msgstr[2] "', 'msgstr[7] "', "it cannot be read"),
    ],
)
def test_what_breaks_a_catalogue_is_named(root: Path, check, old: str, new: str, problem: str) -> None:
    change(po(root), old, new)

    problems = check()

    assert bool(problems) == bool(problem)
    if problem:
        assert any(problem in line and "services/one/translations/pl/messages.po" in line for line in problems), (
            problems
        )


def test_a_new_message_in_the_source_is_missing_in_every_language(root: Path, check) -> None:
    change(root / "services/one/web.py", "Thank you", "Thank you very much")

    problems = check()

    assert sum("missing: 'Thank you very much'" in line for line in problems) == len(LANGUAGES)
    assert sum("obsolete: 'Thank you'" in line for line in problems) == len(LANGUAGES)


def test_a_language_without_a_catalogue_is_named(root: Path, check) -> None:
    po(root, "pa").unlink()

    assert check() == ["services/one/translations/pa/messages.po: the file is missing"]


def test_the_source_language_says_what_the_source_says(root: Path, check) -> None:
    change(po(root, "en_GB"), 'msgstr "Own words"', 'msgstr "My words"')

    assert check() == ["services/one/translations/en_GB/messages.po: differs from the source: 'Own words'"]


def test_a_translation_may_equal_the_english_when_it_says_so(root: Path, check) -> None:
    change(po(root), 'msgstr "ż SMS"', 'msgstr "SMS"')
    assert len(check()) == 1

    change(po(root), 'msgid "SMS"', '#. same\nmsgid "SMS"')
    assert check() == []


def test_a_form_may_leave_out_the_number_where_the_english_does(root: Path, check) -> None:
    change(po(root, "ar"), 'msgstr[1] "ż %(n)s people"', 'msgstr[1] "ż"')

    assert check() == []


def test_a_service_may_say_shared_words_in_its_own_way(root: Path, check) -> None:
    for locale in catalogues._locales():
        words = "Shared words" if locale == "en_GB" else "ż own"
        with open(po(root, locale), "a", encoding="utf-8") as file:
            file.write(f'\nmsgid "Shared words"\nmsgstr "{words}"\n')

    assert check() == []


def test_an_update_adds_what_is_missing_removes_what_is_obsolete_and_keeps_the_rest(root: Path, check) -> None:
    change(root / "services/one/web.py", '"Thank you"', '"Sorry"')
    change(po(root), 'msgid "SMS"', '#. same\n# as all say\nmsgid "SMS"')

    assert catalogues.main(["--update"], root=root) == 1

    assert check() == [
        f"services/one/translations/{locale}/messages.po: empty: 'Sorry'" for locale in catalogues._locales()[1:]
    ]
    text = po(root).read_text("utf-8")
    assert "Thank you" not in text
    assert 'msgstr "ż Own words"' in text
    assert "#. same" in text
    assert "# as all say" in text
    order = [text.index(f'msgid "{one}"') for one in ("Own words", "One person", "Sorry", "Read by %(who)s", "SMS")]
    assert order == sorted(order)


def test_an_update_of_what_is_up_to_date_changes_nothing(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("messages.po")}

    assert catalogues.main(["--update"], root=root) == 0

    assert {path: path.read_bytes() for path in root.rglob("messages.po")} == before


def test_a_new_catalogue_has_the_plural_rule_of_cldr(root: Path, check) -> None:
    for language in LANGUAGES.values():
        po(root, language.locale).unlink()

    catalogues.main(["--update"], root=root)

    assert not [line for line in check() if "Plural-Forms" in line]
