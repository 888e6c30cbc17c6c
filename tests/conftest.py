"""Real servers for the tests: one mongod a run, a broker a module, a database of its own for each test."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from deploy import servers
from shared import mongo
from tests.accessibility.axe import browser

__all__ = ["browser"]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Applications and commands set up the logging of a whole process; after each test it is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A mongod, as a replica set of one."""
    server = servers.start_mongod(tmp_path_factory.mktemp("mongod") / "data", servers.free_port())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A Kafka-protocol broker that keeps its data; one a module, because topics are the same for everybody."""
    server = servers.start_broker(tmp_path_factory.mktemp("broker") / "data", servers.free_port())
    yield server
    server.stop()


@pytest.fixture
def mongo_url(mongod: servers.Server) -> Iterator[str]:
    """The address of a fresh database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield f"mongodb://127.0.0.1:{mongod.port}/{name}?replicaSet=rs0"
    with MongoClient("127.0.0.1", mongod.port, directConnection=True) as client:
        client.drop_database(name)


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    """A fresh database, connected to as services connect."""
    made = mongo.connect(mongo_url)
    yield made
    made.client.close()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(check, within=seconds)`: wait until `check()` is true; fail when it never is."""

    def wait(check: Callable[[], object], within: float = 15, every: float = 0.05) -> None:
        limit = time.monotonic() + within
        while not check():
            if time.monotonic() > limit:
                pytest.fail(f"not within {within} seconds: {getattr(check, '__name__', 'the condition')}")
            time.sleep(every)

    return wait


@pytest.fixture
def run_in_thread() -> Iterator[Callable[[Callable[[threading.Event], None]], threading.Event]]:
    """Run a worker's loop in a thread; it is told to stop at the end of the test. Returns its stop flag."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def start(loop: Callable[[threading.Event], None]) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=loop, args=(stop,), daemon=True)
        thread.start()
        running.append((stop, thread))
        return stop

    yield start
    for stop, _ in running:
        stop.set()
    for _, thread in running:
        thread.join(15)


ROOT = Path(__file__).parent.parent
