"""What engagement does, over a real mongod: taking in, joining, STOP and START, telling what became of it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from services.engagement import domain, reading
from services.engagement.app import Hub
from services.engagement.domain import Given
from services.engagement.gateways import InboundText
from shared import events
from shared.errors import Conflict, Invalid, NotFound

from .conftest import Clock

PHONE = "+447700900123"
ENGLISH = "The surgery moved and there is no bus to it on Saturdays"
URDU = "ڈاکٹر کے پاس کوئی ترجمان نہیں ہے اور مجھے سمجھ نہیں آتی"
FULL = ("The surgery moved and there is no bus to it on Saturdays so we walk for an hour with the pram " * 2)[:153]


def given(**values: Any) -> Given:
    return Given(**{"cause": "api:k1", "channel": "api", "text": ENGLISH, **values})


def text(words: str, id: str = "m1", sender: str = PHONE) -> InboundText:
    return InboundText("simulator", id, sender, words)


def test_state_and_events_are_one_document(hub: Hub, database: Database) -> None:
    receipt = hub.engagement.give_feedback(given(would_help="A bus", area="bb1 2ab", communities=("Deaf",)))

    kept = database["feedback"].find_one({"_id": receipt.feedback_id})
    told = events.read("engagement.feedback", receipt.feedback_id, kept["outbox"][0]["value"])
    assert kept["original"]["text"] == ENGLISH
    assert told.type == "feedback.received"
    assert (told.state.version, told.state.area, told.state.communities) == (1, "BB1", ("Deaf",))
    assert told.state.reference == domain.shown(receipt.reference)


def test_what_points_to_a_person_stays_in_engagement(hub: Hub, database: Database, waiting: Callable) -> None:
    hub.engagement.give_feedback(
        given(
            text="Call me on 07700 900123",
            would_help="Email a@example.com",
            area="12 Elm Road, BB1 2AB",
            communities=("call 07700 900124",),
        )
    )

    told = waiting("engagement.feedback")[0]["data"]

    assert "900" not in str(told)
    assert "example.com" not in str(told)
    assert "2AB" not in str(told)
    assert database["feedback"].find_one()["original"]["text"] == "Call me on 07700 900123"


def test_the_same_cause_is_answered_as_the_first_time_and_keeps_nothing_new(hub: Hub, database: Database) -> None:
    first = hub.engagement.give_feedback(given(phone="07700 900123", may_answer=True))

    again = hub.engagement.give_feedback(given(phone="07700 900123", may_answer=True))

    assert again == replace(first, replayed=True)
    assert database["feedback"].count_documents({}) == database["people"].count_documents({}) == 1


def test_the_same_cause_with_another_text_is_a_conflict(hub: Hub) -> None:
    hub.engagement.give_feedback(given())

    with pytest.raises(Conflict) as error:
        hub.engagement.give_feedback(given(text="Something else"))
    assert error.value.slug == "idempotency-key-reused"


def test_many_at_once_with_one_cause_keep_one(hub: Hub, database: Database) -> None:
    results = _at_once(8, lambda number: hub.engagement.give_feedback(given(phone=PHONE, may_answer=True)))

    assert len({one.reference for one in results}) == 1
    assert sum(not one.replayed for one in results) == 1
    assert database["feedback"].count_documents({}) == database["people"].count_documents({}) == 1


def test_many_at_once_from_one_new_number_are_one_person(hub: Hub, database: Database, waiting: Callable) -> None:
    _at_once(6, lambda number: hub.engagement.receive_text(text(f"{ENGLISH} {number}", f"m{number}")))

    assert database["people"].count_documents({}) == 1
    assert database["feedback"].count_documents({}) == 6
    assert len(database["feedback"].distinct("person_id")) == 1
    assert [one["type"] for one in waiting("engagement.people")] == ["person.noted"]


def test_a_taken_reference_gives_way_to_another(hub: Hub, database: Database) -> None:
    receipt = hub.engagement.give_feedback(given())
    database["feedback"].update_one({"_id": receipt.feedback_id}, {"$set": {"_id_was": 1}})
    kept = database["feedback"].find_one_and_delete({"_id": receipt.feedback_id})
    database["feedback"].insert_one({**kept, "_id": "another"})

    other = hub.engagement.give_feedback(given())

    assert other.feedback_id == receipt.feedback_id
    assert other.reference != receipt.reference


def test_all_that_is_wrong_is_said_at_once(hub: Hub) -> None:
    with pytest.raises(Invalid) as error:
        hub.engagement.give_feedback(
            given(text=" ", area="x" * 81, communities=("a",) * 6, would_help="y" * 10_001, phone="12", may_answer=True)
        )

    assert set(error.value.fields) == {"text", "area", "communities", "would_help", "phone"}


def test_without_leave_to_answer_no_contact_is_kept(hub: Hub, database: Database) -> None:
    hub.engagement.give_feedback(given(phone=PHONE, may_answer=False))

    assert database["people"].count_documents({}) == 0
    assert PHONE not in str(database["feedback"].find_one())


def test_a_receipt_is_due_by_the_channel_and_in_the_language_of_the_person(hub: Hub, waiting: Callable) -> None:
    hub.engagement.give_feedback(given(text=URDU, email="Name@Example.com", may_answer=True))

    reply = waiting("engagement.replies")[0]["data"]

    assert (reply["kind"], reply["channel"], reply["language"]) == ("receipt", "email", "ur")
    assert reply["params"].keys() == {"reference"}


def test_a_visitor_of_the_web_changes_nothing_of_a_known_person(hub: Hub, waiting: Callable) -> None:
    hub.engagement.receive_text(text(URDU))
    hub.engagement.receive_text(text("STOP", "m2"))

    hub.engagement.give_feedback(given(phone="07700 900123", may_answer=True, language="pl"))

    people = waiting("engagement.people")
    assert people[-1]["data"]["language"] == "ur"
    assert people[-1]["data"]["opted_out"] == ["sms"]
    assert sorted(one["data"]["kind"] for one in waiting("engagement.replies")) == ["receipt", "stopped"]


def test_a_text_is_kept_and_answered_in_its_language(hub: Hub, waiting: Callable) -> None:
    outcome = hub.engagement.receive_text(text(URDU))

    reply = waiting("engagement.replies")[0]["data"]
    assert outcome == "kept"
    assert (reply["kind"], reply["channel"], reply["language"]) == ("receipt", "sms", "ur")
    assert waiting("engagement.people")[0]["data"]["language"] == "ur"


def test_a_repeated_text_changes_nothing(hub: Hub, database: Database, waiting: Callable) -> None:
    hub.engagement.receive_text(text(URDU))
    before = waiting()

    assert hub.engagement.receive_text(text(URDU)) == "repeated"
    assert waiting() == before


def test_stop_is_obeyed_and_confirmed_once(hub: Hub, waiting: Callable, database: Database) -> None:
    outcomes = [hub.engagement.receive_text(text("STOP", f"m{number}")) for number in range(3)]

    assert outcomes == ["stopped"] * 3
    assert [one["data"]["kind"] for one in waiting("engagement.replies")] == ["stopped"]
    assert [(one["type"], one["data"]["opted_out"]) for one in waiting("engagement.people")] == [
        ("person.opted_out", ["sms"])
    ]
    assert database["feedback"].count_documents({}) == 0


def test_a_late_repetition_of_an_old_stop_does_not_undo_a_start(hub: Hub, waiting: Callable) -> None:
    for id, words in (("m1", "STOP"), ("m2", "START"), ("m1", "STOP")):
        hub.engagement.receive_text(text(words, id))

    assert waiting("engagement.people")[-1]["data"]["opted_out"] == []
    assert [one["data"]["kind"] for one in waiting("engagement.replies")] == ["stopped", "started"]


def test_who_stopped_is_heard_and_gets_no_receipt(hub: Hub, waiting: Callable) -> None:
    hub.engagement.receive_text(text("STOP", "m1"))

    assert hub.engagement.receive_text(text(ENGLISH, "m2")) == "kept"

    assert [one["data"]["kind"] for one in waiting("engagement.replies")] == ["stopped"]
    assert len(waiting("engagement.feedback")) == 1


def test_an_unsure_stop_is_obeyed_and_its_words_are_kept(hub: Hub, waiting: Callable) -> None:
    words = "Stop please my husband died"
    asked = reading.read_request(words)
    assert (asked.kind, asked.sure) == ("stop", False)

    hub.engagement.receive_text(text(words))

    assert waiting("engagement.people")[-1]["data"]["opted_out"] == ["sms"]
    assert len(waiting("engagement.feedback")) == 1
    assert "receipt" not in [one["data"]["kind"] for one in waiting("engagement.replies")]


@pytest.mark.parametrize("words", ["", "  ", "\u200b"])
def test_an_empty_text_leaves_nothing(hub: Hub, database: Database, words: str) -> None:
    assert hub.engagement.receive_text(text(words)) == "empty"
    assert database["people"].count_documents({}) == 0


@pytest.mark.parametrize("sender", ["88440", "NHSNoReply", "🙂"])
def test_a_sender_that_cannot_be_answered_is_heard_all_the_same(hub: Hub, waiting: Callable, sender: str) -> None:
    assert hub.engagement.receive_text(text(ENGLISH, "m1", sender)) == "kept"
    assert hub.engagement.receive_text(text("STOP", "m2", sender)) == "stopped"

    assert waiting("engagement.replies") == []
    assert waiting("engagement.feedback")[0]["data"]["may_answer"] is False


def test_parts_of_a_long_text_become_one_contribution(hub: Hub, clock: Clock, waiting: Callable) -> None:
    outcomes = []
    for number, words in enumerate([FULL, FULL, "and it rains. Call 07700 900", "ignored"]):
        outcomes.append(hub.engagement.receive_text(text(words, f"m{number}")))
        clock.passes(2)

    told = [(one["type"], one["data"]["version"]) for one in waiting("engagement.feedback")]
    assert outcomes == ["kept", "joined", "joined", "kept"]
    assert told == [
        ("feedback.received", 1),
        ("feedback.extended", 2),
        ("feedback.extended", 3),
        ("feedback.received", 1),
    ]
    assert [one["data"]["kind"] for one in waiting("engagement.replies")] == ["receipt", "receipt"]


def test_a_number_cut_in_two_is_hidden_in_the_whole(hub: Hub, waiting: Callable) -> None:
    hub.engagement.receive_text(text(FULL[:142] + " 07700 9001", "m1"))
    hub.engagement.receive_text(text("23 is mine", "m2"))

    whole = waiting("engagement.feedback")[-1]["data"]["text"]
    assert "[phone] is mine" in whole


def test_parts_at_the_same_moment_are_joined_too(hub: Hub, clock: Clock, database: Database) -> None:
    hub.engagement.receive_text(text("First words, so that we know each other", "m0"))
    clock.passes(1)

    _at_once(3, lambda number: hub.engagement.receive_text(text(FULL, f"p{number}")))

    texts = sorted(len(one["parts"]) for one in database["feedback"].find())
    assert texts == [1, 3]


def test_a_repeated_part_is_known(hub: Hub, clock: Clock, database: Database) -> None:
    hub.engagement.receive_text(text(FULL, "m1"))
    hub.engagement.receive_text(text("and it rains", "m2"))
    clock.passes(60)

    assert [hub.engagement.receive_text(text("and it rains", id)) for id in ("m1", "m2")] == ["repeated", "repeated"]
    assert database["feedback"].count_documents({}) == 1


def test_a_contribution_changed_by_somebody_else_is_not_written_over(hub: Hub, clock: Clock) -> None:
    receipt = hub.engagement.give_feedback(given())
    kept = hub.store.feedback(receipt.feedback_id)
    assert kept
    change = hub.store.changed_feedback(replace(kept, version=2), [], clock())
    hub.store.commit(change)

    with pytest.raises(Conflict):
        hub.store.commit(change)


def test_the_status_tells_the_way_and_no_words(hub: Hub, clock: Clock) -> None:
    receipt = hub.engagement.give_feedback(given(phone=PHONE, may_answer=True))
    hub.engagement.on_deliveries(
        [_delivery(receipt.feedback_id, 2, "sent"), _delivery(receipt.feedback_id, 1, "pending")]
    )

    status = hub.engagement.status(receipt.reference.lower())

    assert [one.state for one in status.deliveries] == ["sent"]
    assert status.read_by == clock.now + timedelta(days=28)
    assert not status.overdue
    clock.passes(29 * 24 * 60 * 60)
    assert hub.engagement.status(receipt.reference).overdue
    assert ENGLISH not in str(status)
    assert PHONE not in str(status)


def test_a_reference_nobody_has_is_not_found(hub: Hub) -> None:
    with pytest.raises(NotFound):
        hub.engagement.status("K7MX-4TQP")


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 2, 1], [2, 3, 3, 1]])
@pytest.mark.parametrize("together", [True, False])
def test_deliveries_come_in_any_order_and_the_highest_version_stands(
    hub: Hub, order: list[int], together: bool
) -> None:
    states = {1: "pending", 2: "sent", 3: "delivered"}
    batch = [_delivery("f1", version, states[version]) for version in order]

    for one in [batch] if together else [[each] for each in batch]:
        hub.engagement.on_deliveries(one)

    assert [one.state for one in hub.store.deliveries_of("f1")] == ["delivered"]


def test_a_tombstone_forgets_a_delivery(hub: Hub) -> None:
    hub.engagement.on_deliveries([_delivery("f1", 1, "sent")])
    hub.engagement.on_deliveries([events.Incoming("notifications.deliveries", "f1.receipt", None)])

    assert hub.store.deliveries_of("f1") == []


def test_everything_is_the_current_state_and_the_recent_replies(hub: Hub, clock: Clock, waiting: Callable) -> None:
    hub.engagement.receive_text(text(FULL, "m1"))
    hub.engagement.receive_text(text("and it rains", "m2"))
    hub.engagement.receive_text(text("STOP", "m3"))
    told = {(one["subject"], one["type"]): one["data"] for one in waiting()}

    records = list(hub.engagement.everything())
    read = [events.read(one.topic, one.key, one.value) for one in records]

    assert [one.topic for one in records] == [
        "engagement.people",
        "engagement.replies",
        "engagement.feedback",
        "engagement.replies",
    ]
    assert events.plain(read[2].state) == told[read[2].key, "feedback.extended"]
    assert events.plain(read[0].state) == told[read[0].key, "person.opted_out"]
    clock.passes(4 * 24 * 60 * 60)
    assert len(list(hub.engagement.everything())) == 2


def _delivery(feedback_id: str, version: int, state: str) -> events.Incoming:
    at = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
    one = events.Delivery(
        f"{feedback_id}.receipt", version, "p1", "receipt", "sms", state, "", 1, at, at, feedback_id=feedback_id
    )
    return events.Incoming("notifications.deliveries", one.delivery_id, one, f"delivery.{state}", "x", at)


def _at_once(count: int, call: Callable[[int], object]) -> list:
    results: list = []
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        ready.wait()
        results.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count, "a thread failed"
    return results
