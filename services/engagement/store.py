"""Engagement's documents in its own MongoDB; it decides nothing.

`feedback` and `people` carry the events about them in the same write (shared.outbox); `deliveries` is what
notifications told. A unique index holds each rule that two requests at once could break.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, DeleteOne, InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from services.engagement.domain import Contribution, Delivery, Original, Part, Person, Understood
from shared import events, health, outbox
from shared.errors import Conflict
from shared.mongo import Committer, Write, away_is_unavailable

OUTBOXES = ("people", "feedback")  # In this order: who a person is goes before what they are owed.
DELIVERIES_KEPT = timedelta(days=400)

Document = dict[str, Any]

_CONTRIBUTION = frozenset(Contribution.__dataclass_fields__)


class Store:
    """Reading and writing. Every method raises Unavailable when MongoDB is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._committer = Committer(database)
        self._preparing = threading.Lock()
        self._prepared = False

    def prepare(self) -> None:
        """Make the indexes, once. Writing waits for this, since they hold the rules."""
        with self._preparing, away_is_unavailable():
            if self._prepared:
                return
            feedback = self._database["feedback"]
            feedback.create_index("reference", unique=True, name="reference")
            feedback.create_index([("person_id", ASCENDING), ("last_part_at", DESCENDING)], name="person")
            feedback.create_index("parts.cause", unique=True, sparse=True, name="parts")
            self._database["people"].create_index("contact_key", unique=True, name="contact")
            deliveries = self._database["deliveries"]
            deliveries.create_index("feedback_id", name="feedback")
            deliveries.create_index("updated_at", expireAfterSeconds=int(DELIVERIES_KEPT.total_seconds()), name="old")
            outbox.ensure_index(self._database, OUTBOXES)
            health.ensure_index(self._database)
            self._prepared = True

    def commit(self, *writes: Write) -> None:
        """Apply all of these or none, durably. Raises Conflict when something of them was taken or changed
        meanwhile: read again, decide again.
        """
        if not self._prepared:
            self.prepare()
        try:
            self._committer.commit(*writes)
        except DuplicateKeyError as e:
            raise Conflict("taken-meanwhile", "Somebody else wrote this at the same moment.") from e

    def new_feedback(
        self, one: Contribution, replies: Sequence[events.Reply], records: Sequence[events.Record]
    ) -> Write:
        """A contribution that is not there yet, with its events."""
        document = _contribution_document(one)
        document["replies"] = [events.plain(reply) for reply in replies]
        document["outbox"] = outbox.waiting(records, one.received_at)
        return Write("feedback", InsertOne(document))

    def changed_feedback(self, one: Contribution, records: Sequence[events.Record], now: datetime) -> Write:
        """The next version of a contribution, if nobody wrote that before."""
        document = _contribution_document(one)
        feedback_id = document.pop("_id")
        change = {"$set": document, "$push": {"outbox": {"$each": outbox.waiting(records, now)}}}
        return Write("feedback", UpdateOne({"_id": feedback_id, "version": one.version - 1}, change))

    def new_person(
        self, one: Person, replies: Sequence[events.Reply], records: Sequence[events.Record], now: datetime
    ) -> Write:
        """A person who is not known yet, with their events."""
        document = _person_document(one)
        document["replies"] = [events.plain(reply) for reply in replies]
        document["outbox"] = outbox.waiting(records, now)
        return Write("people", InsertOne(document))

    def changed_person(
        self,
        before: Person,
        after: Person,
        replies: Sequence[events.Reply],
        records: Sequence[events.Record],
        now: datetime,
    ) -> Write:
        """A person's next state, if theirs is still `before`. Without records only what others are not told changed."""
        document = _person_document(after)
        person_id = document.pop("_id")
        change: Document = {"$set": document}
        if records:
            change["$push"] = {"outbox": {"$each": outbox.waiting(records, now)}}
        if replies:
            change.setdefault("$push", {})["replies"] = {
                "$each": [events.plain(reply) for reply in replies],
                "$slice": -20,
            }
        return Write("people", UpdateOne({"_id": person_id, "version": before.version, "texts": before.texts}, change))

    def feedback(self, feedback_id: str) -> Contribution | None:
        """One contribution, or None."""
        return _contribution_or_none(self._find("feedback", {"_id": feedback_id}))

    def feedback_by_reference(self, reference: str) -> Contribution | None:
        """The contribution with this reference, or None."""
        return _contribution_or_none(self._find("feedback", {"reference": reference}))

    def latest_text(self, person_id: str) -> Contribution | None:
        """The person's contribution whose last part came last, or None when they never texted one."""
        with away_is_unavailable():
            found = self._database["feedback"].find_one(
                {"person_id": person_id, "last_part_at": {"$ne": None}}, sort=[("last_part_at", DESCENDING)]
            )
        return _contribution_or_none(found)

    def has_text(self, cause: str) -> bool:
        """Whether this message is part of a contribution already."""
        return self._find("feedback", {"parts.cause": cause}) is not None

    def person_by_contact(self, contact_key: str) -> Person | None:
        """The person with this number or address, or None."""
        found = self._find("people", {"contact_key": contact_key})
        return _person(found) if found else None

    def deliveries_of(self, feedback_id: str) -> list[Delivery]:
        """What became of the messages about this contribution."""
        with away_is_unavailable():
            return [_delivery(found) for found in self._database["deliveries"].find({"feedback_id": feedback_id})]

    def keep_deliveries(self, deliveries: Sequence[Delivery], gone: Sequence[str]) -> None:
        """Keep each where its version is higher than the one kept, and forget those that are gone."""
        operations = [_if_newer(one) for one in deliveries] + [DeleteOne({"_id": one}) for one in gone]
        if operations:
            with away_is_unavailable():
                self._database["deliveries"].bulk_write(operations, ordered=False)

    def people(self) -> Iterator[tuple[Person, list[events.Reply]]]:
        """Everybody who is known, with the replies they were owed."""
        for found in self._database["people"].find():
            yield _person(found), _replies(found)

    def all_feedback(self) -> Iterator[tuple[Contribution, list[events.Reply]]]:
        """All contributions, with the replies that were owed for them."""
        for found in self._database["feedback"].find():
            yield _contribution(found), _replies(found)

    def _find(self, collection: str, query: Document) -> Document | None:
        with away_is_unavailable():
            return self._database[collection].find_one(query)


