"""The rules of insights: which cells a contribution counts in, how counts change, and what of a count may be shown.

Law: a cell counts people, not messages; and no count leaves this service but through `disclose`.
"""

import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.errors import Invalid
from shared.events import Feedback, Incoming

# --- What may be shown ------------------------------------------------------------------------------------------------

# NHS England, disclosure control below national level: 1 to 7 are shown as "*", the rest rounded to the nearest 5,
# percentages calculated from rounded values. Between two multiples no whole number lies halfway.
FLOOR = 8  # people; fewer are not shown
STEP = 5  # people
SUPPRESSED: Literal["*"] = "*"
Disclosed = int | Literal["*"]


def disclose(people: int) -> Disclosed:
    """What may be shown of a number of people: 0, "*" for 1 to 7, otherwise the nearest multiple of 5.

    Raises ValueError for less than nobody: that is a count gone wrong, and better not shown at all.
    """
    if people < 0:
        raise ValueError(f"a number of people cannot be {people}")
    if people == 0:
        return 0
    if people < FLOOR:
        return SUPPRESSED
    return (people + STEP // 2) // STEP * STEP


def percent(part: Disclosed, whole: Disclosed) -> int | None:
    """A share in whole per cent, from disclosed numbers alone; None where one of them is not shown."""
    if part == SUPPRESSED or whole in (SUPPRESSED, 0):
        return None
    return min(100, (200 * part + whole) // (2 * whole))


def rank(shown: Disclosed) -> int:
    """For sorting: by what is shown and nothing else, because an order by true numbers would tell them."""
    return 1 if shown == SUPPRESSED else shown


# --- Cells ------------------------------------------------------------------------------------------------------------

ALL = "all"
BY = ("theme", "area", "language", "channel", "day")
CROSSED = ("area", "language", "channel")  # each is also counted together with a theme
IN_FEED = frozenset({"theme", "theme.area", "theme.language"})
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class Cell(NamedTuple):
    """One kept number. `table` is "total", one of BY, or "theme." and one of CROSSED; `period` "all" or a month."""

    table: str
    period: str
    first: str = ""
    second: str = ""


class Traits(NamedTuple):
    """All of a contribution that decides where it counts. `day` is a date in UTC; `area` may be empty."""

    day: str
    language: str
    channel: str
    area: str
    themes: tuple[str, ...]


def cells(traits: Traits) -> list[Cell]:
    """Every cell in which a person with such a contribution counts, each once."""
    day, language, channel, place, themes = traits
    found = [*_apart_from_themes(day, language, channel, place)]
    for theme in themes:
        found += _of_theme(theme, day[:7], language, channel, place)
    return found


@lru_cache(maxsize=20_000)  # Many contributions have these in common.
def _apart_from_themes(day: str, *crossed: str) -> tuple[Cell, ...]:
    month = day[:7]
    found = [Cell("day", month, day)]
    for period in (ALL, month):
        found.append(Cell("total", period))
        found += [Cell(name, period, value) for name, value in _said(crossed)]
    return tuple(found)


@lru_cache(maxsize=20_000)
def _of_theme(theme: str, month: str, *crossed: str) -> tuple[Cell, ...]:
    found = []
    for period in (ALL, month):
        found.append(Cell("theme", period, theme))
        found += [Cell(f"theme.{name}", period, theme, value) for name, value in _said(crossed)]
    return tuple(found)


def _said(crossed: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in zip(("language", "channel", "area"), crossed, strict=True) if value]


# --- Facts ------------------------------------------------------------------------------------------------------------

_OUTWARD = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]?")  # The first half of a postcode: Royal Mail, PAF Programmers' Guide.
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # As BCP 47 tags look.
LONGEST_AREA = 80  # characters


class Fact(NamedTuple):
    """What is kept of one contribution. `traits` None: it counts nowhere any more, and only its mark stays."""

    feedback_id: str
    version: int
    person_id: str
    traits: Traits | None


ERASED = 1 << 62  # The version of what was erased: nothing is newer, so nothing brings it back.


def newest(batch: Iterable[Incoming]) -> dict[str, Feedback | None]:
    """The newest state of each contribution in a batch, by its id. None: it was erased, and that is final."""
    found: dict[str, Feedback | None] = {}
    for incoming in batch:
        key, state = incoming.key, incoming.state
        if key not in found or state is None or ((seen := found[key]) is not None and state.version > seen.version):
            found[key] = state
    return found


def is_news(state: Feedback | None, known: Fact | None) -> bool:
    """Whether a state changes what is known."""
    return known is None or known.version < (ERASED if state is None else state.version)


def fact(feedback_id: str, state: Feedback | None, themes: tuple[str, ...] = ()) -> Fact:
    """The fact that a state of a contribution makes, given its themes."""
    if state is None:
        return Fact(feedback_id, ERASED, "", None)
    if state.state == "withdrawn":
        return Fact(feedback_id, state.version, "", None)
    traits = Traits(
        state.received_at.date().isoformat(),
        _language(state.language),
        state.channel,
        area(state.area) if state.area else "",
        tuple(dict.fromkeys(themes)),
    )
    return Fact(feedback_id, state.version, state.person_id, traits)


def words_to_read(state: Feedback) -> str:
    """What a person wrote, all of it, for the theme reader."""
    return f"{state.text}\n{state.would_help}" if state.would_help else state.text


@lru_cache(maxsize=10_000)
def area(said: str) -> str:
    """One spelling for an area: an outward postcode in capitals, a neighbourhood with single spaces and capitals."""
    plain = " ".join(said.replace("|", " ").split())[:LONGEST_AREA].strip()
    code = plain.replace(" ", "").upper()
    return code if _OUTWARD.fullmatch(code) else string.capwords(plain)


def is_named(place: str, people: int) -> bool:
    """Whether an area may be named at all. A postcode may; a neighbourhood in people's own words only when so many
    wrote it that the words point to nobody.
    """
    return people > 0 and (people >= FLOOR or _OUTWARD.fullmatch(place) is not None)


@lru_cache(maxsize=1000)
def _language(tag: str) -> str:
    return tag if _TAG.fullmatch(tag) and len(tag) <= 35 else "und"


# --- How counts change ------------------------------------------------------------------------------------------------


def changes(known: Iterable[Fact], new: Sequence[Fact]) -> Counter[Cell]:
    """By how much each cell changes when the `new` facts take the place of those with the same id.

    `known` must hold all present facts of every person concerned: of those in `new` and of those whom a known
    fact with one of the new ids belongs to. A person counts once in a cell, however many of their facts are in it.
    """
    replaced = {one.feedback_id for one in new}
    before: dict[str, list[Traits]] = {}
    kept: dict[str, list[Traits]] = {}
    for one in known:
        if one.traits is not None:
            before.setdefault(one.person_id, []).append(one.traits)
            if one.feedback_id not in replaced:
                kept.setdefault(one.person_id, []).append(one.traits)
    after = kept
    for one in new:
        if one.traits is not None:
            after.setdefault(one.person_id, []).append(one.traits)
    delta: Counter[Cell] = Counter()
    for contributions in after.values():
        delta.update(_cells_of(contributions))
    for contributions in before.values():
        delta.subtract(_cells_of(contributions))
    return Counter({cell: by for cell, by in delta.items() if by})


def recount(facts: Iterable[Fact]) -> Counter[Cell]:
    """The counts from the facts alone: what the kept counts must always equal."""
    return changes((), list(facts))


def _cells_of(contributions: Sequence[Traits]) -> Collection[Cell]:
    if len(contributions) == 1:
        return cells(contributions[0])
    return frozenset().union(*map(cells, contributions))


# --- The feed ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """One entry of the feed: what is shown of a cell is now `people`. `area` and `language` are None outside their
    tables.
    """

    theme: str
    area: str | None
    language: str | None
    period: str
    people: Disclosed


def news(delta: Mapping[Cell, int], before: Mapping[Cell, int]) -> list[Item]:
    """The items that a change of counts publishes: one for each cell of the feed of which something else is shown.

    So a feed never tells how many contributions came. A neighbourhood in people's own words is not named
    before enough people wrote it. The order depends on the cells alone.
    """
    items = []
    for cell in sorted(cell for cell in delta if cell.table in IN_FEED):
        was, now = before.get(cell, 0), before.get(cell, 0) + delta[cell]
        unnamed = cell.table == "theme.area" and not is_named(cell.second, max(was, now))
        if disclose(was) != disclose(now) and not unnamed:
            items.append(_item(cell, disclose(now)))
    return items


def _item(cell: Cell, people: Disclosed) -> Item:
    crossed = cell.table.partition(".")[2]
    return Item(
        cell.first,
        cell.second if crossed == "area" else None,
        cell.second if crossed == "language" else None,
        cell.period,
        people,
    )


# --- Questions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A table that is asked for: numbers `by` one thing, of everybody or of those that `only` names, in a period."""

    by: str
    only: tuple[str, str] | None = None
    period: str = ALL


POSSIBLE = (
    "by=theme, area, language, channel or day without a filter; by=theme with one of area, language or channel; "
    "by=area, language or channel with theme"
)


def question(by: str, filters: Mapping[str, str | None], period: str | None = None) -> Question:
    """A question that the kept cells can answer. Raises Invalid, saying what is possible."""
    given = [(name, value) for name, value in filters.items() if value]
    if period not in (None, ALL) and not _MONTH.fullmatch(period):
        raise Invalid(
            "period-unknown", "A period is all or a month such as 2026-11.", fields={"period": ["See above."]}
        )
    fits = not given or (
        len(given) == 1 and ((by == "theme" and given[0][0] in CROSSED) or (by in CROSSED and given[0][0] == "theme"))
    )
    if by not in BY or not fits:
        raise Invalid("counts-not-kept", f"These numbers are not kept. Possible are: {POSSIBLE}.")
    only = (given[0][0], area(given[0][1]) if given[0][0] == "area" else given[0][1]) if given else None
    return Question(by, only, period or ALL)
