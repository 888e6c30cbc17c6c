"""The simulator as a provider: sends once, calls until it is answered, signs what it says."""

import pytest

from deploy.simulator import exchange
from shared.signing import verify_webhook

from .conftest import SECRET

MESSAGE = {"to": "+447700900001", "text": "Dziękujemy", "reference": "d-1"}


def test_a_message_is_taken_and_its_receipts_come_signed_in_order(phone, hub, eventually):
    answer = phone.send(MESSAGE, key="d-1")

    eventually(lambda: len(hub.bodies("/receipts/simulator")) == 2)
    assert answer.status == 201
    receipts = hub.bodies("/receipts/simulator")
    assert [(one["id"], one["reference"], one["state"]) for one in receipts] == [
        (answer.json()["id"], "d-1", "sent"),
        (answer.json()["id"], "d-1", "delivered"),
    ]
    for _, headers, body in hub.got:
        verify_webhook(SECRET, headers, body)
    eventually(lambda: phone.messages()[0]["state"] == "delivered")


def test_the_same_key_is_the_same_message(phone, hub, eventually):
    first = phone.send(MESSAGE, key="d-1")
    again = phone.send({**MESSAGE, "text": "other words"}, key="d-1")
    other = phone.send(MESSAGE, key="d-2")

    eventually(lambda: len(hub.bodies("/receipts/simulator")) == 4)
    assert first.json() == again.json() != other.json()
    assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert [one["text"] for one in phone.messages(direction="out")] == ["Dziękujemy", "Dziękujemy"]


def test_a_forged_or_malformed_message_is_refused(phone):
    assert phone.send(MESSAGE, secret=bytes(16)).status == 403
    assert phone.send({"to": "+447700900001"}).status == 422
    assert phone.send({**MESSAGE, "text": 1}).json()["errors"] == {"text": ["It should be a text."]}
    assert phone.send([]).status == 422
    assert phone.messages() == []


@pytest.mark.parametrize(("number", "code"), exchange.REFUSED_AT_ONCE.items())
def test_some_numbers_are_refused_at_once(phone, number, code):
    answer = phone.send({**MESSAGE, "to": number})

    assert (answer.status, answer.json()["code"]) == (400, code)
    assert phone.messages() == []


@pytest.mark.parametrize(("number", "code"), exchange.FAILS_LATER.items())
def test_some_numbers_fail_afterwards(phone, hub, eventually, number, code):
    phone.send({**MESSAGE, "to": number})

    eventually(lambda: len(hub.bodies("/receipts/simulator")) == 2)
    assert [(one["state"], one["code"]) for one in hub.bodies("/receipts/simulator")] == [
        ("sent", ""),
        ("failed", code),
    ]
    eventually(lambda: phone.messages()[0]["state"] == "failed")


def test_a_text_reaches_the_hub_before_the_sender_is_answered(phone, hub):
    answer = phone.text(**{"from": "+447700900001", "text": "the bus  is late\n😀"})

    [body] = hub.bodies("/sms/simulator")
    assert answer.status == 201
    assert body == {"id": answer.json()["id"], "from": "+447700900001", "to": "+447700900999",
                    "text": "the bus  is late\n😀"}  # fmt: skip
    verify_webhook(SECRET, hub.got[0][1], hub.got[0][2])
    assert [(one["direction"], one["state"]) for one in phone.messages()] == [("in", "received")]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_text_that_the_hub_cannot_take_comes_again_with_the_same_id(phone, hub, eventually, status):
    statuses = iter([status, status])
    hub.answer = lambda path, body: next(statuses, 200)

    answer = phone.text(**{"from": "+447700900001", "text": "hello"})
    waiting = phone.messages()[0]["state"]

    eventually(lambda: phone.messages()[0]["state"] == "received")
    assert waiting == "waiting"
    assert [one["id"] for one in hub.bodies("/sms/simulator")] == [answer.json()["id"]] * 3


def test_a_text_that_the_hub_refuses_does_not_come_again(phone, hub):
    hub.answer = lambda path, body: 422

    phone.text(**{"from": "+447700900001", "text": "hello"})

    assert phone.messages()[0]["state"] == "refused"
    assert phone.caller._exchange.owed() == 0


def test_the_same_id_brings_the_hub_the_same_text_again(phone, hub, eventually):
    for words in ("hello", "other words"):
        assert phone.text(**{"from": "+447700900001", "text": words, "id": "t-1"}).json() == {"id": "t-1"}

    assert [one["text"] for one in hub.bodies("/sms/simulator")] == ["hello", "hello"]
    assert [one["text"] for one in phone.messages()] == ["hello"]


def test_what_is_owed_survives_a_restart(start, hub, eventually):
    hub.answer = lambda path, body: 503
    first = start()
    first.text(**{"from": "+447700900001", "text": "hello", "id": "t-1"})
    first.caller.stop.set()
    hub.answer = lambda path, body: 200

    start()

    eventually(lambda: first.messages()[0]["state"] == "received")


def test_two_calling_at_once_make_each_call_once(start, hub, eventually):
    hub.answer = lambda path, body: 200
    first, _ = start(), start()

    for n in range(20):
        first.send({**MESSAGE, "reference": f"d-{n}"}, key=f"d-{n}")

    eventually(lambda: first.caller._exchange.owed() == 0)
    assert len(hub.bodies("/receipts/simulator")) == 40


def test_messages_are_listed_by_person_direction_and_time(phone):
    one = phone.text(**{"from": "+447700900001", "text": "one"}).json()["id"]
    phone.text(**{"from": "+447700900002", "text": "two"})
    phone.send({"channel": "email", "to": "a@hub.example.org", "subject": "Hello", "text": "three"})
    at = phone.messages()[0]["at"]

    def texts(**wanted):
        return [message["text"] for message in phone.messages(**wanted)]

    assert texts() == ["one", "two", "three"]
    assert texts(number="+447700900001") == ["one"]
    assert texts(direction="out") == ["three"]
    assert texts(channel="email") == ["three"]
    assert texts(since=one) == ["two", "three"]
    assert texts(since=at) == ["two", "three"]
    assert texts(since="2999-01-01T00:00:00+00:00") == []


def test_a_call_that_somebody_makes_is_not_made_by_another(phone, hub):
    phone.caller.stop.set()
    hub.answer = lambda path, body: 503
    id = phone.text(**{"from": "+447700900001", "text": "hello"}).json()["id"]
    books = exchange.Exchange(
        phone.settings.simulator_db, engagement_url="", notifications_url="", number="", seconds=lambda: 1e11
    )

    assert books.claim(id).id == id
    assert books.claim(id) is None
    assert books.claim() is None
