"""`make compose-check`: the compose file from nothing to a working hub, through restarts, and down again.

Brings everything up under a name, a port and secrets of its own, scaled as the README shows it; sends one web and
one SMS contribution and waits for the receipts and the theme; restarts every container once while more arrive; then
counts that each contribution was taken in once, counted once and answered once. Leaves no container and no volume,
only the images, which make the next build a short one.
"""

import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from deploy.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
FILES = ("docker-compose.yml", "deploy/compose.simulator.yml")
PROJECT = "com.docker.compose.project"  # the label of all that belongs to a project
SCALE = {"engagement-web": 2, "insights-worker": 3}
BUILD, UP, HEALTHY, SETTLED, DOWN = 900, 240, 180, 120, 120  # seconds that each step may take at most
PACE = 0.2  # seconds between two contributions
LANES = 2  # containers that restart at a time
MOST = 900  # contributions; a phone each, from the range 07700 900000 to 900999 that is kept for drama
WORDS = "I waited six weeks for an appointment and nobody rang me back. This is contribution number {}."


class Failed(Exception):
    """The check found something wrong; the text says what."""


@dataclass
class Stack:
    """The containers of one compose project of our own."""

    folder: Path
    port: int = field(default_factory=free_port)
    project: str = field(default_factory=lambda: f"hubcheck{secrets.token_hex(3)}")

    def compose(self, *arguments: str, timeout: float) -> str:
        """Run one compose command. Raises Failed with the end of what it printed."""
        files = [word for file in FILES for word in ("-f", str(ROOT / file))]
        return _run(
            [*_compose(), "--project-name", self.project, "--env-file", str(self.folder / "env"), *files, *arguments],
            timeout,
        )

    def write_settings(self) -> None:
        """The example's settings, with a secret for each that the compose files ask for."""
        example = (ROOT / "deploy/env.example").read_text()
        settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
        for file in FILES:
            for name in re.findall(r"\$\{([A-Z_]+):\?", (ROOT / file).read_text()):
                settings[name] = settings.get(name) or secrets.token_hex(32)
        settings |= {
            "HUB_PORT": str(self.port),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "HUB_VERSION": "check",
            "SMS_NUMBER": "+447700900999",
            "EMAIL_FROM": "hub@hub.example.org",
        }
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "env").write_text(lines)

    def down(self) -> None:
        """Take everything down. A network that an old engine will not let go of is left, with a word about it."""
        for _ in range(3):
            try:
                self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20", timeout=DOWN)
                return
            except Failed as e:
                wrong = e
                time.sleep(1)
        if "active endpoints" not in str(wrong):
            raise wrong
        volumes = _run(["docker", "volume", "ls", "-q", "--filter", f"label={PROJECT}={self.project}"], 30).split()
        if volumes:  # Compose removes them after the networks.
            _run(["docker", "volume", "rm", *volumes], 60)
        print("  the engine holds on to an empty network until its next start", flush=True)

    def containers(self) -> dict[str, dict]:
        """What the engine knows of each container that goes on running, by name."""
        wanted = ["docker", "ps", "-aq", "--filter", f"label={PROJECT}={self.project}"]
        ids = _run(wanted, 30).split()
        known = json.loads(_run(["docker", "inspect", *ids], 30)) if ids else []
        return {
            one["Name"].lstrip("/"): one
            for one in known
            if one["Config"]["Labels"]["com.docker.compose.service"] != "topics"
        }

    def unhealthy(self) -> list[str]:
        """The containers that are not healthy."""
        return [
            name for name, one in self.containers().items() if one["State"].get("Health", {}).get("Status") != "healthy"
        ]

    def restart(self, name: str, container: dict) -> float:
        """Restart a container; seconds until its own health check passes."""
        began = time.monotonic()
        _run(["docker", "restart", "--time", "30", name], 60)
        check = ["docker", "exec", name, *container["Config"]["Healthcheck"]["Test"][1:]]
        _wait_for(f"{name} to be healthy after its restart", lambda: _succeeds(check), HEALTHY)
        return time.monotonic() - began

    def documents(self, service: str, question: str) -> int:
        """The answer, a number, of a service's MongoDB to a question in its shell's language."""
        name = next(name for name, one in self.containers().items() if _service(one) == f"{service}-mongo")
        shell = (
            f'mongosh --quiet --norc "mongodb://$MONGO_DATABASE:$MONGO_PASSWORD@127.0.0.1/$MONGO_DATABASE'
            f"?directConnection=true\" --eval '{question}'"
        )
        return int(_run(["docker", "exec", name, "bash", "-c", shell], 30).strip())


