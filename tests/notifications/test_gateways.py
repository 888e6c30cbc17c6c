"""Gateways against real servers on loopback that are slow, faulty, lying or gone."""

import json
import threading
from urllib.parse import parse_qsl

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from twilio.request_validator import RequestValidator

from deploy.servers import free_port
from services.notifications import domain, gateways
from services.notifications.domain import Message
from services.notifications.gateways import Inbound
from services.notifications.gateways.simulator import Simulator
from services.notifications.gateways.smtp import Smtp
from services.notifications.gateways.twilio import Twilio
from shared.errors import Forbidden, Invalid
from shared.signing import verify_webhook, webhook_headers

from .conftest import EMAIL, NOW, PHONE, PUBLIC_URL, SECRET

MESSAGE = Message("feedback-1.receipt", "sms", PHONE, "Dziękujemy. 1+1=2 & more", "pl")
TOKEN = "0123456789abcdef0123456789abcdef"
SECONDS = NOW.timestamp()


def simulator(url):
    """The simulator's gateway."""
    return Simulator(url, SECRET, seconds=lambda: SECONDS)


def twilio(url):
    """Twilio's gateway, calling the peer in Twilio's place."""
    return Twilio("AC0", TOKEN, sender="+447700900000", public_url=PUBLIC_URL, api=url)


@pytest.fixture(params=[simulator, twilio], ids=["simulator", "twilio"])
def gateway(request, peer):
    """Each HTTP gateway in turn."""
    return request.param(peer.url)


def hang_up(asked):
    """Close the connection without an answer."""
    raise ConnectionError


@pytest.mark.parametrize(
    ("answer", "ok", "retryable", "reason"),
    [
        pytest.param((201, b'{"id": "p-1", "sid": "p-1"}'), True, False, domain.ON_ITS_WAY, id="accepted"),
        pytest.param((500, b"oops"), False, True, domain.GATEWAY_FAULT, id="fault"),
        pytest.param((503, b""), False, True, domain.GATEWAY_FAULT, id="away"),
        pytest.param((429, b"{}"), False, True, domain.GATEWAY_BUSY, id="too many"),
        pytest.param((401, b"{}"), False, True, domain.ACCOUNT_REFUSED, id="our account"),
        pytest.param((400, b"{}"), False, False, domain.REFUSED, id="refused"),
        pytest.param((302, b""), False, True, domain.GATEWAY_STRANGE, id="a redirect is not followed"),
        pytest.param((201, b"<html>"), False, True, domain.GATEWAY_STRANGE, id="lies: no JSON"),
        pytest.param((201, b"{}"), False, True, domain.GATEWAY_STRANGE, id="lies: no id"),
        pytest.param((201, b"[1]"), False, True, domain.GATEWAY_STRANGE, id="lies: a list"),
        pytest.param((201, b"x" * (1 << 17)), False, True, domain.NO_ANSWER, id="endless"),
    ],
)
def test_what_a_provider_answers_becomes_a_value(gateway, peer, answer, ok, retryable, reason):
    peer.answer = lambda asked: answer

    attempt = gateway.send(MESSAGE)

    assert (attempt.ok, attempt.retryable, attempt.reason) == (ok, retryable, reason)
    assert attempt.provider_id == ("p-1" if ok else None)
    assert len(peer.asked) == 1


def test_a_provider_that_hangs_up_or_is_gone_did_not_answer(gateway, peer):
    peer.answer = hang_up

    assert gateway.send(MESSAGE) == domain.Attempt(False, domain.NO_ANSWER, retryable=True)
    assert simulator(f"http://127.0.0.1:{free_port()}").send(MESSAGE).reason == domain.NO_ANSWER


def test_a_slow_provider_is_not_waited_for_longer_than_a_lease(gateway, peer, monkeypatch):
    monkeypatch.setattr(gateways, "ANSWER", 0.3)
    go_on = threading.Event()
    peer.answer = lambda asked: (go_on.wait(5), (201, b'{"id": "p", "sid": "p"}'))[1]

    attempt = gateway.send(MESSAGE)
    go_on.set()

    assert attempt == domain.Attempt(False, domain.NO_ANSWER, retryable=True)


def test_the_longest_call_is_shorter_than_a_lease():
    assert domain.LEASE.total_seconds() > (gateways.CONNECT + 2 * gateways.ANSWER)


def test_the_simulator_is_asked_in_a_way_it_can_verify(peer):
    simulator(peer.url).send(MESSAGE)

    asked = peer.asked[0]
    verify_webhook(SECRET, asked.headers, asked.body, now=SECONDS)
    assert asked.path == "/simulator/api/send"
    assert json.loads(asked.body) == {
        "channel": "sms", "to": PHONE, "subject": "", "text": MESSAGE.text, "reference": MESSAGE.delivery_id,
    }  # fmt: skip


