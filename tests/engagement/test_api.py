"""The API for programs: what it takes, what it answers, and its own description."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from pymongo.database import Database

from services.engagement import schemas
from services.engagement.app import Hub

from .conftest import EMPTY, NASTY

PATH = "/api/v1/feedback"
WORDS = "The surgery moved and there is no bus to it on Saturdays"


def test_a_contribution_is_kept_before_201(client: FlaskClient, database: Database) -> None:
    answer = client.post(PATH, json=schemas.EXAMPLE)

    assert answer.status_code == 201
    assert answer.json.keys() == schemas.EXAMPLE_TAKEN.keys()
    assert answer.json["status_url"] == f"https://hub.example.org/status/{answer.json['reference']}"
    assert database["feedback"].find_one({"_id": answer.json["feedback_id"]})


def test_the_same_key_and_body_is_answered_as_the_first_time(client: FlaskClient, database: Database) -> None:
    first, again = (client.post(PATH, json={"text": WORDS}, headers={"Idempotency-Key": "k1"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert database["feedback"].count_documents({}) == 1


def test_the_same_key_with_another_body_is_a_conflict(client: FlaskClient) -> None:
    client.post(PATH, json={"text": WORDS}, headers={"Idempotency-Key": "k1"})

    answer = client.post(PATH, json={"text": "Another"}, headers={"Idempotency-Key": "k1"})

    assert answer.status_code == 409
    assert answer.json["type"] == "urn:hub:problem:idempotency-key-reused"


def test_without_a_key_the_same_body_is_another_contribution(client: FlaskClient, database: Database) -> None:
    for _ in range(2):
        client.post(PATH, json={"text": WORDS})

    assert database["feedback"].count_documents({}) == 2


@pytest.mark.parametrize("key", ["", "k" * 255, "ключ", "a b"])
def test_any_key_up_to_255_characters_will_do(client: FlaskClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("utf-8").decode("latin-1")}

    assert client.post(PATH, json={"text": WORDS}, headers=headers).status_code in (201, 422)


def test_a_key_beyond_255_characters_is_refused(client: FlaskClient) -> None:
    assert client.post(PATH, json={"text": WORDS}, headers={"Idempotency-Key": "k" * 256}).status_code == 422


@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY.keys())
def test_odd_words_are_kept(client: FlaskClient, database: Database, words: str) -> None:
    answer = client.post(PATH, data=json.dumps({"text": words}), content_type="application/json")

    assert answer.status_code == 201
    assert database["feedback"].find_one()["original"]["text"]
    assert "\x00" not in database["feedback"].find_one()["original"]["text"]


@pytest.mark.parametrize("words", EMPTY.values(), ids=EMPTY.keys())
def test_empty_words_are_refused(client: FlaskClient, words: str) -> None:
    answer = client.post(PATH, json={"text": words})

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"].keys() == {"text"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"12", b'{"text": null}', b'{"text": 12}', b'{"text": {"$gt": ""}}',
        b'{"text": "a", "contact": "b"}', b'{"text": "a", "communities": "b"}', b'{"text": "a", "may_answer": 3}',
        b'{"text": "a", "may_answer": true}', b'{"text": "a", "language": "english please"}', b"[" * 100_000,
        b'{"text": "a", "unknown": 1}', b'{"text": "a", "contact": {"phone": "1"}, "may_answer": true}',
        b'{"text": "a", "contact": {"phone": "07700 900123", "email": "a@example.com"}, "may_answer": true}',
        b'{"text": "a", "area": "%s"}' % (b"x" * 81), b'{"text": "%s"}' % (b"x" * 10_001), b"\x80\x81\xfe\xff" * 10,
        b'{"text": NaN}', b'{"text": 1e999999}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)  # fmt: skip
def test_what_cannot_be_accepted_is_a_problem_that_says_so(
    client: FlaskClient, database: Database, body: bytes
) -> None:
    answer = client.post(PATH, data=body, content_type="application/json")

    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["detail"]
    assert database["feedback"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("label", "body", "type"),
    [
        ("Windows-1252", '{"text": "café"}'.encode("cp1252"), "application/json"),
        ("UTF-16", '{"text": "café"}'.encode("utf-16"), "application/json"),
        ("with a byte order mark", b'\xef\xbb\xbf{"text": "caf\xc3\xa9"}', "application/json"),
        ("of another type", '{"text": "café"}'.encode(), "text/plain"),
    ],
)
def test_words_in_another_encoding_are_read(
    client: FlaskClient, database: Database, label: str, body: bytes, type: str
) -> None:
    answer = client.post(PATH, data=body, content_type=type)

    assert answer.status_code == 201, label
    assert database["feedback"].find_one()["original"]["text"] == "café"


def test_ten_megabytes_are_refused(client: FlaskClient) -> None:
    answer = client.post(PATH, data=b'{"text": "' + b"x" * 10_000_000 + b'"}', content_type="application/json")

    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


def test_a_language_that_is_given_stands_where_detection_is_unsure(client: FlaskClient) -> None:
    assert client.post(PATH, json={"text": "ok", "language": "ro"}).json["language"] == "ro"
    assert client.post(PATH, json={"text": WORDS, "language": "ro"}).json["language"] == "en-GB"


def test_the_status_tells_no_words_and_no_contact(client: FlaskClient) -> None:
    taken = client.post(PATH, json={"text": WORDS, "contact": {"phone": "07700 900123"}, "may_answer": True}).json

    answer = client.get(f"{PATH}/{taken['reference'].lower()}")

    assert answer.status_code == 200
    assert answer.json == {
        "reference": taken["reference"],
        "state": "received",
        "language": "en-GB",
        "received_at": "2026-11-21T12:00:00+00:00",
        "read_by": "2026-12-19T12:00:00+00:00",
        "overdue": False,
        "deliveries": [],
    }


@pytest.mark.parametrize(("reference", "status"), [("K7MX-4TQP", 404), ("nonsense", 422), ("%00", 422)])
def test_a_reference_nobody_has_is_a_problem(client: FlaskClient, reference: str, status: int) -> None:
    answer = client.get(f"{PATH}/{reference}")

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    return client.get("/api/v1/engagement/openapi.json").json


def test_the_description_is_valid_openapi(description: dict[str, Any]) -> None:
    validate(description)

    assert description["openapi"].startswith("3.1")
    assert set(description["paths"]) == {"/api/v1/feedback", "/api/v1/feedback/{reference}"}


def test_every_answer_that_is_described_has_a_shape(description: dict[str, Any]) -> None:
    post = description["paths"]["/api/v1/feedback"]["post"]

    assert {"201", "409", "413", "422", "503"} <= post["responses"].keys()
    for status in ("409", "413", "422", "503"):
        assert post["responses"][status]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }
    assert [one["name"] for one in post["parameters"]] == ["Idempotency-Key"]


def test_health_is_for_the_probes(client: FlaskClient, hub: Hub) -> None:
    assert client.get("/health/live").json == {"status": "pass"}
    assert client.get("/health/ready").json["status"] == "warn"  # No worker is at work.
