"""The worker with a real broker, a real database and a provider on loopback: what is published is sent, once."""

import itertools
import json
import random
import uuid

import pytest

from services.notifications import app
from shared import bus, events
from shared.events import Person, Reply, record

from .conftest import NOW, PHONE, SECRET

WORDS = {"en-GB": "Thank you", "pl": "Dziękujemy", "ur": "شکریہ", "ar": "شكراً", "pa": "ਧੰਨਵਾਦ"}


@pytest.fixture
def published(broker, mongo_url, peer, run_in_thread):
    """Run the worker's loops; returns a publisher and the service."""
    bootstrap = f"127.0.0.1:{broker.port}"
    settings = app.Settings(
        mongo_url=mongo_url, kafka_bootstrap=bootstrap, secret_key=SECRET, public_url="https://hub.example.org",
        worker_id="notifications-1", simulator_url=peer.url, simulator_secret=SECRET,
    )  # fmt: skip
    bus.ensure_topics(bootstrap)
    built = app.build(settings)
    built.store.prepare()
    operations = app.operations_of(built)
    worker = operations.worker()
    for loop in worker._loops.values():
        run_in_thread(loop)
    publisher = bus.Publisher(bootstrap)
    yield publisher, built
    publisher.close()


def test_each_reply_is_sent_once_in_the_persons_language_whatever_the_order(published, peer, eventually):
    publish, _ = published
    counter = itertools.count()
    peer.answer = lambda asked: (201, json.dumps({"id": f"p-{next(counter)}"}).encode())
    mark = uuid.uuid4().hex[:8]
    people = [
        record(Person(f"{mark}-{tag}", version, phone=PHONE, language=tag), type="person.noted", time=NOW)
        for tag in WORDS
        for version in (1, 2)
    ]
    replies = [_due(f"{mark}-{tag}.receipt", f"{mark}-{tag}", "receipt", tag, version=2) for tag in WORDS]
    everything = [*people, *replies] * 3
    random.Random(7).shuffle(everything)

    for one in everything:
        publish([one])

    eventually(lambda: len(_of(peer, mark)) >= len(WORDS))
    publish(everything[:10])
    publish([_known(f"{mark}-last"), _due(f"{mark}-last", f"{mark}-last", "started", "en-GB")])
    eventually(lambda: any(one["reference"] == f"{mark}-last" for one in _of(peer, mark)))
    sent = {one["reference"]: one["text"] for one in _of(peer, mark)}
    assert len(_of(peer, mark)) == len(WORDS) + 1
    for tag, word in WORDS.items():
        assert word in sent[f"{mark}-{tag}.receipt"]


def test_what_became_of_a_message_is_published(published, peer, broker, eventually):
    publish, built = published
    mark = uuid.uuid4().hex[:8]

    publish([_known(mark), _due(f"{mark}.started", mark, "started", "pl")])

    eventually(lambda: _of(peer, mark))
    eventually(lambda: not built.database["deliveries"].find_one({"outbox": {"$exists": True}}))
    states = [one.state.state for one in _read(broker, events.DELIVERIES.name) if one.key == f"{mark}.started"]
    assert states == ["pending", "sent"]


def _known(person_id):
    return record(Person(person_id, 1, phone=PHONE), type="person.noted", time=NOW)


def _due(reply_id, person_id, kind, language, version=1):
    reply = Reply(reply_id, person_id, version, kind, "sms", language, NOW, None, {"reference": "K7MX-4TQP"})
    return record(reply, type="reply.due", time=NOW)


def _of(peer, mark):
    return [one for one in peer.bodies() if one["reference"].startswith(mark)]


def _read(broker, topic):
    from kafka import KafkaConsumer, TopicPartition

    reader = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{broker.port}", enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
    reader.assign(partitions)
    reader.seek_to_beginning()
    read = []
    while polled := reader.poll(timeout_ms=1000):
        read += [events.read(topic, one.key, one.value) for records in polled.values() for one in records]
    reader.close()
    return read
