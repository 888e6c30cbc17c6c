"""What may become of a message, as values: one table of states, and pure decisions about sending, waiting and ending.

Law: a state changes only through `move`, which knows every event in every state it may meet; what a gateway tells
us of a message outweighs what we believe of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.errors import Conflict
from shared.events import ContactChannel, DeliveryState, Person, Reply
from shared.events import Delivery as Published
from shared.i18n import DEFAULT, LANGUAGES
from shared.retry import next_try

Event = Literal[
    "claim", "wait", "cancel", "expire", "accepted", "again", "refused", "told_sent", "told_delivered", "told_failed"
]
Outcome = Literal["begun", "accepted", "again", "refused"]
Told = Literal["sent", "delivered", "failed"]  # by a receipt
TOLD: Mapping[Told, Event] = {"sent": "told_sent", "delivered": "told_delivered", "failed": "told_failed"}

LEASE = timedelta(seconds=60)  # longer than any call to a gateway takes
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds between attempts
PATIENCE = timedelta(hours=24)  # from when a message was due until we give up
LONGEST_WAIT = 600.0  # seconds between looks for a person we do not know yet

# Every reason that anybody is ever shown. A closed list, so that it can be translated where citizens see it.
QUEUED = "It waits to be sent."
SENDING = "It is being sent."
ON_ITS_WAY = "It was handed to the network."
ARRIVED = "It arrived."
STOPPED = "The person asked us to stop."
STARTED_AGAIN = "The person asked us to start again."
FORGOTTEN = "The person asked us to forget them."
NO_ADDRESS = "The person gave no address for this channel."
PERSON_UNKNOWN = "We wait to hear how the person can be reached."
NO_GATEWAY = "Nothing is set up to send messages of this kind."
NO_ANSWER = "The gateway did not answer. We try again."
GATEWAY_FAULT = "The gateway had a fault. We try again."
GATEWAY_BUSY = "The gateway had too much to do. We try again."
GATEWAY_STRANGE = "The gateway answered in a way we do not understand. We try again."
ACCOUNT_REFUSED = "The gateway does not accept our account. We try again."
REFUSED = "The gateway refused the message."
BLOCKED = "The person's network blocked the message."
STOPPED_AT_NETWORK = "The person told the network to stop our messages."
NOT_IN_USE = "The number or address is not in use."
CANNOT_RECEIVE = "The number cannot get text messages."
OUT_OF_REACH = "The phone was switched off or out of reach for too long."
NOT_DELIVERED = "The network could not deliver the message."
GAVE_UP = "We tried for a day without success."

REASONS = (
    QUEUED, SENDING, ON_ITS_WAY, ARRIVED, STOPPED, STARTED_AGAIN, FORGOTTEN, NO_ADDRESS, PERSON_UNKNOWN, NO_GATEWAY,
    NO_ANSWER, GATEWAY_FAULT, GATEWAY_BUSY, GATEWAY_STRANGE, ACCOUNT_REFUSED, REFUSED, BLOCKED, STOPPED_AT_NETWORK,
    NOT_IN_USE, CANNOT_RECEIVE, OUT_OF_REACH, NOT_DELIVERED, GAVE_UP,
)  # fmt: skip

# What each event makes of each state; a pair that is not here cannot happen. A receipt may overtake the answer to
# the call that caused it, come twice, or come after we gave up: then the receipt is right.
MOVES: Mapping[tuple[DeliveryState, Event], DeliveryState] = {
    ("pending", "claim"): "sending",
    ("sending", "claim"): "sending",  # The one who had it is gone: its lease ended.
    ("sending", "wait"): "pending",
    ("sending", "cancel"): "cancelled",
    ("sending", "expire"): "failed",
    ("sending", "accepted"): "sent",
    ("pending", "accepted"): "sent",  # Our lease had ended before the gateway answered.
    ("sent", "accepted"): "sent",
    ("delivered", "accepted"): "delivered",
    ("failed", "accepted"): "failed",
    ("cancelled", "accepted"): "sent",
    ("sending", "again"): "pending",
    ("sent", "again"): "sent",
    ("delivered", "again"): "delivered",
    ("failed", "again"): "failed",
    ("sending", "refused"): "failed",
    ("sent", "refused"): "sent",
    ("delivered", "refused"): "delivered",
    ("failed", "refused"): "failed",
    ("pending", "told_sent"): "sent",
    ("sending", "told_sent"): "sent",
    ("sent", "told_sent"): "sent",
    ("delivered", "told_sent"): "delivered",
    ("failed", "told_sent"): "failed",
    ("cancelled", "told_sent"): "sent",
    ("pending", "told_delivered"): "delivered",
    ("sending", "told_delivered"): "delivered",
    ("sent", "told_delivered"): "delivered",
    ("delivered", "told_delivered"): "delivered",
    ("failed", "told_delivered"): "delivered",
    ("cancelled", "told_delivered"): "delivered",
    ("pending", "told_failed"): "failed",
    ("sending", "told_failed"): "failed",
    ("sent", "told_failed"): "failed",
    ("delivered", "told_failed"): "delivered",
    ("failed", "told_failed"): "failed",
    ("cancelled", "told_failed"): "cancelled",
}


def move(state: DeliveryState, event: Event) -> DeliveryState:
    """The state after an event. Raises Conflict, naming both, where the event cannot happen."""
    try:
        return MOVES[state, event]
    except KeyError:
        raise Conflict("delivery-state", f"A message that is {state} cannot meet the event {event}.") from None


@dataclass(frozen=True)
class Message:
    """What a gateway is to send. `delivery_id` is also the key under which it is sent once."""

    delivery_id: str
    channel: ContactChannel
    to: str
    text: str
    language: str
    subject: str = ""


@dataclass(frozen=True)
class Attempt:
    """What came of one call to a gateway. Not `ok` and `retryable`: the same message may be accepted later."""

    ok: bool
    reason: str
    provider_id: str | None = None
    retryable: bool = False


@dataclass(frozen=True)
class Receipt:
    """What a gateway tells us afterwards. `delivery_id` is our own id where the gateway echoes it."""

    state: Told
    reason: str
    delivery_id: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True)
class Try:
    """One call to a gateway, as kept. Still "begun" long afterwards: whoever called was gone before the answer."""

    at: datetime
    outcome: Outcome
    gateway: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Delivery:
    """One message on its way. `next_at` is when somebody is to look at it next; None when nothing is left to do.

    `lease` names the one who is sending it now. `awaiting` is the person it waits for, if it does. Times are UTC.
    """

    delivery_id: str
    version: int
    person_id: str
    person_version: int
    kind: str
    channel: ContactChannel
    language: str
    state: DeliveryState
    reason: str
    created_at: datetime
    updated_at: datetime
    until: datetime
    next_at: datetime | None
    params: Mapping[str, str] = field(default_factory=dict)
    feedback_id: str | None = None
    tries: tuple[Try, ...] = ()
    lease: str | None = None
    awaiting: str | None = None
    gateway: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do with a claimed message: send it (to `to`), or which event happens to it instead, and why."""

    event: Literal["send", "wait", "cancel", "expire", "refused"]
    reason: str = ""
    to: str = ""


