"""Settings: one frozen dataclass per service, read once at start, everything wrong reported at once.

A field of a settings class is made with `setting(...)`. Its environment variable is its name in capitals.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from shared.errors import Invalid

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class SettingsError(Invalid):
    """Settings are missing or malformed; the detail lists all of them, one a line, each with its meaning."""


def setting(meaning: str, *, default: Any = dataclasses.MISSING, read: Callable[[str], Any] = str) -> Any:
    """One setting. `meaning` is shown to an operator; `read` turns the text into the value or raises ValueError.

    Without a default the setting must be given. An empty variable counts as not given.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "read": read})


def load(settings: type[T], environment: Mapping[str, str] | None = None) -> T:
    """Read all settings of a class from the environment. Raises SettingsError naming every problem at once."""
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(settings):
        name, text = field.name.upper(), given.get(field.name.upper(), "")
        try:
            if text:
                values[field.name] = field.metadata["read"](text)
            elif field.default is dataclasses.MISSING:
                problems.append(f"{name} is missing: {field.metadata['meaning']}")
        except ValueError as e:
            problems.append(f"{name} is malformed ({e}): {field.metadata['meaning']}")
    if problems:
        raise SettingsError("settings-wrong", "Settings to mend before the start:\n  " + "\n  ".join(problems))
    return settings(**values)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A reader for a whole number between two bounds, both included."""

    def read_number(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(f"{number} is not between {low} and {high}")
        return number

    return read_number


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader for one of a few words."""

    def read_choice(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is none of {', '.join(choices)}")
        return text

    return read_choice


def on_off(text: str) -> bool:
    """A reader for a switch: on or off."""
    if text not in ("on", "off"):
        raise ValueError("it is neither on nor off")
    return text == "on"


def address(text: str) -> str:
    """A reader for the address of a web service: http or https, without a slash at the end."""
    if not re.fullmatch(r"https?://[^/\s]+(/[^\s]*)?", text):
        raise ValueError("it is not an address that starts with http:// or https://")
    return text.rstrip("/")


def secret(text: str) -> bytes:
    """A reader for a secret: at least 32 hexadecimal digits, as `openssl rand -hex 32` prints them."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise ValueError("it is not hexadecimal") from None
    if len(value) < 16:
        raise ValueError("it has fewer than 32 hexadecimal digits")
    return value


def mongo_url(text: str) -> str:
    """A reader for a MongoDB address that names its database: mongodb://host:port/database?…"""
    if not re.match(r"mongodb(\+srv)?://[^/]+/[A-Za-z0-9_-]+", text):
        raise ValueError("it does not look like mongodb://host:port/database")
    return text


def worker_name(text: str) -> str:
    """A reader for a worker's lasting name: letters, digits, dot, dash and underscore, at most 100 of them."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise ValueError("it holds more than letters, digits, dots, dashes and underscores, or is too long")
    return text


@dataclass(frozen=True)
class Common:
    """What every service is told. A service's own settings class derives from it."""

    mongo_url: str = setting(
        "the service's own MongoDB, with the database: mongodb://user:password@host:27017/name?replicaSet=rs0",
        read=mongo_url,
    )
    kafka_bootstrap: str = setting("the Kafka brokers to begin with: host:port, comma-separated")
    secret_key: bytes = setting("this hub's secret, the same in all services: openssl rand -hex 32", read=secret)
    public_url: str = setting("the address at which citizens reach the hub: https://hub.example.org", read=address)
    hub_name: str = setting("the name of this hub on pages and in messages", default="Say it")
    worker_id: str = setting(
        "a lasting name for this worker, different for each worker of a service; the host's name if not given",
        default=os.uname().nodename,
        read=worker_name,
    )
    log_level: str = setting(
        "DEBUG, INFO, WARNING or ERROR", default="INFO", read=one_of("DEBUG", "INFO", "WARNING", "ERROR")
    )
