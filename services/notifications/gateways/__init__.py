"""The ways out: one module per provider. Each sends one message and reads that provider's receipts; none knows MongoDB
or decides when to try again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from services.notifications import domain
from services.notifications.domain import Attempt
from shared.signing import Headers

CONNECT, ANSWER = 3.0, 15.0  # seconds to a connection; and to the whole answer
LARGEST_ANSWER = 1 << 16  # bytes


@dataclass(frozen=True)
class Inbound:
    """A request from a provider: headers, raw body, and the address as the provider called it, query included."""

    headers: Headers
    body: bytes
    url: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What a provider's web service answered."""

    status: int
    body: bytes


def connections() -> urllib3.PoolManager:
    """Kept connections to providers: no redirects, no proxies of the environment, no retries of their own."""
    return urllib3.PoolManager(maxsize=16, retries=False, headers={"User-Agent": "coproduction-hub"})


def post(pool: urllib3.PoolManager, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer | None:
    """POST and read the answer within `ANSWER` seconds and `LARGEST_ANSWER` bytes. None: there was none."""
    until = time.monotonic() + ANSWER
    try:
        response = pool.request(
            "POST", url, body=body, headers=headers, redirect=False, preload_content=False,
            timeout=urllib3.Timeout(connect=CONNECT, read=ANSWER),
        )  # fmt: skip
        read = b""
        while chunk := response.read1(LARGEST_ANSWER):
            read += chunk
            if len(read) > LARGEST_ANSWER or time.monotonic() > until:
                response.close()
                return None
        response.release_conn()
    except (HTTPError, OSError):
        return None
    return Answer(response.status, read)


def failure(status: int) -> Attempt:
    """What an HTTP status other than success means where the provider's own words say nothing more. Our own
    mistakes (an account, an address) may be mended within the day, so they are tried again; so is a redirect,
    which is never followed.
    """
    if status in (401, 403):
        return Attempt(False, domain.ACCOUNT_REFUSED, retryable=True)
    if status in (408, 425, 429):
        return Attempt(False, domain.GATEWAY_BUSY, retryable=True)
    if 400 <= status < 500:
        return Attempt(False, domain.REFUSED)
    return Attempt(False, domain.GATEWAY_FAULT if status >= 500 else domain.GATEWAY_STRANGE, retryable=True)
