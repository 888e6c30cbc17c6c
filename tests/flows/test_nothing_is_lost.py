"""Nothing accepted is lost and nothing is doubled, whatever dies: the hub's main promise, tried on a whole hub."""

import shutil

import pytest

from tests.flows import drill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def test_what_was_accepted_is_counted_once_and_answered_once_whatever_is_killed(make_hub, eventually):
    people = make_hub()

    drill.run(people, eventually, republish=True)  # The small broker may lose its last second when it is killed.


def test_a_broker_that_lost_its_whole_log_loses_nobody(make_hub, eventually):
    people = make_hub()
    hub = people.hub
    for name in ("insights-worker", "notifications-worker"):
        hub.programs[name].stop()
    for n in range(20):
        drill.send(people, n * 2)
    eventually(lambda: not people.database("engagement")["feedback"].count_documents({"outbox": {"$exists": True}}))

    hub.broker.kill()
    shutil.rmtree(hub.folder / "broker")
    hub.start_broker()
    for name in ("insights-worker", "notifications-worker"):
        hub.programs[name].start()
    drill.republish_everything(hub, "engagement")

    eventually(lambda: people.database("insights")["facts"].count_documents({}) == 20, within=60)
    eventually(lambda: len(drill.receipts(people)) == 20, within=60)
    drill.republish_everything(hub, "engagement")
    people.post({"text": "And the one after that, to see that everything before it was read."})
    eventually(lambda: people.database("insights")["facts"].count_documents({}) == 21, within=60)
    assert len(drill.receipts(people)) == 20
