"""No log line holds what somebody wrote, or where they can be reached."""

import json
import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from services.engagement.app import Hub
from services.engagement.store import Store
from shared.logs import JsonFormatter
from shared.signing import webhook_headers

from .conftest import SIMULATOR_SECRET

SECRETS = ("Halliwell", "900123", "900124", "someone", "K7MX")


class Lines(logging.Handler):
    """Remembers each line as it would be written, and everything its record holds."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(JsonFormatter("engagement"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines(client: FlaskClient) -> Iterator[Lines]:
    root, handler = logging.getLogger(), Lines()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def _everything_somebody_may_send(client: FlaskClient) -> None:
    words = "In Halliwell, call 07700 900123 or someone@example.com"
    client.post("/", data={"text": words, "answer": "sms", "phone": "07700 900124"})
    client.post("/", data={"text": "", "area": "Halliwell", "answer": "email", "email": "someone"})
    client.post("/api/v1/feedback", json={"text": words, "contact": {"phone": "07700 900124"}, "may_answer": True})
    client.post("/api/v1/feedback", data=words.encode())
    client.get("/status/K7MX-4TQP?text=Halliwell")
    for text in (words, "STOP", ""):
        raw = json.dumps({"id": text, "from": "+447700900123", "text": text}).encode()
        signed = webhook_headers(bytes.fromhex(SIMULATOR_SECRET), id="m1", body=raw)
        client.post("/sms/simulator", data=raw, headers=signed)
        client.post("/sms/simulator", data=raw)
    client.post("/sms/Halliwell", data=words)


def test_no_line_holds_words_numbers_or_addresses(client: FlaskClient, lines: Lines) -> None:
    _everything_somebody_may_send(client)

    assert len(lines.lines) > 10
    assert [line for line in lines.lines if any(secret in line for secret in SECRETS)] == []


def test_not_even_when_something_breaks(
    client: FlaskClient, lines: Lines, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Store, *writes: object) -> None:
        raise RuntimeError(f"cannot write {writes}")

    monkeypatch.setattr(Store, "commit", broken)

    _everything_somebody_may_send(client)

    assert any('"ERROR"' in line for line in lines.lines)
    assert [line for line in lines.lines if any(secret in line for secret in SECRETS)] == []
