"""The commands that operators give: the same for every service, and `python -m shared.cli topics` for all.

Every command says what it did or what is wrong, and ends with 0, 1 (something is wrong) or 2 (usage).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pymongo.database import Database
from pymongo.errors import PyMongoError

from shared import bus, health, logs
from shared.errors import HubError, Invalid, Unavailable
from shared.events import Record
from shared.quarantine import Held, Quarantine
from shared.settings import Common
from shared.worker import Consumer, Worker, reason

REPUBLISH_BATCH = 500  # records acknowledged together


@dataclass(frozen=True)
class Operations:
    """What a service offers to its operators. `everything` yields the current state of all it owns."""

    settings: Common
    database: Database
    quarantine: Quarantine
    consumer: Consumer | None
    worker: Callable[[], Worker]
    everything: Callable[[], Iterator[Record]]


def main(service: str, build: Callable[[], Operations], arguments: Sequence[str] | None = None) -> int:
    """Run one command of a service. Returns the exit status."""
    parser = _parser(service)
    given = parser.parse_args(arguments)
    if getattr(given, "value", None) is not None and given.id == "all":
        parser.error("--value: one edited value cannot be meant for all records; replay that one by its ID")
    try:
        operations = build()
        logs.setup(service, operations.settings.log_level)
        return given.run(operations, given)
    except HubError as e:
        print(f"{service}: {e.detail}", file=sys.stderr)
    except PyMongoError as e:
        print(
            f"{service}: the database does not answer or refuses ({e.__class__.__name__}); see MONGO_URL.",
            file=sys.stderr,
        )
    return 1


def _parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("worker", help="run the worker until it is told to stop").set_defaults(run=_worker)
    commands.add_parser("health", help="is this host's worker well? 0 or 1").set_defaults(run=_health)
    commands.add_parser(
        "republish", help="send the current state of everything again, as after the broker lost its log"
    ).set_defaults(run=_republish)
    held = commands.add_parser("quarantine", help="records that could not be applied").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = held.add_parser("list", help="one line each, the oldest first")
    listing.set_defaults(run=_list)
    showing = held.add_parser("show", help="one record whole: position, reason, key and value")
    showing.set_defaults(run=_show)
    replaying = held.add_parser("replay", help="apply a record now; it leaves the quarantine if that succeeds")
    replaying.add_argument("--value", type=_content, help="a file with an edited value to apply instead")
    replaying.set_defaults(run=_replay)
    dropping = held.add_parser("drop", help="forget a record for good")
    dropping.set_defaults(run=_drop)
    for action in (showing, replaying, dropping):
        action.add_argument("id", help="as `list` shows it; `all` for every one", metavar="ID")
    return parser


def _worker(operations: Operations, given: argparse.Namespace) -> int:
    return operations.worker().run()


def _health(operations: Operations, given: argparse.Namespace) -> int:
    problems = health.worker_problems(operations.database, operations.settings.worker_id)
    print("; ".join(problems) or "well")
    return 1 if problems else 0


def _republish(operations: Operations, given: argparse.Namespace) -> int:
    bus.ensure_topics(operations.settings.kafka_bootstrap)
    publish, states, sent = bus.Publisher(operations.settings.kafka_bootstrap), operations.everything(), 0
    while batch := list(islice(states, REPUBLISH_BATCH)):
        publish(batch)
        sent += len(batch)
    publish.close()
    print(f"{sent} records sent again")
    return 0


def _list(operations: Operations, given: argparse.Namespace) -> int:
    held = operations.quarantine.listed()
    for one in held:
        print(f"{one.id}\t{one.held_at:%Y-%m-%d %H:%M:%S}\treplayed {one.replays}x\t{one.reason}")
    print(f"{operations.quarantine.count()} held", file=sys.stderr)
    return 0


def _show(operations: Operations, given: argparse.Namespace) -> int:
    for one in _chosen(operations, given):
        print(
            json.dumps(
                {
                    "id": one.id,
                    "topic": one.topic,
                    "partition": one.partition,
                    "offset": one.offset,
                    "held_at": one.held_at.isoformat(),
                    "reason": one.reason,
                    "replays": one.replays,
                    "key": _printable(one.key),
                    "value": _printable(one.value),
                },
                ensure_ascii=False,
                indent=2,
            )
        )
    return 0


def _replay(operations: Operations, given: argparse.Namespace) -> int:
    failed = 0
    for one in _chosen(operations, given):
        value = one.value if given.value is None else given.value
        try:
            _apply_again(operations, one, value)
        except (PyMongoError, Unavailable):  # Nothing is wrong with the record.
            raise
        except Exception as e:
            failed += 1
            operations.quarantine.failed_again(one.id, reason(e))
            print(f"{one.id}: still fails: {reason(e)}", file=sys.stderr)
        else:
            operations.quarantine.drop(one.id)
            print(f"{one.id}: applied")
    return 1 if failed else 0


def _apply_again(operations: Operations, one: Held, value: bytes | None) -> None:
    if one.partition < 0:  # It never reached a topic: publishing is what failed.
        publish = bus.Publisher(operations.settings.kafka_bootstrap)
        publish([Record(one.topic, (one.key or b"").decode(), None if value is None else value.decode())])
        publish.close()
    elif operations.consumer is None:
        raise Invalid("nothing-consumed", "This service reads no topics, so there is nothing to apply it with.")
    else:
        operations.consumer.replay(one.topic, one.key, value)


def _drop(operations: Operations, given: argparse.Namespace) -> int:
    for one in _chosen(operations, given):
        operations.quarantine.drop(one.id)
        print(f"{one.id}: dropped")
    return 0


def _chosen(operations: Operations, given: argparse.Namespace) -> list[Held]:
    if given.id == "all":
        return operations.quarantine.listed(limit=0)
    return [operations.quarantine.get(given.id)]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise argparse.ArgumentTypeError(f"{path} cannot be read ({e.strerror})") from e


def _printable(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _topics() -> int:
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP", "")
    if not bootstrap:
        print(
            "KAFKA_BOOTSTRAP is missing: the Kafka brokers to begin with: host:port, comma-separated", file=sys.stderr
        )
        return 2
    try:
        created = bus.ensure_topics(bootstrap)
    except HubError as e:
        print(e.detail, file=sys.stderr)
        return 1
    print("created: " + (", ".join(created) or "nothing, all were there"))
    return 0


if __name__ == "__main__":
    if sys.argv[1:] != ["topics"]:
        print("usage: python -m shared.cli topics", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(_topics())
