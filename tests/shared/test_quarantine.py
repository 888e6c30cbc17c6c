"""The quarantine, and the commands by which a person decides about what is in it."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo.database import Database

from deploy import servers
from shared import cli, events, mongo
from shared.errors import Invalid, NotFound
from shared.quarantine import Held, Quarantine
from shared.settings import Common
from shared.worker import Consumer, Worker

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PEOPLE = "engagement.people"


@dataclass
class Hub:
    """A service as small as can be: it notes the people it hears of, and refuses whom it is told to."""

    database: Database
    bootstrap: str = "127.0.0.1:1"
    heard: list[str] = field(default_factory=list)
    trouble: dict[str, Exception] = field(default_factory=dict)
    everything: list[events.Record] = field(default_factory=list)
    consumes: bool = True

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.database)

    def apply(self, batch: Sequence[events.Incoming]) -> None:
        for one in batch:
            if one.key in self.trouble:
                raise self.trouble[one.key]
            self.heard.append(one.key)

    def operations(self) -> cli.Operations:
        consumer = Consumer(
            bootstrap=self.bootstrap,
            group="hub.test",
            member="one",
            handlers={PEOPLE: self.apply},
            quarantine=self.quarantine,
            clock=lambda: NOW,
        )
        return cli.Operations(
            settings=Common("mongodb://unused/x", self.bootstrap, b"", "http://localhost", worker_id="one"),
            database=self.database,
            quarantine=self.quarantine,
            consumer=consumer if self.consumes else None,
            worker=lambda: Worker(database=self.database, name="one", bootstrap=self.bootstrap, loops={}),
            everything=lambda: iter(self.everything),
        )

    def run(self, *arguments: str) -> int:
        return cli.main("test", self.operations, arguments)


@pytest.fixture
def hub(database: Database) -> Hub:
    return Hub(database)


@pytest.fixture
def hold(hub: Hub, person) -> Callable[..., Held]:
    def keep(key: str, offset: int = 1, **more: object) -> Held:
        held = Held(
            id=f"{PEOPLE}-0-{offset}",
            topic=PEOPLE,
            partition=0,
            offset=offset,
            key=key.encode(),
            value=person(key).value.encode(),
            reason="it could not be",
            held_at=NOW + timedelta(seconds=offset),
        )
        hub.quarantine.hold(dataclasses.replace(held, **more))
        return hub.quarantine.get(held.id)

    return keep


def test_what_is_held_is_kept_to_the_byte(hub: Hub, hold) -> None:
    held = hold("p1", value=b"\xff\x00{")

    assert hub.quarantine.listed() == [held]
    assert held.value == b"\xff\x00{"


def test_the_same_position_held_again_is_held_once(hub: Hub, hold) -> None:
    hold("p1")
    hold("p1", reason="another reason")

    assert [one.reason for one in hub.quarantine.listed()] == ["another reason"]
    assert hub.quarantine.count() == 1


def test_what_is_not_held_cannot_be_got_or_dropped(hub: Hub) -> None:
    for action in (hub.quarantine.get, hub.quarantine.drop):
        with pytest.raises(NotFound):
            action("engagement.people-0-99")


def test_the_list_has_a_line_each_the_oldest_first(hub: Hub, hold, capsys) -> None:
    hold("p2", 2)
    hold("p1", 1)

    assert hub.run("quarantine", "list") == 0

    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [f"{PEOPLE}-0-1", f"{PEOPLE}-0-2"]
    assert "it could not be" in out
    assert "2 held" in err


def test_a_record_is_shown_whole_even_what_is_no_text(hub: Hub, hold, capsys) -> None:
    held = hold("p1", value=b"\xffabc")

    assert hub.run("quarantine", "show", held.id) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["value"] == "\\xffabc"
    assert (shown["topic"], shown["partition"], shown["offset"], shown["key"]) == (PEOPLE, 0, 1, "p1")


def test_a_replayed_record_is_applied_and_leaves(hub: Hub, hold, capsys) -> None:
    hold("p1", 1)
    hold("p2", 2)

    assert hub.run("quarantine", "replay", f"{PEOPLE}-0-1") == 0

    assert hub.heard == ["p1"]
    assert [one.offset for one in hub.quarantine.listed()] == [2]
    assert "applied" in capsys.readouterr().out


def test_an_edited_value_is_applied_instead(hub: Hub, hold, person, tmp_path: Path) -> None:
    held = hold("p1", value=b"broken")
    edited = tmp_path / "edited.json"
    edited.write_text(person("p1").value, "utf-8")

    assert hub.run("quarantine", "replay", held.id) == 1
    assert hub.run("quarantine", "replay", held.id, "--value", str(edited)) == 0

    assert hub.heard == ["p1"]
    assert hub.quarantine.count() == 0


def test_one_edited_value_is_not_applied_to_all(hub: Hub, hold, person, capsys, tmp_path: Path) -> None:
    hold("p1", 1)
    hold("p2", 2)
    edited = tmp_path / "edited.json"
    edited.write_text(person("p1").value, "utf-8")

    with pytest.raises(SystemExit) as end:
        hub.run("quarantine", "replay", "all", "--value", str(edited))

    assert end.value.code == 2
    assert "one edited value cannot be meant for all" in capsys.readouterr().err
    assert hub.heard == []
    assert hub.quarantine.count() == 2


@pytest.mark.parametrize("failure", [Invalid("never", "It is still wrong."), KeyError("a bug")])
def test_a_replay_that_fails_keeps_the_record_and_says_why(hub: Hub, hold, capsys, failure: Exception) -> None:
    hold("p1", 1)
    hold("p2", 2)
    hub.trouble["p1"] = failure

    assert hub.run("quarantine", "replay", "all") == 1

    [kept] = hub.quarantine.listed()
    assert (kept.offset, kept.replays) == (1, 1)
    assert kept.reason in capsys.readouterr().err
    assert hub.heard == ["p2"]


def test_all_are_replayed_or_dropped_the_oldest_first(hub: Hub, hold) -> None:
    for offset in range(150):
        hold(f"p{offset}", offset)
    assert hub.run("quarantine", "replay", "all") == 0
    assert hub.heard == [f"p{offset}" for offset in range(150)]

    hold("p1")
    assert hub.run("quarantine", "drop", "all") == 0
    assert hub.quarantine.count() == 0
    assert len(hub.heard) == 150


def test_an_event_that_was_never_sent_is_published_by_replaying(
    hub: Hub, hold, bootstrap: str, published, person
) -> None:
    hub.bootstrap = bootstrap
    held = hold("p1", partition=-1, offset=-1)

    assert hub.run("quarantine", "replay", held.id) == 0

    assert [record.key for record in published(PEOPLE)] == [b"p1"]
    assert hub.heard == []
    assert hub.quarantine.count() == 0


def test_a_service_that_consumes_nothing_says_so(hub: Hub, hold, capsys) -> None:
    hub.consumes = False
    held = hold("p1")

    assert hub.run("quarantine", "replay", held.id) == 1
    assert "reads no topics" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["show", "replay", "drop"])
def test_an_unknown_id_is_said_to_be(hub: Hub, capsys, action: str) -> None:
    assert hub.run("quarantine", action, "nothing-0-0") == 1

    assert "nothing-0-0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [(), ("dance",), ("quarantine",), ("quarantine", "show"), ("quarantine", "replay", "all", "--value", "/not/there")],
)
def test_a_wrong_command_is_a_matter_of_usage(hub: Hub, capsys, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        hub.run(*arguments)

    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_republish_sends_everything_again(hub: Hub, bootstrap: str, published, person, capsys) -> None:
    hub.bootstrap = bootstrap
    many = cli.REPUBLISH_BATCH + 3
    hub.everything = [person(f"p{number}") for number in range(many)]

    assert hub.run("republish") == 0

    assert {record.key.decode() for record in published(PEOPLE)} == {f"p{number}" for number in range(many)}
    assert f"{many} records" in capsys.readouterr().out


def test_republish_makes_the_topics_that_a_new_broker_lacks(
    hub: Hub, fresh_broker: servers.Server, published, person
) -> None:
    hub.bootstrap = f"127.0.0.1:{fresh_broker.port}"
    hub.everything = [person("p1")]

    assert hub.run("republish") == 0
    assert len(published(PEOPLE)) == 1


def test_republish_without_a_broker_fails_and_says_so(hub: Hub, capsys) -> None:
    assert hub.run("republish") == 1
    assert "Kafka" in capsys.readouterr().err


def test_health_is_0_and_well_or_1_and_why(hub: Hub, database: Database, capsys) -> None:
    assert hub.run("health") == 1
    assert "no sign of life" in capsys.readouterr().out

    beat = {"_id": "one", "at": datetime.now(UTC), "loops": {"relay": True}, "broker": True, "lag": {}}
    database["heartbeats"].insert_one(beat)
    assert hub.run("health") == 0
    assert capsys.readouterr().out == "well\n"


def test_a_command_without_a_database_fails_and_says_so(capsys) -> None:
    nowhere = mongo.connect("mongodb://127.0.0.1:1/nobody", patience=0.2)

    assert Hub(nowhere).run("quarantine", "list") == 1
    assert "MONGO_URL" in capsys.readouterr().err
    nowhere.client.close()


def test_wrong_settings_end_a_command_with_all_of_them(capsys) -> None:
    def build() -> cli.Operations:
        raise Invalid("settings-wrong", "Settings to mend before the start:\n  MONGO_URL is missing")

    assert cli.main("test", build, ["health"]) == 1
    assert "MONGO_URL" in capsys.readouterr().err


def topics(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    bare = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}
    command = [sys.executable, "-m", "shared.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=bare | environment, capture_output=True, text=True, timeout=60)


def test_the_topics_are_made_once(fresh_broker: servers.Server) -> None:
    address = f"127.0.0.1:{fresh_broker.port}"

    first, second = topics("topics", KAFKA_BOOTSTRAP=address), topics("topics", KAFKA_BOOTSTRAP=address)

    assert first.returncode == second.returncode == 0
    assert all(name in first.stdout for name in events.TOPICS)
    assert "nothing" in second.stdout


def test_making_topics_without_an_address_says_which_setting_is_missing() -> None:
    missing = topics("topics")

    assert missing.returncode == 2
    assert missing.stderr.startswith("KAFKA_BOOTSTRAP is missing")
