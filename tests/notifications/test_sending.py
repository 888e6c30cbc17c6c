"""Sending on a real database to a real peer: waiting, stopping, crashing, trying again."""

import json
import threading
from dataclasses import replace

import pytest

from services.notifications import app, domain
from shared.events import Person

from .conftest import PHONE, forgotten, person, reply


def state(hub, delivery_id="feedback-1.receipt"):
    """What is kept of a message."""
    return hub.notifications.delivery(delivery_id)


def told(hub):
    """The states that wait to be published, the oldest first."""
    events = [event for found in hub.database["deliveries"].find() for event in found.get("outbox", [])]
    return [json.loads(event["value"])["type"] for event in sorted(events, key=lambda one: one["id"])]


def test_a_message_goes_out_under_its_own_id_and_is_told_of(hub, peer):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])

    assert hub.notifications.send_next()
    assert not hub.notifications.send_next()

    assert [(one["to"], one["reference"]) for one in peer.bodies()] == [(PHONE, "feedback-1.receipt")]
    assert peer.asked[0].headers["idempotency-key"] == "feedback-1.receipt"
    assert (state(hub).state, state(hub).provider_id, len(state(hub).tries)) == ("sent", "p-1", 1)
    assert told(hub) == ["delivery.pending", "delivery.sent"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_reply_heard_again_changes_nothing(hub, peer, times):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()] * times)
    hub.notifications.send_next()

    hub.notifications.on_replies([reply(), reply("another.receipt")])
    while hub.notifications.send_next():
        pass

    assert [one["reference"] for one in peer.bodies()] == ["feedback-1.receipt", "another.receipt"]


def test_a_reply_waits_for_the_person_it_needs_and_goes_as_soon_as_they_are_known(hub, peer, clock):
    hub.notifications.on_replies([reply(person_version=2)])
    hub.notifications.send_next()
    assert (state(hub).state, state(hub).reason, state(hub).tries) == ("pending", domain.PERSON_UNKNOWN, ())
    hub.notifications.on_people([person(version=1)])
    hub.notifications.send_next()
    assert peer.asked == []

    hub.notifications.on_people([person(version=2)])
    hub.notifications.send_next()

    assert (len(peer.asked), state(hub).state) == (1, "sent")


def test_a_person_who_becomes_known_while_we_write_that_we_wait_is_not_overlooked(hub, peer):
    hub.notifications.on_replies([reply()])
    save = hub.store.save

    def save_after_the_news(old, new):
        hub.store.save = save
        hub.store.note_people([("person-1", Person("person-1", 1, phone=PHONE))], now=new.updated_at)
        return save(old, new)

    hub.store.save = save_after_the_news
    hub.notifications.send_next()

    assert hub.notifications.send_next()
    assert state(hub).state == "sent"


def test_a_person_never_heard_of_is_given_up_after_a_day_in_plain_words(hub, peer, clock):
    hub.notifications.on_replies([reply()])
    looks = 0
    while state(hub).state == "pending" and looks < 1000:
        looks += hub.notifications.send_next()
        clock.move(minutes=5)

    assert (state(hub).state, state(hub).reason) == ("failed", domain.GAVE_UP)
    assert peer.asked == []
    assert looks < 200


def test_older_news_of_a_person_change_nothing(hub, peer):
    hub.notifications.on_people([person(version=3, phone="+447700900003"), person(version=2, phone="+447700900002")])
    hub.notifications.on_people([person(version=1)])
    hub.notifications.on_replies([reply()])

    hub.notifications.send_next()

    assert peer.bodies()[0]["to"] == "+447700900003"


def test_somebody_who_is_forgotten_gets_nothing_and_no_replay_brings_their_number_back(hub, peer):
    hub.notifications.on_people([person(version=1), person(version=2)])
    hub.notifications.on_replies([reply()])
    hub.notifications.on_people([forgotten()])
    hub.notifications.on_people([person(version=1), person(version=2)])

    hub.notifications.send_next()

    assert (state(hub).state, state(hub).reason) == ("cancelled", domain.FORGOTTEN)
    assert peer.asked == []
    assert PHONE not in str(list(hub.database["people"].find()))


def test_who_stops_between_claim_and_send_gets_nothing(hub, peer):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    claim = hub.store.claim

    def claim_then_stop(**given):
        claimed = claim(**given)
        hub.notifications.on_people([person(version=2, opted_out=("sms",))])
        return claimed

    hub.store.claim = claim_then_stop
    hub.notifications.send_next()

    assert peer.asked == []
    assert (state(hub).state, state(hub).reason, state(hub).tries) == ("cancelled", domain.STOPPED, ())
    assert told(hub)[-1] == "delivery.cancelled"


def test_who_stopped_gets_the_one_confirmation_and_nothing_else(hub, peer):
    hub.notifications.on_people([person(version=2, opted_out=("sms",))])
    hub.notifications.on_replies([reply("stop-1", kind="stopped", person_version=2, params={}), reply()])

    while hub.notifications.send_next():
        pass

    assert [one["reference"] for one in peer.bodies()] == ["stop-1"]


