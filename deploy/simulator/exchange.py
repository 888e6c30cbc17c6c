"""What a provider keeps, in one SQLite file: messages both ways, and the calls it still owes the hub.

Law: a message and the calls it causes are kept in one transaction before anybody is answered, so a simulator that is
killed loses neither.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.errors import Invalid

HELD = 20  # seconds for which one thread has a call to itself; longer than a call takes
PAUSES = (0.5, 1, 2, 4, 8, 15, 30, 60)  # seconds before the next try; the last again and again
GIVE_UP = 24 * 60 * 60  # seconds after which a call is given up, as providers do
DELIVERED_AFTER = 0.1  # seconds from "sent" to "delivered"

# Numbers that behave badly, for trying what happens then. What comes back, and when: at once, or in a receipt.
REFUSED_AT_ONCE: Mapping[str, str] = {"+447700900990": "not-in-use", "+447700900991": "cannot-receive"}
FAILS_LATER: Mapping[str, str] = {"+447700900992": "out-of-reach", "+447700900993": "blocked"}

_TABLES = """
create table if not exists messages (
  seq integer primary key autoincrement, id text not null unique, direction text not null, channel text not null,
  sender text not null, recipient text not null, subject text not null, text text not null, reference text not null,
  state text not null, at text not null, key text unique
);
create index if not exists by_recipient on messages (recipient, seq);
create index if not exists by_sender on messages (sender, seq);
create table if not exists calls (
  id text primary key, message text not null, url text not null, body text not null, began real not null,
  due real, tries integer not null default 0
);
create index if not exists by_due on calls (due) where due is not null;
"""


@dataclass(frozen=True)
class Call:
    """A signed POST that is owed to the hub. `began` is when it was first due, in seconds since 1970."""

    id: str
    message: str
    url: str
    body: bytes
    began: float
    tries: int


class Refused(Invalid):
    """The provider does not take a message to this number; the slug is its code."""


class Exchange:
    """The provider's books. Threads share it; each has a connection of its own."""

    def __init__(
        self, file: str, *, engagement_url: str, notifications_url: str, number: str, seconds: Callable[[], float]
    ) -> None:
        """`number` is the hub's; `seconds` the clock, as seconds since 1970."""
        self._file, self._number, self._seconds = file, number, seconds
        self._text_url = f"{engagement_url}/sms/simulator"
        self._receipt_url = f"{notifications_url}/receipts/simulator"
        self._connections = threading.local()
        self.news = threading.Event()  # Set when a call may be due.
        with self._transaction() as books:
            books.executescript(_TABLES)

    def take(
        self, *, channel: str, to: str, subject: str, text: str, reference: str, key: str | None
    ) -> tuple[str, bool]:
        """Take a message from the hub to a person; receipts will follow. Returns its id, and whether it is new: the
        same key again is the same message. Raises Refused for a number that takes none.
        """
        if to in REFUSED_AT_ONCE:
            raise Refused(REFUSED_AT_ONCE[to], "This number takes no messages.")
        id, now = _new_id(), self._seconds()
        with self._transaction() as books:
            if key and (known := books.execute("select id from messages where key = ?", [key]).fetchone()):
                return known["id"], False
            books.execute(
                "insert into messages (id, direction, channel, sender, recipient, subject, text, reference, state, at, "
                "key) values (?, 'out', ?, ?, ?, ?, ?, ?, 'accepted', ?, ?)",
                [id, channel, self._number, to, subject, text, reference, _iso(now), key],
            )
            code = FAILS_LATER.get(to, "")
            for state, after in (("sent", 0.0), ("failed" if code else "delivered", DELIVERED_AFTER)):
                self._owe_receipt(books, id, reference, state, code if state == "failed" else "", now + after)
        self.news.set()
        return id, True

    def text(self, *, sender: str, text: str, id: str | None = None) -> str:
        """Take a text from a person to the hub, and owe the hub a call about it. Returns its id. The same id again
        calls the hub again about the same text, as a provider does that did not hear the hub's answer.
        """
        id, now = id or _new_id(), self._seconds()
        with self._transaction() as books:
            books.execute(
                "insert into messages (id, direction, channel, sender, recipient, subject, text, reference, state, at) "
                "values (?, 'in', 'sms', ?, ?, '', ?, '', 'accepted', ?) on conflict (id) do nothing",
                [id, sender, self._number, text, _iso(now)],
            )
            kept = books.execute("select * from messages where id = ?", [id]).fetchone()
            body = {"id": id, "from": kept["sender"], "to": kept["recipient"], "text": kept["text"]}
            books.execute(
                "insert into calls (id, message, url, body, began, due) values (?, ?, ?, ?, ?, ?) "
                "on conflict (id) do update set due = excluded.due, began = excluded.began, tries = 0",
                [id, id, self._text_url, json.dumps(body, ensure_ascii=False), now, now],
            )
        return id

    def claim(self, id: str | None = None) -> Call | None:
        """The call that has been due longest (or this one), kept from other threads for a while; None: none is due."""
        now = self._seconds()
        which = "id = ?" if id else "id = (select id from calls where due <= ? order by due limit 1)"
        with self._transaction() as books:
            row = books.execute(
                f"update calls set due = ?, tries = tries + 1 where {which} and due <= ? returning *",
                [now + HELD, id or now, now],
            ).fetchone()
        if row is None:
            return None
        return Call(row["id"], row["message"], row["url"], row["body"].encode(), row["began"], row["tries"])

    def done(self, call: Call, *, state: str) -> None:
        """The call was answered, or never will be: it is owed no longer. `state` is the message's from now on."""
        with self._transaction() as books:
            books.execute("update calls set due = null where id = ?", [call.id])
            self._set_state(books, call, state)

    def later(self, call: Call) -> None:
        """The call failed: it is owed still, some time later; after a day no more."""
        now = self._seconds()
        if now - call.began > GIVE_UP:
            self.done(call, state="given up")
            return
        with self._transaction() as books:
            pause = PAUSES[min(call.tries, len(PAUSES)) - 1]
            books.execute("update calls set due = ? where id = ?", [now + pause, call.id])
            if call.url == self._text_url:
                self._set_state(books, call, "waiting")

    def messages(
        self, *, number: str = "", since: str = "", direction: str = "", channel: str = "", limit: int = 10_000
    ) -> list[dict[str, Any]]:
        """Messages in the order in which they were taken; the newest `limit` of those wanted. `number` is a person's,
        `since` a time, or the id of a message, after which they came.
        """
        wanted = ["1 = 1"]
        values: list[Any] = []
        if number:
            wanted.append("(sender = ? or recipient = ?)")
            values += [number, number]
        for column, value in (("direction", direction), ("channel", channel)):
            if value:
                wanted.append(f"{column} = ?")
                values.append(value)
        if since:
            wanted.append(
                "(at > ? and not exists (select 1 from messages where id = ?) or seq > "
                "(select seq from messages where id = ?))"
            )
            values += [_comparable(since), since, since]
        newest = f"select * from messages where {' and '.join(wanted)} order by seq desc limit ?"
        rows = self._connection().execute(f"select * from ({newest}) order by seq", [*values, limit])
        return [_shown(row) for row in rows]

    def numbers(self) -> list[str]:
        """The people who texted or were texted, the latest first."""
        rows = self._connection().execute(
            "select case direction when 'in' then sender else recipient end as number, max(seq) as latest "
            "from messages where channel = 'sms' group by number order by latest desc limit 12"
        )
        return [row["number"] for row in rows]

    def owed(self) -> int:
        """How many calls the hub has not had yet."""
        return self._connection().execute("select count(*) from calls where due is not null").fetchone()[0]

    def _owe_receipt(
        self, books: sqlite3.Connection, id: str, reference: str, state: str, code: str, due: float
    ) -> None:
        body = {"id": id, "reference": reference, "state": state, "code": code, "at": _iso(due)}
        books.execute(
            "insert into calls (id, message, url, body, began, due) values (?, ?, ?, ?, ?, ?)",
            [f"{id}.{state}", id, self._receipt_url, json.dumps(body), due, due],
        )

    def _set_state(self, books: sqlite3.Connection, call: Call, state: str) -> None:
        if call.url == self._receipt_url:
            state = json.loads(call.body)["state"]  # What happened to the message, whether or not the hub listened.
            books.execute(
                "update messages set state = ? where id = ? and state not in ('delivered', 'failed')",
                [state, call.message],
            )
        else:
            books.execute("update messages set state = ? where id = ?", [state, call.message])

    def _connection(self) -> sqlite3.Connection:
        connection = getattr(self._connections, "own", None)
        if connection is None:
            connection = sqlite3.connect(self._file, timeout=10, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            self._connections.own = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        if connection.in_transaction:
            connection.execute("commit")


def _new_id() -> str:
    return secrets.token_hex(12)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _comparable(since: str) -> str:
    """A time as it is kept. What is no time compares as it stands: an unknown id finds nothing new."""
    try:
        return _iso(datetime.fromisoformat(since.replace(" ", "+")).timestamp())
    except ValueError:
        return "9999"


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "from": row["sender"],
        "to": row["recipient"],
        "direction": row["direction"],
        "channel": row["channel"],
        "subject": row["subject"],
        "text": row["text"],
        "reference": row["reference"],
        "state": row["state"],
        "at": row["at"],
    }
