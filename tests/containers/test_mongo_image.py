"""The MongoDB of the compose file, started as it starts it: each service may prepare its store and write at once."""

import subprocess
from collections.abc import Iterator

import pytest
from testcontainers.core.container import DockerContainer

from deploy.local import ROOT, SERVICES
from services.engagement.store import Store as EngagementStore
from services.insights.store import Store as InsightsStore
from services.notifications.store import Store as NotificationsStore
from shared import mongo

pytestmark = pytest.mark.containers

STORES = {"engagement": EngagementStore, "notifications": NotificationsStore, "insights": InsightsStore}
PASSWORD = "4d" * 16


@pytest.fixture
def start_mongo(eventually) -> Iterator:
    """`start_mongo("insights")`: the address of that service's MongoDB, once its health check passes."""
    started = []

    def start(service: str) -> str:
        container = (
            DockerContainer("mongo:8.0", user="999:999")
            .with_command("bash /hub/start.sh")
            .with_volume_mapping(str(ROOT / "deploy/mongo"), "/hub", "ro")
            .with_env("HOME", "/tmp")
            .with_env("MONGO_ROOT_PASSWORD", PASSWORD[::-1])
            .with_env("MONGO_KEYFILE_SECRET", "6b" * 32)
            .with_env("MONGO_HOST", "127.0.0.1")
            .with_env("MONGO_DATABASE", service)
            .with_env("MONGO_PASSWORD", PASSWORD)
        )
        container.ports["27017/tcp"] = ("127.0.0.1", None)
        started.append(container.start())
        healthy = ["docker", "exec", container.get_wrapped_container().id, "bash", "/hub/healthy.sh"]
        eventually(lambda: subprocess.run(healthy, capture_output=True).returncode == 0, within=90, every=0.3)
        port = container.get_exposed_port(27017)
        return f"mongodb://{service}:{PASSWORD}@127.0.0.1:{port}/{service}?directConnection=true"

    yield start
    for container in started:
        container.stop()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_prepares_its_store_and_writes_in_a_transaction_with_its_own_password(
    start_mongo, service: str
) -> None:
    database = mongo.connect(start_mongo(service))

    STORES[service](database).prepare()
    mongo.in_transaction(
        database,
        lambda session: [database[name].insert_one({"_id": 1}, session=session) for name in ("some", "others")],
    )

    assert database["some"].count_documents({}) == database["others"].count_documents({}) == 1
    assert database["heartbeats"].index_information().keys() >= {"at"}
    database.client.close()
