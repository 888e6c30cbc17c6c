"""How a message reads: its words from the catalogue, and how many parts a text takes; pure.

Part sizes: 3GPP TS 23.038 (alphabets) and TS 23.040 9.2.3.24.1 (concatenation): 160 characters of the GSM alphabet
alone, 153 in each of several parts; else 70 and 67 UTF-16 units. An extension character or a surrogate pair takes
two places and never stands across two parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import Invalid
from shared.events import ContactChannel
from shared.i18n import LANGUAGES, N_, Catalogues

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")

# Typographic signs and what stands for them on a keyboard. Signs only: no letter ever changes.
STRAIGHT = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-",
        "…": "...", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip
# Unicode's marks (UAX #9), for Urdu and Arabic: without the first, a text that begins with the hub's Latin name is
# laid out from the left; without the second, the halves of a reference that begins with digits change places.
RIGHT_TO_LEFT, LEFT_TO_RIGHT = "\u200f", "\u200e"


@dataclass(frozen=True)
class Wording:
    """The message ids of one kind of message on one channel. A text has no subject."""

    text: str
    subject: str = ""


WORDINGS: Mapping[tuple[str, ContactChannel], Wording] = {
    ("receipt", "sms"): Wording(
        N_("%(hub)s: Thank you. We have your message. Your reference is %(reference)s. To end these texts, reply STOP.")
    ),
    ("stopped", "sms"): Wording(N_("%(hub)s: You will get no more texts from us. To start again, reply START.")),
    ("started", "sms"): Wording(N_("%(hub)s: You will get our texts again. To end them, reply STOP.")),
    ("receipt", "email"): Wording(
        N_(
            "Thank you. We have your message.\n\nYour reference is %(reference)s. You can see what happens with it "
            "here:\n\n%(link)s\n\nYou get this email because you asked us to answer you by email.\n\n%(hub)s"
        ),
        N_("We have your message: %(reference)s"),
    ),
    ("stopped", "email"): Wording(
        N_("You will get no more emails from us.\n\n%(hub)s"), N_("No more emails from us")
    ),
    ("started", "email"): Wording(N_("You will get our emails again.\n\n%(hub)s"), N_("You will get our emails again")),
}  # fmt: skip


def write(
    catalogues: Catalogues, language: str, *, kind: str, channel: ContactChannel, params: Mapping[str, str],
    hub_name: str, public_url: str,
) -> tuple[str, str]:  # fmt: skip
    """Subject ("" for a text) and text of a message. Raises Invalid when there is no such kind of message."""
    wording = WORDINGS.get((kind, channel))
    if wording is None:
        raise Invalid("message-kind-unknown", f"There are no words for a message of kind {kind} by {channel}.")
    reference = params.get("reference", "")
    whole, code = (RIGHT_TO_LEFT, LEFT_TO_RIGHT) if LANGUAGES[language].dir == "rtl" else ("", "")
    values = {
        **params,
        "hub": hub_name,
        "reference": code + reference,
        "link": f"{public_url}/status/{reference}",
    }
    text = whole + catalogues.text(language, wording.text, **values)
    subject = whole + catalogues.text(language, wording.subject, **values) if wording.subject else ""
    return subject, fewest_parts(text) if channel == "sms" else text


def fewest_parts(text: str) -> str:
    """The text, its typographic signs made plain where that saves a part."""
    plain = text.translate(STRAIGHT)
    return plain if parts(plain) < parts(text) else text


def parts(text: str) -> int:
    """How many parts an SMS of this text is sent, and paid for, in. An empty text is one."""
    if all(letter in GSM or letter in GSM_EXTENSION for letter in text):
        return _count([2 if letter in GSM_EXTENSION else 1 for letter in text], alone=160, each=153)
    return _count([2 if ord(letter) > 0xFFFF else 1 for letter in text], alone=70, each=67)


def _count(widths: list[int], *, alone: int, each: int) -> int:
    if sum(widths) <= alone:
        return 1
    count, free = 0, 0
    for width in widths:
        if width > free:
            count, free = count + 1, each
        free -= width
    return count
