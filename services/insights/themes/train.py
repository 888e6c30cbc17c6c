"""Train the English theme model from labelled comments, measure it honestly, and write what ships.

    python -m services.insights.themes.train nhs_comments_labelled.csv

Nothing is chosen on the texts it is scored on: thresholds come from cross-validation inside the training part,
and the settings below were chosen inside the training part of the same split.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import scipy
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from services.insights.themes import FOLDER, read_theme_table
from services.insights.themes.comments import Comments, read_comments
from services.insights.themes.features import features
from services.insights.themes.measures import overall, per_theme
from services.insights.themes.model import save

SEED = 7
FOLDS = 5
MIN_POSITIVES = 24  # distinct texts; about 30 in the whole published set, of which this file holds four fifths
MIN_DF = 3  # texts; a feature seen in fewer is noise, and might single somebody out
WORD_WEIGHT = 2.0  # pieces of words outnumber whole words and would drown them
RATIO_POWER = 0.8  # 0 leaves TF-IDF alone, 1 is the full log-count ratio of Wang and Manning (2012)
SMOOTHING = 0.5
SVC_C = 0.3
CLASS_POWER = 0.25  # 0 leaves classes alone, 1 balances them fully
SHRINK = 40  # positives at which a theme's own threshold and the common one weigh the same
NEVER = -10.0  # far below any threshold: what nobody was taught is not found
SCORES = "scores.json"
CARD = "MODEL_CARD.md"
MARK = "<!-- scores: written by train.py -->\n"


@dataclass(frozen=True)
class Fit:
    vectorizer: TfidfVectorizer
    weights: np.ndarray
    intercepts: np.ndarray

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        return self.vectorizer.transform(texts) @ self.weights + self.intercepts


def fit(texts: Sequence[str], marks: np.ndarray) -> Fit:
    """One linear support vector machine per theme, over TF-IDF scaled by how telling each feature is for it."""
    vectorizer = TfidfVectorizer(analyzer=features, min_df=MIN_DF, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit(texts)
    is_word = np.array([name.startswith("w") for name in vectorizer.get_feature_names_out()])
    vectorizer.idf_ = np.where(is_word, WORD_WEIGHT, 1.0) * vectorizer.idf_
    matrix = vectorizer.transform(texts)
    columns = [_fit_one(matrix, marks[:, theme]) for theme in range(marks.shape[1])]
    weights = np.stack([weights for weights, _ in columns], axis=1).astype(np.float32)
    return Fit(vectorizer, weights, np.array([intercept for _, intercept in columns]))


def _fit_one(matrix: scipy.sparse.csr_matrix, marks: np.ndarray) -> tuple[np.ndarray, float]:
    if not marks.any():
        return np.zeros(matrix.shape[1]), NEVER
    scale = _telling(matrix, marks)
    weight = float((~marks).sum() / marks.sum()) ** CLASS_POWER
    machine = LinearSVC(C=SVC_C, class_weight={False: 1.0, True: weight}, random_state=SEED, max_iter=5000)
    machine.fit(matrix.multiply(scale).tocsr(), marks)
    # The scaling is linear too, so it folds into the weights and costs nothing when reading.
    return machine.coef_[0] * scale, float(machine.intercept_[0])


def _telling(matrix: scipy.sparse.csr_matrix, marks: np.ndarray) -> np.ndarray:
    """How far a feature's share differs between texts with and without the theme (log-count ratio)."""
    inside = SMOOTHING + np.asarray(matrix[marks].sum(axis=0)).ravel()
    outside = SMOOTHING + np.asarray(matrix[~marks].sum(axis=0)).ravel()
    return np.abs(np.log((inside / inside.sum()) / (outside / outside.sum()))) ** RATIO_POWER


def find_thresholds(texts: Sequence[str], marks: np.ndarray) -> np.ndarray:
    """The score above which each theme counts as found, from texts each fold's model has not seen.

    The best threshold for a rare theme is mostly chance, so it is drawn towards the one that is best for all.
    """
    folds = np.random.RandomState(SEED).randint(FOLDS, size=len(texts))
    scores = np.zeros(marks.shape)
    for fold in range(FOLDS):
        fitted = fit(_pick(texts, folds != fold), marks[folds != fold])
        scores[folds == fold] = fitted.scores(_pick(texts, folds == fold))
    common = _best_threshold(marks.ravel(), scores.ravel())
    own = np.array([_best_threshold(marks[:, theme], scores[:, theme]) for theme in range(marks.shape[1])])
    trust = marks.sum(axis=0) / (marks.sum(axis=0) + SHRINK)
    return trust * own + (1 - trust) * common


