"""The outbox: events wait inside the document they are about, and a relay publishes them afterwards.

A store puts `waiting(...)` under the field `outbox` of the document whose state it writes, in the same write; so
state and event are saved together or not at all. The relay sweeps an index of what waits, is woken by a change
stream, and publishes in the order of saving. One relay leads, by a lease on the database's clock; should two ever
publish the same event, readers do not notice, because a topic is a table.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from bson import ObjectId, Timestamp
from pymongo import ASCENDING, UpdateOne
from pymongo.change_stream import ChangeStream, DatabaseChangeStream
from pymongo.database import Database
from pymongo.errors import PyMongoError

from shared.errors import Invalid, Unavailable
from shared.events import Record

log = logging.getLogger(__name__)

FIELD = "outbox"
BATCH = 500  # documents swept at once
NAP = 0.25  # seconds that the change stream waits for news before the sweep looks by itself
LEASE = 3.0  # seconds a leader may be silent before another takes over


def waiting(records: Sequence[Record], now: datetime) -> list[dict[str, Any]]:
    """What a document carries in its field `outbox` until the relay has published it."""
    return [
        {"id": ObjectId(), "topic": record.topic, "key": record.key, "value": record.value, "at": now}
        for record in records
    ]


def ensure_index(database: Database, collections: Sequence[str]) -> None:
    """The index that the relay sweeps. It holds only documents in which something waits."""
    for name in collections:
        database[name].create_index([(f"{FIELD}.at", ASCENDING)], sparse=True, name="outbox")


class Lease:
    """Leadership for `seconds`, kept by one owner at a time, judged by the database's clock alone."""

    def __init__(self, database: Database, name: str, owner: str, *, seconds: float = LEASE) -> None:
        self._leases = database["leases"]
        self._name, self._owner, self._milliseconds = name, owner, int(seconds * 1000)
        self._renew_after = seconds / 3
        self._renewed = float("-inf")

    def hold(self) -> bool:
        """Take or renew the lease where that is possible. True: the caller leads until the lease ends."""
        if time.monotonic() - self._renewed < self._renew_after:
            return True
        held = self._leases.find_one_and_update(
            {"_id": self._name},
            [
                {"$set": {"mine": {"$or": [{"$eq": ["$owner", self._owner]}, {"$lt": ["$until", "$$NOW"]}]}}},
                {
                    "$set": {
                        "owner": {"$cond": ["$mine", self._owner, "$owner"]},
                        "until": {"$cond": ["$mine", {"$add": ["$$NOW", self._milliseconds]}, "$until"]},
                    }
                },
                {"$unset": "mine"},
            ],
            upsert=True,
            return_document=True,
        )
        if held is not None and held["owner"] == self._owner:
            self._renewed = time.monotonic()
            return True
        self._renewed = float("-inf")
        return False

    def release(self) -> None:
        """Give the lease up, so that another leads at once."""
        self._renewed = float("-inf")
        self._leases.delete_one({"_id": self._name, "owner": self._owner})


class Relay:
    """Publishes what waits in the given collections, for as long as it leads."""

    def __init__(
        self,
        database: Database,
        collections: Sequence[str],
        publish: Callable[[Sequence[Record]], None],
        *,
        owner: str,
        set_aside: Callable[[Record, str], None],
    ) -> None:
        """`publish` returns when all records are acknowledged and raises Unavailable when they are not, or Invalid
        where a single record can never be. Such a record goes to `set_aside` with the reason.
        """
        self._database = database
        self._collections = tuple(collections)
        self._publish = publish
        self._set_aside = set_aside
        self._lease = Lease(database, "relay", owner)

    def run(self, stop: threading.Event) -> None:
        """Publish until told to stop. An outage of MongoDB or the broker is waited out."""
        pause = 0.1
        while not stop.is_set():
            try:
                self._lead(stop)
                pause = 0.1
            except (Unavailable, PyMongoError) as e:
                log.warning("relay waits: %s", e.__class__.__name__, extra={"pause": pause})
                stop.wait(pause)
                pause = min(pause * 2, 2.0)
        try:
            self._lease.release()
        except PyMongoError:
            log.info("relay could not give its lease back; it ends by itself")

    def sweep(self) -> int:
        """Publish one batch of what waits, the oldest first. Returns how many documents it came from."""
        swept = 0
        for name in self._collections:
            found = list(
                self._database[name]
                .find({f"{FIELD}.at": {"$exists": True}}, {FIELD: 1})
                .sort(f"{FIELD}.at", ASCENDING)
                .hint("outbox")
                .limit(BATCH)
            )
            if found:
                self._publish_all([Record(one["topic"], one["key"], one["value"]) for one in _in_order(found)])
                self._database[name].bulk_write([_published(document) for document in found], ordered=False)
            swept += len(found)
        return swept

    def _lead(self, stop: threading.Event) -> None:
        if not self._lease.hold():
            stop.wait(LEASE / 3)
            return
        ensure_index(self._database, self._collections)  # Somebody may have dropped a collection, and its index.
        with self._news() as news:
            seen = before = None
            while not stop.is_set() and news.alive and self._lease.hold():
                before, seen = seen, self._latest_time()
                if not self.sweep():  # News of the last sweep's own time may be of a write it could not see yet.
                    _await_news(news, later_than=before)

    def _news(self) -> DatabaseChangeStream:
        return self._database.watch(
            [
                {"$match": {"ns.coll": {"$in": list(self._collections)}, "operationType": {"$ne": "delete"}}},
                {"$match": {"updateDescription.removedFields": {"$ne": FIELD}}},
                {"$project": {"_id": 1, "clusterTime": 1}},
            ],
            max_await_time_ms=int(NAP * 1000),
        )

    def _latest_time(self) -> Timestamp | None:
        """The database's logical time before a sweep: news of that time or older needs no second sweep."""
        with self._database.client.start_session() as session:
            self._database.command("ping", session=session)
            return session.operation_time

    def _publish_all(self, records: Sequence[Record]) -> None:
        try:
            self._publish(records)
        except Invalid:  # One of them can never be published: each by itself, so that the others pass.
            for record in records:
                try:
                    self._publish([record])
                except Invalid as e:
                    self._set_aside(record, e.detail)


def _in_order(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events by time of saving; those of one document never change places, even if the clock was set back."""
    timed: list[tuple[datetime, dict[str, Any]]] = []
    for document in documents:
        times = accumulate((event["at"] for event in document[FIELD]), max)
        timed.extend(zip(times, document[FIELD], strict=True))
    return [event for _, event in sorted(timed, key=lambda one: one[0])]


def _published(document: dict[str, Any]) -> UpdateOne:
    """Take away what was published, and nothing that was added since; an empty outbox leaves the index."""
    ids = [event["id"] for event in document[FIELD]]
    rest = {"$filter": {"input": f"${FIELD}", "cond": {"$not": [{"$in": ["$$this.id", ids]}]}}}
    return UpdateOne(
        {"_id": document["_id"]},
        [
            {"$set": {FIELD: rest}},
            {"$set": {FIELD: {"$cond": [{"$eq": [f"${FIELD}", []]}, "$$REMOVE", f"${FIELD}"]}}},
        ],
    )


def _await_news(news: ChangeStream, *, later_than: Timestamp | None) -> None:
    """Return when something was written after `later_than`, or when the stream has been silent for its nap."""
    while (change := news.try_next()) is not None:
        if later_than is None or change["clusterTime"] > later_than:
            return
