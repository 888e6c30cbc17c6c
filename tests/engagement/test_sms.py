"""Texts by the gateways: who signed them, what they hold, and what the provider is answered."""

import json
from collections.abc import Callable, Mapping

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database
from twilio.request_validator import RequestValidator

from services.engagement import app
from services.engagement.settings import Settings
from shared import settings
from shared.signing import webhook_headers

from .conftest import EMPTY, NASTY, SIMULATOR_SECRET, TWILIO_TOKEN

# A request as Twilio's documentation prints it, the numbers replaced
# (https://www.twilio.com/docs/messaging/guides/webhook-request).
TWILIO = {
    "ToCountry": "GB", "ToState": "", "SmsMessageSid": "SM2e7b1c0a9d8f4e5b6a7c8d9e0f1a2b3c", "NumMedia": "0",
    "ToCity": "", "FromZip": "", "SmsSid": "SM2e7b1c0a9d8f4e5b6a7c8d9e0f1a2b3c", "FromState": "",
    "SmsStatus": "received", "FromCity": "",
    "Body": "The surgery moved and there is no bus to it on Saturdays", "FromCountry": "GB",
    "To": "+447700900999", "ToZip": "", "NumSegments": "1", "MessageSid": "SM2e7b1c0a9d8f4e5b6a7c8d9e0f1a2b3c",
    "AccountSid": "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0", "From": "+447700900123", "ApiVersion": "2010-04-01",
}  # fmt: skip
TWILIO_URL = "https://hub.example.org/sms/twilio"


def from_twilio(
    client: FlaskClient, form: Mapping[str, str], *, signature: str | None = None, path: str = "/sms/twilio"
):
    url = "https://hub.example.org" + path
    signed = RequestValidator(TWILIO_TOKEN).compute_signature(url, form) if signature is None else signature
    return client.post(path, data=form, headers={"X-Twilio-Signature": signed})


def from_simulator(client: FlaskClient, body: bytes | dict, *, headers: Mapping[str, str] | None = None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = webhook_headers(bytes.fromhex(SIMULATOR_SECRET), id="m1", body=raw)
    return client.post("/sms/simulator", data=raw, headers=signed if headers is None else headers)


def text(words: str, id: str = "m1") -> dict[str, str]:
    return {"id": id, "from": "+447700900123", "to": "+447700900999", "text": words}


def test_a_text_by_twilio_is_kept(client: FlaskClient, database: Database) -> None:
    answer = from_twilio(client, TWILIO)

    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    assert "<Response/>" in answer.text
    assert database["feedback"].find_one()["original"]["text"] == TWILIO["Body"]
    assert database["people"].find_one()["phone"] == "+447700900123"


def test_a_query_and_a_plus_belong_to_what_twilio_signs(client: FlaskClient) -> None:
    form = {**TWILIO, "Body": "1 + 1 & 50% = ڈاکٹر"}

    assert from_twilio(client, form, path="/sms/twilio?hub=one&b=a%20c").status_code == 200


@pytest.mark.parametrize("signature", ["", "nonsense", "é", "RSOYDt4T1cUTdK1PDd93/VVr8B8="])
def test_a_forged_call_in_twilios_name_is_refused(client: FlaskClient, database: Database, signature: str) -> None:
    answer = from_twilio(client, TWILIO, signature=signature)

    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert database["feedback"].count_documents({}) == 0


def test_a_changed_text_does_not_fit_twilios_signature(client: FlaskClient) -> None:
    signed = RequestValidator(TWILIO_TOKEN).compute_signature(TWILIO_URL, TWILIO)

    assert from_twilio(client, {**TWILIO, "Body": "STOP"}, signature=signed).status_code == 403


def test_a_picture_without_words_is_taken_and_leaves_nothing(client: FlaskClient, database: Database) -> None:
    assert from_twilio(client, {**TWILIO, "Body": "", "NumMedia": "1"}).status_code == 200
    assert database["feedback"].count_documents({}) == 0


@pytest.mark.parametrize("missing", ["From", "all"])
def test_a_call_of_twilio_that_lacks_something_is_refused(client: FlaskClient, missing: str) -> None:
    form = {"a": "b"} if missing == "all" else {name: value for name, value in TWILIO.items() if name != missing}

    assert from_twilio(client, form).status_code == 422


def test_a_text_by_the_simulator_is_kept_and_answered(client: FlaskClient, waiting: Callable) -> None:
    answer = from_simulator(client, text("ڈاکٹر کے پاس کوئی ترجمان نہیں ہے"))

    assert (answer.status_code, answer.json) == (200, {})
    assert [one["type"] for one in waiting()] == ["person.noted", "feedback.received", "reply.due"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "m1", "webhook-timestamp": "1795300000", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "m1", "webhook-timestamp": "soon", "webhook-signature": "é"},
        webhook_headers(b"another secret, of 32 characters", id="m1", body=b"{}"),
    ],
)
def test_a_forged_call_in_the_simulators_name_is_refused(client: FlaskClient, headers: dict) -> None:
    assert from_simulator(client, text("STOP"), headers=headers).status_code == 403


