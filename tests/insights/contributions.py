"""Contributions for the tests of insights, and a reader to whom every word is a theme."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.insights.usecases import Theme
from shared import events
from shared.events import Feedback, Incoming

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
THEMES = {
    slug: Theme(slug, name, "Access to care and support", "What people say about it.")
    for slug, name in (
        ("timeliness", "Timeliness of care"),
        ("transport", "Transport to and from services"),
        ("food-drink", "Food and drink"),
    )
}


@dataclass(frozen=True)
class Found:
    """A reading: the words of the text."""

    themes: tuple[str, ...]
    method: str = "keywords"
    model: str = "words-1"


def read_themes(texts: Sequence[tuple[str, str]]) -> list[Found]:
    """Every word of a text is a theme."""
    return [Found(tuple(dict.fromkeys(text.split()))) for _, text in texts]


def contribution(number: int | str, **given: object) -> Feedback:
    """A contribution. Each number is one of its own, by a person of its own."""
    values: dict = {
        "feedback_id": f"feedback-{number}",
        "version": 1,
        "reference": "K7MXATQP",
        "person_id": f"person-{number}",
        "channel": "sms",
        "received_at": NOON,
        "language": "en-GB",
        "language_confidence": 0.98,
        "text": "timeliness",
        "area": "BB1",
        **given,
    }
    return Feedback(**values)


def received(*states: Feedback) -> list[Incoming]:
    """Contributions as a worker reads them."""
    return [
        Incoming(events.FEEDBACK.name, state.feedback_id, state, "feedback.received", state.feedback_id, NOON)
        for state in states
    ]


def tombstone(feedback_id: str) -> Incoming:
    """The end of a contribution."""
    return Incoming(events.FEEDBACK.name, feedback_id, None)


def crowd(number: int, prefix: str, **given: object) -> list[Incoming]:
    """As many people, each with one contribution."""
    return received(*(contribution(f"{prefix}-{n}", **given) for n in range(number)))
