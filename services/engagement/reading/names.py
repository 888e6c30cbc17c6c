"""Finds the names of people by what they stand next to, and says whether more may be left.

No list of names is complete, so the law is: hide what is sure, and ask a person to look (`may_hold_name`) at the rest.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_WORD = re.compile(r"""[^\s\d.,;:!?()\[\]{}<>"“”„…،؛؟۔।/\\@#*+=|&\ue000]{1,40}""")
_POSSESSIVE = re.compile(r"['’]s$|['’]$")
_HANDLE = re.compile(r"(?<![\w.])@[^\W\d]\w{2,}")
_AT_END = re.compile(r"[\s.,!?:;…*xX❤️🙏😊😀🙂👍\ue000]*")
MOST = 3  # words in a name


class Word(NamedTuple):
    start: int
    end: int
    typed: str
    low: str


class Lists(NamedTuple):
    """`triggers`: every first word after which a name may come."""

    triggers: frozenset[str]
    plain_titles: frozenset[str]
    capital_titles: frozenset[str]
    introductions: dict[str, list[tuple[str, ...]]]
    weak: frozenset[str]
    ends: frozenset[str]
    signoffs: dict[str, list[tuple[str, ...]]]
    not_names: frozenset[str]
    known: frozenset[str]
    not_people: frozenset[str]


