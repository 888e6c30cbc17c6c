"""The composition root of notifications: builds, wires and returns; the real clock, ids and gateways are named here."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from pymongo.database import Database
from pymongo.errors import PyMongoError

from services.notifications import web as pages
from services.notifications.gateways.simulator import Simulator
from services.notifications.gateways.smtp import Smtp
from services.notifications.gateways.twilio import Twilio
from services.notifications.settings import Settings
from services.notifications.store import COLLECTIONS, Store
from services.notifications.usecases import Notifications
from shared import events, health, i18n, logs, mongo, worker
from shared.cli import Operations
from shared.quarantine import Quarantine
from shared.settings import load
from shared.web import create_app

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
NAME = "notifications"


@dataclass(frozen=True)
class Built:
    """The service, put together. `gateways` are those switched on, by name."""

    settings: Settings
    database: Database
    store: Store
    catalogues: i18n.Catalogues
    gateways: Mapping[str, Any]
    notifications: Notifications


def build(
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    gateways: Mapping[str, Any] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: secrets.token_hex(16),
) -> Built:
    """Everything but the processes. Connects to nothing yet."""
    settings = settings or load(Settings)
    database = mongo.connect(settings.mongo_url) if database is None else database
    store = Store(database)
    catalogues = i18n.load(HERE / "translations")
    gateways = _gateways(settings, clock) if gateways is None else gateways
    notifications = Notifications(
        store,
        gateways=_by_channel(settings, gateways),
        catalogues=catalogues,
        hub_name=settings.hub_name,
        public_url=settings.public_url,
        worker_id=settings.worker_id,
        clock=clock,
        new_id=new_id,
    )
    return Built(settings, database, store, catalogues, gateways, notifications)


def web(settings: Settings | None = None) -> Flask:
    """The web application."""
    built = build(settings)
    logs.setup(NAME, built.settings.log_level)
    return web_of(built)


def web_of(built: Built) -> Flask:
    """The web application of a service put together already."""
    app, api = create_app(
        NAME,
        folder=HERE,
        catalogues=built.catalogues,
        hub_name=built.settings.hub_name,
        public_url=built.settings.public_url,
        ready=lambda: health.ready(built.database),
    )
    pages.register(app, api, built.notifications, gateways=built.gateways, public_url=built.settings.public_url)
    return app


def operations(settings: Settings | None = None) -> Operations:
    """What operators can do."""
    return operations_of(build(settings))


def operations_of(built: Built) -> Operations:
    """The same, of a service put together already."""
    quarantine = Quarantine(built.database)
    consumer = worker.Consumer(
        bootstrap=built.settings.kafka_bootstrap,
        group=f"hub.{NAME}",
        member=built.settings.worker_id,
        handlers={
            events.PEOPLE.name: built.notifications.on_people,
            events.REPLIES.name: built.notifications.on_replies,
        },
        quarantine=quarantine,
        clock=lambda: datetime.now(UTC),
    )
    return Operations(
        settings=built.settings,
        database=built.database,
        quarantine=quarantine,
        consumer=consumer,
        worker=lambda: _worker(built, consumer, quarantine),
        everything=built.store.everything,
    )


def _worker(built: Built, consumer: worker.Consumer, quarantine: Quarantine) -> worker.Worker:
    _prepare_when_possible(built.store)
    relay = worker.relay(
        built.database, COLLECTIONS,
        bootstrap=built.settings.kafka_bootstrap,
        owner=built.settings.worker_id,
        quarantine=quarantine,
        clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    return worker.Worker(
        database=built.database,
        name=built.settings.worker_id,
        bootstrap=built.settings.kafka_bootstrap,
        loops={"relay": relay, "send": built.notifications.send_due},
        consumer=consumer,
    )


def _prepare_when_possible(store: Store) -> None:
    """The sweep of the relay needs its index: wait for the database, as a worker may."""
    while True:
        try:
            store.prepare()
            return
        except PyMongoError as e:
            if not mongo.is_away(e):
                raise
            log.warning("worker waits for the database: %s", e.__class__.__name__)
            time.sleep(1)


def _gateways(settings: Settings, clock: Callable[[], datetime]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if settings.simulator_url:
        made["simulator"] = Simulator(settings.simulator_url, settings.simulator_secret, seconds=time.time)
    if settings.twilio_account_sid:
        made["twilio"] = Twilio(
            settings.twilio_account_sid, settings.twilio_auth_token,
            sender=settings.sms_number, public_url=settings.public_url,
        )  # fmt: skip
    if settings.smtp_url:
        made["smtp"] = Smtp(settings.smtp_url, sender=settings.email_from, clock=clock)
    return made


def _by_channel(settings: Settings, gateways: Mapping[str, Any]) -> dict[Any, Any]:
    """Which gateway sends what: the one that is asked for, else the first of its kind that is on."""
    wanted = {
        "sms": [settings.sms_gateway] if settings.sms_gateway else ["simulator", "twilio"],
        "email": [settings.email_gateway] if settings.email_gateway else ["simulator", "smtp"],
    }
    return {
        channel: next(gateways[name] for name in names if name in gateways)
        for channel, names in wanted.items()
        if any(name in gateways for name in names)
    }
