"""The one way to Kafka: topics, a publisher that returns when all is acknowledged, and a consumer.

Settings are those that recovered within a second of an outage when measured; see docs/decisions.md.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaConfigurationError, KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError

from shared.errors import Invalid, Unavailable
from shared.events import TOPICS, Record, Topic

log = logging.getLogger(__name__)

CONTENT_TYPE = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
DELIVERY_TIMEOUT = 10_000  # ms that a record may take to be acknowledged, all tries included
SESSION_TIMEOUT = 10_000  # ms after which a silent worker's partitions go to the others
_CONNECTION = {"reconnect_backoff_max_ms": 1000, "bootstrap_timeout_ms": 5000}


def ensure_topics(bootstrap: str, topics: Sequence[Topic] = tuple(TOPICS.values())) -> list[str]:
    """Create the topics that are missing, with cleanup policy, retention and partitions; returns those it made.

    Existing topics are left as they are. Raises Unavailable when no broker answers.
    """
    with _away_is_unavailable():
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000, **_CONNECTION)
        try:
            there, made = set(admin.list_topics()), []
            for topic in topics:
                if topic.name not in there:
                    with contextlib.suppress(TopicAlreadyExistsError):  # Another worker was faster.
                        admin.create_topics([NewTopic(topic.name, topic.partitions, 1, topic_configs=topic.config)])
                        made.append(topic.name)
            return made
        finally:
            admin.close()


class Publisher:
    """Publishes batches. Make it in the process and thread that uses it: a producer does not survive a fork."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: KafkaProducer | None = None

    def __call__(self, records: Sequence[Record]) -> None:
        """Publish and return when every record is acknowledged by all in-sync replicas.

        Raises Unavailable when that is not known of all of them: send the whole batch again. Raises Invalid when
        one of them is larger than the broker takes.
        """
        with _away_is_unavailable():
            try:
                producer = self._producer = self._producer or self._connect()
                sent = [
                    producer.send(
                        record.topic,
                        key=record.key.encode(),
                        value=None if record.value is None else record.value.encode(),
                        headers=CONTENT_TYPE,
                    )
                    for record in records
                ]
                # An idempotent producer of kafka-python 3.0 stops for good, and fails nothing that it still holds,
                # when a record that it had sent runs out of time: it drops its id and never asks for another.
                producer.flush(timeout=DELIVERY_TIMEOUT / 1000 + 1)
                for one in sent:
                    one.get(timeout=0)
            except MessageSizeTooLargeError as e:
                raise Invalid("event-too-large", "An event is larger than the broker takes.") from e
            except KafkaError:
                self.close()  # After the broker lost its state an idempotent producer never recovers.
                raise

    def close(self) -> None:
        """Give up the connection. The next call makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(timeout=1)
            except KafkaError:  # It holds undeliverable records, and would go on trying: older states after newer.
                producer._sender.force_close()

    def _connect(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=5,
            batch_size=131_072,
            request_timeout_ms=DELIVERY_TIMEOUT // 2,
            delivery_timeout_ms=DELIVERY_TIMEOUT,
            max_block_ms=DELIVERY_TIMEOUT,
            metrics_enabled=False,
            **_CONNECTION,
        )


def consumer(bootstrap: str, *, group: str, member: str, topics: Sequence[str], listener: object) -> KafkaConsumer:
    """A consumer of these topics in a group. `member` is its lasting name: after a restart it has its partitions
    back at once, without a rebalance (static membership, KIP-345). Offsets are committed by hand.

    Raises Unavailable when no broker answers.
    """
    with _away_is_unavailable():
        made = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=500,
            session_timeout_ms=SESSION_TIMEOUT,
            heartbeat_interval_ms=SESSION_TIMEOUT // 4,
            metadata_max_age_ms=30_000,
            metrics_enabled=False,
            **_CONNECTION,
        )
        made.subscribe(list(topics), listener=listener)
        return made


class Probe:
    """Asks the broker a small question now and then, to tell whether it answers."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: KafkaAdminClient | None = None

    def answers(self) -> bool:
        """Whether a broker answered within three seconds."""
        try:
            self._admin = self._admin or KafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                request_timeout_ms=3000,
                **{**_CONNECTION, "bootstrap_timeout_ms": 3000},
            )
            self._admin.list_topics()  # Every broker answers this; describe_cluster fails on the small one.
        except (KafkaError, OSError):
            self.close()
            return False
        return True

    def close(self) -> None:
        """Give up the connection. The next question makes a new one."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()


@contextlib.contextmanager
def _away_is_unavailable() -> Iterator[None]:
    try:
        yield
    except KafkaConfigurationError:  # Our own mistake, which waiting does not mend.
        raise
    except (KafkaError, OSError) as e:
        raise Unavailable("broker-away", f"The Kafka broker does not answer ({e.__class__.__name__}).") from e
