"""Twilio's Programmable Messaging (https://www.twilio.com/docs/messaging/api/message-resource).

Sends `POST /2010-04-01/Accounts/{sid}/Messages.json` with the form `To=%2B447700900001&From=%2B447700900000&Body=…&
StatusCallback=https://hub.example.org/receipts/twilio?delivery=…`; answers 201 `{"sid": "SM…", "status": "queued"}`.
A receipt is a form: `MessageSid=SM…&MessageStatus=undelivered&ErrorCode=30003&To=…&From=…&AccountSid=AC…`, signed by
X-Twilio-Signature over the StatusCallback address.

Twilio knows no idempotency key for messages: a worker that dies between the call and writing down the answer sends
again. So a text goes out at least once here, and exactly once whenever nothing dies.
"""

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

import urllib3

from services.notifications import domain
from services.notifications.domain import Attempt, Message, Receipt, Told
from services.notifications.gateways import Inbound, connections, failure, post
from shared.errors import Invalid
from shared.signing import verify_twilio

API = "https://api.twilio.com"

# https://www.twilio.com/docs/api/errors: what can be said of a code in plain words. (final, reason)
CODES: Mapping[int, tuple[bool, str]] = {
    20003: (False, domain.ACCOUNT_REFUSED),  # authentication error
    20429: (False, domain.GATEWAY_BUSY),  # too many requests
    21211: (True, domain.NOT_IN_USE),  # invalid "To" number
    21408: (True, domain.REFUSED),  # no permission to send to this region
    21610: (True, domain.STOPPED_AT_NETWORK),  # recipient replied STOP to Twilio itself
    21611: (False, domain.GATEWAY_BUSY),  # the sender's queue is full
    21612: (True, domain.NOT_DELIVERED),  # no route from this sender to this number
    21614: (True, domain.CANNOT_RECEIVE),  # not a mobile number
    30001: (False, domain.GATEWAY_BUSY),  # queue overflow
    30002: (False, domain.ACCOUNT_REFUSED),  # account suspended
    30003: (True, domain.OUT_OF_REACH),  # unreachable handset
    30004: (True, domain.BLOCKED),  # message blocked
    30005: (True, domain.NOT_IN_USE),  # unknown handset
    30006: (True, domain.CANNOT_RECEIVE),  # landline or unreachable carrier
    30007: (True, domain.BLOCKED),  # filtered by the carrier
    30008: (True, domain.NOT_DELIVERED),  # unknown error
}
# MessageStatus; those that are not here (queued, accepted, scheduled, sending, read, canceled …) tell nothing new.
STATES: Mapping[str, Told] = {
    "sent": "sent", "delivered": "delivered", "read": "delivered", "undelivered": "failed", "failed": "failed",
}  # fmt: skip


class Twilio:
    """A gateway for texts."""

    name = "twilio"

    def __init__(self, account: str, token: str, *, sender: str, public_url: str, api: str = API) -> None:
        """`sender` is our number in E.164; `public_url` is where Twilio reaches the hub."""
        self._url = f"{api}/2010-04-01/Accounts/{quote(account)}/Messages.json"
        self._token, self._sender, self._public_url = token, sender, public_url
        self._pool = connections()
        self._headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            **urllib3.make_headers(basic_auth=f"{account}:{token}"),
        }

    def send(self, message: Message) -> Attempt:
        """Hand over one text."""
        form = {
            "To": message.to,
            "From": self._sender,
            "Body": message.text,
            "StatusCallback": f"{self._public_url}/receipts/twilio?delivery={quote(message.delivery_id, safe='')}",
        }
        answer = post(self._pool, self._url, headers=self._headers, body=urlencode(form).encode())
        if answer is None:
            return Attempt(False, domain.NO_ANSWER, retryable=True)
        said = _object(answer.body)
        if answer.status == 201:
            if isinstance(said.get("sid"), str) and said["sid"]:
                return Attempt(True, domain.ON_ITS_WAY, provider_id=said["sid"])
            return Attempt(False, domain.GATEWAY_STRANGE, retryable=True)
        code = said.get("code")
        if 400 <= answer.status < 500 and isinstance(code, int) and code in CODES:
            final, reason = CODES[code]
            return Attempt(False, reason, retryable=not final)
        return failure(answer.status)

    def read_receipt(self, inbound: Inbound) -> Receipt | None:
        """The receipt in a request; None when it tells nothing new. Raises Forbidden or Invalid."""
        try:
            form = parse_qsl(inbound.body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
        except ValueError as e:
            raise Invalid("receipt-unreadable", "A receipt is not a form in UTF-8.") from e
        verify_twilio(self._token, inbound.url, form, inbound.headers.get("X-Twilio-Signature", ""))
        said = dict(form)
        if not said.get("MessageSid") or not said.get("MessageStatus"):
            raise Invalid("receipt-unreadable", "A receipt names no MessageSid or no MessageStatus.")
        state = STATES.get(said["MessageStatus"])
        if state is None:
            return None
        return Receipt(
            state,
            _reason(state, said.get("ErrorCode", "")),
            delivery_id=inbound.query.get("delivery"),
            provider_id=said["MessageSid"],
        )


def _reason(state: str, code: str) -> str:
    if state == "failed":
        known = CODES.get(int(code)) if code.isascii() and code.isdigit() else None
        return known[1] if known and known[0] else domain.NOT_DELIVERED
    return domain.ARRIVED if state == "delivered" else domain.ON_ITS_WAY


def _object(raw: bytes) -> dict:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