def _contribution_document(one: Contribution) -> Document:
    document = {
        "_id": one.feedback_id,
        "version": one.version,
        "reference": one.reference,
        "person_id": one.person_id,
        "channel": one.channel,
        "received_at": one.received_at,
        "original": _plain(one.original),
        "understood": _plain(one.understood),
        "may_answer": one.may_answer,
        "may_share": one.may_share,
        "fingerprint": one.fingerprint,
        "state": one.state,
        "receipt_by": one.receipt_by,
        "last_part_at": one.last_part_at,
    }
    if one.parts:  # Only then, so that the index of parts holds texts alone.
        document["parts"] = [vars(part) for part in one.parts]
    return document


def _plain(values: Original | Understood) -> Document:
    return {**vars(values), "communities": list(values.communities)}


def _contribution(document: Document) -> Contribution:
    values = {name: document[name] for name in _CONTRIBUTION & document.keys()}
    values["feedback_id"] = document["_id"]
    values["original"] = Original(**_with_tuple(document["original"], "communities"))
    values["understood"] = Understood(**_with_tuple(document["understood"], "communities"))
    values["parts"] = tuple(Part(**part) for part in document.get("parts", ()))
    return Contribution(**values)


def _contribution_or_none(document: Document | None) -> Contribution | None:
    return _contribution(document) if document else None


def _person_document(one: Person) -> Document:
    document = asdict(one)
    document["_id"] = document.pop("person_id")
    return document


def _person(document: Document) -> Person:
    values = {name: document[name] for name in Person.__dataclass_fields__ if name in document}
    return Person(**_with_tuple(_with_tuple(values, "opted_out"), "handled") | {"person_id": document["_id"]})


def _with_tuple(values: Document, name: str) -> Document:
    return {**values, name: tuple(values[name])}


def _replies(document: Document) -> list[events.Reply]:
    return [events.parse(events.Reply, plain) for plain in document.get("replies", ())]


def _delivery(document: Document) -> Delivery:
    document["delivery_id"] = document.pop("_id")
    return Delivery(**document)


def _if_newer(one: Delivery) -> UpdateOne:
    document = {"_id": one.delivery_id, **{k: v for k, v in vars(one).items() if k != "delivery_id"}}
    newer = {"$gt": [one.version, {"$ifNull": ["$version", 0]}]}
    return UpdateOne(
        {"_id": one.delivery_id},
        [{"$replaceWith": {"$cond": [newer, {"$literal": document}, "$$ROOT"]}}],
        upsert=True,
    )
