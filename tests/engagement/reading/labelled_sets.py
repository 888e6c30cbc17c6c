"""Reads the labelled sets beside it: tab-separated lines, '#' for a remark, "\\n" for a new line in a text."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "labelled"
_MARKED = re.compile(r"\{([a-z ]+)\|([^}]*)\}")


def rows(name: str) -> list[list[str]]:
    lines = (_FOLDER / name).read_text("utf-8").splitlines()
    return [line.replace("\\n", "\n").split("\t") for line in lines if not line.startswith("#")]


def marked(text: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The plain text, and (kind, start, end) of each {kind|words} in it."""
    plain, spans, at = "", [], 0
    for found in _MARKED.finditer(text):
        plain += text[at : found.start()]
        spans.append((found[1], len(plain), len(plain) + len(found[2])))
        plain += found[2]
        at = found.end()
    return plain + text[at:], spans
