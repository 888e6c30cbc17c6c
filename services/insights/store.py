"""What insights keeps in MongoDB: facts, counts, the feed and the ledger; it decides nothing.

Law: facts, counts and feed change together, in one transaction, which also moves the ledger on. What was read
before counts only as long as the ledger stands where it stood: so batches of several workers never mix.
"""

import contextlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from services.insights.domain import ERASED, Cell, Fact, Item, Traits
from shared import health
from shared.errors import Conflict
from shared.events import Feedback
from shared.mongo import away_is_unavailable, in_transaction

LEDGER = "ledger"
_FACT = {"version": 1, "person_id": 1, "day": 1, "language": 1, "channel": 1, "area": 1, "themes": 1}


@dataclass(frozen=True)
class Ledger:
    """Where things stand: `batches` applied, `items` in the feed; `log` names this feed and no other."""

    batches: int
    items: int
    log: str
    as_of: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """A fact together with what it was made of. `method` and `model` say who found the themes."""

    fact: Fact
    feedback: Feedback | None = None
    method: str = "none"
    model: str = ""


@dataclass(frozen=True)
class Entry:
    """An item of the feed at its place."""

    sequence: int
    item: Item
    as_of: datetime


class Store:
    """The collections of insights."""

    def __init__(self, database: Database) -> None:
        self._database = database
        settled = ReadConcern("majority")  # What was read cannot be undone by a change of primary.
        self._facts = database.get_collection("facts", read_concern=settled)
        self._counts = database.get_collection("counts", read_concern=settled)
        self._feed = database.get_collection("feed", read_concern=settled)
        self._ledgers = database.get_collection("ledger", read_concern=settled)
        self._prepared = False

    def prepare(self) -> None:
        """Create indexes and the ledger where they are missing. Raises Unavailable when MongoDB is away."""
        if self._prepared:
            return
        with away_is_unavailable():
            self._facts.create_index("person_id", name="person", sparse=True)
            for name in ("first", "second"):
                self._counts.create_index(
                    [("table", ASCENDING), ("period", ASCENDING), (name, ASCENDING)], name=f"table-{name}"
                )
            self._feed.create_index("as_of", name="as_of")
            health.ensure_index(self._database)
            with contextlib.suppress(DuplicateKeyError):  # Another process was faster.
                fresh = {"batches": 0, "items": 0, "log": secrets.token_hex(4), "as_of": None}
                self._ledgers.update_one({"_id": LEDGER}, {"$setOnInsert": fresh}, upsert=True)
        self._prepared = True

    def ledger(self) -> Ledger:
        """Where things stand. Raises Unavailable when MongoDB is away."""
        self.prepare()
        with away_is_unavailable():
            found = self._ledgers.find_one({"_id": LEDGER})
        if found is None:  # The database was emptied under us.
            self._prepared = False
            return self.ledger()
        return Ledger(found["batches"], found["items"], found["log"], found["as_of"])

    def facts_of(self, persons: Sequence[str]) -> list[Fact]:
        """All facts of these persons."""
        return self._find({"person_id": {"$in": persons}}) if persons else []

    def facts(self, ids: Sequence[str]) -> list[Fact]:
        """The facts with these ids; of some no person is known any more."""
        return self._find({"_id": {"$in": ids}}) if ids else []

    def _find(self, wanted: Mapping[str, Any]) -> list[Fact]:
        with away_is_unavailable():
            return [_fact(document) for document in self._facts.find(wanted, _FACT)]

    def all_facts(self) -> Iterable[Fact]:
        """Every fact that counts, for a recount."""
        with away_is_unavailable():
            yield from (_fact(document) for document in self._facts.find({"day": {"$exists": True}}, _FACT))

    def people(self, cells: Iterable[Cell]) -> dict[Cell, int]:
        """The kept counts of these cells; a cell nobody was ever in is left out."""
        wanted = {_key(cell): cell for cell in cells}
        if not wanted:
            return {}
        with away_is_unavailable():
            found = self._counts.find({"_id": {"$in": list(wanted)}}, {"people": 1})
            return {wanted[document["_id"]]: document["people"] for document in found}

    def table(self, table: str, period: str | None, **match: str) -> list[tuple[Cell, int]]:
        """All counts above zero of one table and period, or of all periods; `match` fixes `first` or `second`."""
        wanted = {"table": table, **({} if period is None else {"period": period}), **match}
        with away_is_unavailable():
            return [
                (_cell(document), document["people"]) for document in self._counts.find(wanted) if document["people"]
            ]

    def periods(self) -> list[str]:
        """The months in which anybody told us anything, the latest first."""
        with away_is_unavailable():
            found = self._counts.find({"table": "total", "people": {"$gt": 0}}, {"period": 1})
            return sorted((document["period"] for document in found if document["period"] != "all"), reverse=True)

    def feed(self, after: int, limit: int) -> list[Entry]:
        """Entries after a place in the feed, in order."""
        with away_is_unavailable():
            found = self._feed.find({"_id": {"$gt": after}}).sort("_id", ASCENDING).limit(limit)
            return [_entry(document) for document in found]

    def apply(
        self,
        seen: Ledger,
        kept: Sequence[Kept],
        *,
        known: Collection[str],
        delta: Mapping[Cell, int],
        items: Sequence[Item],
        now: datetime,
    ) -> Ledger:
        """Write facts, changes of counts and items in one transaction. `known` are the ids that have a fact already.
        Returns the ledger as it stands then.

        Raises Conflict, with nothing written, when the ledger has moved on since it was `seen`, and
        DuplicateKeyError when there is a fact of an id that was not `known`.
        """
        facts = [_write(one, known) for one in kept]
        counts = [_count(cell, by) for cell, by in sorted(delta.items())]
        feed = [_document(Entry(seen.items + place, item, now)) for place, item in enumerate(items, start=1)]
        ledger = Ledger(seen.batches + 1, seen.items + len(feed), seen.log, now)
        moved = {"batches": ledger.batches, "items": ledger.items, "as_of": now}

        def write(session: ClientSession) -> None:
            at = {"_id": LEDGER, "batches": seen.batches, "log": seen.log}
            if not self._ledgers.update_one(at, {"$set": moved}, session=session).matched_count:
                raise Conflict("ledger-moved-on", "Another worker applied a batch meanwhile; read and decide again.")
            try:
                self._facts.bulk_write(facts, ordered=False, session=session)
            except BulkWriteError as e:
                _raise_duplicate(e)
                raise
            if counts:
                self._counts.bulk_write(counts, ordered=False, session=session)
            if feed:
                self._feed.insert_many(feed, session=session)

        with away_is_unavailable():
            in_transaction(self._database, write)
        return ledger


