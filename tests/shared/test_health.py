"""Health: what is wrong is said, and only what stops requests makes a service fail."""

from datetime import UTC, datetime, timedelta

import pytest
from pymongo.database import Database

from shared import health, mongo


def beat(database: Database, name: str, *, age: float = 0, broker: bool = True, lag: int = 0, **loops: bool) -> None:
    at = datetime.now(UTC) - timedelta(seconds=age)
    document = {"at": at, "broker": broker, "lag": {"a-0": lag}, "loops": {"relay": True, **loops}}
    database["heartbeats"].replace_one({"_id": name}, document, upsert=True)


def statuses(database: Database) -> dict[str, str]:
    return {name: check["status"] for name, check in health.ready(database)[1].items()}


def test_all_is_well(database: Database) -> None:
    beat(database, "one")
    beat(database, "two", lag=5)

    fine, checks = health.ready(database)

    assert fine
    assert set(statuses(database).values()) == {"pass"}
    assert (checks["workers"]["count"], checks["lag"]["count"]) == (2, 5)


@pytest.mark.parametrize(
    ("wrong", "warned"),
    [
        ({"age": 60}, {"workers", "broker"}),
        ({"broker": False}, {"broker"}),
        ({"lag": 10_000}, {"lag"}),
    ],
)
def test_what_is_wrong_with_workers_warns_and_does_not_fail(database: Database, wrong: dict, warned: set) -> None:
    beat(database, "one", **wrong)

    assert health.ready(database)[0]
    assert {name for name, status in statuses(database).items() if status == "warn"} == warned


def test_held_records_warn(database: Database) -> None:
    beat(database, "one")
    database["quarantine"].insert_one({})

    assert statuses(database)["quarantine"] == "warn"


def test_without_a_database_it_fails_and_says_so() -> None:
    nowhere = mongo.connect("mongodb://127.0.0.1:1/nobody", patience=0.2)

    fine, checks = health.ready(nowhere)

    assert not fine
    assert checks["database"]["status"] == "fail"
    nowhere.client.close()


def test_a_worker_at_work_has_no_problems(database: Database) -> None:
    beat(database, "one")

    assert health.worker_problems(database, "one") == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"age": 60}, "no sign of life"),
        ({"broker": False}, "broker"),
        ({"consumer": False}, "consumer ended"),
    ],
)
def test_a_workers_problem_is_named(database: Database, wrong: dict, problem: str) -> None:
    beat(database, "one", **wrong)

    [named] = health.worker_problems(database, "one")

    assert problem in named


def test_a_worker_never_heard_of_is_a_problem(database: Database) -> None:
    assert len(health.worker_problems(database, "nobody")) == 1


def test_heartbeats_of_workers_that_are_no_more_vanish_after_a_day(database: Database) -> None:
    health.ensure_index(database)
    health.ensure_index(database)

    assert database["heartbeats"].index_information()["at"]["expireAfterSeconds"] == 24 * 60 * 60