def names(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, 'name') of each name that follows a title or an introduction, or signs the text."""
    lists, words = _lists(), _words(text)
    shouted = text.isupper()
    at = 0
    while at < len(words):
        if words[at].low not in lists.triggers:
            at += 1
            continue
        first, proof = _where_a_name_should_be(text, words, at, lists)
        last = _name_end(text, words, first, proof=proof, shouted=shouted, lists=lists) if first else None
        if first and last:
            yield words[first].start, words[last - 1].end, "name"
            at = last
        else:
            at += 1
    if signed := _signature(text, words, lists, shouted=shouted):
        yield signed


def may_hold_name(text: str) -> bool:
    """Whether a name may be left in `text`: a common name, a handle, or a capital letter where none belongs."""
    lists, words = _lists(), _words(text)
    if _HANDLE.search(text) or any(word.low in lists.known for word in words):
        return True
    if text.isupper():
        return False
    for before, word in pairwise(words):
        starts_sentence = any(c in ".!?\n:…" for c in text[before.end : word.start])
        capital = word.typed[0].isupper() and not word.typed.isupper() and len(word.typed) > 1
        if capital and not starts_sentence and word.low not in lists.not_people | lists.not_names:
            return True
    return False


def _where_a_name_should_be(text: str, words: tuple[Word, ...], at: int, lists: Lists) -> tuple[int | None, str]:
    """The place of the first word that may be a name, and what must prove it: '', 'capital' or 'known'."""
    word = words[at]
    if word.low in lists.plain_titles or word.low in lists.capital_titles:
        gap = text[word.end : words[at + 1].start] if at + 1 < len(words) else "\n"
        if gap in (" ", ". ", "."):
            return at + 1, "capital" if word.low in lists.capital_titles else ""
    for phrase in lists.introductions.get(word.low, ()):
        after = at + len(phrase)
        said = after < len(words) and tuple(w.low for w in words[at:after]) == phrase
        if said and not text[words[after - 1].end : words[after].start].strip(" :-،,"):
            return after, "known" if " ".join(phrase) in lists.weak else ""
    return None, ""


def _name_end(text: str, words: tuple[Word, ...], first: int, *, proof: str, shouted: bool, lists: Lists) -> int | None:
    """One past the last word of the name that starts at `first`; None if no name does."""
    word = words[first]
    cased = word.typed[0].lower() != word.typed[0].upper()
    if word.low in lists.plain_titles | lists.capital_titles:
        return None
    if word.low in lists.not_names and not (word.low in lists.known and word.typed[0].isupper()):
        return None
    if cased and proof == "capital" and (shouted or not word.typed[0].isupper()):
        return None
    if proof == "known" and word.low not in lists.known:
        return None
    last = first + 1
    introduced = last < len(words) and _ends_soon(words, last, lists)
    while last < len(words) and last - first < MOST:
        gap, following = text[words[last - 1].end : words[last].start], words[last]
        goes_on = following.low in lists.known or (introduced and following.low not in lists.ends)
        if cased and not shouted:
            goes_on = goes_on or (word.typed[0].isupper() and following.typed[0].isupper())
        initial = len(words[last - 1].typed) == 1 and gap in (". ", ".", " ")
        if (gap not in (" ", "\u200c") and not initial) or not (goes_on or initial):
            break
        if following.low in lists.ends or following.low in lists.not_names:
            break
        last += 1
    return last


def _ends_soon(words: tuple[Word, ...], at: int, lists: Lists) -> bool:
    """Urdu and Panjabi close "my name X is" with a word of their own: all before it is the name."""
    return any(word.low in ("ہے", "hai", "ਹੈ") for word in words[at : at + 2])


def _signature(text: str, words: tuple[Word, ...], lists: Lists, *, shouted: bool) -> tuple[int, int, str] | None:
    """A name at the very end, after a sign-off, a dash, or alone on the last line."""
    while words and words[-1].low in ("x", "xx", "xxx"):
        words = words[:-1]
    if not words or not _AT_END.fullmatch(text, words[-1].end):
        return None
    for count in range(min(MOST, len(words)), 0, -1):
        name, before = words[-count:], words[:-count]
        if any(word.low in lists.not_names and word.low not in lists.known for word in name):
            continue
        if any(text[a.end : b.start] not in (" ", ". ") for a, b in pairwise(name)):
            continue
        gap = text[before[-1].end : name[0].start] if before else text[: name[0].start]
        capitals = not shouted and all(w.typed[0].isupper() for w in name)
        caseless = all(w.typed[0].lower() == w.typed[0].upper() for w in name)
        plain = count == 1 and (not caseless or name[0].low in lists.known or bool(gap.strip(" ")))
        if (capitals or plain) and "?" not in gap and _ends_with(before, lists.signoffs):
            return name[0].start, name[-1].end, "name"
        apart = "\n" in gap or re.search(r"(?:^|\s)[-–—~]+\s*$", gap)
        if apart and len(before) > 1 and (capitals or (caseless and name[0].low in lists.known)):
            return name[0].start, name[-1].end, "name"
    return None


def _ends_with(words: tuple[Word, ...], phrases: dict[str, list[tuple[str, ...]]]) -> bool:
    return any(
        tuple(w.low for w in words[-len(phrase) :]) == phrase
        for length in (1, 2, 3)
        if len(words) >= length
        for phrase in phrases.get(words[-length].low, ())
        if len(phrase) == length
    )


@lru_cache(maxsize=2)
def _words(text: str) -> tuple[Word, ...]:
    """Kept for one text, because it is read for names and then for what may be one."""
    found = []
    for match in _WORD.finditer(text):
        start, typed = match.start(), match[0]
        if not typed.isalpha():
            bare = typed.strip("'’‘-–—_")
            start += typed.index(bare)
            typed = _POSSESSIVE.sub("", bare) or bare
        if typed:
            found.append(Word(start, start + len(typed), typed, typed.lower().replace("’", "'")))
    return tuple(found)


@cache
def _lists() -> Lists:
    folder = Path(__file__).parent
    table = tomllib.loads((folder / "hiding.toml").read_text("utf-8"))
    common = tomllib.loads((folder / "words.toml").read_text("utf-8"))["latin"]
    known, not_people = (frozenset(table["known"][name].split()) for name in ("words", "not_people"))
    ordinary = frozenset((common["en-GB"] + common["pl"] + common["borrowed"]).split()) - known
    introductions = _by_first_word(table["introductions"]["words"] + table["introductions"]["weak"])
    titles = frozenset(table["titles"]["plain"] + table["titles"]["capital"])
    return Lists(
        triggers=titles | introductions.keys(),
        plain_titles=frozenset(table["titles"]["plain"]),
        capital_titles=frozenset(table["titles"]["capital"]),
        introductions=introductions,
        weak=frozenset(table["introductions"]["weak"]),
        ends=frozenset(table["introductions"]["ends"]),
        signoffs=_by_first_word(table["signoffs"]["words"]),
        not_names=frozenset(table["not_names"]["words"].split()) | ordinary,
        known=known - {"بی", "الله", "عبد", "علي", "نور"},
        not_people=not_people,
    )


def _by_first_word(phrases: list[str]) -> dict[str, list[tuple[str, ...]]]:
    """Longest first, so that "my name is" is tried before "my name"."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted((tuple(p.split()) for p in phrases), key=len, reverse=True):
        found.setdefault(phrase[0], []).append(phrase)
    return found


def load() -> None:
    """Reads the lists once, so that no request waits for them."""
    _lists()
