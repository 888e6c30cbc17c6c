"""The consumer: every record is applied or held, once it counts, and no outage or death loses one."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer
from pymongo.database import Database

from deploy import servers
from shared import bus, events
from shared.errors import Invalid, Unavailable
from shared.quarantine import Quarantine
from shared.worker import Consumer

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PEOPLE, FEEDBACK = "engagement.people", "engagement.feedback"


class Handler:
    """Remembers what it applied; `before` is called first and may raise."""

    def __init__(self, before: Callable[[Sequence[events.Incoming]], None] = lambda batch: None) -> None:
        self.before = before
        self.applied: list[str] = []
        self.batches: list[int] = []

    def __call__(self, batch: Sequence[events.Incoming]) -> None:
        self.before(batch)
        self.applied += [one.key for one in batch]
        self.batches.append(len(batch))


@pytest.fixture
def consume(database: Database, bootstrap: str, run_in_thread) -> Callable[..., Consumer]:
    """`consume(handler)`: run a consumer of `engagement.people` until the test ends, or its `end()` ends it."""

    def start(handler: Callable, *, member: str = "one", address: str = bootstrap, **more: Callable) -> Consumer:
        consumer = Consumer(
            bootstrap=address,
            group="hub.test",
            member=member,
            handlers={PEOPLE: handler, **more},
            quarantine=Quarantine(database),
            clock=lambda: NOW,
        )
        ended = threading.Event()
        stop = run_in_thread(lambda flag: (consumer.run(flag), ended.set()))
        consumer.end = lambda: stop.set() or ended.wait(10)
        return consumer

    return start


@pytest.fixture
def publish(bootstrap: str) -> Callable:
    publisher = bus.Publisher(bootstrap)
    yield lambda *records: publisher(records)
    publisher.close()


def raw(bootstrap: str, key: bytes, value: bytes | None) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(PEOPLE, key=key, value=value).get(5)
    producer.close()


def keys(first: int, after: int) -> list[str]:
    return [f"p{number}" for number in range(first, after)]


def test_records_are_applied_in_batches_and_in_order_per_key(consume, publish, person, eventually) -> None:
    publish(*(person(key, version) for version in (1, 2, 3) for key in keys(0, 50)))
    seen: dict[str, list[int]] = {}
    handler = Handler(lambda batch: [seen.setdefault(one.key, []).append(one.state.version) for one in batch])

    consume(handler)
    eventually(lambda: len(handler.applied) == 150)

    assert seen == {key: [1, 2, 3] for key in keys(0, 50)}
    assert len(handler.batches) < 20


def test_each_topic_goes_to_its_own_handler(consume, publish, person, eventually) -> None:
    feedback = events.Feedback("f1", 1, "K7", "p1", "sms", NOW, "und", 0.0, "words")
    publish(person("p1"), events.record(feedback, type="feedback.received", time=NOW))
    people, contributions = Handler(), Handler()

    consume(people, **{FEEDBACK: contributions})
    eventually(lambda: people.applied and contributions.applied)

    assert (people.applied, contributions.applied) == (["p1"], ["f1"])


def test_a_tombstone_reaches_the_handler(consume, bootstrap, eventually) -> None:
    states = []
    raw(bootstrap, b"p1", None)

    consume(lambda batch: states.extend((one.key, one.state) for one in batch))

    eventually(lambda: states == [("p1", None)])


def test_a_consumer_started_again_goes_on_where_it_was(consume, publish, person, eventually) -> None:
    publish(*map(person, keys(0, 20)))
    first = Handler()
    stopped = consume(first)
    eventually(lambda: len(first.applied) == 20)
    eventually(lambda: sum(stopped.lag.values()) == 0 and stopped.lag)
    assert stopped.end()

    publish(*map(person, keys(20, 40)))
    second = Handler()
    consume(second)
    eventually(lambda: len(second.applied) == 20)

    assert sorted(second.applied) == sorted(keys(20, 40))


def test_a_record_that_fails_is_held_whole_with_reason_and_position_and_the_rest_are_applied(
    consume, publish, person, database: Database, eventually
) -> None:
    def refuse(batch: Sequence[events.Incoming]) -> None:
        if any(one.key == "p7" for one in batch):
            raise Invalid("not-this-one", "This one cannot be.")

    publish(*map(person, keys(0, 20)))
    handler = Handler(refuse)
    consume(handler)
    eventually(lambda: len(handler.applied) == 19 and Quarantine(database).count())

    assert sorted(handler.applied) == sorted(set(keys(0, 20)) - {"p7"})
    [held] = Quarantine(database).listed()
    assert (held.topic, held.key, held.value) == (PEOPLE, b"p7", person("p7").value.encode())
    assert held.reason == "This one cannot be."
    assert held.id == f"{PEOPLE}-{held.partition}-{held.offset}"
    assert held.held_at == NOW
    publish(person("p99"))
    eventually(lambda: handler.applied[-1] == "p99")


def test_a_record_that_fails_twice_by_a_bug_and_then_works_is_not_held(
    consume, publish, person, database: Database, eventually
) -> None:
    tries = []

    def stumble(batch: Sequence[events.Incoming]) -> None:
        tries.append(len(batch))
        if len(tries) < 4:
            raise KeyError("a bug that passes")

    publish(person("p1"))
    handler = Handler(stumble)
    consume(handler)
    eventually(lambda: handler.applied == ["p1"])

    assert Quarantine(database).count() == 0


def test_a_record_that_keeps_failing_by_a_bug_is_held_with_the_kind_of_error(
    consume, publish, person, database: Database, eventually
) -> None:
    def break_down(batch: Sequence[events.Incoming]) -> None:
        if batch[0].key == "p1":
            raise KeyError("a bug")

    publish(person("p1"))
    handler = Handler(break_down)
    consume(handler)
    eventually(lambda: Quarantine(database).count() == 1)

    assert Quarantine(database).listed()[0].reason.startswith("KeyError")
    publish(person("p2"))
    eventually(lambda: handler.applied == ["p2"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"p1", b"{"),
        (b"p1", b"\xff\x00"),
        (b"\xff", b"{}"),
        (b"p1", b"[" * 100_000),
        (b"p1", b'{"id":"a","type":"b","time":"2026-11-21T12:00:00Z","data":{}}'),
    ],
    ids=["no JSON", "no text", "no readable key", "too deep", "fields missing"],
)
def test_what_cannot_be_read_is_held_as_it_came_and_the_partition_moves_on(
    consume, publish, person, bootstrap, database: Database, eventually, key: bytes, value: bytes
) -> None:
    raw(bootstrap, key, value)
    publish(*map(person, keys(0, 12)))
    handler = Handler()

    consume(handler)
    eventually(lambda: len(handler.applied) == 12 and Quarantine(database).count() == 1)

    [held] = Quarantine(database).listed()
    assert (held.key, held.value) == (key, value)


def test_an_outage_is_waited_out_by_a_member_and_nothing_is_held(
    consume, publish, person, database: Database, eventually, caplog
) -> None:
    outage = iter([Unavailable("database-away", "away")] * 4)

    def away(batch: Sequence[events.Incoming]) -> None:
        if (failure := next(outage, None)) is not None:
            raise failure

    publish(*map(person, keys(0, 10)))
    handler = Handler(away)
    consume(handler)
    eventually(lambda: len(handler.applied) >= 10)
    publish(person("p10"))
    eventually(lambda: "p10" in handler.applied)

    assert sorted(handler.applied) == sorted(keys(0, 11))
    assert Quarantine(database).count() == 0
    assert "batch waits" in caplog.text
    assert "consumer waits" not in caplog.text  # That is: it did not leave the group and join it again.


def test_a_broker_that_comes_late_is_waited_for(consume, person, tmp_path: Path, eventually) -> None:
    port = servers.free_port()
    handler = Handler()
    consume(handler, address=f"127.0.0.1:{port}")

    late = servers.start_broker(tmp_path / "late", port)
    try:
        bus.ensure_topics(f"127.0.0.1:{port}")
        publisher = bus.Publisher(f"127.0.0.1:{port}")
        publisher([person("p1")])
        publisher.close()

        eventually(lambda: handler.applied == ["p1"], within=40)
    finally:
        late.stop()


def test_a_broker_started_again_is_found_again(
    consume, publish, person, fresh_broker: servers.Server, tmp_path: Path, eventually
) -> None:
    handler = Handler()
    consume(handler)
    publish(person("p1"))
    eventually(lambda: handler.applied == ["p1"])

    fresh_broker.stop()
    again = servers.start_broker(tmp_path / "broker", fresh_broker.port)
    try:
        publish(person("p2"))

        eventually(lambda: "p2" in handler.applied, within=20)
    finally:
        again.stop()


def test_the_lag_is_what_waits(consume, publish, person, eventually) -> None:
    gate = threading.Event()
    publish(person("p1"))
    handler = Handler(lambda batch: gate.wait(20))
    consumer = consume(handler)

    gate.set()
    eventually(lambda: handler.applied == ["p1"])

    eventually(lambda: consumer.lag and sum(consumer.lag.values()) == 0)
    assert all(name.startswith("engagement.people-") for name in consumer.lag)


def test_a_record_is_replayed_through_its_handler(consume, person, eventually) -> None:
    handler = Handler()
    consumer = consume(handler)

    consumer.replay(PEOPLE, b"p5", person("p5").value.encode())

    assert handler.applied == ["p5"]


PROGRAM = """
    import sys, threading, time
    from datetime import UTC, datetime
    from kafka import KafkaConsumer
    from shared import bus, mongo
    from shared.quarantine import Quarantine
    from shared.worker import Consumer, Worker

    mongo_url, bootstrap, member, plan, session_timeout = sys.argv[1:]
    bus.SESSION_TIMEOUT = int(session_timeout)
    if plan == "nameless":
        bus.KafkaConsumer = lambda **options: KafkaConsumer(**{**options, "group_instance_id": None})
    database = mongo.connect(mongo_url)

    def apply(batch):
        database["applied"].insert_many([{"key": one.key, "by": member} for one in batch])
        if plan == "hang":
            time.sleep(600)  # Until it is killed: applied, but not committed.

    def fail(stop):
        database["started"].insert_one({})
        raise RuntimeError("a loop's bug")

    consumer = Consumer(
        bootstrap=bootstrap, group="hub.test", member=member, handlers={"engagement.people": apply},
        quarantine=Quarantine(database), clock=lambda: datetime.now(UTC),
    )
    loops = {"idle": threading.Event.wait} if plan != "fail" else {"failing": fail}
    worker = Worker(database=database, name=member, bootstrap=bootstrap, loops=loops, consumer=consumer)
    sys.exit(worker.run())
