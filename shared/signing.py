"""Signatures of web requests, as the providers define them; compared in constant time."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable
from typing import Protocol

from shared.errors import Forbidden

TOLERANCE = 5 * 60  # seconds; Standard Webhooks, "timestamp" (https://www.standardwebhooks.com)


class Headers(Protocol):
    """The headers of a request: `flask.request.headers`, or a mapping whose names are spelled as asked for."""

    def get(self, name: str, default: str, /) -> str:
        """The value of a header, or the default."""


def keyed_hash(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA-256 over the parts, each with its length before it, so that no two lists of parts collide."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        mac.update(len(raw).to_bytes(8, "big") + raw)
    return mac.digest()


def sign_webhook(secret: bytes, *, id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of the Standard Webhooks specification, version 1: HMAC-SHA-256 over
    `{id}.{timestamp}.{body}`, base64.
    """
    mac = hmac.new(secret, b".".join([id.encode(), str(timestamp).encode(), body]), hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def webhook_headers(secret: bytes, *, id: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """The three headers of a signed request. `now` is seconds since 1970."""
    timestamp = int(time.time() if now is None else now)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_webhook(secret, id=id, timestamp=timestamp, body=body),
    }


def verify_webhook(secret: bytes, headers: Headers, body: bytes, *, now: float | None = None) -> None:
    """Raise Forbidden unless one of the signatures fits and the timestamp is within five minutes."""
    try:
        timestamp = int(headers.get("webhook-timestamp", ""))
    except ValueError:
        raise _forged() from None
    if abs(int(time.time() if now is None else now) - timestamp) > TOLERANCE:
        raise _forged()
    expected = sign_webhook(secret, id=headers.get("webhook-id", ""), timestamp=timestamp, body=body)
    if not any(_same(expected, one) for one in headers.get("webhook-signature", "").split()):
        raise _forged()


def twilio_signature(token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """Twilio's `X-Twilio-Signature`: base64 HMAC-SHA-1 over the public URL and the sorted form parameters
    (https://www.twilio.com/docs/usage/security#validating-requests). A repeated name counts each distinct value.
    """
    pairs = sorted(set(form))
    text = url + "".join(name + value for name, value in pairs)
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def verify_twilio(token: str, url: str, form: Iterable[tuple[str, str]], signature: str) -> None:
    """Raise Forbidden unless the signature fits. `url` is the address as Twilio called it, query included."""
    if not _same(twilio_signature(token, url, form), signature):
        raise _forged()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _forged() -> Forbidden:
    return Forbidden("signature-wrong", "The signature does not fit this request. Check the secret and the address.")
