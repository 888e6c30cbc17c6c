"""The composition root of engagement: it names the real adapters, wires them, and returns what runs."""

import logging
import secrets
import threading
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from pymongo.database import Database

from services.engagement import reading
from services.engagement import web as pages
from services.engagement.gateways import Gateway, simulator, twilio
from services.engagement.settings import Settings
from services.engagement.store import OUTBOXES, Store
from services.engagement.usecases import Engagement
from shared import health, i18n, logs, mongo, settings, worker
from shared.cli import Operations
from shared.errors import Unavailable
from shared.events import DELIVERIES
from shared.quarantine import Quarantine
from shared.worker import Consumer, Loop, Worker

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
GROUP = "hub.engagement"


@dataclass(frozen=True)
class Hub:
    """Engagement, put together."""

    settings: Settings
    database: Database
    store: Store
    engagement: Engagement
    gateways: Mapping[str, Gateway]
    catalogues: i18n.Catalogues


def build(
    given: Settings | None = None,
    *,
    database: Database | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: b32encode(secrets.token_bytes(17)).decode().lower()[:26],
) -> Hub:
    """Put engagement together. Nothing is connected yet. Raises SettingsError, CatalogueIncomplete."""
    given = given or settings.load(Settings)
    reading.load()
    database = mongo.connect(given.mongo_url) if database is None else database
    store = Store(database)
    engagement = Engagement(
        store=store,
        reading=reading,
        secret_key=given.secret_key,
        answer_days=given.answer_days,
        clock=clock,
        new_id=new_id,
    )
    return Hub(given, database, store, engagement, _gateways(given), i18n.load(FOLDER / "translations"))


def web(given: Settings | None = None, hub: Hub | None = None) -> Flask:
    """The web application, for a WSGI server: `gunicorn "services.engagement.app:web()"`."""
    hub = hub or build(given)
    logs.setup("engagement", hub.settings.log_level)
    try:
        hub.store.prepare()
    except Unavailable:
        log.warning("MongoDB is away at the start; the indexes are made before the first write")
    return pages.create(
        hub.engagement,
        hub.gateways,
        hub.catalogues,
        hub.settings,
        ready=lambda: health.ready(hub.database),
        new_id=_nonce,
    )


def operations(given: Settings | None = None) -> Operations:
    """What the operators' commands work with."""
    hub = build(given)
    quarantine = Quarantine(hub.database)
    consumer = Consumer(
        bootstrap=hub.settings.kafka_bootstrap,
        group=GROUP,
        member=hub.settings.worker_id,
        handlers={DELIVERIES.name: hub.engagement.on_deliveries},
        quarantine=quarantine,
        clock=_now,
    )
    return Operations(
        settings=hub.settings,
        database=hub.database,
        quarantine=quarantine,
        consumer=consumer,
        worker=lambda: _worker(hub, consumer, quarantine),
        everything=hub.engagement.everything,
    )


def _worker(hub: Hub, consumer: Consumer, quarantine: Quarantine) -> Worker:
    relay = worker.relay(
        hub.database,
        OUTBOXES,
        bootstrap=hub.settings.kafka_bootstrap,
        owner=hub.settings.worker_id,
        quarantine=quarantine,
        clock=_now,
    )
    return Worker(
        database=hub.database,
        name=hub.settings.worker_id,
        bootstrap=hub.settings.kafka_bootstrap,
        loops={"relay": _once_prepared(hub.store, relay)},
        consumer=consumer,
    )


def _once_prepared(store: Store, loop: Loop) -> Loop:
    """The loop, begun when the indexes are there, which the relay sweeps by."""

    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                store.prepare()
                break
            except Unavailable:
                stop.wait(1)
        loop(stop)

    return run


def _gateways(given: Settings) -> Mapping[str, Gateway]:
    """The gateways that are switched on, by the last part of their address."""
    on: dict[str, Gateway] = {}
    if given.simulator_secret:
        on[simulator.NAME] = simulator.Simulator(given.simulator_secret)
    if given.twilio_auth_token:
        on[twilio.NAME] = twilio.Twilio(given.twilio_auth_token)
    return on


def _now() -> datetime:
    return datetime.now(UTC)


def _nonce() -> str:
    return secrets.token_hex(16)
