"""Real Kafka and MongoDB in containers, for the tests marked `containers`. Needs a Docker engine and the images."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer

from deploy import servers
from shared import bus
from shared.errors import Unavailable
from tests.flows.conftest import make_hub  # noqa: F401 (a fixture)

KAFKA = "apache/kafka:4.1.0"
START = 90  # seconds until it answers
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # Each container is removed by its own fixture.


class Kafka:
    """Apache Kafka in a container on a fixed port of loopback: killed and started again, it keeps its log."""

    name = "kafka"

    def __init__(self, port: int) -> None:
        self.port = port
        self._container = (
            DockerContainer(KAFKA)
            .with_env("KAFKA_NODE_ID", "1")
            .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
            .with_env("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
            .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://127.0.0.1:{port}")
            .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")
            .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
            .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
            .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        )
        self._container.ports["9092/tcp"] = ("127.0.0.1", port)  # with_bind_ports would open it to the network
        self._container.start()
        self._await()

    def alive(self) -> bool:
        """Whether its process runs."""
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return wrapped.status == "running"

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._container.get_wrapped_container().kill()

    def start(self) -> None:
        """Start it again, with the log it had."""
        self._container.get_wrapped_container().start()
        self._await()

    def log(self) -> str:
        """What it has logged so far."""
        return self._container.get_logs()[0].decode()

    def stop(self) -> None:
        """Leave it to its fixture: a hub that stops does not throw the log away."""

    def remove(self) -> None:
        """Stop and forget it."""
        self._container.stop()

    def _await(self) -> None:
        limit = time.monotonic() + START
        while True:
            try:
                bus.ensure_topics(f"127.0.0.1:{self.port}", ())
                return
            except Unavailable:
                assert time.monotonic() < limit, f"Kafka did not answer within {START} seconds"
                time.sleep(0.5)


@pytest.fixture
def kafka_maker() -> Iterator[Callable[[Path, int], servers.Broker]]:
    """What a hub starts its broker with: a container the first time, the same one again after a kill."""
    made: dict[int, Kafka] = {}

    def make(folder: Path, port: int) -> servers.Broker:
        if port in made:
            made[port].start()
        else:
            made[port] = Kafka(port)
        return made[port]

    yield make
    for kafka in made.values():
        kafka.remove()
