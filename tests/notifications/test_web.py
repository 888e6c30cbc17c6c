"""Receipts and the state of a message over HTTP."""

import json
import time

import pytest
from openapi_spec_validator import validate

from services.notifications import app, domain
from services.notifications.settings import Settings
from shared import mongo
from shared.events import Delivery
from shared.signing import webhook_headers

from .conftest import PHONE, SECRET, person, reply


@pytest.fixture
def client(hub):
    """A client of the web application."""
    return app.web_of(hub).test_client()


def receive(client, body, *, secret=SECRET, gateway="simulator"):
    """A receipt as the simulator posts it."""
    raw = json.dumps(body).encode()
    headers = webhook_headers(secret, id="r-1", body=raw, now=time.time())
    return client.post(f"/receipts/{gateway}", data=raw, headers=headers, content_type="application/json")


def sent(hub):
    """A message that went out; its id."""
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    hub.notifications.send_next()
    return "feedback-1.receipt"


def test_a_receipt_moves_its_message_on_and_coming_again_changes_nothing(hub, client):
    delivery_id = sent(hub)
    receipt = {"id": "p-1", "reference": delivery_id, "state": "delivered"}

    first = receive(client, receipt)
    version = hub.notifications.delivery(delivery_id).version
    again = [receive(client, receipt), receive(client, {**receipt, "state": "sent"})]

    assert [answer.status_code for answer in (first, *again)] == [200] * 3
    assert first.get_json() == {"known": True}
    delivery = hub.notifications.delivery(delivery_id)
    assert (delivery.state, delivery.reason, delivery.version) == ("delivered", domain.ARRIVED, version)


def test_a_receipt_is_found_by_the_providers_id_alone(hub, client):
    delivery_id = sent(hub)

    receive(client, {"id": "p-1", "state": "failed", "code": "blocked"})

    assert hub.notifications.delivery(delivery_id).reason == domain.BLOCKED


def test_a_receipt_that_comes_before_the_call_returned_is_not_lost(hub, client, peer):
    def answer(asked):
        reference = json.loads(asked.body)["reference"]
        assert receive(client, {"id": "p-1", "reference": reference, "state": "delivered"}).get_json()["known"]
        return 201, b'{"id": "p-1"}'

    peer.answer = answer
    delivery_id = sent(hub)

    delivery = hub.notifications.delivery(delivery_id)
    assert (delivery.state, delivery.provider_id, len(delivery.tries), delivery.next_at) == (
        "delivered",
        "p-1",
        1,
        None,
    )


def test_a_receipt_about_nothing_of_ours_is_answered_kindly(client):
    answer = receive(client, {"id": "x", "reference": "y", "state": "delivered"})

    assert (answer.status_code, answer.get_json()) == (200, {"known": False})


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(lambda client: receive(client, {"id": "x"}, secret=bytes(32)), 403, id="forged"),
        pytest.param(lambda client: client.post("/receipts/simulator", data=b"{}"), 403, id="unsigned"),
        pytest.param(lambda client: receive(client, {"state": "sent"}), 422, id="malformed"),
        pytest.param(lambda client: receive(client, {}, gateway="twilio"), 404, id="switched off"),
        pytest.param(lambda client: client.get("/receipts/simulator"), 405, id="not a post"),
    ],
)
def test_what_is_no_receipt_is_refused_as_a_problem(client, answer, status):
    refused = answer(client)

    assert refused.status_code == status
    assert refused.content_type == "application/problem+json"


def test_a_receipt_while_the_database_is_away_is_asked_for_again():
    settings = Settings(
        mongo_url="mongodb://127.0.0.1:1/none", kafka_bootstrap="127.0.0.1:1",
        secret_key=SECRET, public_url="https://hub.example.org", simulator_url="http://127.0.0.1:1",
        simulator_secret=SECRET,
    )  # fmt: skip
    database = mongo.connect(settings.mongo_url, patience=0.3)
    client = app.web_of(app.build(settings, database=database)).test_client()

    answer = receive(client, {"id": "p", "reference": "d", "state": "delivered"})

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_the_state_of_a_message_is_shown_without_address_or_words(hub, client):
    delivery_id = sent(hub)

    answer = client.get(f"/api/v1/deliveries/{delivery_id}")

    shown = answer.get_json()
    assert (shown["state"], shown["reason"], shown["attempts"]) == ("sent", domain.ON_ITS_WAY, 1)
    assert shown.keys() <= Delivery.__dataclass_fields__.keys()
    assert PHONE not in answer.text
    assert "Thank" not in answer.text
    assert "person_id" not in shown


def test_a_message_that_is_not_there_is_a_problem(client):
    answer = client.get("/api/v1/deliveries/none")

    assert (answer.status_code, answer.get_json()["type"]) == (404, "urn:hub:problem:delivery-unknown")


def test_the_description_of_the_api_is_valid(client):
    description = client.get("/api/v1/notifications/openapi.json").get_json()

    validate(description)
    assert "/api/v1/deliveries/{delivery_id}" in description["paths"]


def test_health_asks_the_database(hub, client):
    assert client.get("/health/ready").status_code == 200
    assert client.get("/health/live").get_json() == {"status": "pass"}
