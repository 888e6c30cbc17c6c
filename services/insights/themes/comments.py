"""Reading labelled comments: one distinct text is one example, so that a repeated comment never sits on both sides."""

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TEXT = "FFT answer"
TRUST = "Trust"
LAST_BEFORE_THEMES = "Comment sentiment"


@dataclass(frozen=True)
class Comments:
    """Distinct texts in the order they first came; ``marks[i, j]`` says whether text i carries label j."""

    rows: int
    texts: tuple[str, ...]
    trusts: tuple[str, ...]
    labels: tuple[str, ...]
    marks: np.ndarray

    def counts(self) -> dict[str, int]:
        return dict(zip(self.labels, self.marks.sum(axis=0).tolist(), strict=True))

    def columns(self, labels: Sequence[str]) -> np.ndarray:
        """The marks of these labels only, in this order. Raises ValueError for a label the file does not have."""
        return self.marks[:, [self.labels.index(label) for label in labels]]


def read_comments(path: Path) -> Comments:
    """Read a CSV in the layout of pxtextmining's ``v6framework_230831.csv``.

    The labels are the columns after "Comment sentiment". Comments that differ only in case, spacing or
    punctuation are one text; it carries a label when at least half of its repeats do, because the same
    "Nothing." was labelled differently on different days. Comments without a letter or digit are left out.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        header = list(reader.fieldnames or ())
        if missing := {TEXT, TRUST, LAST_BEFORE_THEMES} - set(header):
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}: give a CSV in the v6 layout")
        rows = list(reader)
    labels = header[header.index(LAST_BEFORE_THEMES) + 1 :]
    same: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if text := normalised(row[TEXT]):
            same.setdefault(text, []).append(row)
    return Comments(
        rows=len(rows),
        texts=tuple(repeats[0][TEXT] for repeats in same.values()),
        trusts=tuple(repeats[0][TRUST] for repeats in same.values()),
        labels=tuple(labels),
        marks=np.array([[_mostly(label, repeats) for label in labels] for repeats in same.values()]),
    )


def _mostly(label: str, repeats: Sequence[dict[str, str]]) -> bool:
    return 2 * sum(row[label] == "1" for row in repeats) >= len(repeats)


def normalised(text: str) -> str:
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()
