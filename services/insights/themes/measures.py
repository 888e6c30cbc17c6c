"""How well found themes agree with the labelled ones."""

from collections.abc import Sequence

import numpy as np


def overall(marks: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Micro and macro F1, exact match (share of texts with every theme right) and Hamming loss, to four places.

    Macro F1 is over the themes that the labelled texts carry at all: F1 says nothing about an absent theme.
    """
    hits, misses, extras = _outcomes(marks, found)
    each = [_f1(hit, miss, extra) for hit, miss, extra in zip(hits, misses, extras, strict=True) if hit + miss]
    return {
        "micro_f1": round(_f1(hits.sum(), misses.sum(), extras.sum()), 4),
        "macro_f1": round(sum(each) / max(1, len(each)), 4),
        "exact_match": round(float((marks == found).all(axis=1).mean()), 4),
        "hamming_loss": round(float((marks != found).mean()), 4),
    }


def per_theme(marks: np.ndarray, found: np.ndarray, slugs: Sequence[str]) -> dict[str, dict[str, float]]:
    """Labelled texts, precision, recall and F1 of each theme; a share of nothing is 0."""
    hits, misses, extras = _outcomes(marks, found)
    return {
        slug: {
            "texts": int(hit + miss),
            "precision": round(float(hit / max(1, hit + extra)), 4),
            "recall": round(float(hit / max(1, hit + miss)), 4),
            "f1": round(_f1(hit, miss, extra), 4),
        }
        for slug, hit, miss, extra in zip(slugs, hits, misses, extras, strict=True)
    }


def _outcomes(marks: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (marks & found).sum(axis=0), (marks & ~found).sum(axis=0), (~marks & found).sum(axis=0)


def _f1(hits: int, misses: int, extras: int) -> float:
    return float(2 * hits / max(1, 2 * hits + misses + extras))