@dataclass
class People:
    """What people and gateways do, through the one public port."""

    url: str
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            maxsize=20, timeout=urllib3.Timeout(connect=2, read=15), retries=False
        )
    )
    sent: Counter[str] = field(default_factory=Counter)  # by channel
    again: int = 0  # how often something had to be sent again

    def give(self, number: int) -> None:
        """Give a contribution, even numbers by the web and odd ones by text, until it is accepted."""
        phone, words = _phone(number), WORDS.format(number)
        if number % 2 == 0:
            body = {"text": words, "contact": {"phone": phone}, "may_answer": True}
            self._until_accepted("/api/v1/feedback", body, {"Idempotency-Key": f"check-{number}"})
            self.sent["web"] += 1
        else:
            self._until_accepted("/simulator/api/text", {"from": phone, "text": words, "id": f"check-{number}"}, {})
            self.sent["SMS"] += 1

    def receipts(self) -> Counter[str]:
        """How many messages each phone got from the hub."""
        messages = self._get("/simulator/api/messages?direction=out") or []
        return Counter(message["to"] for message in messages)

    def themes(self) -> set[str]:
        """The themes in the partner feed."""
        page = self._get("/api/v1/feed") or {"items": []}
        return {item["theme"] for item in page["items"] if item.get("theme")}

    def _get(self, path: str) -> Any:
        """A JSON answer; None while it cannot be had."""
        try:
            answer = self.http.request("GET", self.url + path)
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        return answer.json() if answer.status == 200 else None

    def _until_accepted(self, path: str, body: dict, headers: dict[str, str]) -> None:
        """Send again what was not accepted, as a gateway does: the same key, and only after a fault of the hub's."""
        limit = time.monotonic() + HEALTHY
        while True:
            try:
                answer = self.http.request("POST", self.url + path, json=body, headers=headers)
                if answer.status < 300:
                    return
                if answer.status < 500:
                    raise Failed(f"{path} refused a contribution with {answer.status}: {answer.data[:300]!r}")
            except (urllib3.exceptions.HTTPError, OSError):
                pass
            if time.monotonic() > limit:
                raise Failed(f"{path} did not accept a contribution within {HEALTHY} seconds")
            self.again += 1
            time.sleep(0.5)


def check(stack: Stack) -> None:
    """The whole check. Raises Failed."""
    with _step("built"):
        stack.compose("build", "--quiet", timeout=BUILD)
    with _step("up and healthy, " + ", ".join(f"{count} {name}" for name, count in SCALE.items())):
        scale = [word for name, count in SCALE.items() for word in ("--scale", f"{name}={count}")]
        stack.compose("up", "-d", *scale, timeout=UP)
        _wait_for("all containers to be healthy", lambda: not stack.unhealthy(), HEALTHY, every=1)
    people = People(f"http://127.0.0.1:{stack.port}")
    with _step("one web and one SMS contribution: both receipts in the simulator, the theme in the feed"):
        people.give(0)
        people.give(1)
        _wait_for("both receipts", lambda: all(people.receipts()[_phone(number)] for number in (0, 1)), SETTLED)
        _wait_for("a theme in the feed", people.themes, SETTLED)
    with _step(f"every container restarted once, {LANES} at a time, while people wrote"):
        count = 2 + _restart_each(stack, people)
    with _step("settled"):
        _wait_for("everything to be counted and answered", lambda: _all_there(stack, people, count), SETTLED, every=1)
    _count(stack, people, count)