def test_twilio_is_asked_as_its_documentation_says(peer):
    twilio(peer.url).send(MESSAGE)

    asked = peer.asked[0]
    assert asked.path == "/2010-04-01/Accounts/AC0/Messages.json"
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(asked.body.decode())) == {
        "To": PHONE,
        "From": "+447700900000",
        "Body": MESSAGE.text,
        "StatusCallback": f"{PUBLIC_URL}/receipts/twilio?delivery=feedback-1.receipt",
    }


@pytest.mark.parametrize(
    ("code", "retryable", "reason"),
    [
        (21211, False, domain.NOT_IN_USE),
        (21610, False, domain.STOPPED_AT_NETWORK),
        (21614, False, domain.CANNOT_RECEIVE),
        (20003, True, domain.ACCOUNT_REFUSED),
        (21611, True, domain.GATEWAY_BUSY),
        (99999, False, domain.REFUSED),
    ],
)
def test_twilios_codes_are_told_in_plain_words(peer, code, retryable, reason):
    answer = {"code": code, "message": "…", "more_info": "https://www.twilio.com/docs/errors", "status": 400}
    peer.answer = lambda asked: (400, json.dumps(answer).encode())

    attempt = twilio(peer.url).send(MESSAGE)

    assert (attempt.ok, attempt.retryable, attempt.reason) == (False, retryable, reason)


# A receipt as Twilio documents it (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status).
TWILIO_RECEIPT = {
    "SmsSid": "SM00000000000000000000000000000001",
    "SmsStatus": "delivered",
    "MessageStatus": "delivered",
    "To": "+447700900001",
    "MessageSid": "SM00000000000000000000000000000001",
    "AccountSid": "AC00000000000000000000000000000000",
    "From": "+447700900000",
    "ApiVersion": "2010-04-01",
}
RECEIPT_URL = f"{PUBLIC_URL}/receipts/twilio?delivery=feedback-1.receipt"


def twilio_receipt(form, *, token=TOKEN, url=RECEIPT_URL):
    """A receipt signed by Twilio's own code."""
    from urllib.parse import urlencode

    signature = RequestValidator(token).compute_signature(url, form)
    return Inbound({"X-Twilio-Signature": signature}, urlencode(form).encode(), RECEIPT_URL,
                   {"delivery": "feedback-1.receipt"})  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "state", "reason"),
    [
        ("sent", "", "sent", domain.ON_ITS_WAY),
        ("delivered", "", "delivered", domain.ARRIVED),
        ("undelivered", "30003", "failed", domain.OUT_OF_REACH),
        ("undelivered", "30006", "failed", domain.CANNOT_RECEIVE),
        ("failed", "30007", "failed", domain.BLOCKED),
        ("failed", "30001", "failed", domain.NOT_DELIVERED),
        ("failed", "what", "failed", domain.NOT_DELIVERED),
    ],
)
def test_a_receipt_that_twilio_signed_is_understood(status, code, state, reason):
    form = {**TWILIO_RECEIPT, "MessageStatus": status, "SmsStatus": status, **({"ErrorCode": code} if code else {})}

    receipt = twilio("").read_receipt(twilio_receipt(form))

    assert receipt == domain.Receipt(state, reason, "feedback-1.receipt", TWILIO_RECEIPT["MessageSid"])


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "scheduled", "something new"])
def test_a_receipt_that_tells_nothing_new_is_let_pass(status):
    assert twilio("").read_receipt(twilio_receipt({**TWILIO_RECEIPT, "MessageStatus": status})) is None


def test_a_forged_or_misdirected_receipt_is_refused():
    for wrong in (
        twilio_receipt(TWILIO_RECEIPT, token="another"),
        twilio_receipt(TWILIO_RECEIPT, url=RECEIPT_URL.replace("feedback-1", "feedback-2")),
    ):
        with pytest.raises(Forbidden):
            twilio("").read_receipt(wrong)
    with pytest.raises(Invalid):
        twilio("").read_receipt(twilio_receipt({"AccountSid": "AC0"}))


