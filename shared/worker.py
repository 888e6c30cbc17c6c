"""The worker process: a consumer that applies batches, loops beside it, a heartbeat, and a clean stop.

Law: a batch is applied whole by its handler (state and marks in one transaction), and only then committed to
Kafka. What cannot be applied is tried again, then held in quarantine, and the partition moves on. An outage is
waited out: nothing is ever quarantined because a server was away.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.errors import FencedInstanceIdError, KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition
from pymongo.database import Database
from pymongo.errors import PyMongoError

from shared import bus, events
from shared.errors import Invalid, Unavailable
from shared.events import Incoming
from shared.mongo import is_away
from shared.outbox import Relay
from shared.quarantine import Held, Quarantine
from shared.retry import pause

log = logging.getLogger(__name__)

POLL = 500  # ms; also how late a stop is noticed
TRIES = 3  # for one record by itself, before it is quarantined
HEARTBEAT = 2.0  # seconds between heartbeats
Handler = Callable[[Sequence[Incoming]], None]
Loop = Callable[[threading.Event], None]


class Consumer:
    """Reads the topics of `handlers` and applies what comes, in bulk, each topic by its own handler.

    A handler gets records of one topic, in order per key. It must apply all of them or none, and change nothing
    when it gets one again.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        group: str,
        member: str,
        handlers: Mapping[str, Handler],
        quarantine: Quarantine,
        clock: Callable[[], Any],
    ) -> None:
        self._bootstrap, self._group, self._member = bootstrap, group, member
        self._handlers = dict(handlers)
        self._quarantine = quarantine
        self._clock = clock
        self._assigned = _Assigned()
        self.lag: dict[str, int] = {}  # topic-partition -> records not yet applied; replaced, never changed

    def run(self, stop: threading.Event) -> None:
        """Consume until told to stop. A broker that is away is waited for."""
        failures = 0
        while not stop.is_set():
            try:
                consumer = bus.consumer(
                    self._bootstrap,
                    group=self._group,
                    member=self._member,
                    topics=list(self._handlers),
                    listener=self._assigned,
                )
                failures = 0
                try:
                    self._consume(consumer, stop)
                finally:
                    consumer.close(autocommit=False, timeout_ms=3000)
            except FencedInstanceIdError:
                log.critical("another worker has this worker's name; give each its own WORKER_ID")
                raise
            except (Unavailable, KafkaError) as e:
                failures += 1
                log.warning("consumer waits: %s", e.__class__.__name__)
                stop.wait(pause(failures, first=0.2, most=5))

    def replay(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Apply one record outside the log, as `quarantine replay` does. Raises what the handler raises."""
        self._handlers[topic]([events.read(topic, key, value)])

    def _consume(self, consumer: KafkaConsumer, stop: threading.Event) -> None:
        while not stop.is_set():
            polled = consumer.poll(timeout_ms=POLL, max_records=500)
            self._assigned.changed = False
            if polled and self._apply(consumer, polled, stop):
                consumer.commit(
                    {
                        partition: OffsetAndMetadata(records[-1].offset + 1, "", -1)
                        for partition, records in polled.items()
                    }
                )
            self.lag = _lag(consumer)

    def _apply(self, consumer: KafkaConsumer, polled: Mapping[TopicPartition, list], stop: threading.Event) -> bool:
        """Apply a poll's records, waiting out outages. False: they are no longer ours, or we are stopping."""
        by_topic: dict[str, list] = {}
        for partition, records in polled.items():
            by_topic.setdefault(partition.topic, []).extend(records)
        failures = 0
        while by_topic:
            topic = next(iter(by_topic))
            try:
                self._apply_topic(topic, by_topic[topic], stop)
                del by_topic[topic]
            except Exception as e:
                if not _is_outage(e):
                    raise
                failures += 1
                log.warning("batch waits: %s", e.__class__.__name__, extra={"topic": topic})
                if not self._stay_member(consumer, pause(failures, first=0.2, most=5), stop):
                    return False
        return True

    def _apply_topic(self, topic: str, records: Sequence[Any], stop: threading.Event) -> None:
        readable, sources = [], []
        for record in records:
            try:
                readable.append(events.read(topic, record.key, record.value))
                sources.append(record)
            except Invalid as e:
                self._hold(record, e.detail)
        if not readable:
            return
        try:
            self._handlers[topic](readable)
        except Exception as e:
            if _is_outage(e):
                raise
            log.warning(
                "batch of %d fails, each by itself now: %s", len(readable), e.__class__.__name__, extra={"topic": topic}
            )
            for incoming, record in zip(readable, sources, strict=True):
                self._apply_one(topic, incoming, record, stop)

    def _apply_one(self, topic: str, incoming: Incoming, record: Any, stop: threading.Event) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                self._handlers[topic]([incoming])
                return
            except Exception as e:
                if _is_outage(e):
                    raise
                if isinstance(e, Invalid) or attempt == TRIES:
                    self._hold(record, reason(e))
                    return
                stop.wait(pause(attempt, first=0.1, most=1))

    def _hold(self, record: Any, reason: str) -> None:
        held = Held(
            id=f"{record.topic}-{record.partition}-{record.offset}",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            reason=reason,
            held_at=self._clock(),
        )
        self._quarantine.hold(held)
        log.error("record quarantined", extra={"held": held.id})

    def _stay_member(self, consumer: KafkaConsumer, seconds: float, stop: threading.Event) -> bool:
        """Wait with all partitions paused, polling so that the group does not expel us."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            consumer.pause(*consumer.assignment())
            consumer.poll(timeout_ms=100)
            if stop.is_set() or self._assigned.changed:
                break
        consumer.resume(*consumer.paused())
        if not self._assigned.changed:
            return not stop.is_set()
        for partition in consumer.assignment():  # What was polled is dropped: begin again at what was committed.
            committed = consumer.committed(partition)
            consumer.seek(partition, committed) if committed is not None else consumer.seek_to_beginning(partition)
        return False


class _Assigned(ConsumerRebalanceListener):
    """Remembers that partitions came or went since it was last asked."""

    changed = False

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.changed = True

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self.changed = True


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, Unavailable) or is_away(error):
        return True
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")


def reason(error: Exception) -> str:
    """Why a record could not be applied, in a line."""
    return error.detail if isinstance(error, Invalid) else f"{error.__class__.__name__}: {error}"


def _lag(consumer: KafkaConsumer) -> dict[str, int]:
    lag = {}
    for partition in consumer.assignment():
        if (high := consumer.highwater(partition)) is not None:
            lag[f"{partition.topic}-{partition.partition}"] = max(0, high - consumer.position(partition))
    return lag


class Worker:
    """Runs loops in threads until a signal or a failure. A loop that ends by itself is a failure: better a
    restarted worker than one that works in part.
    """

    def __init__(
        self,
        *,
        database: Database,
        name: str,
        bootstrap: str,
        loops: Mapping[str, Loop],
        consumer: Consumer | None = None,
    ) -> None:
        self._database, self._name, self._bootstrap = database, name, bootstrap
        self._loops = dict(loops)
        if consumer is not None:
            self._loops["consumer"] = consumer.run
        self._consumer = consumer
        self._failed: list[str] = []
        self.stop = threading.Event()

    def run(self) -> int:
        """Run in the main thread until SIGTERM or SIGINT. Returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        bus_ready = threading.Thread(target=self._create_topics, name="topics", daemon=True)
        bus_ready.start()
        threads = {
            name: threading.Thread(target=self._guard, args=(name, loop), name=name, daemon=True)
            for name, loop in self._loops.items()
        }
        for thread in threads.values():
            thread.start()
        log.info("worker started")
        self._beat_until_stopped(threads)
        until = time.monotonic() + 15  # seconds in all; below what compose and Kubernetes grant
        for thread in threads.values():
            thread.join(max(0.1, until - time.monotonic()))
        log.info("worker stopped", extra={"failed": self._failed})
        return 1 if self._failed else 0

    def _guard(self, name: str, loop: Loop) -> None:
        try:
            loop(self.stop)
        except Exception:
            log.exception("loop failed: %s", name)
        if not self.stop.is_set():
            self._failed.append(name)
            self.stop.set()

    def _create_topics(self) -> None:
        failures = 0
        while not self.stop.is_set():
            try:
                bus.ensure_topics(self._bootstrap)
                return
            except Unavailable:
                failures += 1
                self.stop.wait(pause(failures, first=0.5, most=5))

    def _beat_until_stopped(self, threads: Mapping[str, threading.Thread]) -> None:
        with contextlib.closing(bus.Probe(self._bootstrap)) as probe:
            while not self.stop.is_set():
                self._beat({name: thread.is_alive() for name, thread in threads.items()}, broker=probe.answers())
                self.stop.wait(HEARTBEAT)

    def _beat(self, loops: Mapping[str, bool], *, broker: bool) -> None:
        beat = {"loops": loops, "broker": broker, "lag": self._consumer.lag if self._consumer else {}}
        try:
            self._database["heartbeats"].update_one(
                {"_id": self._name}, [{"$set": {**_literal(beat), "at": "$$NOW"}}], upsert=True
            )
        except PyMongoError as e:
            log.warning("heartbeat missed: %s", e.__class__.__name__)


def _literal(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"$literal": value} for name, value in values.items()}


def relay(
    database: Database,
    collections: Sequence[str],
    *,
    bootstrap: str,
    owner: str,
    quarantine: Quarantine,
    clock: Callable[[], Any],
) -> Loop:
    """The loop that publishes a service's outboxes. A record that can never be published is quarantined."""
    publisher = bus.Publisher(bootstrap)

    def set_aside(record: events.Record, reason: str) -> None:
        unsent = Held(
            id=f"unsent-{record.topic}-{record.key}-{clock().timestamp()}",
            topic=record.topic,
            partition=-1,
            offset=-1,
            key=record.key.encode(),
            value=record.value.encode() if record.value is not None else None,
            reason=reason,
            held_at=clock(),
        )
        quarantine.hold(unsent)
        log.error("event could not be published", extra={"held": unsent.id})

    def run(stop: threading.Event) -> None:
        try:
            Relay(database, collections, publisher, owner=owner, set_aside=set_aside).run(stop)
        finally:
            publisher.close()

    return run
