"""The composition root of the simulator: reads its settings, wires, and begins to make the calls it owes.

gunicorn --workers 1 --threads 16 "deploy.simulator.app:web()"
"""

import time
from dataclasses import dataclass

from flask import Flask

from deploy.simulator.calling import Caller
from deploy.simulator.exchange import Exchange
from deploy.simulator.web import create
from shared import logs
from shared.settings import address, load, secret, setting


@dataclass(frozen=True)
class Settings:
    """What the simulator is told."""

    simulator_secret: bytes = setting("the secret shared with the hub: openssl rand -hex 32", read=secret)
    simulator_db: str = setting("the SQLite file in which messages are kept")
    engagement_url: str = setting("where texts to the hub go: http://engagement-web:8001", read=address)
    notifications_url: str = setting("where receipts go: http://notifications-web:8002", read=address)
    sms_number: str = setting("the hub's number", default="+447700900999")
    hub_name: str = setting("the name of the hub", default="Say it")
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR", default="INFO")


def web(settings: Settings | None = None) -> Flask:
    """The web application, its calling threads begun."""
    settings = settings or load(Settings)
    logs.setup("simulator", settings.log_level)
    app, caller = build(settings)
    caller.start()
    return app


def build(settings: Settings) -> tuple[Flask, Caller]:
    """The web application, and what makes the calls."""
    exchange = Exchange(
        settings.simulator_db,
        engagement_url=settings.engagement_url,
        notifications_url=settings.notifications_url,
        number=settings.sms_number,
        seconds=time.time,
    )
    caller = Caller(exchange, settings.simulator_secret, seconds=time.time)
    app = create(
        exchange,
        caller,
        secret=settings.simulator_secret,
        hub_name=settings.hub_name,
        hub_number=settings.sms_number,
        seconds=time.time,
    )
    return app, caller
