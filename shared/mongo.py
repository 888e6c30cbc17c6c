"""One way to MongoDB: connecting, transactions, and many small writes committed as one.

Law: every write is acknowledged by a majority, journal included, before anybody is told that it happened.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
    NetworkTimeout,
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


class _Waiting:
    """One caller's writes, and how it hears what became of them. A lock is the cheapest thing to wait on."""

    __slots__ = ("_turn", "error", "writes", "written")

    def __init__(self, writes: Sequence[Write]) -> None:
        self.writes = writes
        self.written = False
        self.error: Exception | None = None
        self._turn = threading.Lock()
        self._turn.acquire()

    def wait(self) -> None:
        self._turn.acquire()

    def wake(self) -> None:
        self._turn.release()


class Committer:
    """Group commit: callers hand in their writes, one of them writes all that wait, each hears its own result.

    Under load many requests share one majority acknowledgement, which costs less than one each; alone, a caller
    writes at once in its own thread. Every group of writes handed in together is applied whole or not at all.
    """

    LARGEST_BATCH = 200  # groups of writes; the same order of size as a request thread pool
    TOGETHER = 1.0  # seconds for many to be written together
    ALONE = 2.0  # seconds for one by itself: so long may a document that somebody holds keep all others waiting
    GATHER = 0.003  # seconds that a leader lets others join, while more than one caller writes at a time

    def __init__(self, database: Database) -> None:
        self._database = database
        self._busy = False  # Whether the last batch had more than one caller.
        self._lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._led = False

    def commit(self, *writes: Write) -> None:
        """Apply these writes together, durably.

        Raises DuplicateKeyError when a unique key is taken, Conflict when an update, replacement or deletion met
        no document (somebody else changed it: read again and decide again), Unavailable when MongoDB is away. After
        Unavailable it is not known whether the writes happened: what is tried again must carry the same ids.
        """
        one = _Waiting(writes)
        with self._lock:
            self._queue.append(one)
            leads = not self._led
            self._led = True
        if not leads:
            one.wait()  # Until another caller has written it, or has left the lead to this one.
        if not one.written:
            self._lead(one)
        if one.error is not None:
            with away_is_unavailable():
                raise one.error

    def _lead(self, leader: _Waiting) -> None:
        """Write what waits, once, and leave the lead to the first of those who came meanwhile."""
        if self._busy:
            time.sleep(self.GATHER)
        with self._lock:
            batch, self._queue = self._queue[: self.LARGEST_BATCH], self._queue[self.LARGEST_BATCH :]
        self._busy = len(batch) > 1
        try:
            self._write(batch)
        except Exception as e:
            _fail(batch, e)
        except BaseException:  # This thread is told to end: nobody may take that for a success.
            _fail(batch, Unavailable("write-cut-short", "Saving was cut short. Please try again."))
            raise
        finally:
            self._pass_on(batch, leader)

    def _pass_on(self, batch: Sequence[_Waiting], leader: _Waiting) -> None:
        with self._lock:
            self._led = bool(self._queue)
            if self._led:
                self._queue[0].wake()
        for one in batch:
            one.written = True
            if one is not leader:
                one.wake()

    def _write(self, batch: Sequence[_Waiting]) -> None:
        if len(batch) == 1:
            self._write_alone(batch[0])
        elif all(len(one.writes) == 1 and isinstance(one.writes[0].operation, InsertOne) for one in batch):
            self._write_inserts(batch)
        else:
            self._write_together(batch)

    def _write_alone(self, one: _Waiting) -> None:
        try:
            with pymongo.timeout(self.ALONE):
                if len(one.writes) == 1:
                    _apply(self._database, one.writes, session=None)
                else:
                    in_transaction(self._database, lambda session: _apply(self._database, one.writes, session=session))
        except Exception as e:
            one.error = e
        one.written = True

    def _write_inserts(self, batch: Sequence[_Waiting]) -> None:
        """Single inserts need no transaction: each succeeds or fails by itself within one bulk write."""
        by_collection: dict[str, list[_Waiting]] = {}
        for one in batch:
            by_collection.setdefault(one.writes[0].collection, []).append(one)
        for name, entries in by_collection.items():
            try:
                self._database[name].bulk_write([one.writes[0].operation for one in entries], ordered=False)
            except _UNSTORABLE:
                self._write_each(entries)
            except BulkWriteError as e:
                if e.details.get("writeConcernErrors"):
                    raise
                for error in e.details["writeErrors"]:
                    entries[error["index"]].error = _as_error(error)
            for one in entries:
                one.written = True

    def _write_together(self, batch: Sequence[_Waiting]) -> None:
        everything = [write for one in batch for write in one.writes]
        try:
            with pymongo.timeout(self.TOGETHER):
                in_transaction(self._database, lambda session: _apply(self._database, everything, session=session))
        except Exception as e:
            if is_away(e) and not _timed_out(e):
                raise
            self._write_each(batch)

    def _write_each(self, batch: Sequence[_Waiting]) -> None:
        """One group spoiled it for all, and nothing was written: each by itself, to find out which.

        A document may be held for seconds by the transaction of a process that was killed. When two in a row are
        not written in time and none before was, it is the database that is slow: the others hear so at once.
        """
        late: list[Exception] = []
        in_time = False
        for one in batch:
            if len(late) > 1 and not in_time:
                one.error, one.written = late[-1], True
                continue
            self._write_alone(one)
            if one.error is not None and is_away(one.error):
                late.append(one.error)
            else:
                in_time = True


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


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    """Hand an error to every caller that has not heard yet: they know what was asked for."""
    for one in batch:
        one.error = one.error if one.written else error


def _timed_out(error: BaseException) -> bool:
    """Whether the server was there, but not ready in time: a busy document looks so, an absent server does not."""
    return isinstance(error, ExecutionTimeout | NetworkTimeout | WTimeoutError)


def _collection(database: Database, name: str) -> Collection:
    return database[name]


def _as_error(error: Document) -> Exception:
    if error.get("code") == 11000:
        return DuplicateKeyError(error["errmsg"], 11000, error)
    return OperationFailure(error.get("errmsg", "write failed"), error.get("code"), error)
