"""The contracts as others read them: golden files pin the envelopes, and nothing but a contract is let in."""

import contextlib
import dataclasses
import json
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import events
from shared.errors import Invalid

GOLDEN = Path(__file__).parent / "golden"
NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)

STATES = {
    "engagement.feedback": (
        events.Feedback(
            feedback_id="k3vq7m2x",
            version=2,
            reference="K7MX4TQP",
            person_id="p4h6",
            channel="sms",
            received_at=NOON,
            language="ur",
            language_confidence=0.93,
            text="میری گلی میں بس نہیں رکتی۔ [phone]",
            would_help="ایک بس اسٹاپ",
            area="BB1",
            communities=("Syrian families", "wheelchair users"),
            may_answer=True,
            may_share=True,
            may_hold_name=True,
            state="withdrawn",
        ),
        "feedback.extended",
    ),
    "engagement.people": (
        events.Person(
            person_id="p4h6",
            version=3,
            phone="+447700900123",
            email="someone@example.org",
            language="pl",
            opted_out=("sms", "email"),
        ),
        "person.opted_out",
    ),
    "engagement.replies": (
        events.Reply(
            reply_id="k3vq7m2x.receipt",
            person_id="p4h6",
            person_version=3,
            kind="receipt",
            channel="email",
            language="ar",
            due_at=NOON,
            feedback_id="k3vq7m2x",
            params={"reference": "K7MX-4TQP"},
        ),
        "reply.due",
    ),
    "notifications.deliveries": (
        events.Delivery(
            delivery_id="k3vq7m2x.receipt",
            version=4,
            person_id="p4h6",
            kind="receipt",
            channel="sms",
            state="delivered",
            reason="The phone has it.",
            attempts=2,
            created_at=NOON,
            updated_at=NOON + timedelta(minutes=3),
            gateway="simulator",
            feedback_id="k3vq7m2x",
        ),
        "delivery.delivered",
    ),
}
ALL = list(STATES)


def golden(topic: str) -> dict:
    return json.loads((GOLDEN / f"{topic}.json").read_text("utf-8"))


def key_of(topic: str, envelope: dict) -> str:
    return envelope["data"][events.TOPICS[topic].key]


def read(topic: str, envelope: object, key: str | None = None) -> events.Incoming:
    return events.read(topic, (key or key_of(topic, envelope)).encode(), json.dumps(envelope).encode())


def test_every_topic_has_a_golden_file() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == events.TOPICS.keys() == events.CONTRACTS.keys()


@pytest.mark.parametrize("topic", ALL)
def test_writing_a_state_makes_the_golden_envelope(topic: str) -> None:
    state, why = STATES[topic]

    record = events.record(state, type=why, time=NOON)

    assert json.loads(record.value) == golden(topic)
    assert (record.topic, record.key) == (topic, key_of(topic, golden(topic)))


@pytest.mark.parametrize("topic", ALL)
def test_reading_the_golden_envelope_makes_the_state(topic: str) -> None:
    state, why = STATES[topic]

    incoming = read(topic, golden(topic))

    assert incoming.state == state
    assert (incoming.type, incoming.time, incoming.id) == (why, NOON, golden(topic)["id"])


@pytest.mark.parametrize("topic", ALL)
def test_the_golden_state_differs_from_every_default_so_that_each_field_is_seen(topic: str) -> None:
    state, _ = STATES[topic]

    for field in dataclasses.fields(state):
        assert getattr(state, field.name) != field.default, field.name


@pytest.mark.parametrize("topic", ALL)
def test_fields_that_a_reader_does_not_know_are_ignored(topic: str) -> None:
    envelope = golden(topic)
    envelope["tracestate"] = "x"
    envelope["data"]["colour"] = {"new": True}

    assert read(topic, envelope).state == STATES[topic][0]


def cases(*, required: bool) -> list:
    return [
        pytest.param(topic, field, id=f"{topic}.{field.name}")
        for topic, contract in events.CONTRACTS.items()
        for field in dataclasses.fields(contract)
        if required == (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)
    ]


@pytest.mark.parametrize(("topic", "field"), cases(required=False))
def test_a_missing_optional_field_has_its_default(topic: str, field: dataclasses.Field) -> None:
    envelope = golden(topic)
    del envelope["data"][field.name]

    default = field.default_factory() if field.default is dataclasses.MISSING else field.default
    assert getattr(read(topic, envelope).state, field.name) == default


@pytest.mark.parametrize(("topic", "field"), cases(required=True))
def test_a_missing_required_field_is_refused_by_name(topic: str, field: dataclasses.Field) -> None:
    envelope = golden(topic)
    key = key_of(topic, envelope)
    del envelope["data"][field.name]

    with pytest.raises(Invalid, match=field.name) as refusal:
        read(topic, envelope, key)
    assert refusal.value.slug == "event-field-missing"


