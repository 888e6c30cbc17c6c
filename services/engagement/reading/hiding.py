"""Hides what points to a person before a text leaves intake: law, what stays is unchanged, what goes leaves a tag.

Tags: [phone], [email], [link], [nhs number], [national insurance number], [number], [postcode], [address],
[date of birth], [name]. A postcode keeps its outward code ("BB1 [postcode]"), which says no more than a town does.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.engagement.reading import digits, names, postcode

Span = tuple[int, int, str]
Rule = Callable[[str], Iterator[Span]]


@dataclass(frozen=True, kw_only=True)
class Found:
    """`start` and `end` are code points in the text that was given to `hide`; `end` is one past the last."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """`found` is in the order of the text. `may_hold_name`: a person should look before this is published."""

    text: str
    found: tuple[Found, ...]
    may_hold_name: bool


KINDS = (
    *("phone", "email", "link", "nhs number", "national insurance number"),
    *("number", "postcode", "address", "date of birth", "name"),
)
ROUNDS = 4  # Hiding one thing may lay bare another beside it; two rounds are the rule.
_MASK = "\ue000"  # A private-use character stands for what is hidden already, so that later rules do not see it.
_TAG = re.compile(r"\[(?:" + "|".join(KINDS) + r")\]")

_DIGIT = re.compile(r"\d")
_LINK = re.compile(rf"(?:https?://|www\.)[^\s{_MASK}<>]{{2,2000}}", re.IGNORECASE)
_LOCAL = frozenset("._%+-'’#$&*/=?^`{|}~!")
_PROVIDERS = "gmail|hotmail|outlook|yahoo|icloud|live|aol|btinternet|nhs"
_SPELLED_EMAIL = re.compile(
    rf"[\w.+-]{{1,64}}\s?[(\[]?\b(?:at|@)\b[)\]]?\s?(?:{_PROVIDERS})"
    r"\s?[(\[]?(?:dot|\.)[)\]]?\s?(?:com|co|net|org|uk)\b(?:\s?(?:dot|\.)\s?uk\b)?",
    re.IGNORECASE,
)
# HMRC, National Insurance Manual NIM39110: two letters (not all pairs), six digits, a letter A to D.
_NATIONAL_INSURANCE = re.compile(
    r"(?<![^\W\d_])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    r"[\s.-]{0,2}\d\d[\s.-]?\d\d[\s.-]?\d\d[\s.-]{0,2}[A-D](?![^\W\d_])",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?<![^\W_])([A-Z]{1,2}\s?\d[A-Z\d]?)([ \t\u00a0.\-]{0,2}[\dO][ABD-HJLNP-UW-Z]{2})(?![^\W_])", re.IGNORECASE
)
_ORDINAL = re.compile(r"\d(?:st|nd|rd|th)$", re.IGNORECASE)
_POLISH_STREET = re.compile(
    r"(?<!\w)(?:ul\.|ulica|ulicy|al\.|aleja|os\.)\s?\w[\w-]{1,30}(?:\s\w[\w-]{1,30})?"
    r"\s\d{1,4}\w?(?:\s?[/m]\.?\s?\d{1,4})?(?!\w)",
    re.IGNORECASE,
)
_LONG_DATE = (
    r"\d{1,2}(?:st|nd|rd|th)?[\s,]{1,2}(?:of\s)?[^\s\d,]{3,15}[\s,]{1,2}\d{4}"
    r"|[^\W\d]{3,15}\s\d{1,2}(?:st|nd|rd|th)?,?\s\d{4}"
)
_SPACED_DATE = r"\d{1,2}\s\d{1,2}\s(?:19|20)?\d\d"


def load() -> None:
    """Reads the lists once, so that no request waits for them. `hide` does so itself where this was not called."""
    names.load()
    _birth(), _streets()


def hide(text: str) -> Hidden:
    """`text` with what points to a person replaced by tags; hiding it again changes nothing more.

    Digits of any script count as digits. Never raises. Time is linear in the length of `text`.
    """
    if not text:
        return _NOTHING
    masked = _TAG.sub(_masked, _plain_digits(text.replace(_MASK, "\ufffd")))
    spans: list[Span] = []
    for _ in range(ROUNDS):
        before = len(spans)
        for rule in _rules(masked):
            fresh = list(rule(masked))
            for start, end, _kind in fresh:
                masked = f"{masked[:start]}{_MASK * (end - start)}{masked[end:]}"
            spans += fresh
        if len(spans) == before:
            break
    spans.sort()
    named = any(kind == "name" for _, _, kind in spans) or "[name]" in text
    return Hidden(
        text=_replaced(text, spans),
        found=tuple(Found(kind=kind, start=start, end=end) for start, end, kind in spans),
        may_hold_name=named or names.may_hold_name(masked),
    )


_NOTHING = Hidden(text="", found=(), may_hold_name=False)


def _rules(text: str) -> Iterator[Rule]:
    """In the order in which they are to look: what is plainest first."""
    yield from (_links, _emails, _spelled_emails)
    yield from _RULES_WITH_DIGITS if _DIGIT.search(text) else ()
    yield names.names


def _replaced(text: str, spans: list[Span]) -> str:
    pieces, at = [], 0
    for start, end, kind in spans:
        pieces += [text[at:start], " " if kind == "postcode" else "", f"[{kind}]"]
        at = end
    return "".join([*pieces, text[at:]])


def _masked(found: re.Match[str]) -> str:
    return _MASK * len(found[0])


def _plain_digits(text: str) -> str:
    """Digits of every script as 0 to 9, full-width @ and + as themselves: one code point for one."""
    return text if text.isascii() else text.translate(_digit_table())


@cache
def _digit_table() -> dict[int, str]:
    every = (chr(code) for code in range(0x660, 0x1FBFA) if chr(code).isdecimal())
    return {ord(c): str(unicodedata.decimal(c)) for c in every} | {0xFF20: "@", 0xFF0B: "+", 0xFE6B: "@"}


def _links(text: str) -> Iterator[Span]:
    for found in _LINK.finditer(text):
        yield found.start(), found.start() + len(found[0].rstrip(".,;:!?)'\"،۔")), "link"


def _emails(text: str) -> Iterator[Span]:
    """Outward from each @, so that no length of text before it costs more than once (no part of an address has one)."""
    taken, at = 0, text.find("@")
    while at >= 0:
        start = at
        while start > taken and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        end = at + 1
        while end < len(text) and (text[end].isalnum() or text[end] in ".-_"):
            end += 1
        while end > at and text[end - 1] in ".-_":
            end -= 1
        if start < at and "." in text[at:end]:
            yield start, end, "email"
            taken = end
        at = text.find("@", max(at + 1, taken))


def _spelled_emails(text: str) -> Iterator[Span]:
    """ "sara at gmail dot com": looked for only where a provider is named, since it is the slower search."""
    low = text.lower()
    if any(provider in low for provider in _PROVIDERS.split("|")):
        yield from ((*found.span(), "email") for found in _SPELLED_EMAIL.finditer(text))


def _births(text: str) -> Iterator[Span]:
    return ((found.start(1), found.end(1), "date of birth") for found in _birth().finditer(text))


def _national_insurance(text: str) -> Iterator[Span]:
    return ((*found.span(), "national insurance number") for found in _NATIONAL_INSURANCE.finditer(text))


def _postcodes(text: str) -> Iterator[Span]:
    for found in _POSTCODE.finditer(text):
        spaced = any(c.isspace() for c in found[1])
        if spaced and _ORDINAL.search(found[2]):  # "so 1 2nd floor" is no postcode
            continue
        if postcode.outward_code(found[0]):
            yield *found.span(2), "postcode"


def _addresses(text: str) -> Iterator[Span]:
    pattern, capital, between = _streets()
    for found in pattern.finditer(text):
        words = found["words"].split()
        if any(word.lower() in between for word in words):
            continue
        if found["kind"].lower() in capital and not all(word[0].isupper() for word in words):
            continue
        yield *found.span(), "address"
    yield from ((*found.span(), "address") for found in _POLISH_STREET.finditer(text))


_RULES_WITH_DIGITS: tuple[Rule, ...] = (_births, _national_insurance, _postcodes, digits.numbers, _addresses)


@cache
def _birth() -> re.Pattern[str]:
    words = "|".join(re.escape(word) for word in sorted(_table()["birth"]["words"], key=len, reverse=True))
    date = f"{digits.DATE}|{_LONG_DATE}|{_SPACED_DATE}"
    return re.compile(rf"(?<!\w)(?:{words})[^\d\n{_MASK}]{{0,20}}?((?:{date}))(?!\d)", re.IGNORECASE)


@cache
def _streets() -> tuple[re.Pattern[str], frozenset[str], frozenset[str]]:
    table = _table()["streets"]
    kinds = "|".join(sorted(table["plain"] + table["capital"], key=len, reverse=True))
    pattern = re.compile(
        r"(?<![\w£])(?:(?:flat|apartment|apt|unit)\s?\d{1,4}[a-z]?,?\s)?\d{1,4}[a-z]?,?\s"
        rf"(?P<words>(?:[^\W\d][\w'’-]{{1,20}}\s){{1,3}}?)(?P<kind>{kinds})\b",
        re.IGNORECASE,
    )
    return pattern, frozenset(table["capital"]), frozenset(table["between"].split())


@cache
def _table() -> dict[str, dict]:
    return tomllib.loads((Path(__file__).parent / "hiding.toml").read_text("utf-8"))