def test_an_old_call_is_refused_even_with_its_signature(client: FlaskClient) -> None:
    raw = json.dumps(text("STOP")).encode()
    headers = webhook_headers(bytes.fromhex(SIMULATOR_SECRET), id="m1", body=raw, now=1_700_000_000)

    assert client.post("/sms/simulator", data=raw, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id": 1, "from": 2, "text": 3}', b'{"id": "a", "text": "b"}', b"[" * 9999]
)
def test_a_text_that_lacks_something_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = from_simulator(client, body)

    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")


@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize("gateway", ["simulator", "twilio"])
def test_odd_words_are_kept(client: FlaskClient, database: Database, words: str, gateway: str) -> None:
    if gateway == "simulator":
        answer = from_simulator(client, text(words))
    else:
        answer = from_twilio(client, {**TWILIO, "Body": words.encode("utf-8", "replace").decode()})

    assert answer.status_code == 200
    assert database["feedback"].find_one()["understood"]["text"]


@pytest.mark.parametrize("words", EMPTY.values(), ids=EMPTY.keys())
def test_empty_texts_are_taken_and_leave_nothing(client: FlaskClient, database: Database, words: str) -> None:
    assert from_simulator(client, text(words)).status_code == 200
    assert database["feedback"].count_documents({}) == 0


def test_a_repeated_text_is_taken_and_kept_once(client: FlaskClient, database: Database, waiting: Callable) -> None:
    answers = [from_simulator(client, text("The bus is late")).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert database["feedback"].count_documents({}) == 1
    assert len(waiting("engagement.replies")) == 1


def test_a_text_in_another_encoding_is_read(client: FlaskClient, database: Database) -> None:
    raw = '{"id": "m1", "from": "+447700900123", "text": "café"}'.encode("cp1252")

    assert from_simulator(client, raw).status_code == 200
    assert database["feedback"].find_one()["original"]["text"] == "café"


def test_a_very_long_text_is_kept_whole_and_passed_on_in_part(client: FlaskClient, database: Database) -> None:
    assert from_simulator(client, text("The bus is late. " * 20_000)).status_code == 200

    kept = database["feedback"].find_one()
    assert len(kept["original"]["text"]) == 340_000
    assert len(kept["understood"]["text"]) <= 10_000


@pytest.mark.parametrize("gateway", ["simulator", "twilio"])
def test_ten_megabytes_are_refused(client: FlaskClient, gateway: str) -> None:
    answer = client.post(f"/sms/{gateway}", data=b"x" * 10_000_000)

    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


def test_a_gateway_that_is_off_is_not_there(environment: dict[str, str]) -> None:
    off = {**environment, "SIMULATOR_SECRET": "", "TWILIO_AUTH_TOKEN": ""}
    hub = app.build(settings.load(Settings, off))
    client = app.web(hub=hub).test_client()

    answers = [client.post(f"/sms/{name}").status_code for name in ("simulator", "twilio", "other")]

    assert answers == [404, 404, 404]
    hub.database.client.close()
