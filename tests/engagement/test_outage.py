"""When MongoDB is away: an honest 503 in the reader's language that holds their words, and no false thank you."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from deploy import servers
from services.engagement import app
from services.engagement.settings import Settings
from shared import mongo, settings
from shared.signing import webhook_headers

from .conftest import SIMULATOR_SECRET, nonce_of

WORDS = "The surgery moved & there is no bus to it"


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[servers.Server]:
    server = servers.start_mongod(tmp_path / "mongod", servers.free_port())
    yield server
    server.stop()


@pytest.fixture
def own_app(own_mongod: servers.Server, environment: dict[str, str]) -> Iterator[Flask]:
    hub = _hub(own_mongod.port, environment)
    yield app.web(hub=hub)
    hub.database.client.close()


def test_an_outage_loses_no_words(
    own_mongod: servers.Server, own_app: Flask, eventually: Callable, tmp_path: Path
) -> None:
    client = own_app.test_client()
    form = {"text": WORDS, "would_help": "A bench", "nonce": nonce_of(client.get("/").text)}
    own_mongod.kill()

    page = client.post("/?lang=ar", data=form)
    answer = client.post("/api/v1/feedback", json={"text": WORDS})
    raw = json.dumps({"id": "m1", "from": "+447700900123", "text": WORDS}).encode()
    signed = webhook_headers(bytes.fromhex(SIMULATOR_SECRET), id="m1", body=raw)
    texted = client.post("/sms/simulator", data=raw, headers=signed)
    looked = client.get("/status/K7MX-4TQP?lang=ar", headers={"Accept": "text/html"})

    assert [one.status_code for one in (page, answer, texted, looked)] == [503] * 4
    assert all(int(one.headers["Retry-After"]) > 0 for one in (page, answer, texted, looked))
    assert '<html lang="ar" dir="rtl"' in page.text
    assert '<html lang="ar"' in looked.text
    assert "The surgery moved &amp; there is no bus to it" in page.text
    assert "A bench" in page.text
    assert nonce_of(page.text) == form["nonce"]
    assert answer.content_type == texted.content_type == "application/problem+json"
    assert client.get("/").status_code == 200
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 503

    again = servers.start_mongod(tmp_path / "mongod", own_mongod.port)
    try:
        eventually(lambda: client.get("/health/ready").status_code == 200)
        sent = client.post("/", data=form)
        assert sent.status_code == 303
        assert client.get(sent.location).status_code == 200
    finally:
        again.stop()


def test_a_start_without_mongodb_is_made_good_later(tmp_path: Path, environment: dict[str, str]) -> None:
    port = servers.free_port()
    hub = _hub(port, environment)
    client = app.web(hub=hub).test_client()
    assert client.post("/api/v1/feedback", json={"text": WORDS}).status_code == 503

    server = servers.start_mongod(tmp_path / "mongod", port)
    try:
        assert client.post("/api/v1/feedback", json={"text": WORDS}).status_code == 201
        assert "reference" in hub.database["feedback"].index_information()
    finally:
        hub.database.client.close()
        server.stop()


def _hub(port: int, environment: dict[str, str]) -> app.Hub:
    """Engagement, with little patience, so that an outage is known soon."""
    database = mongo.connect(f"mongodb://127.0.0.1:{port}/outage?replicaSet=rs0", patience=1)
    return app.build(settings.load(Settings, environment), database=database)
