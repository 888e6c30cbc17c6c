"""Calls the hub as a provider does: signed, again and again until it answers, with the same id each time."""

import logging
import threading
from collections.abc import Callable

import urllib3
from urllib3.exceptions import HTTPError

from deploy.simulator.exchange import Call, Exchange
from shared.signing import webhook_headers

log = logging.getLogger(__name__)

THREADS = 4
TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)  # seconds
LOOK = 0.2  # seconds between looks for a call that has become due


class Caller:
    """Makes the calls that an exchange owes."""

    def __init__(self, exchange: Exchange, secret: bytes, *, seconds: Callable[[], float]) -> None:
        self._exchange, self._secret, self._seconds = exchange, secret, seconds
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=TIMEOUT)
        self.stop = threading.Event()

    def start(self) -> None:
        """Begin to call in threads of its own."""
        for count in range(THREADS):
            threading.Thread(target=self._run, name=f"calls-{count}", daemon=True).start()

    def call_now(self, id: str) -> None:
        """Make this call at once, if it is due and nobody else makes it."""
        call = self._exchange.claim(id)
        if call is not None:
            self._make(call)

    def _run(self) -> None:
        while not self.stop.is_set():
            self._exchange.news.clear()
            call = self._exchange.claim()
            if call is None:
                self._exchange.news.wait(LOOK)
            else:
                self._make(call)

    def _make(self, call: Call) -> None:
        headers = {
            "Content-Type": "application/json",
            **webhook_headers(self._secret, id=call.id, body=call.body, now=self._seconds()),
        }
        try:
            status = self._pool.request("POST", call.url, body=call.body, headers=headers, redirect=False).status
        except (HTTPError, OSError) as e:
            log.info("the hub did not answer: %s", e.__class__.__name__)
            status = 0
        if 200 <= status < 300:
            self._exchange.done(call, state="received")
        elif 400 <= status < 500 and status not in (408, 425, 429):
            log.warning("the hub refused a call", extra={"status": status})
            self._exchange.done(call, state="refused")
        else:
            self._exchange.later(call)
