"""The whole hub on one machine, without Docker: `make run`. For trying, teaching and testing; a site uses compose.

It starts mongod, a broker, three web applications, three workers and the SMS simulator, watches them, starts again
what dies, and on Ctrl-C stops everything in order. Data, logs and secrets stay in the folder `.hub/`.
"""

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import servers
from deploy.servers import Broker, CannotStart, Server

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("engagement", "notifications", "insights")
HEALTHY = 90  # seconds that everything together may take to become healthy
RESTART_PAUSE = 1.0  # seconds before what died is started again; doubled each time, to a minute

# The one place where ports stand. HUB_PORT_ENGAGEMENT=9001 make run changes one for a run.
PORTS = {
    "engagement": 8001,
    "notifications": 8002,
    "insights": 8003,
    "simulator": 8004,
    "mongod": 27117,
    "broker": 9192,
}


def chosen_ports(environment: dict[str, str] | None = None) -> dict[str, int]:
    """The ports of this run: the table, with HUB_PORT_<NAME> laid over it. Raises CannotStart."""
    given = os.environ if environment is None else environment
    ports = {}
    for name, usual in PORTS.items():
        text = given.get(f"HUB_PORT_{name.upper()}", str(usual))
        if not (text.isdigit() and 1 <= int(text) <= 65535):
            raise CannotStart(f"HUB_PORT_{name.upper()} is {text!r}; it should be a port number from 1 to 65535.")
        ports[name] = int(text)
    return ports


@dataclass
class Program:
    """One process of the hub that we know how to start, and whether it is wanted just now."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    port: int | None = None
    process: subprocess.Popen | None = None
    wanted: bool = False
    failures: int = 0
    began: float = 0.0

    def start(self) -> None:
        """Start it, in a session of its own so that it can be ended with its children."""
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.wanted, self.began = True, time.monotonic()

    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def stop(self, timeout: float = 25) -> None:
        """End it cleanly, by force after `timeout` seconds."""
        self.wanted = False
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        self.signal(signal.SIGKILL)
        self.process.wait()

    def kill(self) -> None:
        """End it and its children at once, as a power cut would."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


