"""What the tests of the shared machinery have in common: a broker of their own, people and texts to write about."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy import servers
from shared import bus, events

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quiet_kafka() -> None:
    """Kafka's client tells of each outage, and these tests are full of them."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[servers.Server]:
    """A broker with nothing in it; it starts in 50 ms, so a test may have its own."""
    server = servers.start_broker(tmp_path / "broker", servers.free_port())
    yield server
    server.stop()


@pytest.fixture
def bootstrap(fresh_broker: servers.Server) -> str:
    """The address of a fresh broker that has all topics."""
    address = f"127.0.0.1:{fresh_broker.port}"
    bus.ensure_topics(address)
    return address


@pytest.fixture
def person() -> Callable[..., events.Record]:
    """`person("p1", version=2)`: a record that says that a person is now so."""

    def make(person_id: str, version: int = 1, **more: object) -> events.Record:
        return events.record(events.Person(person_id, version, **more), type="person.noted", time=NOW)

    return make


@pytest.fixture
def published(bootstrap: str) -> Callable[[str], list]:
    """`published(topic)`: all records of a topic, in order per key."""

    def read(topic: str) -> list:
        reader = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        try:
            partitions = [TopicPartition(topic, number) for number in range(events.TOPICS[topic].partitions)]
            reader.assign(partitions)
            records: list = []
            while polled := reader.poll(timeout_ms=300):
                records.extend(record for found in polled.values() for record in found)
            return records
        finally:
            reader.close()

    return read
