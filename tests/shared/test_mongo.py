"""Group commit: everybody hears the result of their own writes, and of nobody else's."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pymongo import DeleteOne, InsertOne, MongoClient, ReplaceOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from deploy import servers
from shared import mongo
from shared.errors import Conflict, Unavailable
from shared.mongo import Committer, Write

AT_ONCE = 200


def insert(id: object, **values: object) -> Write:
    return Write("things", InsertOne({"_id": id, **values}))


def all_at_once(committer: Committer, groups: list[tuple[Write, ...]]) -> list[Exception | None]:
    """Commit every group from a thread of its own, all let go together. Returns what each heard."""
    together = threading.Barrier(len(groups))

    def commit(writes: tuple[Write, ...]) -> Exception | None:
        together.wait()
        try:
            committer.commit(*writes)
        except Exception as e:
            return e
        return None

    with ThreadPoolExecutor(len(groups)) as threads:
        return list(threads.map(commit, groups))


def ids(database: Database) -> set:
    return {document["_id"] for document in database["things"].find()}


def test_two_hundred_inserts_at_once_all_land(database: Database) -> None:
    heard = all_at_once(Committer(database), [(insert(number),) for number in range(AT_ONCE)])

    assert heard == [None] * AT_ONCE
    assert ids(database) == set(range(AT_ONCE))


def test_a_taken_key_fails_only_who_asked_for_it(database: Database) -> None:
    database["things"].insert_many([{"_id": number} for number in range(0, 50, 5)])

    heard = all_at_once(Committer(database), [(insert(number),) for number in range(50)])

    failed = {number for number, result in enumerate(heard) if result is not None}
    assert failed == set(range(0, 50, 5))
    assert all(isinstance(heard[number], DuplicateKeyError) for number in failed)
    assert ids(database) == set(range(50))


def test_of_many_who_ask_for_the_same_key_exactly_one_gets_it(database: Database) -> None:
    heard = all_at_once(Committer(database), [(insert("one", by=number),) for number in range(50)])

    winners = [number for number, result in enumerate(heard) if result is None]
    assert [document["by"] for document in database["things"].find()] == winners


def test_a_duplicate_error_says_which_key_was_taken(database: Database) -> None:
    database["things"].create_index("reference", unique=True)
    committer = Committer(database)
    committer.commit(insert(1, reference="K7"))

    for write in [insert(2, reference="K7"), insert(1, reference="K8")]:
        with pytest.raises(DuplicateKeyError) as alone:
            committer.commit(write)
        in_company = all_at_once(committer, [(write,), *((insert(("n", n), reference=f"{n}"),) for n in range(5))])[0]
        assert alone.value.details["keyPattern"] == in_company.details["keyPattern"]
        database["things"].delete_many({"_id": {"$type": "array"}})
        database["things"].delete_many({"reference": {"$in": [f"{n}" for n in range(5)]}})


def test_a_group_of_writes_happens_whole_or_not_at_all(database: Database) -> None:
    database["things"].insert_many([{"_id": number} for number in range(0, 20, 2)])

    groups = [
        (Write("people", InsertOne({"_id": number})), insert(number), Write("people", InsertOne({"_id": -1 - number})))
        for number in range(20)
    ]
    heard = all_at_once(Committer(database), groups)

    fine = {number for number, result in enumerate(heard) if result is None}
    assert fine == set(range(1, 20, 2))
    people = {document["_id"] for document in database["people"].find()}
    assert people == fine | {-1 - number for number in fine}


def test_a_group_alone_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(Conflict):
        Committer(database).commit(insert(1), Write("people", UpdateOne({"_id": "nobody"}, {"$set": {"a": 1}})))

    assert ids(database) == set()


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(UpdateOne({"_id": 1, "version": 1}, {"$set": {"version": 2}}), id="update"),
        pytest.param(ReplaceOne({"_id": 1, "version": 1}, {"version": 2}), id="replace"),
        pytest.param(DeleteOne({"_id": 1, "version": 1}), id="delete"),
    ],
)
def test_a_write_that_meets_nothing_is_a_conflict_and_its_neighbours_land(database: Database, operation) -> None:
    database["things"].insert_one({"_id": 1, "version": 7})
    committer = Committer(database)

    with pytest.raises(Conflict):
        committer.commit(Write("things", operation))
    heard = all_at_once(committer, [(Write("things", operation),), *((insert(number),) for number in range(2, 30))])

    assert isinstance(heard[0], Conflict)
    assert heard[1:] == [None] * 28
    assert database["things"].find_one({"_id": 1}) == {"_id": 1, "version": 7}


def test_of_many_optimistic_updates_of_one_version_exactly_one_succeeds(database: Database) -> None:
    database["things"].insert_one({"_id": 1, "version": 1})
    update = Write("things", UpdateOne({"_id": 1, "version": 1}, {"$inc": {"version": 1}}))

    heard = all_at_once(Committer(database), [(update,)] * 30)

    assert heard.count(None) == 1
    assert sum(isinstance(result, Conflict) for result in heard) == 29
    assert database["things"].find_one() == {"_id": 1, "version": 2}


@pytest.mark.parametrize("value", ["\ud800", 1 << 70, object()], ids=["half a character", "huge number", "object"])
@pytest.mark.parametrize("company", [0, 1], ids=["single inserts", "groups"])
def test_what_cannot_be_stored_fails_only_who_brought_it(database: Database, value: object, company: int) -> None:
    groups = [
        (insert(number, text=value if number == 3 else "fine"), *[insert(-number, text="fine")] * company)
        for number in range(1, 31)
    ]

    heard = all_at_once(Committer(database), groups)

    assert [number for number, result in enumerate(heard, 1) if result is not None] == [3]


def test_it_works_in_a_child_after_a_fork(mongo_url: str) -> None:
    parent = Committer(mongo.connect(mongo_url))
    parent.commit(insert("parent"))

    child = os.fork()
    if not child:  # As gunicorn's workers do: a connection of its own, the committer's thread not there any more.
        signal.alarm(10)  # seconds, for a child that would wait for ever
        try:
            parent._database = mongo.connect(mongo_url)
            parent.commit(insert("child"))
        except BaseException:
            os._exit(1)
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids(parent._database) == {"parent", "child"}


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[servers.Server]:
    server = servers.start_mongod(tmp_path / "data", servers.free_port())
    yield server
    server.stop()


def test_a_mongod_that_is_away_is_said_to_be_and_after_its_return_all_works(
    own_mongod: servers.Server, tmp_path: Path, eventually
) -> None:
    database = mongo.connect(f"mongodb://127.0.0.1:{own_mongod.port}/hub?replicaSet=rs0", patience=1)
    committer = Committer(database)
    committer.commit(insert("before"))

    own_mongod.kill()
    began = time.monotonic()
    alone = all_at_once(committer, [(insert("alone"),)])
    many = all_at_once(committer, [(insert(number), insert(-number)) for number in range(1, 10)])
    took = time.monotonic() - began
    again = servers.start_mongod(tmp_path / "data", own_mongod.port)
    try:
        # Tried again as a sender would; a first try of which nobody heard may have been kept.
        eventually(lambda: type(all_at_once(committer, [(insert("after"),)])[0]) in (type(None), DuplicateKeyError))

        assert {type(result) for result in alone + many} == {Unavailable}
        assert took < 20  # Twice the patience of a second or so; the driver alone repeats a transaction for 120 s.
        assert {"before", "after"} <= ids(database)
    finally:
        database.client.close()
        again.stop()


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (ServerSelectionTimeoutError(), True),
        (AutoReconnect(), True),
        (NotPrimaryError("stepping down"), True),
        (NetworkTimeout(), True),
        (ExecutionTimeout("too slow", 50), True),
        (WTimeoutError("not by a majority", 64), True),
        (OperationFailure("interrupted at shutdown", 11600), True),
        (OperationFailure("primary stepped down", 189), True),
        (OperationFailure("not authorised", 13), False),
        (OperationFailure("bad hint", 2), False),
        (DuplicateKeyError("taken", 11000), False),
        (ValueError("ours"), False),
        (ConnectionError("not MongoDB's"), False),
    ],
    ids=lambda value: value if isinstance(value, bool) else type(value).__name__,
)
def test_away_is_told_from_refused(error: Exception, away: bool) -> None:
    assert mongo.is_away(error) is away


def test_a_connection_waits_for_a_majority_and_knows_time_zones(database: Database) -> None:
    assert database.write_concern.document == {"w": "majority"}
    assert database["things"].write_concern.document == {"w": "majority"}
    assert database.codec_options.tz_aware


def test_nothing_is_connected_before_the_first_operation() -> None:
    client: MongoClient = mongo.connect("mongodb://127.0.0.1:1/nobody", patience=0.2).client

    assert client.nodes == frozenset()
    client.close()


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    def work(session) -> None:
        database["things"].insert_one({"_id": 1}, session=session)
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        mongo.in_transaction(database, work)

    assert ids(database) == set()


def test_a_document_held_by_a_killed_process_holds_up_its_own_writer_only(database: Database, mongo_url: str):
    people = ["held", *(f"free{n}" for n in range(8))]
    database["people"].insert_many([{"_id": person} for person in people])
    database["feedback"].insert_one({"_id": "first"})
    killed = mongo.connect(mongo_url)
    orphan = killed.client.start_session()
    orphan.start_transaction()
    killed["people"].update_one({"_id": "held"}, {"$set": {"n": 1}}, session=orphan)
    committer = Committer(database)

    def give(person: str) -> str:
        change = Write("people", UpdateOne({"_id": person}, {"$set": {"n": 2}}))
        try:
            committer.commit(change, Write("feedback", InsertOne({"by": person})))
        except Unavailable:
            return "away"
        return "kept"

    with ThreadPoolExecutor(len(people)) as pool:
        answers = dict(zip(people, pool.map(give, people), strict=True))

    assert answers == {person: "away" if person == "held" else "kept" for person in people}
    orphan.abort_transaction()
    assert give("held") == "kept"
    killed.client.close()


def test_a_writer_that_is_told_to_end_promises_nothing_to_those_who_wait_with_it(database: Database):
    class Ends(Mapping):
        def __getitem__(self, name):
            raise SystemExit

        def __iter__(self):
            raise SystemExit

        def __len__(self):
            return 1

    committer = Committer(database)
    leader, neighbour = (mongo._Waiting([Write("t", InsertOne(one))]) for one in ({"v": Ends()}, {"v": 1}))
    committer._queue = [leader, neighbour]

    with pytest.raises(SystemExit):
        committer._lead(leader)

    assert isinstance(neighbour.error, Unavailable)
    assert database["t"].count_documents({}) == 0
    committer.commit(Write("t", InsertOne({"v": 2})))
    assert database["t"].count_documents({}) == 1
