"""Reads an incoming text: what it says when cleaned, in which language, what it asks, and what of it may be shown.

No input or output but the data files beside the modules, which `load()` reads once at start.
"""

from dataclasses import dataclass

from services.engagement.reading import hiding, language, requests
from services.engagement.reading.clean import clean, decode
from services.engagement.reading.hiding import Found, Hidden, hide
from services.engagement.reading.language import Detection, detect
from services.engagement.reading.postcode import outward_code
from services.engagement.reading.requests import Request, read_request

__all__ = [
    "Detection",
    "Found",
    "Hidden",
    "ReadText",
    "Request",
    "clean",
    "decode",
    "detect",
    "hide",
    "load",
    "outward_code",
    "read",
    "read_request",
]


@dataclass(frozen=True, kw_only=True)
class ReadText:
    """`original` is what came, `text` is that cleaned; `hidden.found` counts code points in `text`."""

    original: str
    text: str
    hidden: Hidden
    detection: Detection
    request: Request


def load() -> None:
    """Reads every data file, about a tenth of a second; one that cannot be used raises ValueError, naming it."""
    language.load()
    requests.load()
    hiding.load()


def read(text: str) -> ReadText:
    """Everything the hub knows of a text by reading it; never raises, whatever the text."""
    cleaned = clean(text)
    return ReadText(
        original=text,
        text=cleaned,
        hidden=hide(cleaned),
        detection=detect(cleaned),
        request=read_request(cleaned),
    )
