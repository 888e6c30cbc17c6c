"""Reads what a text asks of the hub: law, a STOP is never missed, and telling a story is never taken for one.

The words are data: `keywords/<tag>.toml`, one file a language, all read together because people mix languages.
A further request (HELP, STATUS, …) is a further table in those files and a line in `keywords/kinds.toml`.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Request:
    """`kind`: a name in `keywords/kinds.toml`, or 'contribution'.

    `sure` is False where a person might read it otherwise: a STOP to be obeyed whose words are kept as a
    contribution too, or a contribution in which the words of a request occur. `language`: whose words were used.
    """

    kind: str
    sure: bool
    language: str | None


class Kind(NamedTuple):
    """`guess`: take the request's word at either end of a short text for the request, unsure.

    `alone`: from the request's words written together ('optout') to the language.
    """

    name: str
    guess: bool
    alone: dict[str, str]


class Entry(NamedTuple):
    """One line of a keyword file: `parts` are words; 'text*' fits any word that begins so, '*ing' any that ends so.

    `role`: 'alone' is a request by itself; 'phrases' are one inside a sentence; 'verbs' are one beside a word of
    'messages'; 'unlike' shows it is none; 'topics' are what contributions are about; 'polite' changes nothing.
    """

    parts: tuple[str, ...]
    role: str
    kind: str
    language: str


class Hit(NamedTuple):
    start: int
    end: int
    entry: Entry


class Keywords(NamedTuple):
    """`by_words`: entries by their first two words, or by their first where it is the only one or the second varies."""

    kinds: tuple[Kind, ...]
    by_words: dict[str, list[Entry]]
    by_stem: dict[str, list[Entry]]
    by_ending: list[Entry]
    stem_starts: frozenset[str]
    endings: tuple[str, ...]


SHORT = 12  # words: a longer text asks only where it says so outright
FEW = 4  # words beside a request that may be a signature or a reason
GUESS = 6  # words of a text short enough to guess that its first or last word is meant
READ = 1600  # characters: of a longer text only both ends, where a request would stand
STEMS = (2, 3, 4)  # letters under which a stem is looked up: as many as it has, at least two, no more than four


def load() -> None:
    """Reads the keyword files once, so that no request waits for them. `read_request` does so itself where needed."""
    _keywords()


def read_request(text: str) -> Request:
    """What `text` asks: the first kind in `kinds.toml` order that it asks for, or a contribution.

    The STOP words are those carriers require (CTIA Messaging Principles 5.1.3; Twilio's default opt-out
    words STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, OPTOUT, REVOKE) and their like in each language.
    Twilio's START word YES is left out: it answers "did this fix it?".
    """
    keywords = _keywords()
    words, clauses = _words_and_clauses(text if len(text) <= READ else f"{text[: READ // 2]}\n{text[-READ // 2 :]}")
    hits = list(_hits(words, keywords))
    asked = {hit.entry.kind for hit in hits if hit.entry.role in ("alone", "phrases", "verbs")}
    for kind in keywords.kinds:
        if kind.name in asked and (found := _asks_for(kind, words, clauses, hits)):
            return found
        if len(words) <= SHORT and (language := _is_request_alone(kind, words, range(len(words)), hits)):
            return Request(kind=kind.name, sure=True, language=language)
    return Request(kind="contribution", sure=not asked, language=None)


def _asks_for(kind: Kind, words: list[str], clauses: list[range], hits: list[Hit]) -> Request | None:
    """The whole text first, then each clause: "STOP. I have told you twice" asks in its first."""
    whole = range(len(words))
    if language := _is_request_alone(kind, words, whole, hits):
        return Request(kind=kind.name, sure=True, language=language)
    topics = _within(whole, hits, "topics")
    for clause in clauses:
        if len(clauses) > 1 and (language := _is_request_alone(kind, words, clause, hits)):
            beside = len(_content(whole, hits)) - len(clause)
            return Request(kind=kind.name, sure=beside <= FEW and not topics, language=language)
    if len(words) <= SHORT:
        return _asks_within(kind, words, whole, hits)
    if topics:
        return None
    answers = (_asks_within(kind, words, clause, hits) for clause in clauses)
    return next((Request(kind=a.kind, sure=False, language=a.language) for a in answers if a), None)


def _is_request_alone(kind: Kind, words: list[str], place: range, hits: list[Hit]) -> str | None:
    """The language if nothing but the request and politeness stands there, however it is spaced or repeated."""
    content = _content(place, hits)
    for chosen in ([words[i] for i in content], [words[i] for i in place]):
        joined = "".join(chosen)
        for times in (1, 2, 3):
            once = joined[: len(joined) // times]
            if once in kind.alone and once * times == joined:
                return kind.alone[once]
        if chosen and all(word in kind.alone for word in chosen):
            return kind.alone[chosen[0]]
    return None


def _asks_within(kind: Kind, words: list[str], place: range, hits: list[Hit]) -> Request | None:
    """A request in a sentence: by its phrase, or its verb beside a word for messages, or (a guess) by its place."""
    content = _content(place, hits)
    messages = _within(place, hits, "messages")
    asking = _within(place, hits, "phrases", kind.name)
    if messages:
        asking = asking + _within(place, hits, "verbs", kind.name)
    against = _within(place, hits, "unlike", kind.name)
    topics = _within(place, hits, "topics")
    blocked = any(not _inside(hit, asking) and not _overlaps(hit, messages) for hit in against)
    if asking and not blocked and (kind.guess or not topics):
        said = {i for hit in asking + messages for i in range(hit.start, hit.end)}
        beside = len([i for i in content if i not in said])
        return Request(kind=kind.name, sure=beside <= FEW and not topics, language=asking[0].entry.language)
    if kind.guess and content and len(content) <= GUESS and not topics:
        for hit in _within(place, hits, "alone", kind.name):
            at_an_end = hit.start <= content[0] or hit.end > content[-1]
            if at_an_end and all(_inside(other, [hit]) for other in against):
                return Request(kind=kind.name, sure=False, language=hit.entry.language)
    return None


def _content(place: range, hits: list[Hit]) -> list[int]:
    polite = {i for hit in hits if hit.entry.role == "polite" for i in range(hit.start, hit.end)}
    return [i for i in place if i not in polite]


def _within(place: range, hits: list[Hit], role: str, kind: str = "") -> list[Hit]:
    return [
        hit
        for hit in hits
        if hit.entry.role == role and hit.entry.kind == kind and hit.start >= place.start and hit.end <= place.stop
    ]


def _inside(hit: Hit, others: list[Hit]) -> bool:
    return any(other.start <= hit.start and hit.end <= other.end for other in others)


def _overlaps(hit: Hit, others: list[Hit]) -> bool:
    return any(other.start < hit.end and hit.start < other.end for other in others)


def _hits(words: list[str], keywords: Keywords) -> Iterator[Hit]:
    for start, word in enumerate(words):
        candidates = [keywords.by_words.get(word), keywords.by_words.get(" ".join(words[start : start + 2]))]
        if start + 1 == len(words):
            candidates.pop()
        if word[: STEMS[0]] in keywords.stem_starts:
            candidates += (keywords.by_stem.get(word[:length]) for length in STEMS[: len(word) - 1])
        if word.endswith(keywords.endings):
            candidates.append(keywords.by_ending)
        for entries in candidates:
            for entry in entries or ():
                if _fits(entry.parts, words, start):
                    yield Hit(start, start + len(entry.parts), entry)


def _fits(parts: tuple[str, ...], words: list[str], start: int) -> bool:
    if start + len(parts) > len(words):
        return False
    for part, word in zip(parts, words[start : start + len(parts)], strict=True):
        if part == word or part == "*":
            continue
        if part[-1] == "*" and word.startswith(part[:-1]):
            continue
        if part[0] == "*" and word.endswith(part[1:]):
            continue
        return False
    return True


# What differs between spellings of one word, and never between two words of the files.
_SAME_LETTER = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ı": "i",
    "ي": "ی",
    "ى": "ی",
    "ك": "ک",
    "ه": "ہ",
    "ة": "ہ",
    "ھ": "ہ",
    "ۀ": "ہ",
}
_SAME_LETTER |= {"ە": "ہ", "\u0651": "", "ٱ": "ا", "ਂ": "ੰ"}
_NEXT_CLAUSE = ".!?;,:\n|…،؛؟۔।॥。，！？；：、"
_APOSTROPHES = "'’‘ʼ`´"
# Accents, Arabic vowel signs and stretching, the dots below Gurmukhi, Bengali and Devanagari, variation selectors.
_ACCENT = re.compile("[\u0300-\u036f\u0640\u064b-\u065f\u0670\u0a3c\u09bc\u093c\ufe00-\ufe0f]")
_DASH = re.compile(r"\s[-–—~]+\s|\n\s*[-–—~]+")
_STRETCHED = re.compile(r"(\w)\1{2,}")


class _Letters(dict[int, str]):
    """Learns what each character becomes: itself, a space, a line's end or nothing."""

    def __missing__(self, code: int) -> str:
        self[code] = made = self._made(chr(code))
        return made

    @staticmethod
    def _made(c: str) -> str:
        category = unicodedata.category(c)
        if c in _SAME_LETTER:
            return _SAME_LETTER[c]
        if c in _NEXT_CLAUSE:
            return "\n"
        if c in _APOSTROPHES or _ACCENT.match(c) or category == "Cf":
            return ""
        if "\u3400" <= c <= "\u9fff":
            return f" {c} "
        return c if category[0] in "LMN" else " "


