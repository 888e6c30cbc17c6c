"""What a contribution, a person and their wishes are, and every rule about them; pure.

Law: what a person wrote is never lost and never changed; who asked us to stop is not written to.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.errors import Invalid

Channel = Literal["web", "api", "sms"]
ContactChannel = Literal["sms", "email"]
State = Literal["received", "withdrawn"]

N_ = str  # Marks a sentence for the catalogues, which find it by this name; web.py translates it where it is shown.

# References: no vowels, so that none spells a word; no 0, O, 1, I, L, U or V, which are taken for more than one other.
ALPHABET = "23456789CDFGHJKMNPQRTWXY"
REFERENCE_LENGTH = 8  # characters: 24**8, about 110,000 million references
_READ_AS = str.maketrans({"Z": "2", "S": "5", "B": "8"})
_BETWEEN = re.compile(r"[\s\-‐‑‒–—−_.·]+")

LONGEST_TEXT = 10_000  # characters
LONGEST_AREA = 80  # characters
LONGEST_COMMUNITY = 80  # characters
MOST_COMMUNITIES = 5
SURE_ENOUGH = 0.75  # confidence; at or over it the detection set had no wrong answer, see reading/language.py

JOIN_WINDOW = timedelta(seconds=20)  # Parts of one long text come within this of each other.
NEARLY_FULL = 0.9  # of a message part
REMEMBERED = 20  # requests of one person, by what caused them, so that a gateway's repetition is known
REPLIES_KEPT = timedelta(days=3)  # as long as the topic engagement.replies keeps them

# 3GPP TS 23.038, section 6.2.1: the default alphabet, and the extension table whose characters count two.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("^{}\\[~]|€\f")

TEXT_MISSING = N_("Write a few words about what you want to tell us. Any language is fine.")
TEXT_TOO_LONG = N_("This is too long. Please keep it under 10,000 letters, and send the rest separately.")
HELP_TOO_LONG = N_("What would help is too long. Please keep it under 10,000 letters.")
AREA_TOO_LONG = N_("The place is too long. The first half of your postcode is enough.")
COMMUNITIES_TOO_LONG = N_("Please name at most 5 communities, in a few words each.")
CONTACT_MISSING = N_("Write the mobile number or the email address at which we may answer you.")
PHONE_WRONG = N_("This does not look like a phone number. Write it like 07700 900123.")
EMAIL_WRONG = N_("This does not look like an email address. Write it like name@example.com.")


@dataclass(frozen=True)
class Given:
    """What somebody gave on the web or by the API, as they wrote it.

    `cause` names the one act of giving, so that its repetition is known. `language` is the page's, or what a
    program says of the text. `phone` and `email`: at most one, and only together with `may_answer`.
    """

    cause: str
    channel: Channel
    text: str
    would_help: str = ""
    area: str = ""
    communities: tuple[str, ...] = ()
    language: str | None = None
    phone: str = ""
    email: str = ""
    may_answer: bool = False
    may_share: bool = False


@dataclass(frozen=True)
class Part:
    """One text message as it came, of which a contribution by SMS has one or more. `cause` names the message."""

    cause: str
    text: str


@dataclass(frozen=True)
class Original:
    """A person's words as they wrote them. They never leave engagement."""

    text: str
    would_help: str | None = None
    area: str | None = None
    communities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Understood:
    """What was read from the words: names, numbers and addresses hidden, the language and how sure (0 to 1)."""

    text: str
    language: str
    language_confidence: float
    may_hold_name: bool
    would_help: str | None = None
    area: str | None = None
    communities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contribution:
    """What one person told us once. `version` counts its states from 1.

    `fingerprint` tells whether something given again under the same cause is the same. `parts` and `last_part_at`
    are of texts only. `receipt_by` is the channel on which a receipt was asked for.
    """

    feedback_id: str
    version: int
    reference: str
    person_id: str
    channel: Channel
    received_at: datetime
    original: Original
    understood: Understood
    may_answer: bool
    may_share: bool
    fingerprint: str
    state: State = "received"
    parts: tuple[Part, ...] = ()
    last_part_at: datetime | None = None
    receipt_by: ContactChannel | None = None


