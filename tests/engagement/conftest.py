"""Engagement over a real mongod: put together as a site does, with a clock and a gateway secret of the tests."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from services.engagement import app
from services.engagement.settings import Settings
from shared import settings

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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environment(mongo_url: str) -> dict[str, str]:
    """What a site would set."""
    return {
        "MONGO_URL": mongo_url,
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "SECRET_KEY": SECRET_KEY,
        "PUBLIC_URL": "https://hub.example.org",
        "SIMULATOR_SECRET": SIMULATOR_SECRET,
        "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "SMS_NUMBER": "07700 900999",
    }


@pytest.fixture
def hub(environment: dict[str, str], clock: Clock) -> Iterator[app.Hub]:
    """Engagement, put together."""
    built = app.build(settings.load(Settings, environment), clock=clock)
    yield built
    built.database.client.close()


@pytest.fixture
def client(hub: app.Hub) -> FlaskClient:
    """A browser."""
    return app.web(hub=hub).test_client()


@pytest.fixture
def waiting(database: Database) -> Callable[..., list[dict]]:
    """`waiting(topic)`: the data of all events that wait to be published, of one topic or of all."""
    import json

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
