"""Finds numbers that point to a person: phone, NHS and other long numbers, and leaves times, doses, dates and prices.

Everything here reads a text whose digits were brought to 0-9 one for one, so offsets are those of the original.
"""

import re
from collections.abc import Iterator
from itertools import accumulate

import nhs_number
import phonenumbers

_GAP = r"[ \t\u00a0\u2007\u2009\u202f\u200b-\u200f\u2060\ufeff.()/\u2010-\u2015\-]"
_RUN = re.compile(rf"(?=[+(\d])\(?(?:\+{_GAP}?)?\(?\d(?:{_GAP}{{0,3}}\d)*")
_GROUP = re.compile(r"\d+")
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
DATE = rf"{_DAY}[/.\-]{_MONTH}[/.\-](?:19|20)?\d\d|(?:19|20)\d\d[/.\-]{_MONTH}[/.\-]{_DAY}"
# Dates, prices and counts, unless digits follow so closely that they may be the beginning of a longer number.
_ORDINARY = re.compile(
    rf"(?=[\d£$€])(?:(?<![\d./\-+])(?:{DATE})(?!\d|[./\-]\d)"
    rf"|(?:[£$€]\s?|(?<![\d,]))[1-9]\d{{0,2}}(?:,\d{{3}}){{1,3}}(?!,?{_GAP}{{0,3}}\d)"
    rf"|[£$€]\s?[1-9]\d{{0,6}}(?!{_GAP}{{0,3}}\d))"
)
# A national number in the United Kingdom is 0 and nine or ten digits (Ofcom, National Telephone Numbering Plan, A1).
_UK = re.compile(r"0[1-9]\d{8,9}|(?:00)?440?[1-9]\d{8,9}")
_YEARS = re.compile(r"(?:19|20)\d\d")
LONGEST = 40  # digits: a longer run is no list of numbers; it is hidden whole, in time linear in its length
PHONE_MOST = 15  # digits in an international number (ITU-T E.164, 6.2.1)


def numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of each number to hide, in order; kinds are 'phone', 'nhs number' and 'number'."""
    ordinary = _ORDINARY.sub(lambda found: "\n" * len(found[0]), text)
    for run in _RUN.finditer(ordinary):
        digits = sum(c.isdigit() for c in run[0])
        if digits > LONGEST:
            yield run.start(), run.end(), "number"
        elif digits > 6:
            groups = [(run.start() + g.start(), run.start() + g.end()) for g in _GROUP.finditer(run[0])]
            yield from _in_groups(text, groups, prefix=run[0][: run[0].index(text[groups[0][0]])])


def _in_groups(text: str, groups: list[tuple[int, int]], *, prefix: str) -> Iterator[tuple[int, int, str]]:
    """Phone and NHS numbers from left to right, the longest reading first; then what is long for its own sake."""
    first, waiting = 0, []
    while first < len(groups):
        plus = "+" in prefix and first == 0
        kind, last = _longest_number(text, groups, first, plus=plus)
        if not kind:
            waiting.append(groups[first])
            first += 1
            continue
        yield from _long(text, waiting)
        waiting = []
        start, end = groups[first][0], groups[last][1]
        if first == 0:  # "+44" and "(07700) 900123" whole, but not the bracket around "(07700900123)"
            start -= len(prefix if ")" in text[start:end] else prefix.lstrip("( "))
        yield start, end, kind
        first = last + 1
    yield from _long(text, waiting)


def _longest_number(text: str, groups: list[tuple[int, int]], first: int, *, plus: bool) -> tuple[str, int]:
    lengths = list(accumulate(end - start for start, end in groups[first : first + PHONE_MOST + 1]))
    for count in range(len(lengths), 0, -1):
        if not 7 <= lengths[count - 1] <= PHONE_MOST + 2:
            continue
        digits = "".join(text[start:end] for start, end in groups[first : first + count])
        if kind := _kind(digits, plus=plus):
            return kind, first + count - 1
    return "", first


def _kind(digits: str, *, plus: bool) -> str:
    """NHS number: ten digits, the last a modulus 11 check of the others (NHS Data Dictionary, NHS NUMBER)."""
    if _UK.fullmatch(digits):
        return "phone"
    if (plus or digits.startswith("00")) and _possible("+" + digits.removeprefix("00")):
        return "phone"
    if len(digits) == 10 and digits[0] != "0" and nhs_number.is_valid(digits):
        return "nhs number"
    return ""


def _possible(typed: str) -> bool:
    """`is_possible_number`, since `is_valid_number` refuses the numbers Ofcom keeps for drama (07700 900000 on)."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(typed, "GB"))
    except phonenumbers.NumberParseException:
        return False


def _long(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Account, case and card numbers: seven digits together, or nine written in parts that are no list of figures."""
    parts = [text[start:end] for start, end in groups]
    total = sum(map(len, parts))
    together = any(len(part) > 3 and not _YEARS.fullmatch(part) for part in parts)
    spelled = sum(len(part) == 1 for part in parts) > 6
    if total >= 9 and (together or spelled or parts[0].startswith("0")):
        yield groups[0][0], groups[-1][1], "number"
        return
    for (start, end), part in zip(groups, parts, strict=True):
        if len(part) > 6:
            yield start, end, "number"
