"""What insights does: takes feedback in, and answers questions about it in numbers that may be shown."""

import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeGuard

from pymongo.errors import DuplicateKeyError

from services.insights import domain
from services.insights.domain import Cell, Disclosed, Fact, Question
from services.insights.store import Entry, Kept, Ledger, Store
from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.events import Feedback, Incoming
from shared.retry import pause

TRIES = 20  # for a batch, against batches of other workers


class Reading(Protocol):
    """What the theme reader says of one text."""

    @property
    def themes(self) -> tuple[str, ...]:
        """Slugs, strongest first."""

    @property
    def method(self) -> str:
        """Who looked: "model", "keywords" or "none"."""

    @property
    def model(self) -> str:
        """The version of what looked."""


ReadThemes = Callable[[Sequence[tuple[str, str]]], Sequence[Reading]]


@dataclass(frozen=True)
class Theme:
    """A theme as people meet it."""

    slug: str
    name: str
    group: str
    definition: str


@dataclass(frozen=True)
class Row:
    """One line of an answer. `percent` is of the answer's `people`, from shown numbers; None where it cannot be."""

    value: str
    people: Disclosed
    percent: int | None


@dataclass(frozen=True)
class Answer:
    """An answer to a question: everybody it is about, and its rows; the most people first, days in their order."""

    question: Question
    people: Disclosed
    rows: tuple[Row, ...]
    as_of: datetime | None


@dataclass(frozen=True)
class FeedItem:
    """An item of the feed with the cursor that stands behind it."""

    item_id: str
    cursor: str
    entry: Entry


@dataclass(frozen=True)
class FeedPage:
    """Items in order; `next` is the cursor to go on from, also when nothing is there yet."""

    items: tuple[FeedItem, ...]
    next: str
    more: bool


