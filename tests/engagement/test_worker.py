"""The worker of engagement, as a process of its own, between a real mongod and a real broker."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from deploy import servers
from services.engagement.app import Hub
from shared import bus, events

ROOT = Path(__file__).parents[2]


@pytest.fixture
def worker_environment(environment: dict[str, str], broker: servers.Server) -> dict[str, str]:
    return {**os.environ, **environment, "KAFKA_BOOTSTRAP": f"127.0.0.1:{broker.port}", "WORKER_ID": "engagement-1"}


@pytest.fixture
def worker(worker_environment: dict[str, str], hub: Hub) -> Iterator[subprocess.Popen]:
    running = subprocess.Popen(
        [sys.executable, "-m", "services.engagement", "worker"], cwd=ROOT, env=worker_environment
    )
    yield running
    running.terminate()
    assert running.wait(20) == 0


def test_what_was_kept_is_published_and_what_became_of_it_is_shown(
    worker: subprocess.Popen, worker_environment: dict[str, str], client: FlaskClient, database: Database,
    waiting: Callable, eventually: Callable,
) -> None:  # fmt: skip
    taken = client.post(
        "/api/v1/feedback", json={"text": "The bus is late", "contact": {"phone": "07700 900123"}, "may_answer": True}
    ).json

    eventually(lambda: waiting() == [], within=40)
    now = datetime.now(UTC)
    told = events.Delivery(
        f"{taken['feedback_id']}.receipt", 1, "p1", "receipt", "sms", "delivered", "", 1, now, now,
        feedback_id=taken["feedback_id"],
    )  # fmt: skip
    bus.Publisher(worker_environment["KAFKA_BOOTSTRAP"])([events.record(told, type="delivery.delivered", time=now)])

    def states() -> list[str]:
        return [one["state"] for one in client.get(f"/api/v1/feedback/{taken['reference']}").json["deliveries"]]

    eventually(lambda: states() == ["delivered"], within=40)
    assert client.get("/health/ready").json["checks"]["workers"]["status"] == "pass"


def test_republish_sends_the_state_of_everything_again(
    worker_environment: dict[str, str], client: FlaskClient, broker: servers.Server
) -> None:
    client.post("/api/v1/feedback", json={"text": "The bus is late"})

    done = subprocess.run(
        [sys.executable, "-m", "services.engagement", "republish"],
        cwd=ROOT, env=worker_environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "1 records sent again\n"), done.stderr
