"""The worker's side, with a real broker: what engagement publishes is counted, and what cannot be read is held."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from pymongo.database import Database

from deploy.servers import Server
from services.insights import app
from services.insights.domain import ALL, Cell
from services.insights.settings import Settings
from services.insights.store import Store
from shared import bus, events
from shared.cli import Operations
from shared.events import Record

from .contributions import NOON, contribution


@pytest.fixture
def operations(mongo_url: str, broker: Server) -> Operations:
    """Insights as its worker runs it, model and all."""
    bus.ensure_topics(f"127.0.0.1:{broker.port}", [events.FEEDBACK])
    settings = Settings(
        mongo_url=mongo_url,
        kafka_bootstrap=f"127.0.0.1:{broker.port}",
        secret_key=bytes(32),
        public_url="http://hub.test",
        worker_id=mongo_url.rpartition("/")[2].partition("?")[0],
    )
    return app.operations(settings)


def test_published_feedback_is_counted_and_bad_records_are_held(
    operations: Operations,
    broker: Server,
    database: Database,
    run_in_thread: Callable[..., threading.Event],
    eventually: Callable[..., None],
) -> None:
    states = [
        contribution(f"{database.name}-{n}", received_at=NOON - timedelta(days=n % 2), area="BB1",
                     text="We waited six weeks for an appointment.")
        for n in range(9)
    ]  # fmt: skip
    records = [events.record(state, type="feedback.received", time=NOON) for state in states]
    assert operations.consumer is not None

    publish = bus.Publisher(f"127.0.0.1:{broker.port}")
    publish([*records, Record(events.FEEDBACK.name, "bad", "{not json"), *records[:3]])
    publish([Record(events.FEEDBACK.name, states[0].feedback_id, None)])
    publish.close()
    run_in_thread(operations.consumer.run)

    store, total = Store(database), Cell("total", ALL)
    eventually(lambda: store.people([total]).get(total) == 8 and operations.quarantine.count() == 1, within=40)
    assert store.people([Cell("theme.area", ALL, "timeliness", "BB1")])
    assert [entry.item.people for entry in store.feed(0, 500) if entry.item.theme == "timeliness"]
    assert operations.quarantine.listed()[0].value == b"{not json"


def test_insights_owns_no_topic_and_republishes_nothing(operations: Operations) -> None:
    assert list(operations.everything()) == []
