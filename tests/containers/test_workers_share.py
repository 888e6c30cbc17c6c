"""Workers on Apache Kafka: they share the partitions, a dead one's go to the others, its namesake has them at once."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
from pymongo.database import Database

from deploy.local import ROOT
from deploy.servers import Broker, free_port
from shared import bus, events

pytestmark = [pytest.mark.containers, pytest.mark.timeout(180)]

FEEDBACK = events.FEEDBACK
ALL = {f"{FEEDBACK.name}-{number}" for number in range(FEEDBACK.partitions)}
START = 40  # seconds that a worker may take to import what it needs and to join
GONE = bus.SESSION_TIMEOUT / 1000 + 5  # seconds: then the broker expels a worker, and the next heartbeat tells the rest
AT_ONCE = 2  # seconds from a namesake's first heartbeat until it has done what waited
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def kafka(kafka_maker: Callable[..., Broker], tmp_path) -> Broker:
    """A Kafka that has all topics."""
    made = kafka_maker(tmp_path, free_port())
    bus.ensure_topics(f"127.0.0.1:{made.port}")
    return made


@pytest.fixture
def start_worker(kafka: Broker, mongo_url: str) -> Iterator[Callable[[str], subprocess.Popen]]:
    """`start_worker("one")`: a worker of insights with this name; killed at the end."""
    started: list[subprocess.Popen] = []
    environment = os.environ | {
        "MONGO_URL": mongo_url,
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka.port}",
        "SECRET_KEY": "00" * 32,
        "PUBLIC_URL": "http://127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "THEMING": "off",
    }

    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "services.insights", "worker"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment | {"WORKER_ID": name}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def send(kafka: Broker) -> Iterator[Callable[[], int]]:
    """`send()`: publish contributions, enough for every partition to get some; returns how many there are by now."""
    publisher, numbers = bus.Publisher(f"127.0.0.1:{kafka.port}"), count(1)

    def publish() -> int:
        sent = [next(numbers) for _ in range(60)]
        publisher([_contribution(number) for number in sent])
        return sent[-1]

    yield publish
    publisher.close()


def test_two_workers_share_the_partitions_and_the_survivor_has_all_when_one_is_killed(
    start_worker, send, database: Database, eventually
) -> None:
    one = start_worker("one")
    start_worker("two")
    eventually(lambda: _shared(database), within=START)
    shared = {name: len(partitions) for name, partitions in _partitions(database).items()}
    before = send()
    eventually(lambda: _applied(database) == before)

    one.kill()
    one.wait()
    database["heartbeats"].delete_one({"_id": "one"})
    sent = send()
    eventually(lambda: _applied(database) == sent, within=GONE)

    assert shared == {"one": FEEDBACK.partitions // 2, "two": FEEDBACK.partitions // 2}
    eventually(lambda: _partitions(database) == {"two": ALL})


@pytest.mark.parametrize("name", ["one", "two"], ids=["the first to join", "the second to join"])
def test_a_killed_workers_namesake_has_its_partitions_at_once_and_the_other_notices_nothing(
    kafka, start_worker, send, database: Database, eventually, name: str
) -> None:
    workers = {"one": start_worker("one")}
    eventually(lambda: _partitions(database) == {"one": ALL}, within=START)
    workers["two"] = start_worker("two")
    eventually(lambda: _shared(database), within=START)
    before = send()
    eventually(lambda: _applied(database) == before)
    shared, rebalances = _partitions(database), _rebalances(kafka)

    workers[name].kill()
    workers[name].wait()
    database["heartbeats"].delete_one({"_id": name})
    start_worker(name)
    sent = send()
    eventually(lambda: name in _partitions(database), within=START, every=0.01)
    eventually(lambda: _applied(database) == sent, within=AT_ONCE)

    eventually(lambda: _partitions(database) == shared)
    assert _rebalances(kafka) == rebalances


def _contribution(number: int) -> events.Record:
    state = events.Feedback(
        feedback_id=f"feedback-{number}",
        version=1,
        reference="K7MXATQP",
        person_id=f"person-{number}",
        channel="sms",
        received_at=NOW,
        language="en-GB",
        language_confidence=0.9,
        text="The nurse was kind.",
    )
    return events.record(state, type="feedback.received", time=NOW)


def _applied(database: Database) -> int:
    return database["facts"].count_documents({})


def _partitions(database: Database) -> dict[str, set[str]]:
    """What each worker has, as its heartbeats say."""
    return {beat["_id"]: set(beat["lag"]) for beat in database["heartbeats"].find()}


def _shared(database: Database) -> bool:
    had = list(_partitions(database).values())
    return len(had) == 2 and all(had) and had[0] | had[1] == ALL and not had[0] & had[1]


def _rebalances(kafka) -> int:
    """How often the broker gave the group's partitions out anew, as its log says."""
    return len(re.findall(r"Preparing to rebalance group hub\.insights ", kafka.log()))
