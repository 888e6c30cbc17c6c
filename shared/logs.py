"""Logs: one JSON object a line, and never a citizen's words, number or address.

Two fences: only fields named in `ALLOWED` are written beside the message, and messages are fixed sentences whose
arguments are names, numbers of things and classes of errors. What still looks like a phone number or an e-mail
address is masked, tracebacks included.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

ALLOWED = frozenset(
    (
        *("service", "topic", "held", "pause", "failed", "status", "path", "method", "took_ms", "request_id", "loop"),
        *("gateway", "state", "count", "attempt", "kind", "language", "channel", "slug"),
    )
)
_ADDRESS = re.compile(r"[^\s@\"'<>]{1,64}@[^\s@\"'<>]{1,255}")
_NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){8,17}")


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """One line of JSON a record: time, level, logger, message, then the allowed extra fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; numbers and addresses masked."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        for name in ALLOWED & record.__dict__.keys():
            value = record.__dict__[name]
            line[name] = mask(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info)
        return _encode(line)


def mask(text: str) -> str:
    """The text with what looks like an e-mail address or a long number replaced."""
    return _NUMBER.sub("[number]", _ADDRESS.sub("[address]", text))


def setup(service: str, level: str = "INFO") -> None:
    """Send all logging of this process to standard error, in JSON. Called once, at the start of a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # It logs every attempt to connect; we say that we wait.
    logging.getLogger("pymongo").setLevel(logging.ERROR)


def _where(exc_info) -> list[str]:
    """The frames of an error without its message: a message may quote what somebody wrote."""
    frames = []
    error = exc_info[1]
    while error is not None:
        frames.append(error.__class__.__name__)
        frames.extend(
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        )
        error = error.__cause__ or error.__context__
    return frames