_LETTERS = _Letters()


def _words_and_clauses(text: str) -> tuple[list[str], list[range]]:
    """The words without case, accents and stretching ("Stoooop"), and where each clause's words stand."""
    text = _DASH.sub("\n", text)
    if not text.isascii():
        text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    text = text.casefold().translate(_LETTERS)
    text = _STRETCHED.sub(r"\1", text)
    words: list[str] = []
    clauses: list[range] = []
    for clause in text.split("\n"):
        before = len(words)
        words.extend(clause.split())
        if len(words) > before:
            clauses.append(range(before, len(words)))
    return words, clauses


@cache
def _keywords() -> Keywords:
    folder = Path(__file__).parent / "keywords"
    kinds = tomllib.loads((folder / "kinds.toml").read_text("utf-8"))["kinds"]
    names = [kind["name"] for kind in kinds]
    entries = [entry for path in _in_order(folder) for entry in _entries(path, names)]
    by_words: dict[str, list[Entry]] = {}
    by_stem: dict[str, list[Entry]] = {}
    by_ending: list[Entry] = []
    for entry in entries:
        first, second = entry.parts[0], "".join(entry.parts[1:2])
        if first.startswith("*"):
            by_ending.append(entry)
        elif first.endswith("*"):
            by_stem.setdefault(first[:-1][: STEMS[-1]], []).append(entry)
        else:
            by_words.setdefault(first if "*" in second else f"{first} {second}".strip(), []).append(entry)
    starts = frozenset(stem[: STEMS[0]] for stem in by_stem)
    endings = tuple(entry.parts[0].lstrip("*") for entry in by_ending)
    found = Keywords((), by_words, by_stem, by_ending, starts, endings)
    return found._replace(
        kinds=tuple(Kind(kind["name"], kind["guess"], _alone(kind["name"], entries, found)) for kind in kinds)
    )


