"""What engagement tells the others and is told: its states as the contracts of shared.events, and back.

Law: nothing that points to a person goes into `engagement.feedback`; where to reach them, into `engagement.people`.
"""

from collections.abc import Iterable, Iterator, Sequence

from services.engagement import domain
from services.engagement.domain import Contribution, Person
from shared import events


def received(one: Contribution, replies: Sequence[events.Reply]) -> list[events.Record]:
    """The events of a new contribution: it was received, and replies are due."""
    return [events.record(feedback(one), type="feedback.received", time=one.received_at), *due(replies)]


def due(replies: Iterable[events.Reply]) -> Iterator[events.Record]:
    """The events that ask notifications for these replies."""
    for one in replies:
        yield events.record(one, type="reply.due", time=one.due_at)


def feedback(one: Contribution) -> events.Feedback:
    """A contribution as others may know it: names, numbers and addresses hidden."""
    understood = one.understood
    return events.Feedback(
        feedback_id=one.feedback_id,
        version=one.version,
        reference=domain.shown(one.reference),
        person_id=one.person_id,
        channel=one.channel,
        received_at=one.received_at,
        language=understood.language,
        language_confidence=understood.language_confidence,
        text=understood.text,
        would_help=understood.would_help,
        area=understood.area,
        communities=understood.communities,
        may_answer=one.may_answer,
        may_share=one.may_share,
        may_hold_name=understood.may_hold_name,
        state=one.state,
    )


def person(one: Person) -> events.Person:
    """A person as notifications must know them."""
    return events.Person(
        person_id=one.person_id,
        version=one.version,
        phone=one.phone,
        email=one.email,
        language=one.language,
        opted_out=one.opted_out,
    )


def delivery(told: events.Delivery) -> domain.Delivery:
    """What notifications tells of a message, as engagement keeps it."""
    return domain.Delivery(
        delivery_id=told.delivery_id,
        version=told.version,
        feedback_id=told.feedback_id,
        kind=told.kind,
        channel=told.channel,
        state=told.state,
        updated_at=told.updated_at,
    )