"""


@pytest.fixture
def start_worker(mongo_url: str):
    """`start_worker(bootstrap, member, plan)`: a worker process that notes what it applied; killed at the end."""
    started = []

    def start(bootstrap: str, member: str, plan: str = "apply", session_timeout: int = 10_000) -> subprocess.Popen:
        arguments = [mongo_url, bootstrap, member, plan, str(session_timeout)]
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def applied(database: Database, **by: str) -> set[str]:
    return {document["key"] for document in database["applied"].find(by)}


def test_what_was_applied_but_not_committed_comes_again_to_the_killed_workers_namesake_at_once(
    start_worker, publish, person, bootstrap, database: Database, eventually
) -> None:
    publish(*map(person, keys(0, 10)))
    dying = start_worker(bootstrap, "one", "hang")
    eventually(lambda: applied(database))
    first = applied(database)
    dying.kill()
    dying.wait()
    database["applied"].delete_many({})

    began = time.monotonic()
    start_worker(bootstrap, "one")
    eventually(lambda: applied(database) == set(keys(0, 10)), within=15)

    assert first <= applied(database)
    assert time.monotonic() - began < 8


@pytest.mark.slow
def test_two_workers_share_the_partitions_and_the_survivor_gets_all(
    start_worker, tmp_path: Path, person, database: Database, eventually
) -> None:
    """Without lasting names: neither of the small brokers ever expels a member that has one, as Kafka does."""
    tansu = servers.start_tansu(tmp_path / "tansu", servers.free_port())  # It expels who fell silent.
    address = f"127.0.0.1:{tansu.port}"
    bus.ensure_topics(address)
    publisher = bus.Publisher(address)
    sent = iter(range(10_000))

    def send_some() -> None:
        publisher([person(f"p{next(sent)}") for _ in range(20)])

    try:
        workers = [start_worker(address, name, "nameless", session_timeout=3000) for name in ("one", "two")]

        def both_work() -> bool:
            send_some()
            return bool(applied(database, by="one") and applied(database, by="two"))

        eventually(both_work, within=25, every=0.3)
        workers[0].kill()
        workers[0].wait()
        send_some()
        last = next(sent)

        eventually(lambda: applied(database) >= set(keys(0, last)), within=25)
    finally:
        publisher.close()
        for process in workers:
            process.kill()
        tansu.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_stop_ends_well_within_seconds(
    start_worker, bootstrap, database: Database, eventually, number: signal.Signals
) -> None:
    process = start_worker(bootstrap, "one")
    eventually(lambda: (beat := database["heartbeats"].find_one()) and beat["lag"])

    os.kill(process.pid, number)

    assert process.wait(10) == 0


def test_a_worker_one_of_whose_loops_fails_ends_with_an_error(start_worker, bootstrap, database: Database) -> None:
    process = start_worker(bootstrap, "one", "fail")

    _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert database["started"].count_documents({}) == 1
    assert "failing" in errors


def test_a_worker_without_a_broker_lives_says_so_and_stops_when_told(
    start_worker, database: Database, eventually
) -> None:
    process = start_worker(f"127.0.0.1:{servers.free_port()}", "one")

    eventually(lambda: (beat := database["heartbeats"].find_one()) and beat["broker"] is False, within=20)
    process.terminate()

    assert process.wait(15) == 0


def test_the_heartbeat_says_what_runs_what_answers_and_what_waits(
    start_worker, publish, person, bootstrap, database: Database, eventually
) -> None:
    publish(person("p1"))
    start_worker(bootstrap, "one")
    eventually(lambda: (beat := database["heartbeats"].find_one({"_id": "one"})) and beat["lag"])

    beat = database["heartbeats"].find_one()

    assert beat["loops"] == {"idle": True, "consumer": True}
    assert beat["broker"] is True
    assert set(beat["lag"].values()) == {0}
    assert abs((beat["at"] - datetime.now(UTC)).total_seconds()) < 5
