"""Notifications and the simulator face to face: sent once whatever dies, and receipts find their way back."""

import threading
from dataclasses import replace

import pytest
from werkzeug.serving import make_server

from deploy.servers import free_port
from deploy.simulator import app as simulator
from services.notifications import app, domain

from .conftest import PHONE, SECRET, person, reply


@pytest.fixture
def hub_and_phones(settings, tmp_path):
    """The service, with the simulator in place of the peer; returns it and the simulator's client."""
    web_port, simulator_port = free_port(), free_port()
    phones, caller = simulator.build(
        simulator.Settings(
            simulator_secret=SECRET,
            simulator_db=str(tmp_path / "simulator.sqlite3"),
            engagement_url="http://127.0.0.1:1",
            notifications_url=f"http://127.0.0.1:{web_port}",
        )
    )
    built = app.build(replace(settings, simulator_url=f"http://127.0.0.1:{simulator_port}"))
    built.store.prepare()
    servers = [
        make_server("127.0.0.1", web_port, app.web_of(built), threaded=True),
        make_server("127.0.0.1", simulator_port, phones, threaded=True),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    caller.start()
    yield built, phones.test_client()
    caller.stop.set()
    for server in servers:
        server.shutdown()
    built.database.client.close()


def test_a_message_is_sent_in_its_language_and_its_arrival_is_known(hub_and_phones, eventually, run_in_thread):
    hub, phones = hub_and_phones
    run_in_thread(hub.notifications.send_due)

    hub.notifications.on_replies([reply(language="pa"), reply("mail", channel="email", language="ur")])
    hub.notifications.on_people([person()])

    eventually(lambda: hub.database["deliveries"].count_documents({"state": "delivered"}) == 2)
    shown = {one["channel"]: one for one in phones.get("/simulator/api/messages").get_json()}
    assert "ਧੰਨਵਾਦ" in shown["sms"]["text"]
    assert shown["sms"]["to"] == PHONE
    assert "حوالہ" in shown["email"]["text"]
    assert "K7MX-4TQP" in shown["email"]["subject"]


def test_a_worker_killed_between_call_and_note_sends_once_all_the_same(hub_and_phones, eventually, run_in_thread):
    hub, phones = hub_and_phones
    hub.notifications.on_people([person()])
    hub.notifications.on_replies([reply()])
    killed = app.build(hub.settings)

    def never_noted(*_):
        raise SystemExit  # As kill -9: nothing after the call happens.

    killed.notifications._note_attempt = never_noted
    with pytest.raises(SystemExit):
        killed.notifications.send_next()
    run_in_thread(hub.notifications.send_due)

    eventually(lambda: hub.notifications.delivery("feedback-1.receipt").state == "delivered")
    assert len(phones.get("/simulator/api/messages").get_json()) == 1


@pytest.mark.parametrize(
    ("number", "reason"), [("+447700900990", domain.NOT_IN_USE), ("+447700900992", domain.OUT_OF_REACH)]
)
def test_a_phone_that_cannot_be_reached_is_told_of_in_plain_words(
    hub_and_phones, eventually, run_in_thread, number, reason
):
    hub, _ = hub_and_phones
    run_in_thread(hub.notifications.send_due)

    hub.notifications.on_people([person(phone=number)])
    hub.notifications.on_replies([reply()])

    eventually(lambda: hub.notifications.delivery("feedback-1.receipt").state == "failed")
    assert hub.notifications.delivery("feedback-1.receipt").reason == reason
