"""The kill drill: nothing accepted is lost and nothing doubled, whatever dies. Run over more than one broker."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from deploy.local import ROOT, SERVICES, Hub
from tests.flows.citizens import Citizens

CONTRIBUTIONS = 500
WORDS = "I waited six weeks for an appointment and nobody rang me back. This is contribution number {}."


def run(people: Citizens, eventually: Callable[..., None], *, republish: bool) -> None:
    """Send by both doors while everything is killed in turn; then each contribution is there once, answered once.

    `republish`: give the operators' command at the end, as after a broker that may lose what it acknowledged.
    """
    hub = people.hub
    sending = threading.Event()
    sending.set()
    killer = threading.Thread(target=_kill_in_turn, args=(hub, sending))
    killer.start()

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(lambda n: send(people, n), range(CONTRIBUTIONS)))
    sending.clear()
    killer.join()
    _revive(hub)
    if republish:
        for service in SERVICES[:2]:
            republish_everything(hub, service)

    engagement, insights = people.database("engagement"), people.database("insights")
    eventually(lambda: engagement["feedback"].count_documents({}) == CONTRIBUTIONS, within=90)
    eventually(lambda: insights["facts"].count_documents({}) >= CONTRIBUTIONS, within=90)
    eventually(lambda: len(receipts(people)) >= CONTRIBUTIONS, within=90)
    eventually(lambda: _nothing_waits(people), within=60)
    references = {_shown(document["reference"]) for document in engagement["feedback"].find({}, {"reference": 1})}
    sent = receipts(people)
    assert insights["facts"].count_documents({}) == CONTRIBUTIONS
    assert insights["counts"].find_one({"table": "total", "period": "all"})["people"] == CONTRIBUTIONS
    assert len(sent) == CONTRIBUTIONS, "a receipt was sent twice or not at all"
    assert all(any(reference in text for text in sent) for reference in references)
    assert {one["reference"] for one in accepted if one} <= references
    for service in SERVICES:
        assert people.database(service)["quarantine"].count_documents({}) == 0


def send(people: Citizens, n: int) -> dict | None:
    """Even numbers by the API, odd ones by text; each from a phone of its own in the range kept for drama."""
    phone = f"+447700900{n:03d}"
    if n % 2 == 0:
        body = {"text": WORDS.format(n), "contact": {"phone": phone}, "may_answer": True}
        return people.post_until_accepted(body, key=f"drill-{n}", within=120)
    time.sleep(0.05)
    people.text(phone, WORDS.format(n), id=f"drill-{n}")
    return None


def _kill_in_turn(hub: Hub, sending: threading.Event) -> None:
    """Kill each process of the hub once, and again from the start for as long as people write."""
    while sending.is_set():
        for name in ("engagement-web", "engagement-worker", "notifications-worker", "broker", "insights-worker",
                     "mongod", "notifications-web", "insights-web"):  # fmt: skip
            time.sleep(1)
            _kill(hub, name)
            time.sleep(0.5)
            _revive(hub)


def _kill(hub: Hub, name: str) -> None:
    if name == "broker":
        hub.broker.kill()
    elif name == "mongod":
        hub.mongod.kill()
    else:
        hub.programs[name].kill()


def _revive(hub: Hub) -> None:
    for server, start in ((hub.mongod, hub.start_mongod), (hub.broker, hub.start_broker)):
        if not server.alive():
            start()
    for program in hub.programs.values():
        if not program.alive():
            program.signal(9)
            program.start()


def republish_everything(hub: Hub, service: str) -> None:
    """Give the operators' command."""
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "republish"],
        cwd=ROOT, env=hub.settings(service), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def receipts(people: Citizens) -> list[str]:
    with contextlib.suppress(AssertionError):
        return [message["text"] for message in people.messages(direction="out", limit="5000")]
    return []


def _nothing_waits(people: Citizens) -> bool:
    waiting = people.database("engagement")["feedback"].count_documents({"outbox": {"$exists": True}})
    unsent = people.database("notifications")["deliveries"].count_documents({"state": {"$in": ["pending", "sending"]}})
    return waiting == 0 and unsent == 0


def _shown(reference: str) -> str:
    return reference if "-" in reference else f"{reference[:4]}-{reference[4:]}"