@pytest.mark.parametrize(
    ("topic", "field", "wrong"),
    [
        ("engagement.feedback", "version", "2"),
        ("engagement.feedback", "version", True),
        ("engagement.feedback", "version", 2.0),
        ("engagement.feedback", "text", None),
        ("engagement.feedback", "text", ["a"]),
        ("engagement.feedback", "language_confidence", "high"),
        pytest.param("engagement.feedback", "language_confidence", 10**400, id="a confidence beyond any float"),
        ("engagement.feedback", "communities", "wheelchair users"),
        ("engagement.feedback", "communities", [1]),
        ("engagement.feedback", "may_answer", 1),
        ("engagement.feedback", "received_at", "2026-11-21T12:00:00"),
        ("engagement.feedback", "received_at", "yesterday"),
        ("engagement.feedback", "received_at", 1_795_000_000),
        ("engagement.feedback", "channel", "fax"),
        ("engagement.feedback", "channel", ["sms"]),
        ("engagement.feedback", "state", None),
        ("engagement.people", "opted_out", ["letter"]),
        ("engagement.people", "phone", 447700900123),
        ("engagement.replies", "params", ["reference"]),
        ("engagement.replies", "params", {"reference": 7}),
        ("notifications.deliveries", "state", "lost"),
    ],
)
def test_a_field_of_a_wrong_kind_is_refused_by_name(topic: str, field: str, wrong: object) -> None:
    envelope = golden(topic)
    envelope["data"][field] = wrong

    with pytest.raises(Invalid, match=field) as refusal:
        read(topic, envelope)
    assert refusal.value.slug == "event-field-wrong"


FEEDBACK = golden("engagement.feedback")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"7", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested deeply"),
        pytest.param(b"9" * 10_000, id="a number of ten thousand digits"),
        pytest.param(json.dumps(FEEDBACK | {"data": "x"}).encode(), id="data is no object"),
        pytest.param(json.dumps(FEEDBACK | {"data": None}).encode(), id="data is null"),
        pytest.param(json.dumps(FEEDBACK | {"time": "2026-11-21T12:00:00"}).encode(), id="its time has no zone"),
        pytest.param(json.dumps(FEEDBACK | {"time": 7}).encode(), id="its time is a number"),
        pytest.param(json.dumps(FEEDBACK | {"type": 7}).encode(), id="its type is a number"),
        pytest.param(json.dumps(FEEDBACK | {"id": None}).encode(), id="its id is null"),
        pytest.param(json.dumps({"data": FEEDBACK["data"]}).encode(), id="no envelope"),
    ],
)
def test_what_is_no_envelope_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid):
        events.read("engagement.feedback", b"k3vq7m2x", value)


def test_a_record_about_something_else_than_its_key_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        read("engagement.feedback", FEEDBACK, "another")
    assert refusal.value.slug == "event-key-differs"


@pytest.mark.parametrize("key", [None, b"\xff\xfe", b"\xc3"])
def test_a_record_without_a_readable_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(Invalid):
        events.read("engagement.feedback", key, json.dumps(FEEDBACK).encode())


def test_a_record_without_a_value_is_a_tombstone() -> None:
    assert events.read("engagement.people", b"p4h6", None) == events.Incoming("engagement.people", "p4h6", None)


def test_a_state_sent_again_has_the_same_id_and_a_new_version_another() -> None:
    state, _ = STATES["engagement.feedback"]
    newer = dataclasses.replace(state, version=state.version + 1)

    ids = [
        json.loads(events.record(one, type=why, time=when).value)["id"]
        for one, why, when in [(state, "feedback.received", NOON), (state, "republished", NOON + timedelta(days=1))]
    ]

    assert ids[0] == ids[1] != json.loads(events.record(newer, type="x", time=NOON).value)["id"]


def test_times_travel_in_utc() -> None:
    state, why = STATES["engagement.replies"]
    local = dataclasses.replace(state, due_at=NOON.astimezone(timezone(timedelta(hours=5))))

    assert events.record(local, type=why, time=NOON).value == events.record(state, type=why, time=NOON).value


milliseconds = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
OF_TYPE = {datetime: milliseconds, Mapping[str, str]: st.dictionaries(st.text(), st.text())}


def states_of(contract: type) -> st.SearchStrategy:
    hints = typing.get_type_hints(contract)
    return st.builds(contract, **{name: OF_TYPE[hint] for name, hint in hints.items() if hint in OF_TYPE})


@given(st.sampled_from(ALL).flatmap(lambda topic: states_of(events.CONTRACTS[topic])), milliseconds)
def test_what_is_written_is_what_is_read(state: object, time: datetime) -> None:
    if isinstance(state, events.Feedback) and state.language_confidence != state.language_confidence:
        state = dataclasses.replace(state, language_confidence=0.0)  # Not a number equals nothing, itself included.

    record = events.record(state, type="something.happened", time=time)
    incoming = events.read(record.topic, record.key.encode(), record.value.encode())

    assert incoming.state == state
    assert incoming.time == time
    assert events.parse(type(state), events.plain(state)) == state


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(cases(required=True) + cases(required=False)), anything)
def test_whatever_a_field_holds_it_is_read_or_refused_and_nothing_else(case, value: object) -> None:
    topic, field = case.values
    envelope = golden(topic)
    key = key_of(topic, envelope)
    envelope["data"][field.name] = value

    with contextlib.suppress(Invalid):
        assert read(topic, envelope, key).state is not None


def test_the_broker_keeps_each_topic_as_its_kind_demands() -> None:
    day = 24 * 60 * 60 * 1000  # ms

    configs = {name: topic.config for name, topic in events.TOPICS.items()}

    week = {"delete.retention.ms": str(7 * day)}
    assert configs == {
        "engagement.feedback": {"cleanup.policy": "compact", **week},
        "engagement.people": {"cleanup.policy": "compact", **week},
        "engagement.replies": {"cleanup.policy": "delete", "retention.ms": str(3 * day)},
        "notifications.deliveries": {"cleanup.policy": "compact,delete", "retention.ms": str(90 * day), **week},
    }


def test_every_key_is_a_field_of_its_contract() -> None:
    for name, topic in events.TOPICS.items():
        assert topic.key in {field.name for field in dataclasses.fields(events.CONTRACTS[name])}
