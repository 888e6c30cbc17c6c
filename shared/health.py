"""Health that tests its own dependencies: the database by asking it, broker and lag by the workers' heartbeats.

The web process talks to MongoDB only, so what it knows of Kafka is what its workers wrote down. A broker that is
away makes a service "warn", not "fail": people can still give feedback.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

STALE = 15  # seconds after which a silent worker counts as gone
LAG_WARNING = 10_000  # records


def ensure_index(database: Database) -> None:
    """Heartbeats of workers that are no more vanish after a day."""
    database["heartbeats"].create_index("at", expireAfterSeconds=24 * 60 * 60, name="at")


def ready(database: Database) -> tuple[bool, Mapping[str, Any]]:
    """Whether requests can be served, and the checks: database, workers, broker, lag, quarantine."""
    try:
        now = _now(database)
        beats = [beat for beat in database["heartbeats"].find() if (now - beat["at"]).total_seconds() < STALE]
        held = database["quarantine"].estimated_document_count()
    except PyMongoError as e:
        return False, {"database": _check("fail", f"does not answer ({e.__class__.__name__})")}
    lag = sum(sum(beat["lag"].values()) for beat in beats)
    return True, {
        "database": _check("pass", "answers"),
        "workers": _check("pass" if beats else "warn", f"{len(beats)} at work", count=len(beats)),
        "broker": _check(*_broker(beats)),
        "lag": _check("pass" if lag < LAG_WARNING else "warn", f"{lag} records wait", count=lag),
        "quarantine": _check("warn" if held else "pass", f"{held} records held", count=held),
    }


def worker_problems(database: Database, worker_id: str) -> list[str]:
    """What is wrong with one worker, in plain words; empty when all is well. Raises PyMongoError."""
    now = _now(database)
    beat = database["heartbeats"].find_one({"_id": worker_id})
    if beat is None or (now - beat["at"]).total_seconds() >= STALE:
        return [f"no sign of life from {worker_id} for {STALE} seconds"]
    problems = [f"its loop {name} ended" for name, alive in beat["loops"].items() if not alive]
    return problems if beat["broker"] else [*problems, "the broker does not answer"]


def _now(database: Database) -> datetime:
    """The database's own clock, by which heartbeats are marked."""
    return database.command("hello", codec_options=database.codec_options)["localTime"]


def _broker(beats: list[dict]) -> tuple[str, str]:
    if not beats:
        return "warn", "not known: no worker is at work"
    return ("pass", "answers") if any(beat["broker"] for beat in beats) else ("warn", "does not answer")


def _check(status: str, output: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "output": output, **more}
