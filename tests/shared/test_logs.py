"""Logs hold nothing that a citizen wrote, and no way to reach them."""

import json
import logging
import sys

import pytest

from shared import logs


def logged(message: str = "something happened", *args: object, error: BaseException | None = None, **extra) -> dict:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("a.b", logging.WARNING, "f.py", 1, message, args, exc_info)
    record.__dict__.update(extra)
    line = logs.JsonFormatter("engagement").format(record)
    assert "\n" not in line
    return json.loads(line)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("from 07700 900123 now", "from [number] now"),
        ("+447700900123", "[number]"),
        ("+44 (0)7700-900.123", "[number]"),
        ("07700900123,07700900124", "[number],[number]"),
        ("٠٧٧٠٠٩٠٠١٢٣", "[number]"),
        ("NHS 943 476 5919", "NHS [number]"),
        ("write to someone@example.org today", "write to [address] today"),
        ("<someone+tag@mail.example.org>", "<[address]>"),
        ("kto.ś@przykład.pl", "[address]"),
        ("500 records, 3 of 12 in 2026", "500 records, 3 of 12 in 2026"),
        ("at 8001 after 12.5 ms", "at 8001 after 12.5 ms"),
    ],
)
def test_numbers_and_addresses_are_masked_and_little_else(text: str, masked: str) -> None:
    assert logs.mask(text) == masked
    assert logged("%s", text)["message"] == masked


def test_a_line_says_when_where_how_bad_and_what() -> None:
    line = logged("relay waits: %s", "Unavailable", pause=0.2)

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "service": "engagement",
        "logger": "a.b",
        "message": "relay waits: Unavailable",
        "pause": 0.2,
    }


def test_fields_that_are_not_allowed_are_dropped_and_allowed_ones_masked() -> None:
    line = logged(text="my words", phone="07700900123", held="p-07700 900123", status=503)

    assert not {"text", "phone"} & line.keys()
    assert (line["held"], line["status"]) == ("p-[number]", 503)


def test_a_traceback_names_places_and_kinds_of_errors_but_quotes_nothing() -> None:
    def fail() -> None:
        try:
            raise KeyError("my secret words")
        except KeyError as e:
            raise ValueError("said by 07700 900123") from e

    with pytest.raises(ValueError) as caught:
        fail()
    line = logged(error=caught.value)

    assert line["error"] == "ValueError"
    assert {"ValueError", "KeyError"} <= set(line["where"])
    assert any("test_logs.py" in frame and "fail" in frame for frame in line["where"])
    assert "secret" not in json.dumps(line)
    assert "said" not in json.dumps(line)


def test_one_line_a_record_even_where_the_message_has_many() -> None:
    assert logged("one\ntwo")["message"] == "one\ntwo"


def test_after_setup_everything_goes_to_standard_error_as_json(capsys) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.setup("insights", "INFO")
        root.handlers[0].setStream(sys.stderr)

        logging.getLogger("x").info("hello")
        logging.getLogger("x").debug("not this")
        logging.getLogger("kafka.client").warning("nor this")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["hello"]