def _best_threshold(marks: np.ndarray, scores: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    found = np.arange(1, len(order) + 1)
    f1 = 2 * np.cumsum(marks[order]) / (found + max(1, int(marks.sum())))
    last = int(np.argmax(f1))
    after = min(last + 1, len(order) - 1)
    return float(scores[order][last] + scores[order][after]) / 2


def found_elsewhere(comments: Comments, marks: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Train on everything but the unseen texts, thresholds included, and say which themes those carry."""
    texts, known = _pick(comments.texts, ~unseen), marks[~unseen]
    return fit(texts, known).scores(_pick(comments.texts, unseen)) > find_thresholds(texts, known)


def measure(comments: Comments, marks: np.ndarray, slugs: Sequence[str]) -> dict:
    """Three honest looks: one fifth kept apart, five-fold over everything, and one trust read by the other's model."""
    parts = np.zeros(len(comments.texts), dtype=int)
    for part, members in enumerate(np.array_split(np.random.RandomState(SEED).permutation(len(parts)), FOLDS)):
        parts[members] = part
    found = np.zeros_like(marks)
    for part in range(FOLDS):
        found[parts == part] = found_elsewhere(comments, marks, parts == part)
    kept_apart = parts == 0
    trusts = np.array(comments.trusts)
    return {
        "held_out": {"texts": int(kept_apart.sum())} | overall(marks[kept_apart], found[kept_apart]),
        "cross_validated": {"texts": len(parts), "folds": FOLDS} | overall(marks, found),
        "read_by_the_other_trust": {
            trust: {"texts": int((trusts == trust).sum())}
            | overall(marks[trusts == trust], found_elsewhere(comments, marks, trusts == trust))
            for trust in sorted(set(comments.trusts))
        },
        "themes": per_theme(marks, found, slugs),
    }


def write_card(scores: dict) -> None:
    """Replace the marked part of the model card, so that the card cannot disagree with the scores."""
    path = FOLDER / CARD
    before, _, after = path.read_text(encoding="utf-8").split(MARK)
    path.write_text(before + MARK + card_table(scores) + MARK + after, encoding="utf-8")


def card_table(scores: dict) -> str:
    held, crossed = scores["held_out"], scores["cross_validated"]
    lines = [
        f"Model `{scores['version']}`, trained {scores['date']} on {scores['distinct_texts']:,} distinct texts "
        f"({scores['rows']:,} rows), seed {scores['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in scores["libraries"].items())
        + ".",
        "",
        "| measured on | texts | micro F1 | macro F1 | exact match | Hamming loss |",
        "|---|---|---|---|---|---|",
        _card_row("one fifth kept apart", held),
        _card_row("five-fold cross-validation", crossed),
    ]
    lines += [
        _card_row(f"{trust}, by a model that saw only the other trust", row)
        for trust, row in scores["read_by_the_other_trust"].items()
    ]
    lines += ["", "| theme | texts | precision | recall | F1 |", "|---|---|---|---|---|"]
    lines += [
        f"| {slug} | {row['texts']} | {row['precision']:.2f} | {row['recall']:.2f} | {row['f1']:.2f} |"
        for slug, row in sorted(scores["themes"].items(), key=lambda item: -item[1]["texts"])
    ]
    return "\n".join(lines) + "\n"


def _card_row(name: str, row: dict) -> str:
    measures = ("micro_f1", "macro_f1", "exact_match", "hamming_loss")
    return f"| {name} | {row['texts']:,} | " + " | ".join(f"{row[measure]:.3f}" for measure in measures) + " |"


def _pick(texts: Sequence[str], chosen: np.ndarray) -> list[str]:
    return [text for text, wanted in zip(texts, chosen, strict=True) if wanted]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path, help="labelled comments in the layout of v6framework_230831.csv")
    comments = read_comments(parser.parse_args(arguments).csv)
    table = read_theme_table()
    counts = comments.counts()
    if scarce := [entry["slug"] for entry in table if counts.get(entry["label"], 0) < MIN_POSITIVES]:
        raise SystemExit(f"fewer than {MIN_POSITIVES} texts for {', '.join(scarce)}: take them out of themes.toml")
    slugs = [entry["slug"] for entry in table]
    marks = comments.columns([entry["label"] for entry in table])
    scores = measure(comments, marks, slugs)
    final = fit(comments.texts, marks)
    offsets = final.intercepts - find_thresholds(comments.texts, marks)
    names = final.vectorizer.get_feature_names_out()
    idf = final.vectorizer.idf_
    version = save(FOLDER, slugs, vocabulary=names, idf=idf, weights=final.weights, offsets=offsets)
    scores = {
        "version": version,
        "date": datetime.now(UTC).date().isoformat(),
        "seed": SEED,
        "rows": comments.rows,
        "distinct_texts": len(comments.texts),
        "libraries": {
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
    } | scores
    (FOLDER / SCORES).write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    write_card(scores)
    print(card_table(scores), end="")


if __name__ == "__main__":
    main()
