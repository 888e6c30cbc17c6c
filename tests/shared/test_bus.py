"""The way to Kafka: what was acknowledged is there, and what is not known to be is said not to be."""

import signal
import threading
from pathlib import Path

import pytest

from deploy import servers
from shared import bus, events
from shared.errors import Invalid, Unavailable
from shared.events import Record


@pytest.fixture
def publish(bootstrap: str):
    publisher = bus.Publisher(bootstrap)
    yield publisher
    publisher.close()


def test_what_was_published_is_there_in_order_per_key(publish, person, published) -> None:
    publish([person(key, version) for version in range(1, 30) for key in ("p1", "p2")])
    publish([Record("engagement.people", "p1", None)])

    records = published("engagement.people")
    p1 = [events.read(one.topic, one.key, one.value).state for one in records if one.key == b"p1"]
    assert [state and state.version for state in p1] == [*range(1, 30), None]
    assert len(records) == 2 * 29 + 1


def test_a_record_that_is_too_large_is_refused_and_the_next_batch_passes(publish, person, published) -> None:
    with pytest.raises(Invalid):
        publish([Record("engagement.people", "p1", "x" * 2_000_000)])

    publish([person("p2")])
    assert [one.key for one in published("engagement.people")] == [b"p2"]


def test_a_broker_that_is_away_is_said_to_be() -> None:
    nowhere = f"127.0.0.1:{servers.free_port()}"

    with pytest.raises(Unavailable):
        bus.Publisher(nowhere)([Record("engagement.people", "p1", "{}")])
    assert bus.Probe(nowhere).answers() is False


def test_a_publisher_works_again_with_a_broker_that_lost_everything(
    publish, person, fresh_broker: servers.Server, tmp_path: Path, published, eventually
) -> None:
    publish([person("p1")])
    fresh_broker.kill()
    empty = servers.start_broker(tmp_path / "another", fresh_broker.port)

    def works() -> bool:
        try:
            bus.ensure_topics(f"127.0.0.1:{empty.port}")
            publish([person("p2")])
        except Unavailable:
            return False
        return True

    try:
        eventually(works, within=40)
        assert b"p2" in {one.key for one in published("engagement.people")}
    finally:
        empty.stop()


def test_an_outage_longer_than_the_producers_patience_is_said_to_be_and_its_end_is_noticed(
    publish, person, fresh_broker: servers.Server, published, eventually, monkeypatch
) -> None:
    monkeypatch.setattr(bus, "DELIVERY_TIMEOUT", 1000)
    others = set(threading.enumerate())
    publish([person("p1")])
    senders = set(threading.enumerate()) - others

    fresh_broker.process.send_signal(signal.SIGSTOP)  # It takes what is sent and says nothing.
    with pytest.raises(Unavailable):
        publish([Record("engagement.people", f"p{n}", "x" * 5000) for n in range(500)])
    fresh_broker.process.send_signal(signal.SIGCONT)
    publish([person("p2")])

    assert b"p2" in {one.key for one in published("engagement.people")}
    assert senders
    eventually(lambda: not any(thread.is_alive() for thread in senders))


def test_topics_are_made_once_even_by_many_at_once(fresh_broker: servers.Server) -> None:
    address = f"127.0.0.1:{fresh_broker.port}"
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(bus.ensure_topics(address))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == sorted(events.TOPICS)
    assert bus.ensure_topics(address) == []


def test_a_closed_probe_leaves_nothing_running_and_can_ask_again(fresh_broker: servers.Server, eventually) -> None:
    before = set(threading.enumerate())
    probe = bus.Probe(f"127.0.0.1:{fresh_broker.port}")

    assert probe.answers()
    probe.close()
    eventually(lambda: set(threading.enumerate()) <= before)

    assert probe.answers()
    probe.close()
    probe.close()


def test_a_probe_tells_whether_a_broker_answers(fresh_broker: servers.Server, tmp_path: Path) -> None:
    probe = bus.Probe(f"127.0.0.1:{fresh_broker.port}")
    assert probe.answers()

    fresh_broker.stop()
    assert not probe.answers()

    again = servers.start_broker(tmp_path / "broker", fresh_broker.port)
    try:
        assert probe.answers()
    finally:
        again.stop()
