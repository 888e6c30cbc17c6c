"""The SMS simulator that comes with the hub: sends texts and e-mails to phones on a page, once per idempotency key.

Sends `POST {url}/simulator/api/send` with `{"channel": "sms", "to": "+447700900001", "subject": "", "text": "…",
"reference": "<our id>"}`, signed as Standard Webhooks say; answers 201 `{"id": "…"}`. A receipt comes signed the same
way: `{"id": "…", "reference": "<our id>", "state": "delivered", "code": ""}`.
"""

import json
from collections.abc import Callable, Mapping

from services.notifications import domain
from services.notifications.domain import Attempt, Message, Receipt
from services.notifications.gateways import Inbound, connections, failure, post
from shared.errors import Invalid
from shared.signing import verify_webhook, webhook_headers

# The simulator's codes for what went wrong with a number, as deploy/simulator knows them.
CODES: Mapping[str, str] = {
    "not-in-use": domain.NOT_IN_USE,
    "cannot-receive": domain.CANNOT_RECEIVE,
    "out-of-reach": domain.OUT_OF_REACH,
    "blocked": domain.BLOCKED,
}
STATES = {
    "sent": domain.ON_ITS_WAY,
    "delivered": domain.ARRIVED,
    "failed": domain.NOT_DELIVERED,
}


class Simulator:
    """A gateway for texts and e-mails."""

    name = "simulator"

    def __init__(self, url: str, secret: bytes, *, seconds: Callable[[], float]) -> None:
        """`seconds` is the clock, as seconds since 1970, by which signatures are dated and judged."""
        self._url = f"{url}/simulator/api/send"
        self._secret = secret
        self._seconds = seconds
        self._pool = connections()

    def send(self, message: Message) -> Attempt:
        """Hand over one message."""
        body = json.dumps(
            {
                "channel": message.channel,
                "to": message.to,
                "subject": message.subject,
                "text": message.text,
                "reference": message.delivery_id,
            },
            ensure_ascii=False,
        ).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.delivery_id,
            **webhook_headers(self._secret, id=message.delivery_id, body=body, now=self._seconds()),
        }
        answer = post(self._pool, self._url, headers=headers, body=body)
        if answer is None:
            return Attempt(False, domain.NO_ANSWER, retryable=True)
        said = _object(answer.body)
        if answer.status in (200, 201):
            if isinstance(said.get("id"), str) and said["id"]:
                return Attempt(True, domain.ON_ITS_WAY, provider_id=said["id"])
            return Attempt(False, domain.GATEWAY_STRANGE, retryable=True)
        if answer.status == 400 and said.get("code") in CODES:
            return Attempt(False, CODES[said["code"]])
        return failure(answer.status)

    def read_receipt(self, inbound: Inbound) -> Receipt | None:
        """The receipt in a request; None when it tells nothing we know. Raises Forbidden or Invalid."""
        verify_webhook(self._secret, inbound.headers, inbound.body, now=self._seconds())
        said = _object(inbound.body)
        reference, provider_id, state = said.get("reference"), said.get("id"), said.get("state")
        if not isinstance(reference, str) and not isinstance(provider_id, str):
            raise Invalid("receipt-unreadable", "A receipt names neither our reference nor the simulator's id.")
        if state not in STATES:
            return None
        reason = CODES.get(str(said.get("code")), STATES[state]) if state == "failed" else STATES[state]
        return Receipt(
            state,
            reason,
            delivery_id=reference if isinstance(reference, str) else None,
            provider_id=provider_id if isinstance(provider_id, str) else None,
        )


def _object(raw: bytes) -> dict:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
