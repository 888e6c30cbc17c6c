"""Settings: read once, everything wrong said at once, and written down in one place."""

import dataclasses
import importlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import settings
from shared.settings import Common, SettingsError, setting

ROOT = Path(__file__).parents[2]
RIGHT = {
    "MONGO_URL": "mongodb://127.0.0.1:27017/hub?replicaSet=rs0",
    "KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "SECRET_KEY": "00" * 32,
    "PUBLIC_URL": "https://hub.example.org/",
}


@dataclass(frozen=True)
class Own(Common):
    days: int = setting("by when people are answered, in days", default=28, read=settings.whole_number(1, 365))


def test_settings_are_read_and_defaults_taken() -> None:
    read = settings.load(Own, RIGHT | {"DAYS": "7", "HUB_NAME": ""})

    assert (read.days, read.secret_key, read.public_url) == (7, bytes(32), "https://hub.example.org")
    assert (read.hub_name, read.log_level) == ("Say it", "INFO")


def test_everything_wrong_is_said_at_once_each_with_its_meaning() -> None:
    wrong = RIGHT | {"SECRET_KEY": "short", "PUBLIC_URL": "hub", "DAYS": "many", "LOG_LEVEL": "loud", "MONGO_URL": ""}

    with pytest.raises(SettingsError) as refusal:
        settings.load(Own, wrong)

    lines = refusal.value.detail.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["MONGO_URL", "SECRET_KEY", "PUBLIC_URL", "LOG_LEVEL", "DAYS"]
    for field in dataclasses.fields(Own):
        if field.name.upper() in refusal.value.detail:
            assert field.metadata["meaning"] in refusal.value.detail


def test_a_secret_is_never_quoted_in_an_error() -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.load(Own, RIGHT | {"SECRET_KEY": "abcdef-not-hexadecimal"})
    assert "abcdef" not in refusal.value.detail


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (settings.whole_number(1, 9), "1", 1),
        (settings.whole_number(1, 9), "9", 9),
        (settings.whole_number(1, 9), "0", None),
        (settings.whole_number(1, 9), "10", None),
        (settings.whole_number(1, 9), "2.5", None),
        (settings.one_of("a", "b"), "b", "b"),
        (settings.one_of("a", "b"), "c", None),
        (settings.on_off, "on", True),
        (settings.on_off, "off", False),
        (settings.on_off, "yes", None),
        (settings.address, "http://localhost:8080", "http://localhost:8080"),
        (settings.address, "https://example.org/hub/", "https://example.org/hub"),
        (settings.address, "ftp://example.org", None),
        (settings.address, "https://", None),
        (settings.address, "https://exa mple.org", None),
        (settings.secret, "ab" * 16, b"\xab" * 16),
        (settings.secret, "ab" * 15, None),
        (settings.secret, "xy" * 16, None),
        (settings.mongo_url, "mongodb://u:p@h:1,h:2/name?replicaSet=rs0", "mongodb://u:p@h:1,h:2/name?replicaSet=rs0"),
        (settings.mongo_url, "mongodb://h:1", None),
        (settings.mongo_url, "mongodb://h:1/?replicaSet=rs0", None),
        (settings.mongo_url, "http://h/name", None),
        (settings.worker_name, "engagement-1.local_2", "engagement-1.local_2"),
        (settings.worker_name, "a" * 101, None),
        (settings.worker_name, "a b", None),
    ],
)
def test_a_reader_reads_or_refuses(read, text: str, value: object) -> None:
    if value is None:
        with pytest.raises(ValueError):
            read(text)
    else:
        assert read(text) == value


def services() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/settings.py"))


@pytest.mark.parametrize("service", services())
def test_every_setting_of_a_service_is_in_the_example_and_has_a_meaning(service: str) -> None:
    example = (ROOT / "deploy" / "env.example").read_text("utf-8")
    module = importlib.import_module(f"services.{service}.settings")

    for field in dataclasses.fields(module.Settings):
        assert field.metadata["meaning"]
        assert re.search(rf"\b{field.name.upper()}\b", example), field.name.upper()