def _restart_each(stack: Stack, people: People) -> int:
    """Restart each container while contributions arrive. Returns how many did."""
    stop = threading.Event()
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(LANES) as lanes:
        giving = pool.submit(_give_at_a_pace, pool, people, stop)
        try:
            for took, name in lanes.map(lambda one: (stack.restart(*one), one[0]), stack.containers().items()):
                print(f"    {name} back after {took:.1f} s", flush=True)
        finally:
            stop.set()
        return giving.result()


def _give_at_a_pace(pool: ThreadPoolExecutor, people: People, stop: threading.Event) -> int:
    given: list[Future[None]] = []
    while not stop.wait(PACE) and len(given) < MOST:
        given.append(pool.submit(people.give, 2 + len(given)))
    for one in given:
        one.result()
    return len(given)


def _all_there(stack: Stack, people: People, count: int) -> bool:
    return (
        sum(people.receipts().values()) >= count
        and stack.documents("insights", "db.facts.countDocuments({})") >= count
        and stack.documents("engagement", "db.feedback.countDocuments({outbox: {$exists: true}})") == 0
        and stack.documents(
            "notifications", 'db.deliveries.countDocuments({state: {$in: ["pending", "sending"]}})'
        ) == 0
    )  # fmt: skip


def _count(stack: Stack, people: People, count: int) -> None:
    """Raise Failed unless each contribution was taken in, counted and answered exactly once."""
    receipts = people.receipts()
    found = {
        "accepted": sum(people.sent.values()),
        "taken in": stack.documents("engagement", "db.feedback.countDocuments({})"),
        "counted": stack.documents("insights", "db.facts.countDocuments({})"),
        "answered": sum(receipts.values()),
        "people answered once": sum(receipts[_phone(number)] == 1 for number in range(count)),
    }
    held = sum(
        stack.documents(service, "db.quarantine.countDocuments({})")
        for service in ("engagement", "notifications", "insights")
    )
    print(f"  {people.sent['web']} by web and {people.sent['SMS']} by SMS, {people.again} times sent again")
    print("  " + ", ".join(f"{what}: {number}" for what, number in found.items()) + f", quarantined: {held}")
    if set(found.values()) != {count} or held:
        raise Failed(f"{count} contributions were given, so each of these numbers should be {count}, and none held")


def _phone(number: int) -> str:
    return f"+447700900{number:03d}"


def _service(container: dict) -> str:
    return container["Config"]["Labels"]["com.docker.compose.service"]


def _compose() -> list[str]:
    if _succeeds(["docker", "compose", "version"]):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise Failed("neither `docker compose` nor `docker-compose` is installed")


def _run(command: Sequence[str], timeout: float) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"not done within {timeout} seconds: {' '.join(command)}") from e
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=15).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _wait_for(what: str, condition: Callable[[], object], within: float, every: float = 0.5) -> None:
    limit = time.monotonic() + within
    while not condition():
        if time.monotonic() > limit:
            raise Failed(f"waited {within} seconds for {what}")
        time.sleep(every)


@contextmanager
def _step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"  {time.monotonic() - began:5.1f} s  {what}", flush=True)


def _print_logs(stack: Stack) -> None:
    for name, one in stack.containers().items():
        done = subprocess.run(["docker", "logs", "--tail", "25", name], capture_output=True, text=True, timeout=30)
        health = one["State"].get("Health", {})
        last = health["Log"][-1]["Output"].strip() if health.get("Log") else ""
        print(f"\n=== {name}: {one['State']['Status']}, {health.get('Status')} {last}\n{done.stdout}{done.stderr}")


@contextmanager
def _taken_down_at_the_end(stack: Stack) -> Iterator[None]:
    try:
        yield
    except Failed:
        _print_logs(stack)
        raise
    finally:
        with _step("taken down, volumes too"):
            stack.down()


def main() -> int:
    """Run the check; 0 when everything held."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was brought up is taken down.
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            stack = Stack(Path(folder))
            stack.write_settings()
            print(f"compose-check: project {stack.project}, port {stack.port}", flush=True)
            with _taken_down_at_the_end(stack):
                check(stack)
    except Failed as e:
        print(f"compose-check failed: {e}", file=sys.stderr)
        return 1
    print(f"compose-check passed in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
