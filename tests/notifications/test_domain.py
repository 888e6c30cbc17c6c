"""The states of a message: what leads where, and the last look before sending."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications import domain
from services.notifications.domain import Attempt, Receipt, Try, after_attempt, after_receipt, begin, judge, move
from shared.errors import Conflict
from shared.events import DeliveryState, Person

from .conftest import EMAIL, NOW, PHONE, reply

PERSON = Person("person-1", 1, phone=PHONE, email=EMAIL)
OK = Attempt(True, domain.ON_ITS_WAY, provider_id="p-1")
AGAIN = Attempt(False, domain.GATEWAY_FAULT, retryable=True)
REFUSED = Attempt(False, domain.NOT_IN_USE)
RECEIPTS = {state: Receipt(state, domain.ARRIVED, delivery_id="d") for state in ("sent", "delivered", "failed")}


def claimed(**changes):
    """A message that somebody is sending."""
    fresh = begin(reply().state, now=NOW)
    changes = {"state": "sending", "lease": "mine", "tries": (Try(NOW, "begun"),), "version": 2, **changes}
    return replace(fresh, **changes)


def test_every_state_and_event_either_leads_to_a_state_or_raises_naming_both():
    for state, event in itertools.product(get_args(DeliveryState), get_args(domain.Event)):
        if (state, event) in domain.MOVES:
            assert move(state, event) in get_args(DeliveryState)
        else:
            with pytest.raises(Conflict, match=f"{state}.*{event}"):
                move(state, event)


def test_a_message_that_arrived_stays_so_whatever_is_told_afterwards():
    told = {move("delivered", event) for state, event in domain.MOVES if state == "delivered"}

    assert told == {"delivered"}


@pytest.mark.parametrize("ended", ["sent", "delivered", "failed", "cancelled"])
def test_a_message_that_ended_cannot_be_claimed(ended):
    with pytest.raises(Conflict):
        move(ended, "claim")


@pytest.mark.parametrize(
    ("person", "gone", "changes", "event", "reason"),
    [
        pytest.param(PERSON, False, {}, "send", "", id="known"),
        pytest.param(None, False, {}, "wait", domain.PERSON_UNKNOWN, id="unknown"),
        pytest.param(PERSON, False, {"person_version": 2}, "wait", domain.PERSON_UNKNOWN, id="older than needed"),
        pytest.param(None, True, {}, "cancel", domain.FORGOTTEN, id="forgotten"),
        pytest.param(replace(PERSON, opted_out=("sms",)), False, {}, "cancel", domain.STOPPED, id="stopped"),
        pytest.param(replace(PERSON, opted_out=("email",)), False, {}, "send", "", id="stopped elsewhere"),
        pytest.param(
            replace(PERSON, opted_out=("sms",)), False, {"kind": "stopped"}, "send", "", id="the confirmation of a stop"
        ),
        pytest.param(PERSON, False, {"kind": "stopped"}, "cancel", domain.STARTED_AGAIN, id="started again meanwhile"),
        pytest.param(replace(PERSON, phone=None), False, {}, "refused", domain.NO_ADDRESS, id="no phone"),
        pytest.param(PERSON, False, {"until": NOW}, "expire", domain.GAVE_UP, id="too late"),
        pytest.param(None, False, {"until": NOW}, "expire", domain.GAVE_UP, id="never heard of"),
    ],
)
def test_the_last_look_before_sending(person, gone, changes, event, reason):
    verdict = judge(claimed(**changes), person, gone=gone, now=NOW)

    assert (verdict.event, verdict.reason) == (event, reason)


def test_pauses_between_attempts_grow_from_five_seconds_to_an_hour():
    message, pauses = claimed(), []

    while message.state != "failed":
        now = message.next_at or NOW
        tries = (*message.tries, Try(now, "begun")) if message.state == "pending" else message.tries
        message = replace(message, state="sending", lease="mine", tries=tries)
        message = after_attempt(message, AGAIN, lease="mine", gateway="g", now=now, chance=1.0)
        pauses.append((message.next_at - now).total_seconds() if message.next_at else None)

    assert pauses[:5] == [5, 10, 20, 40, 80]
    assert max(pauses[:-1]) == 3600
    assert message.reason == domain.GAVE_UP
    assert timedelta(hours=22) < message.updated_at - NOW <= timedelta(hours=24)


def test_a_receipt_that_overtakes_the_answer_to_the_call_stands():
    message = after_receipt(claimed(), RECEIPTS["delivered"], gateway="g", now=NOW)

    message = after_attempt(message, OK, lease="mine", gateway="g", now=NOW)

    assert (message.state, message.reason, message.provider_id, message.next_at) == (
        "delivered", domain.ARRIVED, "p-1", None,
    )  # fmt: skip
    assert [one.outcome for one in message.tries] == ["accepted"]


def test_bad_news_of_a_call_whose_lease_ended_change_nothing():
    other = claimed(lease="theirs")

    assert after_attempt(other, AGAIN, lease="mine", gateway="g", now=NOW) is other
    assert after_attempt(other, REFUSED, lease="mine", gateway="g", now=NOW) is other
    assert after_attempt(other, OK, lease="mine", gateway="g", now=NOW).state == "sent"


@given(st.lists(st.sampled_from(["sent", "delivered", "failed", "ok", "again", "refused"]), max_size=8))
def test_whatever_comes_in_whatever_order_arrived_is_final_and_versions_count_up(news):
    message, seen = claimed(), [2]

    for one in news:
        if one in RECEIPTS:
            message = after_receipt(message, RECEIPTS[one], gateway="g", now=NOW)
        elif message.state in ("sending", "sent", "delivered", "failed"):
            attempt = {"ok": OK, "again": AGAIN, "refused": REFUSED}[one]
            message = after_attempt(message, attempt, lease="mine", gateway="g", now=NOW)
        seen.append(message.version)

    assert seen == sorted(seen)
    assert message.state == "delivered" or "delivered" not in news
    assert (message.next_at is None) == (message.state in ("sent", "delivered", "failed", "cancelled"))
    assert message.reason in domain.REASONS


def test_the_language_is_the_replys_then_the_persons_then_the_hubs_own():
    polish = replace(PERSON, language="pl")

    assert domain.language_for(claimed(language="ur"), polish) == "ur"
    assert domain.language_for(claimed(language="cy"), polish) == "pl"
    assert domain.language_for(claimed(language="und"), PERSON) == "en-GB"
