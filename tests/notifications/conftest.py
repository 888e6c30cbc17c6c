"""A notifications service put together with real MongoDB, and a provider on loopback that misbehaves on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pymongo import MongoClient

from services.notifications import app
from services.notifications.settings import Settings
from shared.events import Incoming, Person, Reply

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECRET = bytes(range(32))
PHONE = "+447700900001"
EMAIL = "someone@hub.example.org"
PUBLIC_URL = "https://hub.example.org"


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@dataclass
class Asked:
    """One request that a peer got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """A provider on loopback. `answer(asked)` returns status and body; it may wait, or raise to hang up."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], tuple[int, bytes]] = lambda asked: (201, json.dumps({"id": "p-1", "sid": "SM1"}).encode())

    def bodies(self) -> list[dict]:
        """The JSON bodies of all requests."""
        return [json.loads(one.body) for one in self.asked]


@pytest.fixture(scope="session")
def kept_database(mongod) -> Iterator[MongoClient]:
    """A connection to the one database of these tests: emptied for each, because dropping one takes half a second."""
    with MongoClient("127.0.0.1", mongod.port, directConnection=True) as client:
        yield client


@pytest.fixture
def mongo_url(mongod, kept_database: MongoClient) -> str:
    """The address of a database in which nothing is."""
    database = kept_database["test_notifications"]
    for name in database.list_collection_names():
        database[name].delete_many({})
    return f"mongodb://127.0.0.1:{mongod.port}/test_notifications?replicaSet=rs0"


@pytest.fixture
def peer() -> Iterator[Peer]:
    """An HTTP server on loopback that remembers what it was asked."""
    made = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            made.asked.append(asked)
            try:
                status, answer = made.answer(asked)
            except ConnectionError:
                self.close_connection = True
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", made.url + "/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Silent: a test looks at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # A client that hangs up is what some tests are about.
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    """The service's clock."""
    return Clock()


@pytest.fixture
def settings(mongo_url: str, peer: Peer) -> Settings:
    """Settings with the peer as the simulator; the broker is nobody."""
    return Settings(
        mongo_url=mongo_url,
        kafka_bootstrap="127.0.0.1:1",
        secret_key=SECRET,
        public_url=PUBLIC_URL,
        worker_id="notifications-1",
        simulator_url=peer.url,
        simulator_secret=SECRET,
    )


@pytest.fixture
def hub(settings: Settings, clock: Clock) -> Iterator[app.Built]:
    """The service, its indexes made."""
    built = app.build(settings, clock=clock)
    built.store.prepare()
    yield built
    built.database.client.close()


def person(person_id: str = "person-1", version: int = 1, **changes: object) -> Incoming:
    """A person as engagement tells of them."""
    values = {"phone": PHONE, "email": EMAIL, "language": None, **changes}
    return Incoming("engagement.people", person_id, Person(person_id, version, **values))


def forgotten(person_id: str = "person-1") -> Incoming:
    """The tombstone of a person."""
    return Incoming("engagement.people", person_id, None)


def reply(reply_id: str = "feedback-1.receipt", **changes: object) -> Incoming:
    """A reply that is due."""
    values = {
        "person_id": "person-1",
        "person_version": 1,
        "kind": "receipt",
        "channel": "sms",
        "language": "en-GB",
        "due_at": NOW,
        "feedback_id": "feedback-1",
        "params": {"reference": "K7MX-4TQP"},
        **changes,
    }
    return Incoming("engagement.replies", values["person_id"], Reply(reply_id, **values))
