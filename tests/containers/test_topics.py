"""The topics on Apache Kafka are as the contracts say, and making them again changes nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.local import ROOT
from deploy.servers import free_port
from shared.events import TOPICS

pytestmark = pytest.mark.containers


@pytest.fixture
def bootstrap(kafka_maker, tmp_path) -> str:
    """The address of a Kafka that has no topics yet."""
    return f"127.0.0.1:{kafka_maker(tmp_path, free_port()).port}"


@pytest.fixture
def admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    made = KafkaAdminClient(bootstrap_servers=bootstrap)
    yield made
    made.close()


def test_each_topic_has_the_policy_retention_and_partitions_of_its_contract_and_keeps_them(
    bootstrap: str, admin: KafkaAdminClient, eventually
) -> None:
    first = _make_topics(bootstrap)
    eventually(lambda: set(admin.list_topics()) >= TOPICS.keys())
    made = _topics(admin)
    second = _make_topics(bootstrap)

    assert first == "created: " + ", ".join(TOPICS)
    assert made == {name: (topic.partitions, topic.config) for name, topic in TOPICS.items()}
    assert second == "created: nothing, all were there"
    assert _topics(admin) == made


def _make_topics(bootstrap: str) -> str:
    """Give the operators' command."""
    return subprocess.run(
        [sys.executable, "-m", "shared.cli", "topics"],
        cwd=ROOT, env=os.environ | {"KAFKA_BOOTSTRAP": bootstrap}, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


def _topics(admin: KafkaAdminClient) -> dict[str, tuple[int, dict[str, str]]]:
    """Each topic's partitions, and what of its configuration is its own."""
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in TOPICS])["topic"]
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(list(TOPICS))}
    return {
        name: (
            partitions[name],
            {
                key: entry["value"]
                for key, entry in described[name].items()
                if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
            },
        )
        for name in TOPICS
    }
