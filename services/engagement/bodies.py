"""Reads bodies of requests whose encoding may not be what they say: no word is lost over a wrong header."""

import json
from typing import Any
from urllib.parse import parse_qsl

from services.engagement.reading import decode
from shared.errors import Invalid

MOST_FIELDS = 200  # of a form


def read_form(raw: bytes, charset: str | None) -> list[tuple[str, str]]:
    """The fields of a body of type application/x-www-form-urlencoded, empty ones too. Raises Invalid."""
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=MOST_FIELDS)
    except ValueError as e:
        raise Invalid("form-unreadable", f"This form has more than {MOST_FIELDS} fields.") from e
    return [(_text(name, charset), _text(value, charset)) for name, value in pairs]


def read_json(raw: bytes, charset: str | None) -> Any:
    """The value of a body of type application/json. Raises Invalid."""
    try:
        return json.loads(decode(raw, charset))
    except (ValueError, RecursionError) as e:
        raise Invalid("json-unreadable", "The body is not JSON. Send one JSON object, as UTF-8.") from e


def _text(latin: str, charset: str | None) -> str:
    return latin if latin.isascii() else decode(latin.encode("latin-1"), charset)
