"""Send the demonstration to the hub that `make run` started; sent again it changes nothing, as each has an id."""

import csv
import random
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3
from tqdm import tqdm

from deploy import local
from deploy.servers import CannotStart

HERE = Path(__file__).parent
# Outward postcodes of Lancashire and South Cumbria, as often as this demonstration wants them.
AREAS = ["BB1"] * 5 + ["BB2"] * 4 + ["BB11"] * 3 + ["FY1"] * 4 + ["FY4"] * 2 + ["LA1"] * 3 + ["PR1"] * 4 + ["PR7"]
PATIENCE = 60  # seconds for insights to show what was sent
FIRST_PHONE = 200  # 07700 900200 and on: Ofcom's range for drama
PHONES = 700


@dataclass(frozen=True)
class Message:
    """One message to send: by text when it has a phone, else through the web API."""

    id: str
    text: str
    phone: str | None = None
    area: str = ""


def messages() -> Iterator[Message]:
    """The demonstration, the same every time: real comments by both doors, other languages by text."""
    chance = random.Random(2026)
    numbers = (f"+447700900{FIRST_PHONE + n % PHONES:03d}" for n in range(10_000))
    with open(HERE / "comments.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_text = chance.random() < 0.4
            phone = next(numbers) if by_text else None
            yield Message(f"demo-{row['comment_id']}", row["text"], phone, "" if by_text else chance.choice(AREAS))
    for language, texts in tomllib.loads((HERE / "messages.toml").read_text("utf-8")).items():
        for n, text in enumerate(texts):
            yield Message(f"demo-{language}-{n}", text, next(numbers))


def send(http: urllib3.PoolManager, hub: local.Hub, message: Message) -> None:
    """Send one message through its door; raises OSError or HTTPError when the hub is not there."""
    if message.phone:
        body = {"from": message.phone, "text": message.text, "id": message.id}
        answer = http.request("POST", hub.url("simulator") + "/simulator/api/text", json=body)
    else:
        body = {"text": message.text, "area": message.area}
        headers = {"Idempotency-Key": message.id}
        answer = http.request("POST", hub.url("engagement") + "/api/v1/feedback", json=body, headers=headers)
    if answer.status >= 300:
        raise OSError(f"{message.id} was answered with {answer.status}: {answer.data[:300].decode(errors='replace')}")


def main() -> int:
    """Send everything with a progress bar, wait until insights has it, print what it shows."""
    hub = local.Hub(local.ROOT / ".hub", local.chosen_ports())
    http = urllib3.PoolManager(timeout=10, retries=False)
    everything = list(messages())
    try:
        before = _voices(http, hub)
        for message in tqdm(everything, desc="sending", unit="message", ascii=True):
            send(http, hub, message)
        _await_insights(http, hub)
    except (OSError, urllib3.exceptions.HTTPError) as e:
        print(f"\nThe hub does not answer as it should ({e}). Start it with `make run`, in another window.",
              file=sys.stderr)  # fmt: skip
        return 1
    print(f"\n{len(everything)} messages sent; insights counted {before} people before and {_voices(http, hub)} now.\n")
    for row in sorted(_counts(http, hub, "theme"), key=lambda row: -_size(row["people"]))[:15]:
        print(f"  {row['people']!s:>5}  {'█' * (_size(row['people']) // 5)} {row['name']}")
    languages = ", ".join(f"{row['name']} {row['people']}" for row in _counts(http, hub, "language"))
    print(f"\n  Languages: {languages}")
    print(f"\n  More: {hub.url('insights')}/insights/   (1 to 7 people are shown as *, others to the nearest 5)")
    return 0


def _await_insights(http: urllib3.PoolManager, hub: local.Hub) -> None:
    """Wait until insights' workers have nothing left to read, by its own health page."""
    limit, calm = time.monotonic() + PATIENCE, 0
    while time.monotonic() < limit and calm < 3:
        checks = http.request("GET", hub.url("insights") + "/health/ready").json()["checks"]
        calm = calm + 1 if checks.get("lag", {}).get("count") == 0 else 0
        time.sleep(1)


def _voices(http: urllib3.PoolManager, hub: local.Hub) -> object:
    return http.request("GET", hub.url("insights") + "/api/v1/counts?by=theme").json()["people"]


def _counts(http: urllib3.PoolManager, hub: local.Hub, by: str) -> list[dict]:
    return http.request("GET", hub.url("insights") + f"/api/v1/counts?by={by}").json()["rows"]


def _size(people: object) -> int:
    return people if isinstance(people, int) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except CannotStart as e:
        print(e, file=sys.stderr)
        raise SystemExit(1) from e
