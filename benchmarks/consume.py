"""Feedback events a second through insights' consumer, against a bare poll and a plain bulk write of the same facts.

Bare: kafka-python polls 500 records, `json.loads` reads them, one unordered majority `bulk_write` inserts the facts
that insights would keep, the offsets are committed. Insights does that, and reads each event against its contract,
looks up what it knows, finds themes (or not), keeps counts and feed, all in one transaction. In turn, several
rounds, each with a fresh database and group; the first batch of each run is not timed. `python -m benchmarks.consume`
"""

import json
import logging
import random
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka.structs import OffsetAndMetadata

from deploy import servers
from services.insights import app, themes
from services.insights.settings import Settings
from services.insights.usecases import ReadThemes
from shared import bus, events, mongo
from shared.events import FEEDBACK, Feedback, Incoming
from shared.worker import Consumer

EVENTS = 20_000
ROUNDS = 5
BATCH = 500  # records, as the workers poll
PATIENCE = 60  # seconds for one run
AREAS = ("BB1", "BB2", "BL3", "LA1", "PR1", "FY1", "BB11", "OL13", "Daisyfield", "Bank Top")
OPENINGS = ("I rang every morning at eight for two weeks.", "My mother was seen last Tuesday.", "The clinic moved.",
            "Nobody told us about the change.", "We went to the walk-in centre with our son.", "It was my first visit.",
            "I have used this service for years.", "After the operation I came home on a Friday.")  # fmt: skip
MIDDLES = ("There was no appointment left when I got through", "The nurse was kind and explained each tablet",
           "The bus only goes once an hour and stops at six", "They asked my daughter to interpret for me",
           "The ward was clean but the food was cold", "We waited five hours without being told why",
           "The doctor listened and changed the medicine", "My letter came after the date it was about",
           "Nobody answered the telephone at the surgery", "The receptionist was rude to everybody there",
           "I see somebody new each time and tell it again", "Parking costs more than the tablets")  # fmt: skip
ENDINGS = ("so we went home.", "and I would tell anybody to go there.", "which was wrong.", "and that helped a lot.",
           "and it happened to my neighbour too.", "so please look at this.", "and I still have the pain.")  # fmt: skip


