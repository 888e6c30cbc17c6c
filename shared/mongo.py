"""One way to MongoDB: connecting, transactions, and many small writes committed as one.

Law: every write is acknowledged by a majority, journal included, before anybody is told that it happened.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pymongo
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import DeleteOne, InsertOne, MongoClient, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from shared.errors import Conflict, Unavailable

T = TypeVar("T")
Document = dict[str, Any]
Operation = InsertOne | UpdateOne | ReplaceOne | DeleteOne

PATIENCE = 5  # seconds that one operation may take, finding the server included, before the caller hears "away"
TRANSACTION = 30  # seconds that a transaction may take, all its tries included; the driver alone would go on for 120
MAJORITY = WriteConcern(w="majority")
_AWAY = (ConnectionFailure, ExecutionTimeout, WTimeoutError, AutoReconnect)
_UNSTORABLE = (BSONError, UnicodeError, OverflowError)  # found while encoding, before anything is sent
_AWAY_CODES = {11600, 11602, 91, 189, 13435, 10107, 50, 262}  # shutting down, not primary, out of time


def connect(url: str, *, patience: float = PATIENCE, threads: int = 32) -> Database:
    """The database that the address names. No connection is made until the first operation.

    Make it after a fork, once per process. `threads` is how many will use it at once.
    """
    client: MongoClient = MongoClient(
        url,
        tz_aware=True,
        maxPoolSize=threads + 8,
        serverSelectionTimeoutMS=int(min(patience, 2) * 1000),
        connectTimeoutMS=2000,
        timeoutMS=int(patience * 1000),
        retryWrites=True,
    )
    return client.get_default_database(
        codec_options=CodecOptions(tz_aware=True), write_concern=MAJORITY, read_preference=ReadPreference.PRIMARY
    )


def is_away(error: BaseException) -> bool:
    """Whether an error means that MongoDB is away or too slow, as opposed to refusing what it was asked."""
    if isinstance(error, _AWAY):
        return True
    if isinstance(error, PyMongoError) and getattr(error, "timeout", False):
        return True
    return isinstance(error, OperationFailure) and error.code in _AWAY_CODES


@contextmanager
def away_is_unavailable() -> Iterator[None]:
    """Turn "MongoDB is away" into `Unavailable`; every other error passes."""
    try:
        yield
    except PyMongoError as e:
        if is_away(e):
            raise Unavailable(
                "database-away", "The database cannot be reached. Nothing was saved; please try again shortly."
            ) from e
        raise


def in_transaction(database: Database, work: Callable[[ClientSession], T], *, patience: float = TRANSACTION) -> T:
    """Run `work` in one transaction (snapshot reads, majority writes); all of it happens, or nothing.

    `work` may run more than once: MongoDB asks for that after a write conflict. `patience`: seconds for all tries.
    """
    with pymongo.timeout(patience), database.client.start_session() as session:
        return session.with_transaction(
            work, read_concern=ReadConcern("snapshot"), write_concern=MAJORITY, read_preference=ReadPreference.PRIMARY
        )


@dataclass(frozen=True)
class Write:
    """One operation on one document: applied means that exactly one document was inserted, matched or deleted."""

    collection: str
    operation: Operation


class Committer:
    """Group commit: threads hand in their writes, one thread writes all that wait in one go, each hears its own result.

    Under load many requests share one majority acknowledgement, which costs less than one each; alone, a write
    is on its way at once. Every group of writes handed in together is applied whole or not at all.
    """

    LARGEST_BATCH = 200  # groups of writes; the same order of size as a request thread pool

    def __init__(self, database: Database) -> None:
        self._database = database
        self._patience = database.client.options.timeout or PATIENCE
        self._waiting: queue.SimpleQueue[tuple[Sequence[Write], Future]] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def commit(self, *writes: Write) -> None:
        """Apply these writes together, durably.

        Raises DuplicateKeyError when a unique key is taken, Conflict when an update, replacement or deletion met
        no document (somebody else changed it: read again and decide again), Unavailable when MongoDB is away. After
        Unavailable it is not known whether the writes happened: what is tried again must carry the same ids.
        """
        self._run()
        done: Future = Future()
        self._waiting.put((writes, done))
        with away_is_unavailable():
            done.result()

    def _run(self) -> None:
        with self._start:  # Here and not in the constructor: a thread does not survive a fork.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="committer", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < self.LARGEST_BATCH:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            self._write(batch)

    def _write(self, batch: list[tuple[Sequence[Write], Future]]) -> None:
        try:
            if len(batch) == 1:
                self._write_alone(*batch[0])
            elif all(len(writes) == 1 and isinstance(writes[0].operation, InsertOne) for writes, _ in batch):
                self._write_inserts(batch)
            else:
                self._write_together(batch)
        except Exception as e:  # Handed to every thread that waits: they know what was asked for.
            for _, done in batch:
                if not done.done():
                    done.set_exception(e)

    def _write_alone(self, writes: Sequence[Write], done: Future) -> None:
        try:
            if len(writes) == 1:
                _apply(self._database, writes, session=None)
            else:
                self._in_transaction(writes)
        except Exception as e:
            done.set_exception(e)
        else:
            done.set_result(None)

    def _write_inserts(self, batch: list[tuple[Sequence[Write], Future]]) -> None:
        """Single inserts need no transaction: each succeeds or fails by itself within one bulk write."""
        by_collection: dict[str, list[tuple[Sequence[Write], Future]]] = {}
        for writes, done in batch:
            by_collection.setdefault(writes[0].collection, []).append((writes, done))
        for name, entries in by_collection.items():
            failed: dict[int, Exception] = {}
            try:
                self._database[name].bulk_write([writes[0].operation for writes, _ in entries], ordered=False)
            except _UNSTORABLE:
                self._write_each(entries)
                continue
            except BulkWriteError as e:
                if e.details.get("writeConcernErrors"):
                    raise
                failed = {error["index"]: _as_error(error) for error in e.details["writeErrors"]}
            for index, (_, done) in enumerate(entries):
                if index in failed:
                    done.set_exception(failed[index])
                else:
                    done.set_result(None)

    def _write_together(self, batch: list[tuple[Sequence[Write], Future]]) -> None:
        everything = [write for writes, _ in batch for write in writes]
        try:
            self._in_transaction(everything)
        except Exception as e:
            if is_away(e):
                raise
            self._write_each(batch)
        else:
            for _, done in batch:
                done.set_result(None)

    def _write_each(self, batch: list[tuple[Sequence[Write], Future]]) -> None:
        """One group spoiled it for all, and nothing was written: each by itself, to find out which."""
        for writes, done in batch:
            self._write_alone(writes, done)

    def _in_transaction(self, writes: Sequence[Write]) -> None:
        in_transaction(
            self._database,
            lambda session: _apply(self._database, writes, session=session),
            patience=self._patience,
        )


def _apply(database: Database, writes: Sequence[Write], *, session: ClientSession | None) -> None:
    by_collection: dict[str, list[Operation]] = {}
    for write in writes:
        by_collection.setdefault(write.collection, []).append(write.operation)
    for name, operations in by_collection.items():
        try:
            result = _collection(database, name).bulk_write(operations, ordered=True, session=session)
        except BulkWriteError as e:
            if e.details.get("writeErrors"):
                raise _as_error(e.details["writeErrors"][0]) from e
            raise
        applied = result.inserted_count + result.matched_count + result.upserted_count + result.deleted_count
        if applied != len(operations):
            raise Conflict("changed-meanwhile", f"A document of {name} was changed by somebody else meanwhile.")


def _collection(database: Database, name: str) -> Collection:
    return database[name]


def _as_error(error: Document) -> Exception:
    if error.get("code") == 11000:
        return DuplicateKeyError(error["errmsg"], 11000, error)
    return OperationFailure(error.get("errmsg", "write failed"), error.get("code"), error)
