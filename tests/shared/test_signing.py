"""Signatures agree with those who define them, and nothing else is let in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from shared import signing
from shared.errors import Forbidden

# The example of the specification: https://github.com/standard-webhooks/standard-webhooks, libraries' test vector.
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(**changed: str) -> dict[str, str]:
    right = {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
    return right | {name.replace("_", "-"): value for name, value in changed.items()}


def test_a_webhook_is_signed_as_the_specifications_example() -> None:
    assert signing.sign_webhook(SECRET, id=ID, timestamp=TIMESTAMP, body=BODY) == SIGNATURE


@pytest.mark.parametrize("late", [0, signing.TOLERANCE, -signing.TOLERANCE])
@pytest.mark.parametrize("signatures", [SIGNATURE, f"v1,b2xkIG9uZQ== {SIGNATURE}", f"v1a,xyz {SIGNATURE} v1,abc"])
def test_a_signed_webhook_is_let_in(late: int, signatures: str) -> None:
    signing.verify_webhook(SECRET, headers(webhook_signature=signatures), BODY, now=TIMESTAMP + late)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": SIGNATURE.removeprefix("v1,")},
        {"webhook_signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook_signature": "ẅ,ñ \x00"},
        {"webhook_id": "msg_another"},
        {"webhook_timestamp": str(TIMESTAMP + 1)},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": "9" * 4000},
        {"webhook_timestamp": "9" * 10_000},
        {"webhook_timestamp": "nan"},
    ],
    ids=lambda wrong: " ".join(f"{name} {value[:20]}" for name, value in wrong.items()),
)
def test_a_webhook_with_a_wrong_header_is_refused(wrong: dict) -> None:
    with pytest.raises(Forbidden):
        signing.verify_webhook(SECRET, headers(**wrong), BODY, now=TIMESTAMP)


@pytest.mark.parametrize("late", [signing.TOLERANCE + 1, -signing.TOLERANCE - 1])
def test_a_webhook_from_another_time_is_refused(late: int) -> None:
    with pytest.raises(Forbidden):
        signing.verify_webhook(SECRET, headers(), BODY, now=TIMESTAMP + late)


def test_a_webhook_with_another_body_secret_or_no_headers_is_refused() -> None:
    for secret, sent, body in [(SECRET, headers(), b"{}"), (b"x" * 24, headers(), BODY), (SECRET, {}, BODY)]:
        with pytest.raises(Forbidden):
            signing.verify_webhook(secret, sent, body, now=TIMESTAMP)


@given(st.binary(), st.binary(min_size=16), st.text("abc-_.1", min_size=1))
def test_what_we_sign_we_let_in(body: bytes, secret: bytes, id: str) -> None:
    signing.verify_webhook(secret, signing.webhook_headers(secret, id=id, body=body), body)


URL = "https://hub.example.org/sms/twilio?a=1&b=%20"
FORMS = [
    [],
    [("From", "+447700900123"), ("Body", "hello"), ("To", "+447700900999")],
    [("Body", "میری گلی میں بس نہیں رکتی ❤"), ("From", "+447700900123")],
    [("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("A", "")],
    [("a", "1"), ("A", "2"), ("ab", "3"), ("a", "b3")],
]


@pytest.mark.parametrize("form", FORMS, ids=["empty", "plain", "unicode", "repeated", "names alike"])
def test_twilios_signature_is_what_twilios_own_library_says(form: list[tuple[str, str]]) -> None:
    theirs = RequestValidator("token").compute_signature(URL, MultiDict(form))

    assert signing.twilio_signature("token", URL, form) == theirs
    signing.verify_twilio("token", URL, form, theirs)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=9)), max_size=6))
def test_twilios_library_agrees_on_any_form(form: list[tuple[str, str]]) -> None:
    theirs = RequestValidator("token").compute_signature(URL, MultiDict(form))

    assert signing.twilio_signature("token", URL, form) == theirs


@pytest.mark.parametrize("signature", ["", "x", "ü", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="])
def test_a_forged_twilio_signature_is_refused(signature: str) -> None:
    with pytest.raises(Forbidden):
        signing.verify_twilio("token", URL, FORMS[1], signature)


def test_a_twilio_signature_of_another_address_token_or_form_is_refused() -> None:
    signature = signing.twilio_signature("token", URL, FORMS[1])

    for token, url, form in [
        ("token", URL.replace("https", "http"), FORMS[1]),
        ("other", URL, FORMS[1]),
        ("token", URL, FORMS[2]),
    ]:
        with pytest.raises(Forbidden):
            signing.verify_twilio(token, url, form, signature)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_have_different_hashes(one: list[str], other: list[str]) -> None:
    assert (signing.keyed_hash(b"key", *one) == signing.keyed_hash(b"key", *other)) == (one == other)


def test_another_key_gives_another_hash() -> None:
    assert signing.keyed_hash(b"key", "phone") != signing.keyed_hash(b"yek", "phone")
