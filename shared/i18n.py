"""Languages and catalogues: every word to a citizen comes from here, and a gap is an error, never silent English.

A service's folder `translations/<locale>/messages.po` is a gettext catalogue; `shared/translations` holds the words
of the shared templates. Catalogues are read at start, straight from the .po files: no compiled copy can be stale.
"""

import gettext
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from shared.errors import HubError

SHARED = Path(__file__).parent / "translations"


@dataclass(frozen=True)
class Language:
    """A language of the hub. `tag` is BCP 47, `name` the language's own, `english` as the census of England and Wales
    has it (ONS, "Main language"), `locale` what Babel and folders call it.
    """

    tag: str
    name: str
    english: str
    dir: str
    locale: str


LANGUAGES: Mapping[str, Language] = {
    language.tag: language
    for language in (
        Language("en-GB", "English", "English", "ltr", "en_GB"),
        Language("pl", "Polski", "Polish", "ltr", "pl"),
        Language("ur", "اردو", "Urdu", "rtl", "ur"),
        Language("ar", "العربية", "Arabic", "rtl", "ar"),
        Language("pa", "ਪੰਜਾਬੀ", "Panjabi", "ltr", "pa"),
    )
}
DEFAULT = "en-GB"


def N_(message: str) -> str:
    """Mark a message for the catalogues; it is translated where it is shown."""
    return message


class CatalogueIncomplete(HubError):
    """A catalogue lacks entries of the source language, or holds empty or uncertain ones."""


class Catalogues:
    """The words of one service in all languages."""

    def __init__(self, by_language: Mapping[str, Mapping[Any, Any]], plurals: Mapping[str, Callable[[int], int]]):
        self._words = by_language
        self._plurals = plurals

    def text(self, language: str, message: str, **values: Any) -> str:
        """The message in that language, `%(name)s` filled in. Raises CatalogueIncomplete for an unknown message."""
        return self._fill(self._find(language, message), values)

    def plural(self, language: str, one: str, many: str, n: int, **values: Any) -> str:
        """The message in the form that the language uses for `n`, which is also a value to fill in."""
        forms = self._find(language, (one, many))
        return self._fill(forms[self._plurals[language](n)], {"n": n, **values})

    def gettext(self, language: str) -> Callable[..., str]:
        """`text` for one language: what templates call `_`."""
        return lambda message, **values: self.text(language, message, **values)

    def ngettext(self, language: str) -> Callable[..., str]:
        """`plural` for one language: what templates call `ngettext`."""
        return lambda one, many, n, **values: self.plural(language, one, many, n, **values)

    def languages(self) -> Sequence[Language]:
        """The languages in which everything is translated, in the order of `LANGUAGES`."""
        return [LANGUAGES[tag] for tag in self._words]

    def _find(self, language: str, key: Any) -> Any:
        try:
            return self._words[language][key]
        except KeyError:
            raise CatalogueIncomplete("message-missing", f"No entry in {language} for {key!r}.") from None

    @staticmethod
    def _fill(text: str, values: Mapping[str, Any]) -> str:
        return text % values if values else text.replace("%%", "%")


def load(*folders: Path) -> Catalogues:
    """Read the catalogues of all languages from these folders and the shared one.

    Raises CatalogueIncomplete, naming every gap, when one lacks an entry that another language has.
    """
    catalogues = {
        tag: [_read(folder, language) for folder in (SHARED, *folders)] for tag, language in LANGUAGES.items()
    }
    words = {tag: _words(parts) for tag, parts in catalogues.items()}
    known = set().union(*words.values())
    gaps = [f"{tag}: {key!r}" for tag, entries in words.items() for key in sorted(known - entries.keys(), key=str)]
    if gaps:
        raise CatalogueIncomplete("catalogue-incomplete", "Missing translations:\n  " + "\n  ".join(gaps))
    return Catalogues(words, {tag: gettext.c2py(parts[-1].plural_expr) for tag, parts in catalogues.items()})


def negotiate(accepted: Sequence[str]) -> str:
    """The first language of ours in a browser's list of tags, or the default. "pl-PL" finds "pl", "en" "en-GB"."""
    for tag in accepted:
        primary = tag.partition("-")[0].lower()
        for known in LANGUAGES:
            if tag.lower() == known.lower() or primary == known.partition("-")[0].lower():
                return known
    return DEFAULT


def date(day: Any, language: str) -> str:
    """A date written out in that language."""
    return format_date(day, "long", locale=LANGUAGES[language].locale)


def _read(folder: Path, language: Language) -> Catalog:
    with open(folder / language.locale / "messages.po", "rb") as file:
        return read_po(file, locale=language.locale)


def _words(catalogues: Sequence[Catalog]) -> dict[Any, Any]:
    words: dict[Any, Any] = {}
    for catalogue in catalogues:
        for message in catalogue:
            if not message.id or message.fuzzy:
                continue
            forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
            if all(forms):
                words[tuple(message.id) if isinstance(message.id, list | tuple) else message.id] = message.string
    return words
