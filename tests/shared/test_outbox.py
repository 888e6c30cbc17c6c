"""The outbox: what was saved is published, in order, whatever fails in between."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo.database import Database

from deploy import servers
from shared import bus, events, mongo, outbox, worker
from shared.errors import Invalid, Unavailable
from shared.events import Record
from shared.outbox import Lease, Relay
from shared.quarantine import Quarantine

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PEOPLE = "people"


class Publisher:
    """Remembers what it was given; `before` is called first and may raise."""

    def __init__(self, before: Callable[[Sequence[Record]], None] = lambda records: None) -> None:
        self.batches: list[list[Record]] = []
        self.before = before

    def __call__(self, records: Sequence[Record]) -> None:
        self.before(records)
        self.batches.append(list(records))

    @property
    def values(self) -> list[str | None]:
        return [record.value for batch in self.batches for record in batch]


@pytest.fixture
def people(database: Database) -> Database:
    outbox.ensure_index(database, [PEOPLE])
    return database


def told(*values: str, at: datetime = NOW) -> list[dict]:
    return outbox.waiting([Record("engagement.people", "p", value) for value in values], at)


def relay(database: Database, publish: Callable, *, owner: str = "a", aside: list | None = None) -> Relay:
    kept = [] if aside is None else aside
    return Relay(database, [PEOPLE], publish, owner=owner, set_aside=lambda *one: kept.append(one))


def indexed(database: Database) -> int:
    """How many documents the index of waiting events holds."""
    return len(list(database[PEOPLE].find({"outbox.at": {"$exists": True}}).hint("outbox")))


def test_an_event_is_published_once_and_leaves_the_index(people: Database) -> None:
    people[PEOPLE].insert_one({"_id": 1, "name": "kept", "outbox": told("one")})
    publish = Publisher()
    sweeper = relay(people, publish)

    assert [sweeper.sweep(), sweeper.sweep()] == [1, 0]

    assert publish.values == ["one"]
    assert people[PEOPLE].find_one() == {"_id": 1, "name": "kept"}
    assert indexed(people) == 0


def test_events_are_published_in_the_order_of_saving(people: Database) -> None:
    for minute, value in [(2, "third"), (0, "first"), (1, "second")]:
        people[PEOPLE].insert_one({"outbox": told(value, at=NOW + timedelta(minutes=minute))})
    people[PEOPLE].insert_one({"outbox": told("fourth", "fifth", "sixth", at=NOW + timedelta(minutes=3))})
    publish = Publisher()

    relay(people, publish).sweep()

    assert publish.values == ["first", "second", "third", "fourth", "fifth", "sixth"]


def test_events_of_one_document_keep_their_order_though_the_clock_went_back(people: Database) -> None:
    earlier = NOW - timedelta(seconds=5)
    people[PEOPLE].insert_one({"_id": 1, "outbox": told("version 1")})
    people[PEOPLE].update_one({"_id": 1}, {"$push": {"outbox": {"$each": told("version 2", at=earlier)}}})
    publish = Publisher()

    relay(people, publish).sweep()

    assert publish.values == ["version 1", "version 2"]


def test_an_event_added_while_another_is_published_is_not_lost(people: Database) -> None:
    people[PEOPLE].insert_one({"_id": 1, "version": 1, "outbox": told("version 1")})

    def meanwhile(records: Sequence[Record]) -> None:
        if records[0].value == "version 1":
            people[PEOPLE].update_one({"_id": 1}, {"$push": {"outbox": {"$each": told("version 2")}}})

    publish = Publisher(meanwhile)
    sweeper = relay(people, publish)

    assert [sweeper.sweep(), sweeper.sweep(), sweeper.sweep()] == [1, 1, 0]
    assert publish.values == ["version 1", "version 2"]


def test_more_than_a_batch_is_published_whole(people: Database) -> None:
    many = outbox.BATCH + 7
    people[PEOPLE].insert_many({"_id": number, "outbox": told(str(number))} for number in range(many))
    publish = Publisher()
    sweeper = relay(people, publish)

    assert [sweeper.sweep(), sweeper.sweep(), sweeper.sweep()] == [outbox.BATCH, 7, 0]
    assert sorted(publish.values, key=int) == [str(number) for number in range(many)]


def test_what_could_not_be_marked_is_published_again_with_the_same_id(people: Database) -> None:
    state = events.Person("p1", 1)
    people[PEOPLE].insert_one(
        {"_id": 1, "outbox": outbox.waiting([events.record(state, type="person.noted", time=NOW)], NOW)}
    )
    publish = Publisher()
    dying = relay(people, publish)
    people.command("collMod", PEOPLE, validator={"outbox": {"$exists": True}})  # Now no mark can be written.

    with pytest.raises(Exception, match="validation"):
        dying.sweep()
    people.command("collMod", PEOPLE, validator={})
    relay(people, publish, owner="the next").sweep()

    first, second = publish.values
    assert json.loads(first)["id"] == json.loads(second)["id"] == "p1.1"
    assert indexed(people) == 0


def test_an_event_that_can_never_be_published_is_set_aside_and_the_rest_pass(people: Database) -> None:
    for value in ["one", "too large", "three"]:
        people[PEOPLE].insert_one({"outbox": told(value)})

    def refuse(records: Sequence[Record]) -> None:
        if any(record.value == "too large" for record in records):
            raise Invalid("event-too-large", "An event is larger than the broker takes.")

    publish, aside = Publisher(refuse), []
    relay(people, publish, aside=aside).sweep()

    assert publish.values == ["one", "three"]
    assert [(record.value, reason) for record, reason in aside] == [
        ("too large", "An event is larger than the broker takes.")
    ]
    assert indexed(people) == 0


def test_news_wakes_the_relay_at_once(people: Database, run_in_thread, eventually, monkeypatch) -> None:
    monkeypatch.setattr(outbox, "NAP", 30)  # What is published within seconds was not found by looking now and then.
    publish = Publisher()
    people[PEOPLE].insert_one({"outbox": told("first")})
    run_in_thread(relay(people, publish).run)
    eventually(lambda: publish.values == ["first"])

    took = []
    for number in range(10):
        began = time.monotonic()
        people[PEOPLE].insert_one({"outbox": told(str(number))})
        eventually(lambda: publish.values[-1] == str(number), within=5, every=0.002)  # noqa: B023
        took.append(time.monotonic() - began)

    assert sorted(took)[5] < 0.5, took
    people[PEOPLE].insert_one({"outbox": told("so that it wakes and sees that it shall stop")})


def test_an_event_pushed_into_an_old_document_wakes_the_relay_too(people: Database, run_in_thread, eventually) -> None:
    people[PEOPLE].insert_one({"_id": 1})
    publish = Publisher()
    run_in_thread(relay(people, publish).run)

    people[PEOPLE].update_one({"_id": 1}, {"$push": {"outbox": {"$each": told("later")}}})

    eventually(lambda: publish.values == ["later"], within=5)


def test_of_two_relays_one_leads_and_the_other_takes_over_when_it_vanishes(
    people: Database, run_in_thread, eventually
) -> None:
    gone = Lease(people, "relay", "gone")
    assert gone.hold()  # And never renewed, nor released: its process is dead.
    publish = Publisher()
    began = time.monotonic()
    run_in_thread(relay(people, publish, owner="heir").run)
    people[PEOPLE].insert_one({"outbox": told("one")})

    eventually(lambda: publish.values == ["one"], within=2 * outbox.LEASE + 2)

    assert time.monotonic() - began > outbox.LEASE / 2


def test_two_relays_at_work_publish_everything_once(people: Database, run_in_thread, eventually) -> None:
    publishers = [Publisher(), Publisher()]
    for number, publish in enumerate(publishers):
        run_in_thread(relay(people, publish, owner=str(number)).run)

    for number in range(50):
        people[PEOPLE].insert_one({"outbox": told(str(number))})
    eventually(lambda: indexed(people) == 0)

    assert sorted(len(publish.values) for publish in publishers) == [0, 50]


def test_a_relay_that_stops_gives_its_lease_back(people: Database, run_in_thread, eventually) -> None:
    stop = run_in_thread(relay(people, Publisher()).run)
    eventually(lambda: people["leases"].find_one({"owner": "a"}))

    stop.set()

    eventually(lambda: people["leases"].find_one() is None, within=3)


def test_a_lease_is_kept_by_renewing_and_never_shared(database: Database, eventually) -> None:
    first, second = Lease(database, "x", "first", seconds=0.3), Lease(database, "x", "second", seconds=0.3)

    for _ in range(20):
        assert first.hold()
        assert not second.hold()
        first._renewed = float("-inf")  # So that it asks the database each time.

    eventually(second.hold, within=3)
    first._renewed = float("-inf")
    assert not first.hold()


def test_giving_back_a_lease_that_another_has_leaves_it_to_them(database: Database) -> None:
    assert Lease(database, "x", "first").hold()

    Lease(database, "x", "second").release()

    assert database["leases"].find_one()["owner"] == "first"


def test_a_failing_publisher_is_tried_again_until_it_works(people: Database, run_in_thread, eventually) -> None:
    failures = iter([Unavailable("broker-away", "away")] * 3)

    def fail(records: Sequence[Record]) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure

    publish = Publisher(fail)
    people[PEOPLE].insert_one({"outbox": told("one")})
    run_in_thread(relay(people, publish).run)

    eventually(lambda: publish.values == ["one"])


@pytest.mark.parametrize("what", ["collection", "database"])
def test_a_relay_outlives_that_its_collection_is_dropped(
    people: Database, run_in_thread, eventually, what: str
) -> None:
    publish = Publisher()
    run_in_thread(relay(people, publish).run)
    people[PEOPLE].insert_one({"outbox": told("before")})
    eventually(lambda: publish.values == ["before"])

    people[PEOPLE].drop() if what == "collection" else people.client.drop_database(people.name)
    people[PEOPLE].insert_one({"outbox": told("after")})

    eventually(lambda: publish.values == ["before", "after"])


def test_a_relay_outlives_that_mongod_is_restarted(tmp_path: Path, run_in_thread, eventually) -> None:
    mongod = servers.start_mongod(tmp_path / "data", servers.free_port())
    database = mongo.connect(f"mongodb://127.0.0.1:{mongod.port}/hub?replicaSet=rs0", patience=1)
    outbox.ensure_index(database, [PEOPLE])
    publish = Publisher()
    stop = run_in_thread(relay(database, publish).run)
    database[PEOPLE].insert_one({"outbox": told("before")})
    eventually(lambda: publish.values == ["before"])

    mongod.kill()
    mongod = servers.start_mongod(tmp_path / "data", mongod.port)
    try:
        database[PEOPLE].insert_one({"outbox": told("after")})

        eventually(lambda: publish.values[-1] == "after")
        stop.set()
    finally:
        mongod.stop()


def worker_relay(database: Database, bootstrap: str) -> worker.Loop:
    return worker.relay(
        database,
        [PEOPLE],
        bootstrap=bootstrap,
        owner="a",
        quarantine=Quarantine(database),
        clock=lambda: datetime.now(UTC),
    )


def test_what_was_saved_while_the_broker_was_away_is_published_when_it_comes(
    people: Database, tmp_path: Path, person, run_in_thread, eventually
) -> None:
    port = servers.free_port()
    people[PEOPLE].insert_one({"outbox": outbox.waiting([person("p1")], NOW)})
    tries = threading.Event()
    loop = worker_relay(people, f"127.0.0.1:{port}")
    run_in_thread(lambda stop: (tries.set(), loop(stop)))
    tries.wait(5)
    assert indexed(people) == 1

    late = servers.start_broker(tmp_path / "late", port)
    try:
        bus.ensure_topics(f"127.0.0.1:{port}")

        eventually(lambda: indexed(people) == 0, within=20)
    finally:
        late.stop()


def test_a_real_event_too_large_for_the_broker_is_quarantined_and_the_rest_pass(
    people: Database, bootstrap: str, person, published, run_in_thread, eventually
) -> None:
    large = Record("engagement.people", "p2", "x" * 2_000_000)
    people[PEOPLE].insert_one({"outbox": outbox.waiting([person("p1"), large, person("p3")], NOW)})

    run_in_thread(worker_relay(people, bootstrap))
    eventually(lambda: indexed(people) == 0)

    assert {record.key for record in published("engagement.people")} == {b"p1", b"p3"}
    [held] = Quarantine(people).listed()
    assert (held.topic, held.key, held.partition) == ("engagement.people", b"p2", -1)
    assert held.value == large.value.encode()
    assert "larger" in held.reason


def test_published_records_are_as_the_contract_says_and_in_order_per_key(
    people: Database, bootstrap: str, person, published, run_in_thread, eventually
) -> None:
    for version in range(1, 21):
        for key in ["p1", "p2", "p3"]:
            at = NOW + timedelta(milliseconds=version)
            people[PEOPLE].insert_one({"outbox": outbox.waiting([person(key, version)], at)})

    run_in_thread(worker_relay(people, bootstrap))
    eventually(lambda: indexed(people) == 0)

    records = published("engagement.people")
    read = [events.read(record.topic, record.key, record.value) for record in records]
    for key in ["p1", "p2", "p3"]:
        assert [one.state.version for one in read if one.key == key] == list(range(1, 21))
    assert {tuple(record.headers) for record in records} == {tuple(bus.CONTENT_TYPE)}
