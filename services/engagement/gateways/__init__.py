"""The SMS providers that texts come from: each verifies a call and reads it, and knows nothing else.

Law: what is ours to blame is never answered with a 4xx, because a provider gives up after one.
"""

from dataclasses import dataclass
from typing import Protocol

from werkzeug.datastructures import Headers


@dataclass(frozen=True)
class Call:
    """One call of a provider: the public address as it used it, query included, and what it sent."""

    url: str
    headers: Headers
    body: bytes
    charset: str | None


@dataclass(frozen=True)
class InboundText:
    """One text message. `provider_id` is the provider's own name of it, the same when it calls again."""

    gateway: str
    provider_id: str
    sender: str
    text: str
    sent_to: str = ""


@dataclass(frozen=True)
class Answer:
    """What a provider wants to read when a text was taken in."""

    body: str
    mimetype: str


class Gateway(Protocol):
    """One provider. `verify` raises Forbidden for a forged call, `parse` Invalid for one that lacks something."""

    answer: Answer

    def verify(self, call: Call) -> None: ...

    def parse(self, call: Call) -> InboundText: ...