def begin(reply: Reply, *, now: datetime) -> Delivery:
    """The message that answers a reply which is due."""
    due = max(now, reply.due_at)
    return Delivery(
        delivery_id=reply.reply_id,
        version=1,
        person_id=reply.person_id,
        person_version=reply.person_version,
        kind=reply.kind,
        channel=reply.channel,
        language=reply.language,
        state="pending",
        reason=QUEUED,
        created_at=now,
        updated_at=now,
        until=due + PATIENCE,
        next_at=due,
        params=dict(reply.params),
        feedback_id=reply.feedback_id,
    )


def judge(delivery: Delivery, person: Person | None, *, gone: bool, now: datetime) -> Verdict:
    """The last look before sending. `person` None: not heard of yet; `gone`: forgotten at their own wish."""
    if gone:
        return Verdict("cancel", FORGOTTEN)
    if person is None or person.version < delivery.person_version:
        return Verdict("expire", GAVE_UP) if now >= delivery.until else Verdict("wait", PERSON_UNKNOWN)
    stopped = delivery.channel in person.opted_out
    if stopped and delivery.kind != "stopped":  # The one message that says so is still due.
        return Verdict("cancel", STOPPED)
    if delivery.kind == "stopped" and not stopped:
        return Verdict("cancel", STARTED_AGAIN)
    if now >= delivery.until:
        return Verdict("expire", GAVE_UP)
    to = person.phone if delivery.channel == "sms" else person.email
    return Verdict("send", to=to) if to else Verdict("refused", NO_ADDRESS)


