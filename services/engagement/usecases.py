"""What engagement does: take in what people say, obey STOP, and tell by reference what became of it.

Law: what comes twice is answered as the first time; under `Unavailable` nothing was promised to anybody.
"""

import hashlib
from base64 import b32encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from services.engagement import contracts, domain
from services.engagement.domain import ContactChannel, Contribution, Given, Original, Part, Person, Status, Understood
from services.engagement.gateways import InboundText
from services.engagement.store import Store
from shared import events, i18n, phone
from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.mongo import Write
from shared.signing import keyed_hash

TRIES = 8  # Others may write the same person at the same moment; each try reads and decides anew.
KNOWN = tuple(i18n.LANGUAGES)
Confirmation = Literal["stopped", "started"]


class Reading(Protocol):
    """What this needs of services.engagement.reading."""

    def clean(self, text: str) -> str: ...

    def detect(self, text: str) -> Any: ...

    def hide(self, text: str) -> Any: ...

    def outward_code(self, text: str) -> str | None: ...

    def read_request(self, text: str) -> Any: ...


@dataclass(frozen=True)
class Receipt:
    """What the giver is told. `replayed`: it was given before, and nothing new was kept."""

    reference: str
    feedback_id: str
    language: str
    replayed: bool = False


class Engagement:
    """The use cases of engagement."""

    def __init__(
        self,
        *,
        store: Store,
        reading: Reading,
        secret_key: bytes,
        answer_days: int,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._reading = reading
        self._secret_key = secret_key
        self._answer_days = answer_days
        self._clock = clock
        self._new_id = new_id

    def give_feedback(self, given: Given) -> Receipt:
        """Keep what somebody gave on the web or by the API. The same cause again is answered as the first time.

        Raises Invalid with what is wrong in each field, Conflict when the cause was used for something else.
        """
        given = self._cleaned(given)
        phone_number, email = _checked(given)
        new = self._contribution(given)
        for attempt in range(TRIES):
            writes, person = self._giver(given, phone_number, email, new.received_at)
            one = replace(new, person_id=person.person_id, reference=domain.reference(new.feedback_id, attempt))
            replies = self._receipt(one, person, _channel(phone_number, email), given.language)
            one = replace(one, receipt_by=replies[0].channel if replies else None)
            try:
                self._store.commit(*writes, self._store.new_feedback(one, replies, contracts.received(one, replies)))
                return Receipt(one.reference, one.feedback_id, one.understood.language)
            except Conflict:
                if kept := self._store.feedback(one.feedback_id):
                    return _replayed(kept, one)
        raise _busy()

    def receive_text(self, text: InboundText) -> str:
        """Take in one text message: a STOP, a START, a contribution, or the next part of one. Returns which:
        "stopped", "started", "kept", "joined", "repeated" or "empty".
        """
        part = Part(f"sms:{text.gateway}:{text.provider_id}", _storable(text.text))
        if not self._reading.clean(part.text):
            return "empty"
        for attempt in range(TRIES):
            outcome, writes = self._hear(part, text.sender, attempt)
            try:
                if writes:
                    self._store.commit(*writes)
                return outcome
            except Conflict:
                continue
        raise _busy()

    def status(self, typed: str) -> Status:
        """What became of the contribution with this reference, as somebody typed it. Raises Invalid, NotFound."""
        found = self._store.feedback_by_reference(domain.read_reference(typed))
        if found is None:
            raise NotFound("reference-unknown", "Nothing is kept under this reference. Please check each letter.")
        deliveries = self._store.deliveries_of(found.feedback_id)
        return domain.status(found, deliveries, now=self._clock(), answer_days=self._answer_days)

    def on_deliveries(self, batch: Sequence[events.Incoming]) -> None:
        """Note what became of messages. The same again, or older, changes nothing."""
        told = [contracts.delivery(one.state) for one in batch if one.state is not None]
        gone = {one.key for one in batch if one.state is None}
        keep = [one for one in domain.latest(told).values() if one.delivery_id not in gone]
        self._store.keep_deliveries(keep, sorted(gone))

    def everything(self) -> Iterator[events.Record]:
        """The current state of all that engagement owns, and the replies owed in the last three days."""
        recent = self._clock() - domain.REPLIES_KEPT
        for person, replies in self._store.people():
            yield events.record(contracts.person(person), type="person.noted", time=self._clock())
            yield from contracts.due(one for one in replies if one.due_at >= recent)
        for one, replies in self._store.all_feedback():
            why = "feedback.received" if one.version == 1 else "feedback.extended"
            yield events.record(contracts.feedback(one), type=why, time=one.last_part_at or one.received_at)
            yield from contracts.due(reply for reply in replies if reply.due_at >= recent)

    def _hear(self, part: Part, sender: str, attempt: int) -> tuple[str, list[Write]]:
        """What a text does to the state of this moment."""
        key, number = self._contact(sender)
        known = self._store.person_by_contact(key)
        if known and (part.cause in known.handled or self._store.has_text(part.cause)):
            return "repeated", []
        now = self._clock()
        person = known or Person(self._new_id(), 1, key, phone=number)
        asked = self._reading.read_request(self._reading.clean(part.text))
        if asked.kind in _REQUESTS and asked.sure:
            return self._obey(part, known, person, asked, now)
        before = self._store.latest_text(person.person_id) if known else None
        if before and domain.continues(before, now):
            outcome, one = "joined", self._joined(before, part, now)
        else:
            outcome, one = "kept", self._texted(part, person, attempt, now)
        if asked.kind in _REQUESTS:  # Perhaps a request, perhaps not: both are done, and no receipt is sent.
            return self._obey_and_keep(part, known, person, asked, one, now)
        after = domain.with_language(person, one.understood, known=KNOWN)
        after = after if known else replace(after, version=1)
        replies = self._receipt(one, after, "sms" if number else None, None) if outcome == "kept" else []
        one = replace(one, receipt_by=replies[0].channel if replies else one.receipt_by)
        return outcome, [self._person_write(known, after, [], "person.noted", now), self._keep(one, replies, now)]

    def _obey(
        self, part: Part, known: Person | None, person: Person, asked: Any, now: datetime
    ) -> tuple[str, list[Write]]:
        request = _REQUESTS[asked.kind]
        after = request.change(person, part.cause)
        if after == person:
            return request.kind, []
        after = after if known else replace(after, version=1)
        replies = [self._confirmation(part, after, request.kind, asked.language, now)] if after.phone else []
        return request.kind, [self._person_write(known, after, replies, request.event, now)]

    def _obey_and_keep(
        self, part: Part, known: Person | None, person: Person, asked: Any, one: Contribution, now: datetime
    ) -> tuple[str, list[Write]]:
        outcome, writes = self._obey(part, known, person, asked, now)
        return outcome, [*(writes or [self._person_write(known, person, [], "", now)]), self._keep(one, [], now)]

    def _person_write(
        self, known: Person | None, after: Person, replies: Sequence[events.Reply], why: str, now: datetime
    ) -> Write:
        """The person's side of a text. It counts the text, so that of two at the same moment one is the first."""
        after = replace(after, texts=after.texts + 1)
        records = [events.record(contracts.person(after), type=why, time=now), *contracts.due(replies)]
        if known is None:
            return self._store.new_person(after, replies, records, now)
        told = after.version != known.version
        return self._store.changed_person(known, after, replies, records if told else [], now)

    def _keep(self, one: Contribution, replies: Sequence[events.Reply], now: datetime) -> Write:
        if one.version == 1:
            return self._store.new_feedback(one, replies, contracts.received(one, replies))
        record = events.record(contracts.feedback(one), type="feedback.extended", time=now)
        return self._store.changed_feedback(one, [record], now)

    def _giver(self, given: Given, number: str | None, email: str | None, now: datetime) -> tuple[list[Write], Person]:
        """Who gives: somebody known by their contact, somebody new, or (without a contact) nobody's acquaintance."""
        if not (number or email):
            return [], Person(self._new_id(), 1, "")
        key = self._contact_key("phone", number) if number else self._contact_key("email", (email or "").lower())
        if known := self._store.person_by_contact(key):
            return [], known
        language = given.language if given.language in KNOWN else None
        person = Person(self._new_id(), 1, key, phone=number, email=email, language=language)
        record = events.record(contracts.person(person), type="person.noted", time=now)
        return [self._store.new_person(person, [], [record], now)], person

    def _contact(self, sender: str) -> tuple[str, str | None]:
        """The key of a sender, and their number where it is one that can be answered."""
        try:
            number = phone.to_e164(sender)
        except Invalid:  # A short code or a name: kept, but nobody can be answered there.
            return self._contact_key("sender", sender), None
        return self._contact_key("phone", number), number

    def _contact_key(self, kind: str, address: str) -> str:
        return keyed_hash(self._secret_key, kind, address).hex()

    def _id(self, cause: str) -> str:
        return b32encode(keyed_hash(self._secret_key, "feedback", cause)).decode().lower()[:26]

    def _cleaned(self, given: Given) -> Given:
        clean = self._reading.clean
        return replace(
            given,
            text=clean(given.text),
            would_help=clean(given.would_help),
            area=clean(given.area),
            communities=tuple(one for one in map(clean, given.communities) if one),
            phone=clean(given.phone),
            email=clean(given.email),
        )

    def _contribution(self, given: Given) -> Contribution:
        """The contribution that something given becomes, but for its person and reference."""
        original = Original(given.text, given.would_help or None, given.area or None, given.communities)
        understood = self._understood(original)
        if given.channel == "api" and given.language and understood.language_confidence < domain.SURE_ENOUGH:
            understood = replace(understood, language=given.language, language_confidence=1.0)
        return Contribution(
            feedback_id=self._id(given.cause),
            version=1,
            reference="",
            person_id="",
            channel=given.channel,
            received_at=self._clock(),
            original=original,
            understood=understood,
            may_answer=given.may_answer,
            may_share=given.may_share,
            fingerprint=_fingerprint(given),
        )

    def _texted(self, part: Part, person: Person, attempt: int, now: datetime) -> Contribution:
        original = Original(domain.joined([part]))
        feedback_id = self._id(part.cause)
        return Contribution(
            feedback_id=feedback_id,
            version=1,
            reference=domain.reference(feedback_id, attempt),
            person_id=person.person_id,
            channel="sms",
            received_at=now,
            original=original,
            understood=self._understood(original),
            may_answer=person.phone is not None,
            may_share=False,
            fingerprint="",
            parts=(part,),
            last_part_at=now,
        )

    def _joined(self, before: Contribution, part: Part, now: datetime) -> Contribution:
        one = domain.extended(before, part, now)
        return replace(one, understood=self._understood(one.original))

    def _understood(self, original: Original) -> Understood:
        """What is passed on: names, numbers and addresses hidden. A text beyond the limit is passed on in part."""
        text = self._reading.clean(original.text[: domain.LONGEST_TEXT])
        detection = self._reading.detect(text)
        words = self._reading.hide(text)
        would_help = self._reading.hide(original.would_help) if original.would_help else None
        communities = [self._reading.hide(one) for one in original.communities]
        area, named_area = self._hidden_area(original.area) if original.area else (None, False)
        read = [words, *communities, *([would_help] if would_help else [])]
        return Understood(
            text=words.text,
            language=detection.language,
            language_confidence=detection.confidence,
            may_hold_name=named_area or any(one.may_hold_name for one in read),
            would_help=would_help.text if would_help else None,
            area=area,
            communities=tuple(one.text for one in communities),
        )

    def _hidden_area(self, area: str) -> tuple[str, bool]:
        """A postcode's outward half, or a neighbourhood's words, and whether these may hold a name."""
        if outward := self._reading.outward_code(area):
            return outward, False
        hidden = self._reading.hide(area)
        return hidden.text, hidden.may_hold_name

    def _receipt(
        self, one: Contribution, person: Person, channel: ContactChannel | None, page_language: str | None
    ) -> list[events.Reply]:
        """The receipt that is due: none without a channel, and none to who asked us to stop."""
        if channel is None or channel in person.opted_out:
            return []
        language = domain.reply_language(
            one.understood, person.language, page_language, known=KNOWN, default=i18n.DEFAULT
        )
        return [
            events.Reply(
                reply_id=f"{one.feedback_id}.receipt",
                person_id=person.person_id,
                person_version=person.version,
                kind="receipt",
                channel=channel,
                language=language,
                due_at=one.received_at,
                feedback_id=one.feedback_id,
                params={"reference": domain.shown(one.reference)},
            )
        ]

    def _confirmation(
        self, part: Part, person: Person, kind: Confirmation, asked_in: str | None, now: datetime
    ) -> events.Reply:
        """STOP and START are answered in the language of the word itself, unless it is English: everybody uses that."""
        own_word = asked_in if asked_in != i18n.DEFAULT else None
        choices = (own_word, person.language, asked_in)
        return events.Reply(
            reply_id=f"{self._id(part.cause)}.{kind}",
            person_id=person.person_id,
            person_version=person.version,
            kind=kind,
            channel="sms",
            language=next((tag for tag in choices if tag in KNOWN), i18n.DEFAULT),
            due_at=now,
        )


@dataclass(frozen=True)
class _Request:
    """What a request does: how it changes the person, how the change is called, which reply confirms it."""

    change: Callable[[Person, str], Person]
    event: str
    kind: Confirmation


_REQUESTS = {
    "stop": _Request(domain.stopped, "person.opted_out", "stopped"),
    "start": _Request(domain.started, "person.opted_in", "started"),
}


def _checked(given: Given) -> tuple[str | None, str | None]:
    """The number and address to keep, which without leave to answer are none. Raises Invalid naming every field."""
    wrong = domain.problems(given)
    number = email = None
    if given.may_answer:
        try:
            number = phone.to_e164(given.phone) if given.phone else None
        except Invalid:
            wrong["phone"] = domain.PHONE_WRONG
        try:
            email = domain.email_address(given.email) if given.email else None
        except Invalid:
            wrong["email"] = domain.EMAIL_WRONG
        if not (given.phone or given.email):
            wrong["contact"] = domain.CONTACT_MISSING
    if wrong:
        fields = {field: [sentence] for field, sentence in wrong.items()}
        raise Invalid("contribution-wrong", "Some fields cannot be accepted as they are; see errors.", fields=fields)
    return number, email


def _channel(number: str | None, email: str | None) -> ContactChannel | None:
    return "sms" if number else "email" if email else None


def _fingerprint(given: Given) -> str:
    """The same for the same contribution, whatever caused it."""
    values = [value for name, value in vars(given).items() if name != "cause"]
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()


def _replayed(kept: Contribution, again: Contribution) -> Receipt:
    if kept.fingerprint != again.fingerprint:
        raise Conflict(
            "idempotency-key-reused",
            "This Idempotency-Key was used for another contribution. Use a new key for each contribution.",
        )
    return Receipt(kept.reference, kept.feedback_id, kept.understood.language, replayed=True)


def _storable(text: str) -> str:
    """The text with halves of surrogate pairs replaced, which no database keeps."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _busy() -> Unavailable:
    return Unavailable("changed-too-often", "Too many things happened to this person at once. Please try again.")