class Insights:
    """The use cases. `read_themes` None: themes are not read (THEMING=off)."""

    def __init__(
        self,
        store: Store,
        *,
        themes: Mapping[str, Theme],
        clock: Callable[[], datetime],
        read_themes: ReadThemes | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._read_themes = read_themes
        self._seen: Ledger | None = None  # The ledger as this worker left it: most often nobody was there since.
        self.themes = themes

    def on_feedback(self, batch: Sequence[Incoming]) -> None:
        """Take in a batch of `engagement.feedback`. What is known already, or older, changes nothing.

        Raises Unavailable when MongoDB is away, or other workers are always faster.
        """
        states = domain.newest(batch)
        readings: dict[str, Reading] = {}
        thorough = any(state is None or state.state == "withdrawn" for state in states.values())
        for attempt in range(1, TRIES + 1):
            seen = self._seen or self._store.ledger()
            known = self._known(states, thorough=thorough)
            news = {key: state for key, state in states.items() if domain.is_news(state, known.get(key))}
            if not news:
                return
            self._read(news, readings)
            try:
                self._seen = self._take(seen, news, known, readings)
                return
            except DuplicateKeyError:
                thorough = True
            except Conflict:
                self._seen = None
                time.sleep(pause(attempt, first=0.005, most=0.2))
        raise Unavailable("ledger-busy", "Other workers were always faster; the batch is tried again.")

    def count(self, question: Question) -> Answer:
        """Answer a question. Raises Invalid for a theme there is not, NotFound for an area that is not named."""
        self._check(question)
        whole = domain.disclose(self._people(_whole(question)))
        shown = {value: domain.disclose(people) for value, people in self._values(question).items()}
        rows = [Row(value, people, domain.percent(people, whole)) for value, people in shown.items()]
        rows.sort(key=lambda row: row.value if question.by == "day" else (-domain.rank(row.people), row.value))
        return Answer(question, whole, tuple(rows), self._store.ledger().as_of)

    def months(self) -> list[str]:
        """The months there are numbers of, the latest first."""
        return self._store.periods()

    def feed(self, after: str | None, *, limit: int) -> FeedPage:
        """A page of the feed behind a cursor, or from the beginning. Raises Invalid for a cursor we never gave."""
        ledger = self._store.ledger()
        begin = 0 if after is None else _place(after, ledger)
        entries = self._store.feed(begin, limit + 1)
        items = tuple(
            FeedItem(f"{ledger.log}-{one.sequence}", _cursor(one.sequence, ledger), one) for one in entries[:limit]
        )
        return FeedPage(items, items[-1].cursor if items else _cursor(begin, ledger), len(entries) > limit)

    def _known(self, states: Mapping[str, Feedback | None], *, thorough: bool) -> dict[str, Fact]:
        """All facts that the batch may touch: of every person concerned, and, if `thorough`, by id.

        Nearly always a contribution's earlier version is found with its person. Where it is not, writing meets a
        fact that was not known, and a thorough look follows.
        """
        persons = {state.person_id for state in states.values() if state is not None}
        known = {one.feedback_id: one for one in self._store.facts_of(list(persons))}
        if thorough:
            known |= {one.feedback_id: one for one in self._store.facts([key for key in states if key not in known])}
            others = {one.person_id for key in states if (one := known.get(key)) and one.traits} - persons
            known |= {one.feedback_id: one for one in self._store.facts_of(list(others))}
        return known

    def _read(self, news: Mapping[str, Feedback | None], readings: dict[str, Reading]) -> None:
        if self._read_themes is None:
            return
        unread = {key: state for key, state in news.items() if key not in readings and _has_words(state)}
        texts = [(state.language, domain.words_to_read(state)) for state in unread.values()]
        readings.update(zip(unread, self._read_themes(texts), strict=True))

    def _take(
        self,
        seen: Ledger,
        news: Mapping[str, Feedback | None],
        known: Mapping[str, Fact],
        readings: Mapping[str, Reading],
    ) -> Ledger:
        kept = [_kept(key, state, readings.get(key)) for key, state in news.items()]
        delta = domain.changes(known.values(), [one.fact for one in kept])
        before = self._store.people(cell for cell in delta if cell.table in domain.IN_FEED)
        return self._store.apply(
            seen, kept, known=known, delta=delta, items=domain.news(delta, before), now=self._clock()
        )

    def _check(self, question: Question) -> None:
        name, value = question.only or ("", "")
        if name == "theme" and value not in self.themes:
            raise Invalid(
                "theme-unknown",
                f"There is no theme {value!r}; /api/v1/themes lists them.",
                fields={"theme": ["Not a theme."]},
            )
        if name == "area" and not domain.is_named(value, self._people(Cell("area", domain.ALL, value)) or 1):
            raise NotFound("area-not-shown", "No area of that name is shown; by=area lists those that are.")

    def _people(self, cell: Cell) -> int:
        return self._store.people([cell]).get(cell, 0)

    def _values(self, question: Question) -> dict[str, int]:
        """The true numbers by value: every theme, and of other things what there is and may be named."""
        name, value = question.only or ("", "")
        if question.by == "day":
            period = None if question.period == domain.ALL else question.period
            found = {cell.first: people for cell, people in self._store.table("day", period)}
        elif question.by == "theme":
            table, match = (f"theme.{name}", {"second": value}) if name else ("theme", {})
            counted = {cell.first: people for cell, people in self._store.table(table, question.period, **match)}
            found = {slug: counted.get(slug, 0) for slug in self.themes}
        elif name:
            found = {
                cell.second: n for cell, n in self._store.table(f"theme.{question.by}", question.period, first=value)
            }
        else:
            found = {cell.first: n for cell, n in self._store.table(question.by, question.period)}
        if question.by == "area":
            found = {place: people for place, people in found.items() if domain.is_named(place, people)}
        return found


def _has_words(state: Feedback | None) -> TypeGuard[Feedback]:
    return state is not None and state.state != "withdrawn"


def _whole(question: Question) -> Cell:
    """The cell of everybody that a question is about."""
    return (
        Cell(question.only[0], question.period, question.only[1]) if question.only else Cell("total", question.period)
    )


def _kept(key: str, state: Feedback | None, reading: Reading | None) -> Kept:
    if reading is None:
        return Kept(domain.fact(key, state), state)
    return Kept(domain.fact(key, state, reading.themes), state, reading.method, reading.model)


def _cursor(place: int, ledger: Ledger) -> str:
    """A place in the feed as partners see it: which log, and how far; base32 in lower case."""
    return base64.b32encode(bytes.fromhex(ledger.log) + place.to_bytes(6, "big")).decode().lower()


def _place(cursor: str, ledger: Ledger) -> int:
    try:
        raw = base64.b32decode(cursor.upper())
    except (binascii.Error, ValueError):
        raw = b""
    place = int.from_bytes(raw[4:], "big")
    if len(raw) != 10 or raw[:4].hex() != ledger.log or place > ledger.items:
        raise Invalid(
            "cursor-unknown",
            "This feed never gave out that cursor. Begin again without `after`.",
            fields={"after": ["Not a cursor of this feed."]},
        )
    return place