def not_sent(delivery: Delivery, verdict: Verdict, *, now: datetime) -> Delivery:
    """A claimed message after a verdict other than "send": no gateway was called, so no try is counted."""
    assert verdict.event != "send"
    waits = verdict.event == "wait"
    return _next(
        delivery, verdict.event, verdict.reason, now,
        tries=delivery.tries[:-1],
        lease=None,
        awaiting=delivery.person_id if waits else None,
        next_at=now + _wait(delivery, now) if waits else None,
    )  # fmt: skip


def after_attempt(
    delivery: Delivery, attempt: Attempt, *, lease: str, gateway: str, now: datetime, chance: float | None = None
) -> Delivery:
    """A message after the answer to a call. `lease` is the caller's: when somebody else has the message by now,
    only good news count. What a receipt said meanwhile stands.
    """
    event: Literal["accepted", "again", "refused"]
    event = "accepted" if attempt.ok else "again" if attempt.retryable else "refused"
    if not attempt.ok and delivery.lease != lease:
        return delivery
    tries = _answered(delivery.tries, Try(now, event, gateway, attempt.reason))
    later = next_try(now, len(tries), first=FIRST_PAUSE, most=LONGEST_PAUSE, chance=chance)
    overtaken = delivery.state in ("sent", "delivered", "failed")
    changed = _next(
        delivery, event, delivery.reason if overtaken else attempt.reason, now,
        tries=tries,
        lease=None,
        awaiting=None,
        gateway=gateway,
        provider_id=attempt.provider_id or delivery.provider_id,
    )  # fmt: skip
    if changed.state == "pending" and later >= delivery.until:
        return replace(changed, state="failed", reason=GAVE_UP, next_at=None)
    return replace(changed, next_at=later if changed.state == "pending" else None)


def after_receipt(delivery: Delivery, receipt: Receipt, *, gateway: str, now: datetime) -> Delivery:
    """A message after a receipt. The very same delivery when the receipt tells nothing new."""
    event = TOLD[receipt.state]
    if move(delivery.state, event) == delivery.state:
        return delivery
    return _next(
        delivery, event, receipt.reason, now,
        next_at=None,
        awaiting=None,
        gateway=gateway,
        provider_id=delivery.provider_id or receipt.provider_id,
    )  # fmt: skip


def published(delivery: Delivery) -> Published:
    """What the other services are told: no address, no text."""
    return Published(
        delivery_id=delivery.delivery_id,
        version=delivery.version,
        person_id=delivery.person_id,
        kind=delivery.kind,
        channel=delivery.channel,
        state=delivery.state,
        reason=delivery.reason,
        attempts=len(delivery.tries),
        created_at=delivery.created_at,
        updated_at=delivery.updated_at,
        gateway=delivery.gateway,
        feedback_id=delivery.feedback_id,
    )


def language_for(delivery: Delivery, person: Person) -> str:
    """The language to write in: the one the reply asks for, else the person's, else the hub's own."""
    return next((tag for tag in (delivery.language, person.language) if tag and tag in LANGUAGES), DEFAULT)


def _next(delivery: Delivery, event: Event, reason: str, now: datetime, **changes: Any) -> Delivery:
    state = move(delivery.state, event)
    return replace(delivery, state=state, reason=reason, version=delivery.version + 1, updated_at=now, **changes)


def _answered(tries: tuple[Try, ...], answer: Try) -> tuple[Try, ...]:
    """The newest try that has no answer yet has this one; its time stays when the call began."""
    for index in range(len(tries) - 1, -1, -1):
        if tries[index].outcome == "begun":
            return (*tries[:index], replace(answer, at=tries[index].at), *tries[index + 1 :])
    return (*tries, answer)


def _wait(delivery: Delivery, now: datetime) -> timedelta:
    """The longer it has waited, the longer the next wait; the person's own event ends it at once anyway."""
    age = (now - delivery.created_at).total_seconds()
    return timedelta(seconds=min(max(1.0, age / 2), LONGEST_WAIT))
