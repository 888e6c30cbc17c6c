"""The floor under languages the model was not trained in: words people use, one file per language, no guessing."""

import hashlib
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_LATIN_ACCENTS = dict.fromkeys(range(0x0300, 0x0370))
_ARABIC_MARKS = dict.fromkeys([*range(0x0610, 0x061B), 0x0640, *range(0x064B, 0x0660), 0x0670, *range(0x06D6, 0x06EE)])
_GURMUKHI_DOT = {0x0A3C: None}
# Keyboards for Arabic, Farsi, Urdu and Panjabi write the same letter with different code points.
_SAME_LETTERS = str.maketrans(
    dict.fromkeys("\u0649\u064a\u06d2", "\u06cc")  # Every yeh is a Farsi yeh.
    | dict.fromkeys("\u0629\u06c1\u06be\u06c3\u06d5", "\u0647")  # Every heh and teh marbuta is a heh.
    | {"\u0643": "\u06a9", "\u06ba": "\u0646", "\u0a70": "\u0a02", "ł": "l"}  # Kaf, noon ghunna, tippi.
)
_WORD = re.compile(r"[\w\u0a00-\u0a7f]+")  # \w alone cuts Gurmukhi words at their vowel signs.


@dataclass(frozen=True)
class Keywords:
    """One language's words: per theme a pattern over a text that ``spaced`` has prepared."""

    version: str
    patterns: dict[str, re.Pattern[str]]

    def themes(self, text: str) -> tuple[str, ...]:
        """The themes whose words occur, most different words first, then the one mentioned earliest."""
        prepared = spaced(text)
        found = []
        for slug, pattern in self.patterns.items():
            if hits := list(pattern.finditer(prepared)):
                found.append((-len({hit.group() for hit in hits}), hits[0].start(), slug))
        return tuple(slug for _, _, slug in sorted(found))


def load(path: Path) -> Keywords:
    """Read one language's file: a table ``themes`` of slug to entries, and optionally ``prefixes``.

    An entry is a word or a phrase; a ``*`` at the end of a word stands for any ending. Prefixes are what the
    language glues to the front of a word ("and the", "not"): any one may come before any word of an entry.
    """
    source = path.read_bytes()
    table = tomllib.loads(source.decode())
    front = "|".join(re.escape(folded(prefix)) for prefix in sorted(table.get("prefixes", []), key=len, reverse=True))
    return Keywords(
        version=f"keywords-{path.stem}-{hashlib.sha256(source).hexdigest()[:8]}",
        patterns={slug: _pattern(entries, front) for slug, entries in table["themes"].items()},
    )


def _pattern(entries: list[str], front: str) -> re.Pattern[str]:
    phrases = "|".join(" ".join(_word(word, front) for word in entry.split()) for entry in entries)
    return re.compile(f"(?<= )(?:{phrases})(?= )")


def _word(word: str, front: str) -> str:
    ending = "[^ ]*" if word.endswith("*") else ""
    return f"(?:{front})?" + re.escape(folded(word.removesuffix("*"))) + ending


def spaced(text: str) -> str:
    """The words of a text, folded, with exactly one space before, between and after them."""
    return " " + " ".join(_WORD.findall(folded(text))) + " "


def folded(text: str) -> str:
    """Forget what writers leave out or write differently: case, accents, vowel marks, look-alike letters."""
    text = unicodedata.normalize("NFKD", text.casefold())
    return text.translate(_LATIN_ACCENTS | _ARABIC_MARKS | _GURMUKHI_DOT).translate(_SAME_LETTERS)