def _in_order(folder: Path) -> Iterable[Path]:
    """English first: "stop" is read as English where other languages have it too."""
    return sorted(folder.glob("*-*.toml")) + sorted(set(folder.glob("*.toml")) - set(folder.glob("*-*.toml")))


def _entries(path: Path, kinds: list[str]) -> Iterator[Entry]:
    table = tomllib.loads(path.read_text("utf-8"))
    for role in ("polite", "messages", "topics"):
        for line in table.get(role, ()):
            yield Entry(_parts(line, path), role, "", path.stem)
    for kind in kinds:
        for role in ("alone", "phrases", "verbs", "unlike"):
            for line in table.get(kind, {}).get(role, ()):
                yield Entry(_parts(line, path), role, kind, path.stem)


def _parts(line: str, path: Path) -> tuple[str, ...]:
    """One line's words in the form texts are brought to; raises ValueError naming the file where it cannot be used."""
    parts: list[str] = []
    for word in line.split():
        made = _words_and_clauses(word.replace("*", ""))[0]
        stem, ending = word.endswith("*"), word.startswith("*")
        if word != "*" and (not made or (stem and not parts and len(made[0]) < STEMS[0])):
            raise ValueError(f"{path.name}: {line!r} has no letters, or a stem shorter than {STEMS[0]}")
        parts += [("*" if ending else "") + "".join(made) + ("*" if stem else "")] if stem or ending else made
    return tuple("*" if set(part) == {"*"} else part for part in parts)


def _alone(kind: str, entries: list[Entry], keywords: Keywords) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry.role == "alone" and entry.kind == kind:
            words = list(entry.parts)
            content = [words[i] for i in _content(range(len(words)), list(_hits(words, keywords)))]
            found.setdefault("".join(words), entry.language)
            if content:
                found.setdefault("".join(content), entry.language)
    return found
