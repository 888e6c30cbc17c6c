"""The shapes of the API: what may be asked, and what is answered, with examples for the OpenAPI description."""

from typing import Any

from marshmallow import Schema, fields, validate

from services.insights import domain

PEOPLE = {
    "oneOf": [{"type": "integer", "minimum": 0, "multipleOf": domain.STEP}, {"type": "string", "enum": ["*"]}],
    "description": "People, rounded to the nearest 5; `*` stands for 1 to 7 people, too few to show.",
    "example": 45,
}
CURSOR = "mzxw6ytboi7wgzlu"
LONGEST_PAGE = 500  # items


class People(fields.Field):
    """A disclosed number: a multiple of 5, or "*"."""

    def __init__(self, **more: Any) -> None:
        super().__init__(metadata=PEOPLE, **more)


class CountsQuery(Schema):
    """What to count, of whom, and when."""

    by = fields.String(
        required=True,
        validate=validate.OneOf(domain.BY),
        metadata={"description": "What the rows are.", "example": "theme"},
    )
    theme = fields.String(metadata={"description": "Only people who spoke of this theme.", "example": "timeliness"})
    area = fields.String(
        validate=validate.Length(max=domain.LONGEST_AREA),
        metadata={"description": "Only people from this outward postcode or neighbourhood.", "example": "BB1"},
    )
    language = fields.String(metadata={"description": "Only people who wrote in this language.", "example": "ur"})
    channel = fields.String(metadata={"description": "Only people who came this way.", "example": "sms"})
    period = fields.String(
        load_default=domain.ALL,
        metadata={"description": "`all`, or a month. Months and days are those of UTC.", "example": "2026-11"},
    )


class CountsRow(Schema):
    """One number."""

    value = fields.String(metadata={"description": "What the number is of: a slug, tag, code or date."})
    name = fields.String(metadata={"description": "The same in English words."})
    people = People()
    percent = fields.Integer(
        allow_none=True, metadata={"description": "Share of `people` of the whole answer, from rounded numbers."}
    )


class Counts(Schema):
    """Numbers of people, never of messages. A person may be in several rows, so rows may add up to more."""

    by = fields.String()
    chosen = fields.Dict(  # A Schema has an `only` of its own.
        keys=fields.String(), values=fields.String(), data_key="only", metadata={"description": "The filter."}
    )
    period = fields.String()
    people = People()
    as_of = fields.AwareDateTime(allow_none=True, metadata={"description": "When anything last changed."})
    rows = fields.List(fields.Nested(CountsRow))


class FeedQuery(Schema):
    """Where to go on, and how much to take."""

    after = fields.String(
        validate=validate.Length(max=64),
        metadata={
            "description": "`next` of the page before. Without it, the feed begins at its beginning.",
            "example": CURSOR,
        },
    )
    limit = fields.Integer(
        load_default=100, validate=validate.Range(1, LONGEST_PAGE), metadata={"description": "The most items."}
    )


class FeedItem(Schema):
    """What is shown of one number is now `people`; it replaces what an earlier item said of the same number."""

    item_id = fields.String()
    cursor = fields.String(metadata={"description": "To go on behind this item."})
    type = fields.String(validate=validate.OneOf(["count.changed"]))
    theme = fields.String()
    theme_name = fields.String()
    area = fields.String(allow_none=True)
    language = fields.String(allow_none=True)
    period = fields.String()
    people = People()
    as_of = fields.AwareDateTime()


class Feed(Schema):
    """Items in an order that never changes. `next` goes on behind the last of them, now or later."""

    items = fields.List(fields.Nested(FeedItem))
    next = fields.String()
    more = fields.Boolean(metadata={"description": "Whether there are more items now."})


class Theme(Schema):
    """A theme of the NHS patient experience framework, version 6."""

    slug = fields.String()
    name = fields.String()
    group = fields.String()
    definition = fields.String()


class Themes(Schema):
    """All themes, in the framework's order."""

    themes = fields.List(fields.Nested(Theme))


ITEM_EXAMPLE = {
    "item_id": "667788aa-7",
    "cursor": CURSOR,
    "type": "count.changed",
    "theme": "timeliness",
    "theme_name": "Timeliness of care",
    "area": "BB1",
    "language": None,
    "period": "2026-11",
    "people": 15,
    "as_of": "2026-11-21T10:00:00+00:00",
}
FEED_EXAMPLE = {"items": [ITEM_EXAMPLE], "next": CURSOR, "more": False}
COUNTS_EXAMPLE = {
    "by": "theme",
    "only": {"area": "BB1"},
    "period": "2026-11",
    "people": 60,
    "as_of": "2026-11-21T10:00:00+00:00",
    "rows": [
        {"value": "timeliness", "name": "Timeliness of care", "people": 45, "percent": 75},
        {"value": "transport", "name": "Transport to and from services", "people": "*", "percent": None},
    ],
}
