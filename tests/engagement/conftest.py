"""Engagement over a real mongod: put together as a site does, with a clock and a gateway secret of the tests."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from deploy import servers
from services.engagement import app
from services.engagement.settings import Settings
from shared import mongo, settings

SECRET_KEY = "5e" * 32
SIMULATOR_SECRET = "51" * 32
TWILIO_TOKEN = "12345"


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def standing_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(standing_clock: Clock) -> Clock:
    """The clock of this test, set to noon."""
    standing_clock.now = Clock().now
    return standing_clock


@pytest.fixture(scope="session")
def lasting_url(mongod: servers.Server) -> str:
    """One database for all of these tests: making its indexes takes longer than most of them."""
    return f"mongodb://127.0.0.1:{mongod.port}/test_engagement?replicaSet=rs0"


@pytest.fixture(scope="session")
def lasting_database(lasting_url: str) -> Iterator[Database]:
    made = mongo.connect(lasting_url)
    yield made
    made.client.close()


@pytest.fixture
def database(lasting_database: Database) -> Iterator[Database]:
    """That database, emptied afterwards."""
    yield lasting_database
    for collection in ("feedback", "people", "deliveries"):
        lasting_database[collection].delete_many({})


@pytest.fixture(scope="session")
def environment(lasting_url: str) -> dict[str, str]:
    """What a site would set."""
    return {
        "MONGO_URL": lasting_url,
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "SECRET_KEY": SECRET_KEY,
        "PUBLIC_URL": "https://hub.example.org",
        "SIMULATOR_SECRET": SIMULATOR_SECRET,
        "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "SMS_NUMBER": "07700 900999",
    }


@pytest.fixture(scope="session")
def lasting_hub(environment: dict[str, str], standing_clock: Clock) -> Iterator[app.Hub]:
    built = app.build(settings.load(Settings, environment), clock=standing_clock)
    yield built
    built.database.client.close()


@pytest.fixture(scope="session")
def lasting_app(lasting_hub: app.Hub) -> Flask:
    return app.web(hub=lasting_hub)


@pytest.fixture
def hub(lasting_hub: app.Hub, clock: Clock, database: Database) -> app.Hub:
    """Engagement, put together, with nothing in its database."""
    return lasting_hub


@pytest.fixture
def client(lasting_app: Flask, hub: app.Hub) -> FlaskClient:
    """A browser that has been nowhere before."""
    return lasting_app.test_client()


@pytest.fixture
def waiting(database: Database) -> Callable[..., list[dict]]:
    """`waiting(topic)`: the data of all events that wait to be published, of one topic or of all."""

    def find(topic: str | None = None) -> list[dict]:
        found = [
            event
            for collection in ("people", "feedback")
            for document in database[collection].find({}, {"outbox": 1})
            for event in document.get("outbox", ())
        ]
        found.sort(key=lambda event: event["at"])
        return [json.loads(event["value"]) for event in found if topic in (None, event["topic"])]

    return find


def nonce_of(page: str) -> str:
    """The hidden mark of the form on a page."""
    found = re.search(r'name="nonce" value="([^"]+)"', page)
    assert found, page
    return found[1]


# What people and programs send that was not expected: label, text.
NASTY = {
    "a NUL inside": "The bus\x00 is late",
    "emoji only": "😡🚌💔",
    "5,000 characters": "The bus is late. " * 294 + "So",
    "right-to-left override": "abc\u202edef is late",
    "a lone surrogate": "The bus \ud800 is late",
    "control characters": "The\x1b[31m bus\x07 is late\x9f",
    "markup": "<script>alert(1)</script> is late",
    "an operator of MongoDB": '{"$gt": ""} is late',
    "a placeholder": "%(name)s %s {0} {{ 7*7 }} is late",
    "mixed scripts": "ਡਾਕਟਰ ڈاکٹر doktor is late",
    "half a combining letter": "e\u0301 is late",
}
EMPTY = {"nothing": "", "spaces": " \t\n ", "invisible": "\u200b\ufeff\u2060", "only NUL": "\x00\x00"}
