"""Nothing accepted is lost and nothing is doubled, whatever dies: the hub's main promise, tried on a whole hub."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

CONTRIBUTIONS = 500
WORDS = "I waited six weeks for an appointment and nobody rang me back. This is contribution number {}."


def test_what_was_accepted_is_counted_once_and_answered_once_whatever_is_killed(make_hub, eventually):
    people = make_hub()
    hub = people.hub
    sending = threading.Event()
    sending.set()
    killer = threading.Thread(target=_kill_in_turn, args=(hub, sending))
    killer.start()

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(lambda n: _send(people, n), range(CONTRIBUTIONS)))
    sending.clear()
    killer.join()
    _revive(hub)
    _republish(hub, "engagement")  # The small broker may lose its last second when it is killed.

    engagement, insights = people.database("engagement"), people.database("insights")
    eventually(lambda: engagement["feedback"].count_documents({}) == CONTRIBUTIONS, within=90)
    eventually(lambda: insights["facts"].count_documents({}) >= CONTRIBUTIONS, within=90)
    eventually(lambda: len(_receipts(people)) >= CONTRIBUTIONS, within=90)
    eventually(lambda: _nothing_waits(people), within=60)
    references = {document["reference"] for document in engagement["feedback"].find({}, {"reference": 1})}
    receipts = _receipts(people)
    assert insights["facts"].count_documents({}) == CONTRIBUTIONS
    assert insights["counts"].find_one({"kind": "total", "period": "all"})["people"] == CONTRIBUTIONS
    assert len(receipts) == CONTRIBUTIONS, "a receipt was sent twice or not at all"
    assert all(any(_shown(reference) in text for text in receipts) for reference in references)
    assert {one["reference"] for one in accepted if one} <= {_shown(reference) for reference in references}
    for service in ("engagement", "notifications", "insights"):
        assert people.database(service)["quarantine"].count_documents({}) == 0


def test_a_broker_that_lost_its_whole_log_loses_nobody(make_hub, eventually):
    people = make_hub()
    hub = people.hub
    for name in ("insights-worker", "notifications-worker"):
        hub.programs[name].stop()
    for n in range(20):
        _send(people, n * 2)
    eventually(lambda: not people.database("engagement")["feedback"].count_documents({"outbox": {"$exists": True}}))

    hub.broker.kill()
    shutil.rmtree(hub.folder / "broker")
    hub.start_broker()
    for name in ("insights-worker", "notifications-worker"):
        hub.programs[name].start()
    _republish(hub, "engagement")

    eventually(lambda: people.database("insights")["facts"].count_documents({}) == 20, within=60)
    eventually(lambda: len(_receipts(people)) == 20, within=60)
    _republish(hub, "engagement")
    people.post({"text": "And the one after that, to see that everything before it was read."})
    eventually(lambda: people.database("insights")["facts"].count_documents({}) == 21, within=60)
    assert len(_receipts(people)) == 20


def _send(people, n: int) -> dict | None:
    """Even numbers by the API, odd ones by text; each from a phone of its own in the range kept for drama."""
    phone = f"+447700900{n:03d}"
    if n % 2 == 0:
        body = {"text": WORDS.format(n), "contact": {"phone": phone}, "may_answer": True}
        return people.post_until_accepted(body, key=f"drill-{n}", within=120)
    time.sleep(0.05)
    people.text(phone, WORDS.format(n), id=f"drill-{n}")
    return None


def _kill_in_turn(hub, sending: threading.Event) -> None:
    """Kill each process of the hub once, and again from the start for as long as people write."""
    while sending.is_set():
        for name in ("engagement-web", "engagement-worker", "notifications-worker", "broker", "insights-worker",
                     "mongod", "notifications-web", "insights-web"):  # fmt: skip
            time.sleep(1)
            _kill(hub, name)
            time.sleep(0.5)
            _revive(hub)


def _kill(hub, name: str) -> None:
    if name == "broker":
        hub.broker.kill()
    elif name == "mongod":
        hub.mongod.kill()
    else:
        hub.programs[name].kill()


def _revive(hub) -> None:
    for server, start in ((hub.mongod, hub.start_mongod), (hub.broker, hub.start_broker)):
        if server.process.poll() is not None:
            start()
    for program in hub.programs.values():
        if not program.alive():
            program.signal(9)
            program.start()


def _republish(hub, service: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "republish"],
        cwd=ROOT, env=hub.settings(service), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _receipts(people) -> list[str]:
    with contextlib.suppress(AssertionError):
        return [message["text"] for message in people.messages(direction="out", limit="5000")]
    return []


def _nothing_waits(people) -> bool:
    waiting = people.database("engagement")["feedback"].count_documents({"outbox": {"$exists": True}})
    unsent = people.database("notifications")["deliveries"].count_documents({"state": {"$in": ["pending", "sending"]}})
    return waiting == 0 and unsent == 0


def _shown(reference: str) -> str:
    return reference if "-" in reference else f"{reference[:4]}-{reference[4:]}"
