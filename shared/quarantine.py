"""The quarantine: records that could not be applied, kept whole with reason and position, until a person decides."""

from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING
from pymongo.database import Database

from shared.errors import NotFound


@dataclass(frozen=True)
class Held:
    """One record held back. `id` is topic-partition-offset; bytes are exactly as they were read."""

    id: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    held_at: datetime
    replays: int = 0


class Quarantine:
    """Held records of one service, in its own database."""

    def __init__(self, database: Database) -> None:
        self._held = database["quarantine"]

    def hold(self, held: Held) -> None:
        """Keep a record. The same position again replaces what was kept of it."""
        document = {name: value for name, value in vars(held).items() if name != "id"}
        self._held.replace_one({"_id": held.id}, document, upsert=True)

    def listed(self, limit: int = 100) -> list[Held]:
        """The oldest held records first."""
        return [_held(document) for document in self._held.find().sort("held_at", ASCENDING).limit(limit)]

    def count(self) -> int:
        """How many records are held."""
        return self._held.count_documents({})

    def get(self, id: str) -> Held:
        """One held record. Raises NotFound."""
        document = self._held.find_one({"_id": id})
        if document is None:
            raise NotFound("not-in-quarantine", f"Nothing is held under {id}; `quarantine list` shows what is.")
        return _held(document)

    def failed_again(self, id: str, reason: str) -> None:
        """Note that a replay failed, and why."""
        self._held.update_one({"_id": id}, {"$set": {"reason": reason}, "$inc": {"replays": 1}})

    def drop(self, id: str) -> None:
        """Forget a held record: it was replayed, or a person decided against it. Raises NotFound."""
        if not self._held.delete_one({"_id": id}).deleted_count:
            raise NotFound("not-in-quarantine", f"Nothing is held under {id}; `quarantine list` shows what is.")


def _held(document: dict) -> Held:
    return Held(id=document.pop("_id"), **document)
