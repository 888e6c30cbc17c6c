"""The trained model as arrays: a linear score per theme, stored without pickles and read without surprises."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from services.insights.themes.features import length, of_word, pair, words_of

ARRAYS = "model.npz"
NAMES = "model.json"
MOST_WORDS = 50_000  # remembered at a time


@dataclass(frozen=True)
class Model:
    """A theme is found in a text when its margin is above zero: the score, less the theme's threshold.

    ``weights`` has one row per feature and one column per theme. Found means ``> 0``, never ``>= 0``: a theme
    that knows nothing about a text scores exactly zero.
    """

    version: str
    slugs: tuple[str, ...]
    vocabulary: Mapping[str, int]  # feature: its row in `weights` and its place in `idf`
    idf: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    _rows: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # of words seen before

    def margins(self, texts: Sequence[str]) -> np.ndarray:
        """One row per text, one column per theme, in the order of ``slugs``.

        What scikit-learn's TfidfVectorizer computes for ``features``, but counted word by word: people repeat words
        far more than they invent them, so the rows of a word's features are remembered.
        """
        counts = self._counts(texts)
        counts.data = (1 + np.log(counts.data)) * self.idf[counts.indices]
        norms = np.sqrt(counts.power(2).sum(axis=1))
        return counts @ self.weights / np.where(norms, norms, 1).reshape(-1, 1) + self.offsets

    def _counts(self, texts: Sequence[str]) -> csr_array:
        """How often each known feature stands in each text."""
        rows, ends = [np.empty(0, dtype=np.int32)], [0]
        for text in texts:
            words = words_of(text)
            rows += [self._of_word(word) for word in words]
            once = [*(pair(first, second) for first, second in pairwise(words)), length(words)]
            rows.append(self._known(once))
            ends.append(len(rows) - 1)
        sizes = np.cumsum([0, *map(len, rows[1:])])
        indices = np.concatenate(rows)
        shape = (len(texts), len(self.idf))
        counts = csr_array((np.ones(len(indices), dtype=np.float32), indices, sizes[ends]), shape=shape)
        counts.sum_duplicates()
        return counts

    def _of_word(self, word: str) -> np.ndarray:
        if (known := self._rows.get(word)) is None:
            if len(self._rows) >= MOST_WORDS:
                self._rows.clear()
            known = self._rows[word] = self._known(of_word(word))
        return known

    def _known(self, names: Iterable[str]) -> np.ndarray:
        found = (self.vocabulary.get(name) for name in names)
        return np.array([row for row in found if row is not None], dtype=np.int32)


def save(
    folder: Path,
    slugs: Sequence[str],
    *,
    vocabulary: Sequence[str],
    idf: np.ndarray,
    weights: np.ndarray,
    offsets: np.ndarray,
) -> str:
    """Write the model's two files and return its version, which is a digest of what was written."""
    arrays: dict[str, Any] = {
        "vocabulary": np.frombuffer("\n".join(vocabulary).encode(), dtype=np.uint8),
        "idf": idf.astype(np.float32),
        "weights": weights.astype(np.float16),
        "offsets": offsets.astype(np.float32),
    }
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values()))
    version = f"nhs-v6-{digest.hexdigest()[:8]}"
    np.savez_compressed(folder / ARRAYS, **arrays)
    names = json.dumps({"version": version, "themes": list(slugs)}, indent=2)
    (folder / NAMES).write_text(names + "\n", encoding="utf-8")
    return version


def load(folder: Path) -> Model:
    """Read the model's two files."""
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        words = arrays["vocabulary"].tobytes().decode().split("\n")
        return Model(
            version=names["version"],
            slugs=tuple(names["themes"]),
            vocabulary={word: row for row, word in enumerate(words)},
            idf=arrays["idf"],
            weights=arrays["weights"].astype(np.float32),
            offsets=arrays["offsets"],
        )
