"""Where messages and people stand: MongoDB, one document each; a message and the event about it in one write."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, InsertOne, ReturnDocument, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from services.notifications.domain import LEASE, SENDING, Delivery, Try, published
from shared import events, health, outbox
from shared.events import Person, Record

COLLECTIONS = ("deliveries",)  # whose outboxes the relay empties
KEPT = 100 * events.DAY  # seconds; longer than any reply can be replayed, so that none is ever sent again
DUPLICATE = 11000


class Store:
    """The database of notifications."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._deliveries = database["deliveries"]
        self._people = database["people"]

    def prepare(self) -> None:
        """Create the indexes. Doing it again changes nothing."""
        outbox.ensure_index(self._database, COLLECTIONS)
        health.ensure_index(self._database)
        self._deliveries.create_indexes(
            [
                IndexModel([("next_at", ASCENDING)], sparse=True, name="due"),
                IndexModel([("awaiting", ASCENDING)], sparse=True, name="awaiting"),
                IndexModel([("provider_id", ASCENDING)], sparse=True, name="provider_id"),
                IndexModel([("updated_at", ASCENDING)], expireAfterSeconds=KEPT, name="kept"),
            ]
        )

    def note_people(self, heard: Iterable[tuple[str, Person | None]], *, now: datetime) -> None:
        """Keep the newest state of each person, in the order heard; None forgets their address and language.

        Messages that waited for one of them are due now.
        """
        heard = list(heard)
        if heard:
            self._people.bulk_write([_note(person_id, person) for person_id, person in heard], ordered=True)
            self._deliveries.update_many(
                {"awaiting": {"$in": [person_id for person_id, _ in heard]}}, {"$set": {"next_at": now}}
            )

    def person(self, person_id: str) -> tuple[Person | None, bool]:
        """The newest known state of a person, and whether they were forgotten."""
        found = self._people.find_one({"_id": person_id})
        if found is None or found.get("gone"):
            return None, found is not None
        found["person_id"] = found.pop("_id")
        return Person(**{**found, "opted_out": tuple(found["opted_out"])}), False

    def add(self, deliveries: Sequence[Delivery]) -> int:
        """Add messages; those whose id is known already change nothing. Returns how many were new."""
        if not deliveries:
            return 0
        try:
            result = self._deliveries.bulk_write([InsertOne(_new(one)) for one in deliveries], ordered=False)
        except BulkWriteError as e:
            if any(error["code"] != DUPLICATE for error in e.details["writeErrors"]) or e.details["writeConcernErrors"]:
                raise
            return e.details["nInserted"]
        return result.inserted_count

    def claim(self, *, lease: str, now: datetime) -> Delivery | None:
        """Take the message that has been due longest, for as long as a lease; None when none is due."""
        found = self._deliveries.find_one_and_update(
            {"next_at": {"$lte": now}},
            {
                "$set": {
                    "state": "sending",
                    "reason": SENDING,
                    "lease": lease,
                    "next_at": now + LEASE,
                    "updated_at": now,
                },
                "$push": {"tries": asdict(Try(now, "begun"))},
                "$inc": {"version": 1},
            },
            sort=[("next_at", ASCENDING)],
            projection={outbox.FIELD: False},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else _delivery(found)

    def release(self, owner: str, *, now: datetime) -> int:
        """Make due what an earlier life of this worker was sending when it died. Returns how many there were."""
        held = {"next_at": {"$gt": now}, "lease": {"$regex": f"^{re.escape(owner)}/"}}
        return self._deliveries.update_many(held, {"$set": {"next_at": now}}).modified_count

    def delivery(self, delivery_id: str) -> Delivery | None:
        """One message by our own id."""
        found = self._deliveries.find_one({"_id": delivery_id}, {outbox.FIELD: False})
        return None if found is None else _delivery(found)

    def delivery_of(self, gateway: str, provider_id: str) -> Delivery | None:
        """One message by the id that its gateway gave it."""
        found = self._deliveries.find_one({"provider_id": provider_id, "gateway": gateway}, {outbox.FIELD: False})
        return None if found is None else _delivery(found)

    def save(self, old: Delivery, new: Delivery) -> bool:
        """Put `new` in the place of `old`, and its event into the outbox. False: somebody changed it meanwhile."""
        values = _document(new)
        values.pop("_id")
        empty = {name: "" for name, value in values.items() if value is None}
        change: dict[str, Any] = {
            "$set": {name: value for name, value in values.items() if value is not None},
            "$push": {outbox.FIELD: {"$each": outbox.waiting([record(new)], new.updated_at)}},
        }
        if empty:
            change["$unset"] = empty
        return self._deliveries.update_one({"_id": old.delivery_id, "version": old.version}, change).matched_count == 1

    def due_now(self, delivery_id: str, *, now: datetime) -> None:
        """A message that waits for a person is due at once."""
        self._deliveries.update_one({"_id": delivery_id, "awaiting": {"$exists": True}}, {"$set": {"next_at": now}})

    def everything(self) -> Iterator[Record]:
        """The current state of every message."""
        for found in self._deliveries.find({}, {outbox.FIELD: False}):
            yield record(_delivery(found))


def record(delivery: Delivery) -> Record:
    """The event about a message's present state."""
    return events.record(published(delivery), type=f"delivery.{delivery.state}", time=delivery.updated_at)


def _new(delivery: Delivery) -> dict[str, Any]:
    values = {name: value for name, value in _document(delivery).items() if value is not None}
    return {**values, outbox.FIELD: outbox.waiting([record(delivery)], delivery.updated_at)}


def _document(delivery: Delivery) -> dict[str, Any]:
    values = asdict(delivery)
    values["_id"] = values.pop("delivery_id")
    values["tries"] = list(values["tries"])
    return values


def _delivery(found: dict[str, Any]) -> Delivery:
    found["delivery_id"] = found.pop("_id")
    found["tries"] = tuple(Try(**one) for one in found["tries"])
    found.setdefault("next_at", None)
    return Delivery(**found)


def _note(person_id: str, person: Person | None) -> UpdateOne:
    """One upsert that leaves a newer state as it is. A forgotten person keeps their version, so that no older
    state, replayed, brings them back.
    """
    if person is None:
        return UpdateOne(
            {"_id": person_id},
            [{"$replaceWith": {"_id": "$_id", "gone": True, "version": {"$ifNull": ["$version", 0]}}}],
            upsert=True,
        )
    state = {
        "_id": person_id,
        "version": person.version,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        "opted_out": list(person.opted_out),
    }
    newer = {"$lt": [{"$ifNull": ["$version", -1]}, person.version]}
    return UpdateOne(
        {"_id": person_id}, [{"$replaceWith": {"$cond": [newer, {"$literal": state}, "$$ROOT"]}}], upsert=True
    )
