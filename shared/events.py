"""The contracts: every topic, and the one frozen dataclass that is its value.

A topic is a table: the key names a thing, the value is its whole current state, `version` counts up from 1. The
two kinds of topic are told apart by `Topic.stream`. Values travel as CloudEvents 1.0 in structured mode
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md): one JSON envelope, in which
`type` says why the state changed. Golden files under `tests/shared/golden` pin each: adding an optional field is
fine, anything else is a new dataclass beside the old one. A reader ignores fields it does not know.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from shared.errors import Invalid

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
DAY = 24 * 60 * 60  # seconds


@dataclass(frozen=True)
class Topic:
    """A topic as the broker is to keep it.

    `key` is the field of the value that is the record's key. `stream` topics ask for something to be done once
    and are deleted after `retention` seconds; the others are compacted. `retention` None keeps for ever.
    """

    name: str
    key: str
    stream: bool = False
    retention: int | None = None
    partitions: int = 6

    @property
    def config(self) -> dict[str, str]:
        """The broker's own configuration of this topic: names and units as in Kafka's documentation."""
        policy = "delete" if self.stream else ("compact,delete" if self.retention else "compact")
        config = {"cleanup.policy": policy}
        if self.retention:
            config["retention.ms"] = str(self.retention * 1000)
        if not self.stream:  # A tombstone stays a week, so that a service down over a weekend still sees it.
            config["delete.retention.ms"] = str(7 * DAY * 1000)
        return config


FEEDBACK = Topic("engagement.feedback", key="feedback_id")
PEOPLE = Topic("engagement.people", key="person_id")
REPLIES = Topic("engagement.replies", key="person_id", stream=True, retention=3 * DAY)
DELIVERIES = Topic("notifications.deliveries", key="delivery_id", retention=90 * DAY)

Channel = Literal["web", "api", "sms"]
ContactChannel = Literal["sms", "email"]
DeliveryState = Literal["pending", "sending", "sent", "delivered", "failed", "cancelled"]


@dataclass(frozen=True)
class Feedback:
    """`engagement.feedback`: one contribution, names, numbers and addresses already hidden.

    `language` is a BCP 47 tag, "und" where nobody can tell; `language_confidence` runs from 0 to 1.
    `area` is an outward postcode ("BB1") or a neighbourhood as the person wrote it. `may_hold_name` asks for a
    person's eyes before any word of it is published. Times are UTC.
    """

    feedback_id: str
    version: int
    reference: str
    person_id: str
    channel: Channel
    received_at: datetime
    language: str
    language_confidence: float
    text: str
    would_help: str | None = None
    area: str | None = None
    communities: tuple[str, ...] = ()
    may_answer: bool = False
    may_share: bool = False
    may_hold_name: bool = False
    state: Literal["received", "withdrawn"] = "received"


@dataclass(frozen=True)
class Person:
    """`engagement.people`, readable by notifications alone: where and how a person may be answered.

    `phone` is E.164; `opted_out` holds the channels on which nothing may be sent. `language` None: not known yet.
    """

    person_id: str
    version: int
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    opted_out: tuple[ContactChannel, ...] = ()


@dataclass(frozen=True)
class Reply:
    """`engagement.replies`: a reply is due to a person, once: `reply_id` comes from what caused it.

    `person_version` is the state of the person that must be known before sending; `kind` names a template of
    notifications, `params` its values.
    """

    reply_id: str
    person_id: str
    person_version: int
    kind: Literal["receipt", "stopped", "started"]
    channel: ContactChannel
    language: str
    due_at: datetime
    feedback_id: str | None = None
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """`notifications.deliveries`: what became of one message; no address and no text.

    `reason` is a sentence in plain words; `attempts` counts calls to a gateway.
    """

    delivery_id: str
    version: int
    person_id: str
    kind: str
    channel: ContactChannel
    state: DeliveryState
    reason: str
    attempts: int
    created_at: datetime
    updated_at: datetime
    gateway: str | None = None
    feedback_id: str | None = None


CONTRACTS: dict[str, type] = {
    FEEDBACK.name: Feedback,
    PEOPLE.name: Person,
    REPLIES.name: Reply,
    DELIVERIES.name: Delivery,
}
TOPICS: dict[str, Topic] = {topic.name: topic for topic in (FEEDBACK, PEOPLE, REPLIES, DELIVERIES)}


@dataclass(frozen=True)
class Record:
    """One record ready for a topic. `value` is the JSON envelope, or None for a tombstone."""

    topic: str
    key: str
    value: str | None


class Incoming(typing.NamedTuple):
    """One record read from a topic. `state` is None for a tombstone, and then `type` and `time` are too."""

    topic: str
    key: str
    state: Any
    type: str | None = None
    id: str | None = None
    time: datetime | None = None


def record(state: Any, *, type: str, time: datetime) -> Record:
    """Wrap a state in its envelope. The CloudEvents `id` is the key and version (a stream's: its own id), so a
    state sent again carries the same id.
    """
    topic = _topic_of(state.__class__)
    values = _plain(state)
    key = values[topic.key]
    first_field = dataclasses.fields(state)[0].name
    unique = values[first_field] if topic.stream else f"{key}.{state.version}"
    envelope = {
        "specversion": "1.0",
        "id": unique,
        "source": f"/{topic.name.partition('.')[0]}",
        "type": type,
        "subject": key,
        "time": time.astimezone(UTC).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": values,
    }
    return Record(topic.name, key, _encode(envelope))


def read(topic: str, key: bytes | str | None, value: bytes | str | None) -> Incoming:
    """Read one record. Raises Invalid, saying which part is wrong, for anything the contract does not allow."""
    if isinstance(key, bytes):
        key = _text(key, "key")
    if key is None:
        raise Invalid("event-without-key", f"A record of {topic} has no key; every record names what it is about.")
    if value is None:
        return Incoming(topic, key, None)
    try:
        envelope = json.loads(value)
        data = envelope["data"]
        why, unique, time = _exactly(str, envelope["type"]), _exactly(str, envelope["id"]), _time(envelope["time"])
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise Invalid("event-unreadable", f"A record of {topic} is not a CloudEvents 1.0 envelope in JSON: {e}.") from e
    contract = CONTRACTS[topic]
    state = _state(contract, data)
    if getattr(state, TOPICS[topic].key) != key:
        raise Invalid("event-key-differs", f"A record of {topic} is about something other than its key says.")
    return Incoming(topic, key, state, why, unique, time)


def parse(contract: type, data: Mapping[str, Any]) -> Any:
    """A contract's dataclass from plain values (as JSON or MongoDB keep them). Raises Invalid."""
    return _state(contract, data)


def plain(state: Any) -> dict[str, Any]:
    """A contract's dataclass as plain JSON values: times as ISO 8601 in UTC, tuples as lists."""
    return _plain(state)


def _topic_of(contract: type) -> Topic:
    return next(TOPICS[name] for name, known in CONTRACTS.items() if known is contract)


def _text(raw: bytes, part: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as e:
        raise Invalid("event-unreadable", f"The {part} of a record is not UTF-8.") from e


def _plain(state: Any) -> dict[str, Any]:
    values = {}
    for name in _field_names(state.__class__):
        value = getattr(state, name)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat(timespec="milliseconds")
        elif isinstance(value, tuple):
            value = list(value)
        values[name] = value
    return values


@cache
def _field_names(contract: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(contract))


def _state(contract: type, data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise Invalid("event-data-malformed", f"The data of a {contract.__name__} is not an object.")
    values = {}
    for name, as_it_is, convert, default in _readers(contract):
        value = data.get(name, _MISSING)
        if type(value) in as_it_is:
            values[name] = value
        elif value is _MISSING:
            if default is None:
                raise Invalid("event-field-missing", f"{contract.__name__}.{name} is missing.")
            values[name] = default()
        else:
            try:
                values[name] = convert(value)
            except (TypeError, ValueError, OverflowError) as e:
                raise Invalid("event-field-wrong", f"{contract.__name__}.{name} cannot be read: {e}.") from e
    state: Any = object.__new__(contract)
    vars(state).update(values)  # What the frozen class's own __init__ does, at a fifth of the time.
    return state


_MISSING = object()


@cache
def _readers(contract: type) -> tuple[tuple[str, frozenset[type], Callable[[Any], Any], Callable[[], Any] | None], ...]:
    """For each field: its name, the types it may have as it comes, what converts others, what makes its default."""
    hints = typing.get_type_hints(contract)
    return tuple(
        (field.name, _as_it_is(hints[field.name]), _reader(hints[field.name]), _default(field))
        for field in dataclasses.fields(contract)
    )


def _as_it_is(hint: Any) -> frozenset[type]:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return frozenset().union(*map(_as_it_is, arguments))
    return frozenset({hint}) if hint in (str, int, float, bool, types.NoneType) else frozenset()


def _default(field: dataclasses.Field) -> Callable[[], Any] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.default is dataclasses.MISSING else lambda: field.default


def _reader(hint: Any) -> Callable[[Any], Any]:
    """The function that turns a plain JSON value into what the hint says, or raises as `int` and `float` do."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # X | None is the only union a contract uses.
        inner = _reader(next(a for a in arguments if a is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if origin is Literal:
        return _one_of(frozenset(arguments))
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda value: tuple(item(one) for one in _exactly(list, value))
    if origin in (Mapping, typing.Mapping) or getattr(origin, "__name__", "") == "Mapping":
        inner = _reader(arguments[1])
        return lambda value: {name: inner(one) for name, one in _exactly(dict, value).items()}
    if hint is datetime:
        return _time
    if hint is float:
        return lambda value: float(value) if type(value) is int else _exactly(float, value)
    return lambda value: _exactly(hint, value)


def _one_of(allowed: frozenset) -> Callable[[Any], Any]:
    def read_choice(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"it is none of {', '.join(sorted(allowed))}")
        return value

    return read_choice


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"it should be of type {kind.__name__}, not {type(value).__name__}")
    return value


def _time(value: Any) -> datetime:
    time = value if isinstance(value, datetime) else datetime.fromisoformat(_exactly(str, value))
    if time.tzinfo is None:
        raise ValueError("it has no time zone")
    return time