def _raise_duplicate(error: BulkWriteError) -> None:
    if any(one.get("code") == 11000 for one in error.details.get("writeErrors", [])):
        raise DuplicateKeyError("a fact is there already", 11000) from error


def _key(cell: Cell) -> str:
    return "|".join(cell)


def _cell(document: Mapping[str, Any]) -> Cell:
    return Cell(document["table"], document["period"], document["first"], document["second"])


def _count(cell: Cell, by: int) -> UpdateOne:
    return UpdateOne({"_id": _key(cell)}, {"$inc": {"people": by}, "$setOnInsert": cell._asdict()}, upsert=True)


def _fact(document: Mapping[str, Any]) -> Fact:
    traits = None
    if "day" in document:
        traits = Traits(
            document["day"],
            document["language"],
            document["channel"],
            document.get("area") or "",
            tuple(document["themes"]),
        )
    return Fact(document["_id"], document["version"], document.get("person_id", ""), traits)


def _write(kept: Kept, known: Collection[str]) -> InsertOne | ReplaceOne:
    document = _kept_document(kept)
    if kept.fact.feedback_id in known:
        return ReplaceOne({"_id": kept.fact.feedback_id}, document)
    return InsertOne(document)


def _kept_document(kept: Kept) -> dict[str, Any]:
    """A contribution that counts no more keeps its mark alone: no words, no person."""
    fact, feedback = kept.fact, kept.feedback
    if fact.traits is None or feedback is None:
        state = "erased" if fact.version == ERASED else "withdrawn"
        return {"_id": fact.feedback_id, "version": fact.version, "state": state}
    return {
        "_id": fact.feedback_id,
        "version": fact.version,
        "state": feedback.state,
        "person_id": fact.person_id,
        "received_at": feedback.received_at,
        "day": fact.traits.day,
        "language": fact.traits.language,
        "channel": fact.traits.channel,
        "area": fact.traits.area,
        "communities": feedback.communities,
        "themes": fact.traits.themes,
        "method": kept.method,
        "model": kept.model,
        "text": feedback.text,
        "would_help": feedback.would_help,
        "may_share": feedback.may_share,
    }


def _document(entry: Entry) -> dict[str, Any]:
    return {"_id": entry.sequence, "as_of": entry.as_of, **vars(entry.item)}


def _entry(document: dict[str, Any]) -> Entry:
    sequence, as_of = document.pop("_id"), document.pop("as_of")
    return Entry(sequence, Item(**document), as_of)