def main() -> int:
    """Measure and print. Returns the exit status."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        mongod = servers.start_mongod(Path(folder) / "mongod", servers.free_port())
        broker = servers.start_broker(Path(folder) / "broker", servers.free_port())
        try:
            bootstrap = f"127.0.0.1:{broker.port}"
            _publish(bootstrap)
            _report(_measure(bootstrap, mongod.port))
        finally:
            broker.stop()
            mongod.stop()
    return 0


def _measure(bootstrap: str, port: int) -> dict[str, list[float]]:
    read_themes = themes.load().read_many
    runs: dict[str, Callable[[Settings], float]] = {
        "bare": _bare,
        "theming off": lambda settings: _insights(settings, None),
        "theming on": lambda settings: _insights(settings, read_themes),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            database = f"bench_{uuid.uuid4().hex[:8]}"
            settings = Settings(
                mongo_url=f"mongodb://127.0.0.1:{port}/{database}?replicaSet=rs0", kafka_bootstrap=bootstrap,
                secret_key=bytes(16), public_url="http://hub.test", worker_id=database,
            )  # fmt: skip
            rates[name].append(run(settings))
            mongo.connect(settings.mongo_url).client.drop_database(database)
    return rates


def _bare(settings: Settings) -> float:
    facts = mongo.connect(settings.mongo_url)["facts"]
    consumer = bus.consumer(settings.kafka_bootstrap, group=settings.worker_id, member="bare", topics=[FEEDBACK.name],
                            listener=None)  # fmt: skip
    clock = _Clock()
    while not clock.done:
        polled = consumer.poll(timeout_ms=500, max_records=BATCH)
        documents = [_document(json.loads(one.value)["data"]) for records in polled.values() for one in records]
        if documents:
            facts.bulk_write([mongo.InsertOne(document) for document in documents], ordered=False)
            clock.count(len(documents))
            consumer.commit({at: OffsetAndMetadata(records[-1].offset + 1, "", -1) for at, records in polled.items()})
    consumer.close(autocommit=False, timeout_ms=3000)
    return clock.rate


def _insights(settings: Settings, read_themes: ReadThemes | None) -> float:
    hub = app.build(settings, read_themes=read_themes)
    clock, stop = _Clock(), threading.Event()

    def handle(batch: list[Incoming]) -> None:
        hub.insights.on_feedback(batch)
        clock.count(len(batch))
        if clock.done:
            stop.set()

    Consumer(bootstrap=settings.kafka_bootstrap, group=settings.worker_id, member="insights",
             handlers={FEEDBACK.name: handle}, quarantine=hub.quarantine, clock=app.now).run(stop)  # fmt: skip
    kept = hub.database["facts"].estimated_document_count()
    if kept != EVENTS:
        raise SystemExit(f"{kept} facts of {EVENTS} events: this measured something else")
    return clock.rate


class _Clock:
    """Counts records from the end of the first batch, so that joining the group is in no figure."""

    def __init__(self) -> None:
        self._first = self._counted = 0
        self._began = self._ended = 0.0
        self._limit = time.monotonic() + PATIENCE

    def count(self, records: int) -> None:
        self._ended = time.perf_counter()
        if not self._first:
            self._first, self._began = records, self._ended
        self._counted += records

    @property
    def done(self) -> bool:
        if time.monotonic() > self._limit:
            raise SystemExit(f"only {self._counted} of {EVENTS} events within {PATIENCE} seconds")
        return self._counted >= EVENTS

    @property
    def rate(self) -> float:
        return (self._counted - self._first) / (self._ended - self._began)


def _document(data: dict) -> dict:
    received_at = datetime.fromisoformat(data["received_at"])
    return {
        "_id": data["feedback_id"], "version": data["version"], "state": data["state"], "person_id": data["person_id"],
        "received_at": received_at, "day": data["received_at"][:10], "language": data["language"],
        "channel": data["channel"], "area": data["area"], "communities": data["communities"], "themes": [],
        "method": "none", "model": "", "text": data["text"], "would_help": data["would_help"],
        "may_share": data["may_share"],
    }  # fmt: skip


def _publish(bootstrap: str) -> None:
    bus.ensure_topics(bootstrap, [FEEDBACK])
    publish, chance, now = bus.Publisher(bootstrap), random.Random(7), datetime.now(UTC)
    states = [_contribution(number, chance, now) for number in range(EVENTS)]
    for begin in range(0, EVENTS, 2000):
        publish([events.record(state, type="feedback.received", time=now) for state in states[begin : begin + 2000]])
    publish.close()


def _contribution(number: int, chance: random.Random, now: datetime) -> Feedback:
    """One English contribution of the length that people write; every fifth person writes again."""
    said = f"{chance.choice(OPENINGS)} {chance.choice(MIDDLES)} {chance.choice(ENDINGS)}"
    return Feedback(
        feedback_id=f"{chance.getrandbits(128):032x}", version=1, reference=f"{chance.getrandbits(32):08x}",
        person_id=f"person-{chance.randrange(EVENTS * 4 // 5):08x}", channel=chance.choice(("sms", "web", "api")),
        received_at=now - timedelta(minutes=number), language="en-GB", language_confidence=0.97, text=said,
        area=chance.choice(AREAS),
    )  # fmt: skip


def _report(rates: dict[str, list[float]]) -> None:
    bare = statistics.median(rates["bare"])
    for name, found in rates.items():
        rate = statistics.median(found)
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"{name:12} {rate:8,.0f} events/s ({spread})  ratio {rate / bare:.2f}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