@dataclass(frozen=True)
class Person:
    """Where a person may be answered, and where not. `version` counts what others are told.

    `texts` counts every text received: two at the same moment cannot both be the next. `handled` holds the causes
    of the latest requests.
    """

    person_id: str
    version: int
    contact_key: str
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    opted_out: tuple[ContactChannel, ...] = ()
    texts: int = 0
    handled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """What became of one message that answers a contribution, as notifications tells it."""

    delivery_id: str
    version: int
    feedback_id: str | None
    kind: str
    channel: str
    state: str
    updated_at: datetime


@dataclass(frozen=True)
class Status:
    """What a person is shown who asks by reference: no words, no contact. Times are UTC."""

    reference: str
    received_at: datetime
    read_by: datetime
    overdue: bool
    language: str
    deliveries: tuple[Delivery, ...] = ()
    receipt_by: ContactChannel | None = None


def reference(feedback_id: str, attempt: int = 0) -> str:
    """The reference of a contribution, eight characters. Another `attempt` gives another, should one be taken."""
    number = int.from_bytes(hashlib.sha256(f"{feedback_id}.{attempt}".encode()).digest())
    characters = []
    for _ in range(REFERENCE_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


def shown(reference: str) -> str:
    """A reference as people see it: XXXX-XXXX."""
    return f"{reference[:4]}-{reference[4:]}"


def read_reference(typed: str) -> str:
    """A reference as somebody typed it: any case, with or without dashes and spaces, digits of any script, and
    Z, S and B for 2, 5 and 8. Raises Invalid for what cannot be one.
    """
    text = _BETWEEN.sub("", unicodedata.normalize("NFKC", typed[:100])).upper()
    text = "".join(str(digit) if (digit := unicodedata.decimal(c, None)) is not None else c for c in text)
    text = text.translate(_READ_AS)
    if len(text) != REFERENCE_LENGTH or not set(text) <= set(ALPHABET):
        raise Invalid("reference-unlike", "A reference has eight letters and digits, like K7MX-4TQP.")
    return text


def email_address(typed: str) -> str:
    """An address to keep: the part after the @ in lower case. Raises Invalid for what cannot be one."""
    typed = typed.strip()
    if len(typed) > 254 or not re.fullmatch(r"[^@\s\"<>(),;:\\\[\]]{1,64}@([\w-]{1,63}\.)+[\w-]{2,63}", typed):
        raise Invalid("email-unlike", EMAIL_WRONG)
    name, _, host = typed.rpartition("@")
    return f"{name}@{host.lower()}"


def problems(given: Given) -> dict[str, str]:
    """What is wrong with something given, after cleaning: {field: sentence}, in the order of the form."""
    found = {
        "text": TEXT_MISSING if not given.text else TEXT_TOO_LONG if len(given.text) > LONGEST_TEXT else "",
        "would_help": HELP_TOO_LONG if len(given.would_help) > LONGEST_TEXT else "",
        "area": AREA_TOO_LONG if len(given.area) > LONGEST_AREA else "",
        "communities": "" if _few_and_short(given.communities) else COMMUNITIES_TOO_LONG,
    }
    return {field: sentence for field, sentence in found.items() if sentence}


def _few_and_short(communities: Sequence[str]) -> bool:
    return len(communities) <= MOST_COMMUNITIES and all(len(one) <= LONGEST_COMMUNITY for one in communities)


def reply_language(understood: Understood, *others: str | None, known: Sequence[str], default: str) -> str:
    """The language to answer in: the text's own when that is sure and one of ours, or the first of the others that
    is, or the default.
    """
    detected = understood.language if understood.language_confidence >= SURE_ENOUGH else None
    return next((tag for tag in (detected, *others) if tag and tag in known), default)


def with_language(person: Person, understood: Understood, *, known: Sequence[str]) -> Person:
    """The person with their language noted at the first sure detection. It is never switched by later texts."""
    sure = understood.language_confidence >= SURE_ENOUGH and understood.language in known
    if person.language is not None or not sure:
        return person
    return replace(person, version=person.version + 1, language=understood.language)


def stopped(person: Person, cause: str) -> Person:
    """The person after they asked for no more texts. Unchanged when they had, or when this request was handled."""
    if "sms" in person.opted_out:
        return person
    return _asked(person, cause, (*person.opted_out, "sms"))


def started(person: Person, cause: str) -> Person:
    """The person after they asked for texts. Unchanged only when this request was handled before: who asks is
    told that texts are on, even where they never were off.
    """
    return _asked(person, cause, tuple(channel for channel in person.opted_out if channel != "sms"))


def _asked(person: Person, cause: str, opted_out: tuple[ContactChannel, ...]) -> Person:
    if cause in person.handled:
        return person
    handled = (*person.handled, cause)[-REMEMBERED:]
    return replace(person, version=person.version + 1, opted_out=opted_out, handled=handled)


def continues(contribution: Contribution, now: datetime) -> bool:
    """Whether a text that comes now is the next part of this contribution: its last part was nearly full, and came
    just before. A phone cuts a long text into parts, and some gateways pass them on one by one.
    """
    if not contribution.parts or contribution.last_part_at is None or contribution.state != "received":
        return False
    return now - contribution.last_part_at <= JOIN_WINDOW and fills_a_part(contribution.parts[-1].text)


def fills_a_part(text: str) -> bool:
    """Whether a text is as long as one part of a longer one: 153 to 160 units of GSM 7-bit, 67 to 70 of UCS-2."""
    units, part, alone = _size(text)
    return NEARLY_FULL * part <= units <= alone


def _size(text: str) -> tuple[int, int, int]:
    """How many units a text takes, how many fit a part of several (3GPP TS 23.040, 9.2.3.24.1), and one alone."""
    if all(c in _GSM or c in _GSM_EXTENSION for c in text):
        return sum(2 if c in _GSM_EXTENSION else 1 for c in text), 153, 160
    return len(text.encode("utf-16-le", "surrogatepass")) // 2, 67, 70


def joined(parts: Sequence[Part]) -> str:
    """The whole text. A part cut exactly at a part's length goes on at once, even inside a word; one that is
    shorter was cut between words, and gets its space back.
    """
    whole = parts[0].text
    for before, part in itertools.pairwise(parts):
        units, several, alone = _size(before.text)
        apart = units not in (several, alone) and not whole[-1:].isspace() and not part.text[:1].isspace()
        whole += (" " if apart else "") + part.text
    return whole


def extended(contribution: Contribution, part: Part, now: datetime) -> Contribution:
    """The contribution with one more part of its text. What was understood is read anew by the caller."""
    parts = (*contribution.parts, part)
    return replace(
        contribution,
        version=contribution.version + 1,
        parts=parts,
        last_part_at=now,
        original=replace(contribution.original, text=joined(parts)),
    )


def status(contribution: Contribution, deliveries: Sequence[Delivery], *, now: datetime, answer_days: int) -> Status:
    """What the person is shown: their contribution's way so far, and by when somebody will have read it."""
    read_by = contribution.received_at + timedelta(days=answer_days)
    return Status(
        reference=contribution.reference,
        received_at=contribution.received_at,
        read_by=read_by,
        overdue=now > read_by,
        language=contribution.understood.language,
        deliveries=tuple(sorted(deliveries, key=lambda one: one.updated_at)),
        receipt_by=contribution.receipt_by,
    )


def latest(deliveries: Sequence[Delivery]) -> Mapping[str, Delivery]:
    """Of several states of each delivery the highest version, by delivery."""
    highest: dict[str, Delivery] = {}
    for one in deliveries:
        if one.delivery_id not in highest or highest[one.delivery_id].version < one.version:
            highest[one.delivery_id] = one
    return highest
