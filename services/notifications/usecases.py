"""What notifications does: hears of people and replies, sends what is due, and notes what became of it.

Law: a message is claimed under a lease before anything is called, and whether it may go out is asked after that,
last of all.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

from pymongo.errors import PyMongoError

from services.notifications import domain, wording
from services.notifications.domain import Attempt, Delivery, Message, Receipt
from services.notifications.store import Store
from shared.errors import NotFound, Unavailable
from shared.events import ContactChannel, Incoming, Person
from shared.i18n import Catalogues
from shared.mongo import is_away
from shared.retry import pause

log = logging.getLogger(__name__)

AT_ONCE = 8  # calls to gateways
LOOK = 0.1  # seconds between looks for what is due, when nothing was
NOTE_TRIES = 12  # to write down what a gateway answered: about 20 seconds of a database that is away


class Sends(Protocol):
    """A gateway as sending sees it."""

    name: str

    def send(self, message: Message) -> Attempt:
        """Hand over one message. A gateway's failures are values; `message.delivery_id` makes repeating harmless
        where the provider knows idempotency keys.
        """


class Notifications:
    """The use cases. `gateways` names the one that sends for each channel; a channel without one is off."""

    def __init__(
        self,
        store: Store,
        *,
        gateways: Mapping[ContactChannel, Sends],
        catalogues: Catalogues,
        hub_name: str,
        public_url: str,
        worker_id: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        """`worker_id` is this worker's lasting name: no two that live at once have the same."""
        self._store = store
        self._gateways = dict(gateways)
        self._catalogues = catalogues
        self._hub_name, self._public_url = hub_name, public_url
        self._worker_id, self._clock, self._new_id = worker_id, clock, new_id
        self._news = threading.Event()  # Something may be due: look at once.

    def on_people(self, batch: Sequence[Incoming]) -> None:
        """Keep the newest state of each person. What waited for one of them is due now."""
        self._store.note_people([(one.key, one.state) for one in batch], now=self._clock())
        self._news.set()

    def on_replies(self, batch: Sequence[Incoming]) -> None:
        """Begin a message for each reply not seen before."""
        now = self._clock()
        self._store.add([domain.begin(one.state, now=now) for one in batch if one.state is not None])
        self._news.set()

    def send_next(self) -> bool:
        """Claim and send the message that has been due longest. False when none is due."""
        claimed = self._claim()
        if claimed is not None:
            self._handle(claimed)
        return claimed is not None

    def send_due(self, stop: threading.Event) -> None:
        """Send what is due until told to stop, several at once; first what this worker was sending when it died. An
        outage of MongoDB is waited out.
        """
        free = threading.Semaphore(AT_ONCE)
        released, failures = False, 0
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send") as pool:
            while not stop.is_set():
                try:
                    released = released or self._store.release(self._worker_id, now=self._clock()) >= 0
                    self._send_one(pool, free)
                    failures = 0
                except PyMongoError as e:
                    failures += 1
                    log.warning("sending waits: %s", e.__class__.__name__)
                    stop.wait(pause(failures, first=0.2, most=5))

    def _send_one(self, pool: ThreadPoolExecutor, free: threading.Semaphore) -> None:
        """Hand the next message to a thread; return after a while when no thread is free or no message due."""
        if not free.acquire(timeout=LOOK):
            return
        claimed = None
        try:
            self._news.clear()
            claimed = self._claim()
        finally:
            if claimed is None:
                free.release()
        if claimed is None:
            self._news.wait(LOOK)
        else:
            pool.submit(self._handle_guarded, claimed, free)

    def _claim(self) -> Delivery | None:
        return self._store.claim(lease=f"{self._worker_id}/{self._new_id()}", now=self._clock())

    def note_receipt(self, gateway: str, receipt: Receipt) -> bool:
        """Note what a gateway told us. False: it is about no message of ours. Again changes nothing."""

        def change(delivery: Delivery) -> Delivery:
            return domain.after_receipt(delivery, receipt, gateway=gateway, now=self._clock())

        delivery = self._store.delivery(receipt.delivery_id) if receipt.delivery_id else None
        if delivery is None and receipt.provider_id:
            delivery = self._store.delivery_of(gateway, receipt.provider_id)
        return delivery is not None and self._save(delivery, change)

    def delivery(self, delivery_id: str) -> Delivery:
        """One message. Raises NotFound."""
        found = self._store.delivery(delivery_id)
        if found is None:
            raise NotFound("delivery-unknown", "There is no message with this id.")
        return found

    def _handle_guarded(self, claimed: Delivery, free: threading.Semaphore) -> None:
        try:
            self._handle(claimed)
        except Exception:  # The lease ends, and it is tried again; one message must not stop the others.
            log.exception("a message could not be handled", extra={"kind": claimed.kind, "channel": claimed.channel})
        finally:
            free.release()

    def _handle(self, claimed: Delivery) -> None:
        gateway = self._gateways.get(claimed.channel)
        if gateway is None:
            verdict = domain.Verdict("refused", domain.NO_GATEWAY)
            self._save(claimed, lambda one: domain.not_sent(one, verdict, now=self._clock()), lease=claimed.lease)
            return
        person, gone = self._store.person(claimed.person_id)
        verdict = domain.judge(claimed, person, gone=gone, now=self._clock())
        if verdict.event != "send" or person is None:
            self._put_off(claimed, verdict)
            return
        attempt = gateway.send(self._message(claimed, person, verdict.to))
        self._note_attempt(claimed, attempt, gateway.name)

    def _put_off(self, claimed: Delivery, verdict: domain.Verdict) -> None:
        self._save(claimed, lambda one: domain.not_sent(one, verdict, now=self._clock()), lease=claimed.lease)
        if verdict.event == "wait":  # The person may have become known while we wrote that we wait.
            person, gone = self._store.person(claimed.person_id)
            if gone or (person is not None and person.version >= claimed.person_version):
                self._store.due_now(claimed.delivery_id, now=self._clock())

    def _message(self, delivery: Delivery, person: Person, to: str) -> Message:
        language = domain.language_for(delivery, person)
        subject, text = wording.write(
            self._catalogues, language, kind=delivery.kind, channel=delivery.channel, params=delivery.params,
            hub_name=self._hub_name, public_url=self._public_url,
        )  # fmt: skip
        return Message(delivery.delivery_id, delivery.channel, to, text, language, subject)

    def _note_attempt(self, claimed: Delivery, attempt: Attempt, gateway: str) -> None:
        """Write down what the gateway answered; a database that is away is waited for, because a message of which
        that is not known is sent again.
        """
        log.info("message handed over" if attempt.ok else "message not handed over",
                 extra={"gateway": gateway, "kind": claimed.kind, "channel": claimed.channel,
                        "language": claimed.language, "attempt": len(claimed.tries)})  # fmt: skip

        def change(delivery: Delivery) -> Delivery:
            return domain.after_attempt(
                delivery, attempt, lease=claimed.lease or "", gateway=gateway, now=self._clock()
            )

        for count in range(1, NOTE_TRIES + 1):
            try:
                self._save(claimed, change)
                return
            except (PyMongoError, Unavailable) as e:
                if count == NOTE_TRIES or not (isinstance(e, Unavailable) or is_away(e)):
                    raise
                threading.Event().wait(pause(count, first=0.1, most=3))

    def _save(
        self, delivery: Delivery, change: Callable[[Delivery], Delivery], *, lease: str | None = None
    ) -> bool:  # fmt: skip
        """Apply a change to the present state of a message; read again and decide again when somebody was faster.

        With `lease`, only while that lease holds. False: the message is gone, or no longer ours to change.
        """
        current: Delivery | None = delivery
        while current is not None and (lease is None or current.lease == lease):
            changed = change(current)
            if changed is current or self._store.save(current, changed):
                return True
            current = self._store.delivery(delivery.delivery_id)
        return False