@dataclass
class Hub:
    """A whole hub: its folder, its ports and its programs. `start` and `stop` may be called again and again."""

    folder: Path
    ports: dict[str, int]
    extra: dict[str, str] = field(default_factory=dict)  # environment laid over every program's
    make_broker: Callable[[Path, int], Broker] = servers.start_broker  # the tests also bring real Kafka
    programs: dict[str, Program] = field(default_factory=dict)
    mongod: Server | None = None
    broker: Broker | None = None

    def start(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Start everything and return when all are healthy. Raises CannotStart, with nothing left running."""
        try:
            self._check_ports()
            (self.folder / "log").mkdir(parents=True, exist_ok=True)
            self.programs = {program.name: program for program in self._programs()}
            say("starting mongod and the broker …")
            self.start_mongod()
            self.start_broker()
            say("starting the services …")
            self._create_topics()
            for program in self.programs.values():
                program.start()
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def start_mongod(self) -> None:
        """Start, or start again, the database server."""
        self.mongod = servers.start_mongod(self.folder / "mongod", self.ports["mongod"])

    def start_broker(self) -> None:
        """Start, or start again, the broker."""
        self.broker = self.make_broker(self.folder / "broker", self.ports["broker"])

    def stop(self) -> None:
        """Stop everything in order: the doors first, then who works, then the servers."""
        for program in self.programs.values():
            program.wanted = False
        doors = [program for name, program in self.programs.items() if not name.endswith("-worker")]
        workers = [program for name, program in self.programs.items() if name.endswith("-worker")]
        for group in (doors, workers):
            threads = [threading.Thread(target=program.stop) for program in group]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for server in (self.broker, self.mongod):
            if server is not None:
                server.stop()

    def revive(self) -> list[str]:
        """Start again what should run and does not. Returns the names; called now and then by who watches."""
        revived = []
        for server, start in ((self.mongod, self.start_mongod), (self.broker, self.start_broker)):
            if server is not None and not server.alive():
                start()
                revived.append(server.name)
        for program in self.programs.values():
            if program.wanted and not program.alive():
                pause = min(60.0, RESTART_PAUSE * 2**program.failures)
                if time.monotonic() - program.began > pause:
                    program.failures = 0 if time.monotonic() - program.began > 60 else program.failures + 1
                    program.signal(signal.SIGKILL)  # Children of a master that was killed still hold the port.
                    program.start()
                    revived.append(program.name)
        return revived

    def url(self, name: str) -> str:
        """The address of a web application of this hub."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def unhealthy(self) -> list[str]:
        """What is not well just now, in plain words; empty when all is."""
        wrong = [f"{name} is not running" for name, program in self.programs.items() if not program.alive()]
        for service in SERVICES:
            answer = _get_json(self.url(service) + "/health/ready")
            if answer is None:
                wrong.append(f"{service} does not answer")
            elif answer["status"] != "pass":
                wrong += [
                    f"{service}: {name} {check['output']}"
                    for name, check in answer["checks"].items()
                    if check["status"] != "pass"
                ]
        if _get_json(self.url("simulator") + "/simulator/api/messages") is None:
            wrong.append("simulator does not answer")
        return wrong

    def settings(self, service: str) -> dict[str, str]:
        """The environment of one service's programs."""
        kept = _secrets(self.folder)
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "MONGO_URL": f"mongodb://127.0.0.1:{self.ports['mongod']}/{service}?replicaSet=rs0",
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{self.ports['broker']}",
            "SECRET_KEY": kept["secret_key"],
            "PUBLIC_URL": self.url("engagement"),
            "SIMULATOR_URL": self.url("simulator"),
            "SIMULATOR_SECRET": kept["simulator_secret"],
            "SMS_NUMBER": "+447700900999",
            "EMAIL_FROM": "hub@hub.example.org",
            "WORKER_ID": f"{service}-1",
            "WEB_CONCURRENCY": "1",
            **self.extra,
        }

    def _programs(self) -> Iterator[Program]:
        for service in SERVICES:
            yield self._web(
                f"{service}-web", f"services.{service}.app:web()", self.ports[service], self.settings(service)
            )
            yield self._program(
                f"{service}-worker", [sys.executable, "-m", f"services.{service}", "worker"], self.settings(service)
            )
        yield self._web(
            "simulator",
            "deploy.simulator.app:web()",
            self.ports["simulator"],
            {
                **self.settings("simulator"),
                "SIMULATOR_DB": str(self.folder / "simulator.sqlite3"),
                "ENGAGEMENT_URL": self.url("engagement"),
                "NOTIFICATIONS_URL": self.url("notifications"),
            },
        )

    def _web(self, name: str, application: str, port: int, environment: dict[str, str]) -> Program:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            str(ROOT / "deploy" / "gunicorn.conf.py"),
            "-b",
            f"127.0.0.1:{port}",
            application,
        ]
        return self._program(name, command, environment, port)

    def _program(self, name: str, command: list[str], environment: dict[str, str], port: int | None = None) -> Program:
        return Program(name, command, environment, self.folder / "log" / f"{name}.log", port)

    def _check_ports(self) -> None:
        taken = [f"{port} ({name})" for name, port in self.ports.items() if servers.is_taken(port)]
        if taken:
            raise CannotStart(
                f"Taken by other programs: port {', '.join(taken)}. Stop those, or choose others, for "
                "example HUB_PORT_ENGAGEMENT=9001 make run; the table is PORTS in deploy/local.py."
            )

    def _create_topics(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "shared.cli", "topics"],
            env=self.settings("engagement"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise CannotStart(f"The topics could not be created: {done.stderr.strip()}")

    def _wait_until_healthy(self) -> None:
        limit = time.monotonic() + HEALTHY
        while wrong := self.unhealthy():
            dead = [program for program in self.programs.values() if not program.alive()]
            if dead or time.monotonic() > limit:
                logs = "\n".join(f"{one.log}:\n{_tail(one.log)}" for one in dead)
                raise CannotStart("Not healthy: " + "; ".join(wrong) + f". Logs are in {self.folder / 'log'}.\n{logs}")
            time.sleep(0.2)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Make sure that one hub at a time uses this folder. Raises CannotStart."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise CannotStart(f"A hub already runs in {folder}. Stop it first (Ctrl-C where it runs).") from e
        yield


def main() -> int:
    """Run the hub until Ctrl-C. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".hub", help="where data, logs and secrets stay")
    folder = parser.parse_args().folder.resolve()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with only_one(folder):
            hub = Hub(folder, chosen_ports())
            hub.start(say=lambda line: print(line, flush=True))
            print(_welcome(hub), flush=True)
            try:
                _watch(hub, stop)
            finally:
                print("\nstopping …", flush=True)
                hub.stop()
                print("stopped; everything is kept in", folder, flush=True)
    except CannotStart as e:
        print(f"\nThe hub did not start. {e}", file=sys.stderr)
        return 1
    return 0


def _watch(hub: Hub, stop: threading.Event) -> None:
    while not stop.wait(1):
        try:
            for name in hub.revive():
                print(f"{name} had died and was started again; see {hub.folder / 'log'}", flush=True)
        except CannotStart as e:
            print(e, file=sys.stderr, flush=True)
            stop.wait(5)


def _welcome(hub: Hub) -> str:
    return f"""
The hub is running. Everything is on this machine only.

  Say something            {hub.url("engagement")}/
  Text it (SMS simulator)  {hub.url("simulator")}/simulator/
  What insights shows      {hub.url("insights")}/insights/
  The feed                 {hub.url("insights")}/api/v1/feed
  Notifications' health    {hub.url("notifications")}/health/ready

  Feed it a few hundred real comments:  make demo
  Data, logs and secrets:               {hub.folder}
  Stop:                                 Ctrl-C
"""


def _secrets(folder: Path) -> dict[str, str]:
    file = folder / "secrets.json"
    if not file.exists():
        made = {"secret_key": secrets.token_hex(32), "simulator_secret": secrets.token_hex(32)}
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump(made, output)
    return json.loads(file.read_text())


def _get_json(url: str) -> Any:
    """What an address answers, also with an error status; None when that is no JSON, or nothing."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        with contextlib.suppress(ValueError):
            return json.load(e)
    except (OSError, ValueError):
        pass
    return None


def _tail(file: Path) -> str:
    return "".join(file.read_text("utf-8", "replace").splitlines(keepends=True)[-15:]) if file.exists() else ""


if __name__ == "__main__":
    raise SystemExit(main())
