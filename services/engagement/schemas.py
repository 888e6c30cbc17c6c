"""What programs send and get, for /api/v1/feedback; the OpenAPI document is made of these."""

from typing import Any

from flask import Request
from marshmallow import Schema, fields, validate
from webargs.flaskparser import FlaskParser

from services.engagement import bodies, domain
from shared.web import PROBLEM, Problem

EXAMPLE = {
    "text": "The surgery moved and there is no bus to it on Saturdays.",
    "would_help": "A bus on Saturdays, or a nurse at the community centre.",
    "area": "BB1",
    "communities": ["Panjabi speakers"],
    "contact": {"phone": "07700 900123"},
    "may_answer": True,
}
EXAMPLE_TAKEN = {
    "reference": "K7MX-4TQP",
    "feedback_id": "mfzwizltoq2gk43umfrgs5dto4",
    "language": "en-GB",
    "status_url": "https://hub.example.org/status/K7MX-4TQP",
}
LONGEST_KEY = 255  # characters of an Idempotency-Key
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": LONGEST_KEY},
    "description": "Names this act of giving. The same key with the same body again is answered as the first time, and "
    "nothing new is kept.",
}


class Parser(FlaskParser):
    """Reads JSON whatever its declared type or encoding; what is no JSON object is a problem, not an empty one."""

    def load_json(self, req: Request, schema: Any) -> Any:
        """The body's value. Raises Invalid."""
        return bodies.read_json(req.get_data(), req.mimetype_params.get("charset"))


class Contact(Schema):
    """Where the person may be answered: a phone number or an e-mail address."""

    phone = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata={"description": "In any usual form; without a country code it is British.", "example": "07700 900123"},
    )
    email = fields.String(load_default="", validate=validate.Length(max=320), metadata={"example": "name@example.com"})


class FeedbackGiven(Schema):
    """One contribution."""

    text = fields.String(
        required=True,
        metadata={
            "description": f"The person's own words, in any language: 1 to {domain.LONGEST_TEXT} characters once "
            "control characters are removed. Names, numbers and addresses are hidden before it is passed on.",
        },
    )
    would_help = fields.String(load_default="", metadata={"description": "What would help, in the person's own words."})
    area = fields.String(
        load_default="",
        metadata={"description": "A postcode, of which only the outward half is passed on, or a neighbourhood."},
    )
    communities = fields.List(
        fields.String(),
        load_default=list,
        metadata={
            "description": f"Up to {domain.MOST_COMMUNITIES}, in the person's own words, "
            f"each of at most {domain.LONGEST_COMMUNITY} characters."
        },
    )
    language = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z"),
        metadata={"description": "BCP 47 tag of the text's language, used where detection is unsure.", "example": "ur"},
    )
    contact = fields.Nested(
        Contact,
        load_default=dict,
        metadata={"description": "Where to answer. Kept only together with `may_answer`."},
    )
    may_answer = fields.Boolean(
        load_default=False,
        metadata={"description": "The person wants to be answered at `contact`; a receipt is sent."},
    )
    may_share = fields.Boolean(
        load_default=False,
        metadata={"description": "The person lets others read their words, without their name."},
    )


class FeedbackTaken(Schema):
    """What the giver gets: the reference to keep, and where its status stands."""

    reference = fields.String(required=True, metadata={"example": "K7MX-4TQP"})
    feedback_id = fields.String(required=True)
    language = fields.String(required=True, metadata={"description": "Detected or given; `und`: nobody can tell."})
    status_url = fields.Url(required=True, metadata={"description": "The page that says what became of it."})


class DeliveryTold(Schema):
    """What became of one message to the person."""

    kind = fields.String(required=True, metadata={"example": "receipt"})
    channel = fields.String(required=True, validate=validate.OneOf(["sms", "email"]))
    state = fields.String(
        required=True,
        validate=validate.OneOf(["pending", "sending", "sent", "delivered", "failed", "cancelled"]),
    )
    updated_at = fields.AwareDateTime(required=True, format="iso")


class FeedbackStatus(Schema):
    """What became of a contribution: never its words, never a contact."""

    reference = fields.String(required=True, metadata={"example": "K7MX-4TQP"})
    state = fields.String(required=True, validate=validate.OneOf(["received"]))
    language = fields.String(required=True)
    received_at = fields.AwareDateTime(required=True, format="iso")
    read_by = fields.AwareDateTime(
        required=True, format="iso", metadata={"description": "By when somebody will have read it."}
    )
    overdue = fields.Boolean(required=True, metadata={"description": "`read_by` has passed."})
    deliveries = fields.List(fields.Nested(DeliveryTold), required=True)


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": Problem}}}


PROBLEMS = {
    409: _problem("The Idempotency-Key was used for something else."),
    413: _problem("The body is larger than 1 MiB."),
    422: _problem("Some fields cannot be accepted; see `errors`."),
    503: _problem("Nothing was kept. Wait `Retry-After` seconds."),
}
STATUS_PROBLEMS = {
    404: _problem("Nothing is kept under this reference."),
    422: _problem("This cannot be a reference."),
}
