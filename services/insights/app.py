"""The one composition root of insights: builds, wires and returns; it holds no logic."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from pymongo.database import Database

from services.insights import themes
from services.insights import web as views
from services.insights.settings import Settings
from services.insights.store import Store
from services.insights.usecases import Insights, ReadThemes, Theme
from shared import cli, events, health, i18n, logs, mongo
from shared import settings as environment
from shared import web as shared_web
from shared.errors import Unavailable
from shared.quarantine import Quarantine
from shared.worker import Consumer, Worker

FOLDER = Path(__file__).parent
GROUP = "hub.insights"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hub:
    """Insights, built."""

    settings: Settings
    database: Database
    store: Store
    insights: Insights
    quarantine: Quarantine


def build(
    settings: Settings | None = None, *, read_themes: ReadThemes | None = None, clock: Callable[[], datetime] = now
) -> Hub:
    """Insights for a process. Without `read_themes` it answers questions, and takes feedback in unread."""
    settings = settings or environment.load(Settings)
    database = mongo.connect(settings.mongo_url)
    store = Store(database)
    insights = Insights(store, themes=theme_table(), clock=clock, read_themes=read_themes)
    with contextlib.suppress(Unavailable):  # It is prepared when MongoDB is back.
        store.prepare()
    return Hub(settings, database, store, insights, Quarantine(database))


def theme_table() -> Mapping[str, Theme]:
    """All themes by slug, in the framework's order."""
    rows = themes.read_theme_table()
    return {row["slug"]: Theme(row["slug"], row["name"], row["group"], row["definition"]) for row in rows}


def web(settings: Settings | None = None) -> Flask:
    """The web application, as gunicorn runs it: `gunicorn "services.insights.app:web()"`."""
    settings = settings or environment.load(Settings)
    logs.setup("insights", settings.log_level)
    hub = build(settings)
    catalogues = i18n.load(FOLDER / "translations")
    app, api = shared_web.create_app(
        "insights",
        folder=FOLDER,
        catalogues=catalogues,
        hub_name=settings.hub_name,
        public_url=settings.public_url,
        ready=lambda: health.ready(hub.database),
    )
    views.register(app, api, hub.insights, catalogues)
    return app


def operations(settings: Settings | None = None) -> cli.Operations:
    """What `python -m services.insights` offers."""
    settings = settings or environment.load(Settings)
    hub = build(settings, read_themes=themes.load().read_many if settings.theming else None)
    consumer = Consumer(
        bootstrap=settings.kafka_bootstrap,
        group=GROUP,
        member=settings.worker_id,
        handlers={events.FEEDBACK.name: hub.insights.on_feedback},
        quarantine=hub.quarantine,
        clock=now,
    )
    return cli.Operations(
        settings=settings,
        database=hub.database,
        quarantine=hub.quarantine,
        consumer=consumer,
        worker=lambda: Worker(
            database=hub.database,
            name=settings.worker_id,
            bootstrap=settings.kafka_bootstrap,
            loops={},
            consumer=consumer,
        ),
        everything=lambda: iter(()),  # Insights owns no topic: all it has comes from engagement's.
    )
