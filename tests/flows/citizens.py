"""What people and gateways do to a whole hub, and what can be seen of it from outside."""

import json
import time
import uuid
from dataclasses import dataclass

import urllib3
from pymongo import MongoClient
from pymongo.database import Database

from deploy import local

TRANSIENT = (urllib3.exceptions.HTTPError, OSError)


@dataclass
class Citizens:
    """What people and gateways do to a hub, and what can be seen of it from outside."""

    hub: local.Hub
    http: urllib3.PoolManager

    def post(self, body: dict, *, key: str | None = None) -> urllib3.BaseHTTPResponse:
        """Give a contribution through the API."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self.http.request("POST", self.hub.url("engagement") + "/api/v1/feedback", json=body, headers=headers)

    def post_until_accepted(self, body: dict, *, key: str, within: float = 60) -> dict:
        """Give a contribution as a patient gateway would: the same key again until it is accepted."""
        limit = time.monotonic() + within
        while True:
            try:
                answer = self.post(body, key=key)
                if answer.status == 201:
                    return answer.json()
                assert answer.status >= 500, f"a fault of ours was answered with {answer.status}: {answer.data!r}"
            except TRANSIENT:
                pass
            assert time.monotonic() < limit, "not accepted within the limit"
            time.sleep(0.3)

    def text(self, sender: str, words: str, *, id: str | None = None) -> None:
        """Text the hub from a simulated phone; the simulator delivers it, again and again if need be."""
        body = {"from": sender, "text": words, "id": id or uuid.uuid4().hex}
        for last in (False, True):  # The simulator keeps a text before it calls the hub, which may be slow just now.
            try:
                answer = self.http.request("POST", self.hub.url("simulator") + "/simulator/api/text", json=body)
                assert answer.status < 300, answer.data
                return
            except TRANSIENT:
                if last:
                    raise

    def messages(self, **wanted: str) -> list[dict]:
        """What the simulator's phones hold: the hub's messages are those with direction "out"."""
        answer = self.http.request("GET", self.hub.url("simulator") + "/simulator/api/messages", fields=wanted)
        assert answer.status == 200, answer.data
        return answer.json()

    def answers_to(self, number: str) -> list[str]:
        """The texts that the hub sent to a number, the oldest first."""
        return [message["text"] for message in self.messages(number=number, direction="out")]

    def feed(self) -> list[dict]:
        """Every item of the feed so far, read page by page."""
        items, after = [], ""
        while True:
            page = self.get("insights", "/api/v1/feed", **({"after": after} if after else {}))
            items += page["items"]
            if not page["more"]:
                return items
            after = page["next"]

    def get(self, service: str, path: str, **fields: str) -> dict:
        """A JSON answer of a service."""
        answer = self.http.request("GET", self.hub.url(service) + path, fields=fields)
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    def database(self, service: str) -> Database:
        """A service's database, to count what it holds."""
        client: MongoClient = MongoClient("127.0.0.1", self.hub.ports["mongod"], directConnection=True, tz_aware=True)
        return client[service]