@pytest.mark.parametrize(("status", "reason"), [(500, domain.GATEWAY_FAULT), (429, domain.GATEWAY_BUSY)])
def test_what_may_pass_is_tried_again_by_date_with_the_same_key(hub, peer, clock, status, reason):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    answers = iter([(status, b"no"), (201, b'{"id": "p-9"}')])
    peer.answer = lambda asked: next(answers)

    hub.notifications.send_next()
    assert (state(hub).state, state(hub).reason) == ("pending", reason)
    assert not hub.notifications.send_next()
    clock.move(seconds=6)
    hub.notifications.send_next()

    assert {one.headers["idempotency-key"] for one in peer.asked} == {"feedback-1.receipt"}
    assert [one.outcome for one in state(hub).tries] == ["again", "accepted"]
    assert told(hub) == ["delivery.pending", "delivery.pending", "delivery.sent"]


def test_what_a_gateway_refuses_for_good_has_failed_in_plain_words(hub, peer):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    peer.answer = lambda asked: (400, b'{"code": "not-in-use"}')

    hub.notifications.send_next()

    assert (state(hub).state, state(hub).reason, state(hub).next_at) == ("failed", domain.NOT_IN_USE, None)


def test_a_worker_that_died_between_call_and_note_sends_again_under_the_same_key(hub, peer, clock):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    hub.store.claim(lease="of the dead", now=clock())
    assert not hub.notifications.send_next()

    clock.move(seconds=61)
    hub.notifications.send_next()

    assert [one.headers["idempotency-key"] for one in peer.asked] == ["feedback-1.receipt"]
    assert [one.outcome for one in state(hub).tries] == ["begun", "accepted"]


def test_a_worker_that_comes_back_takes_up_at_once_what_it_was_sending(hub, peer, clock, eventually, run_in_thread):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply("its own"), reply("another's")])
    for owner in ("notifications-1", "notifications-11"):
        hub.store.claim(lease=f"{owner}/of the dead", now=clock())

    run_in_thread(hub.notifications.send_due)

    eventually(lambda: state(hub, "its own").state == "sent")
    assert state(hub, "another's").state == "sending"


def test_a_late_answer_to_a_dead_workers_call_does_not_send_a_third_time(hub, peer, clock):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    late = hub.store.claim(lease="slow", now=clock())
    clock.move(seconds=61)
    hub.notifications.send_next()

    hub.notifications._note_attempt(late, domain.Attempt(False, domain.NO_ANSWER, retryable=True), "simulator")

    assert (state(hub).state, state(hub).next_at) == ("sent", None)


def test_without_a_gateway_a_message_fails_and_says_so(settings, clock):
    hub = app.build(replace(settings, simulator_url=""), clock=clock)
    hub.store.prepare()
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])

    hub.notifications.send_next()

    assert (state(hub).state, state(hub).reason) == ("failed", domain.NO_GATEWAY)


def test_the_loop_sends_several_at_once_and_one_that_fails_stops_no_other(hub, peer, eventually, run_in_thread):
    people = [person(f"person-{n}") for n in range(30)]
    replies = [reply(f"message-{n}", person_id=f"person-{n}") for n in range(30)]
    hub.store.add([replace(domain.begin(reply("bad").state, now=hub.notifications._clock()), kind="unheard of")])
    together, most, lock = [0], [0], threading.Lock()

    def answer(asked):
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        threading.Event().wait(0.02)
        with lock:
            together[0] -= 1
        return 201, b'{"id": "p"}'

    peer.answer = answer
    run_in_thread(hub.notifications.send_due)
    hub.notifications.on_people([*people, person()])
    hub.notifications.on_replies(replies)

    eventually(lambda: len(peer.asked) == 30)
    assert 1 < most[0] <= 8
    eventually(lambda: hub.database["deliveries"].count_documents({"state": "sent"}) == 30)


def test_two_workers_never_send_the_same_message(hub, settings, clock, peer, eventually, run_in_thread):
    other = app.build(replace(settings, worker_id="notifications-2"), clock=clock)
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply(f"message-{n}") for n in range(60)])

    run_in_thread(hub.notifications.send_due)
    run_in_thread(other.notifications.send_due)

    eventually(lambda: hub.database["deliveries"].count_documents({"state": "sent"}) == 60)
    assert sorted(one["reference"] for one in peer.bodies()) == sorted(f"message-{n}" for n in range(60))


def test_everything_is_told_again_as_it_is_now(hub, peer):
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply(), reply("waits", person_id="nobody")])
    hub.notifications.send_next()

    records = {record.key: json.loads(record.value) for record in hub.store.everything()}

    assert records["feedback-1.receipt"]["type"] == "delivery.sent"
    assert records["feedback-1.receipt"]["id"] == f"feedback-1.receipt.{state(hub).version}"
    assert PHONE not in str(records)