def test_the_simulators_receipts_are_verified_and_understood():
    def read(body, secret=SECRET):
        raw = json.dumps(body).encode()
        headers = webhook_headers(secret, id="r-1", body=raw, now=SECONDS)
        return simulator("").read_receipt(Inbound(headers, raw, "", {}))

    receipt = {"id": "p-1", "reference": "d-1", "state": "failed", "code": "out-of-reach"}
    assert read(receipt) == domain.Receipt("failed", domain.OUT_OF_REACH, "d-1", "p-1")
    assert read({**receipt, "state": "delivered"}).reason == domain.ARRIVED
    assert read({**receipt, "state": "dreaming"}) is None
    with pytest.raises(Invalid):
        read({"state": "delivered"})
    with pytest.raises(Invalid):
        read([])
    with pytest.raises(Forbidden):
        read(receipt, secret=bytes(32))


class Mailbox:
    """A mail server's handler that keeps what it got and answers as told."""

    def __init__(self):
        self.got, self.rcpt, self.data = [], "250 OK", "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server, session, envelope):
        self.got.append(envelope)
        return self.data


@pytest.fixture
def mailbox():
    """A mail server on loopback that knows one account."""
    box = Mailbox()

    def authenticate(server, session, envelope, mechanism, given):
        fine = isinstance(given, LoginPassword) and given.password == b"p@ss"
        return AuthResult(success=fine, handled=False)

    controller = Controller(box, hostname="127.0.0.1", port=free_port(), authenticator=authenticate,
                            auth_require_tls=False)  # fmt: skip
    controller.start()
    box.url = f"smtp://hub:p%40ss@127.0.0.1:{controller.port}"
    yield box
    controller.stop()


EMAIL_MESSAGE = Message("feedback-1.receipt", "email", EMAIL, "شکریہ۔\n\nhttps://hub.example.org/x", "ur",
                        subject="شکریہ")  # fmt: skip


def smtp(url):
    """The mail gateway."""
    return Smtp(url, sender="Say it <hub@hub.example.org>", clock=lambda: NOW)


def test_an_email_arrives_whole_in_its_language(mailbox):
    from email import message_from_bytes
    from email.policy import default

    attempt = smtp(mailbox.url).send(EMAIL_MESSAGE)

    email = message_from_bytes(mailbox.got[0].content, policy=default)
    assert attempt.ok
    assert mailbox.got[0].rcpt_tos == ["someone@hub.example.org"]
    assert (email["Subject"], email["Content-Language"], email["Auto-Submitted"]) == ("شکریہ", "ur", "auto-replied")
    assert email["Message-ID"] == "<feedback-1.receipt@hub.example.org>"
    assert email.get_content().replace("\r\n", "\n").strip() == EMAIL_MESSAGE.text


@pytest.mark.parametrize(
    ("rcpt", "data", "retryable", "reason"),
    [
        ("550 no such mailbox", "250 OK", False, domain.NOT_IN_USE),
        ("554 no", "250 OK", False, domain.REFUSED),
        ("451 later", "250 OK", True, domain.GATEWAY_BUSY),
        ("250 OK", "554 looks like spam", False, domain.REFUSED),
        ("250 OK", "452 full", True, domain.GATEWAY_BUSY),
    ],
)
def test_a_mail_servers_refusal_becomes_a_value(mailbox, rcpt, data, retryable, reason):
    mailbox.rcpt, mailbox.data = rcpt, data

    attempt = smtp(mailbox.url).send(EMAIL_MESSAGE)

    assert (attempt.ok, attempt.retryable, attempt.reason) == (False, retryable, reason)


def test_a_wrong_mail_password_and_a_server_that_is_gone_are_tried_again(mailbox):
    wrong = smtp(mailbox.url.replace("p%40ss", "other")).send(EMAIL_MESSAGE)
    gone = smtp(f"smtp://127.0.0.1:{free_port()}").send(EMAIL_MESSAGE)

    assert wrong == domain.Attempt(False, domain.ACCOUNT_REFUSED, retryable=True)
    assert gone == domain.Attempt(False, domain.NO_ANSWER, retryable=True)


def test_an_address_with_a_line_break_cannot_smuggle_in_a_recipient(mailbox):
    from dataclasses import replace

    attempt = smtp(mailbox.url).send(replace(EMAIL_MESSAGE, to="a@hub.example.org\nBcc: b@hub.example.org"))

    assert attempt == domain.Attempt(False, domain.NOT_IN_USE)
    assert mailbox.got == []


def test_every_reason_a_gateway_gives_is_one_of_the_closed_list():
    from services.notifications.gateways import simulator as simulator_module
    from services.notifications.gateways import twilio as twilio_module

    reasons = {reason for _, reason in twilio_module.CODES.values()} | set(simulator_module.CODES.values())
    reasons |= {gateways.failure(status).reason for status in range(300, 600)}

    assert reasons <= set(domain.REASONS)
