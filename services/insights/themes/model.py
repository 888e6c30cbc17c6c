"""The trained model as arrays: a linear score per theme, stored without pickles and read without surprises."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from services.insights.themes.features import features

ARRAYS = "model.npz"
NAMES = "model.json"


@dataclass(frozen=True)
class Model:
    """A theme is found in a text when its margin is above zero: the score, less the theme's threshold.

    ``weights`` has one row per feature and one column per theme. Found means ``> 0``, never ``>= 0``: a theme
    that knows nothing about a text scores exactly zero.
    """

    version: str
    slugs: tuple[str, ...]
    vectorizer: TfidfVectorizer
    weights: np.ndarray
    offsets: np.ndarray

    def margins(self, texts: Sequence[str]) -> np.ndarray:
        """One row per text, one column per theme, in the order of ``slugs``."""
        if not texts:
            return np.zeros((0, len(self.slugs)), dtype=np.float32)
        return self.vectorizer.transform(texts) @ self.weights + self.offsets


def save(
    folder: Path, slugs: Sequence[str], vectorizer: TfidfVectorizer, weights: np.ndarray, offsets: np.ndarray
) -> str:
    """Write the model's two files and return its version, which is a digest of what was written."""
    arrays = {
        "vocabulary": np.frombuffer("\n".join(vectorizer.get_feature_names_out()).encode(), dtype=np.uint8),
        "idf": vectorizer.idf_.astype(np.float32),
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
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        words = arrays["vocabulary"].tobytes().decode().split("\n")
        vectorizer = new_vectorizer(vocabulary=words)
        vectorizer.idf_ = arrays["idf"]
        return Model(
            version=names["version"],
            slugs=tuple(names["themes"]),
            vectorizer=vectorizer,
            weights=arrays["weights"].astype(np.float32),
            offsets=arrays["offsets"],
        )


def new_vectorizer(*, min_df: int = 1, vocabulary: Sequence[str] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=features, min_df=min_df, vocabulary=vocabulary, sublinear_tf=True, dtype=np.float32)
