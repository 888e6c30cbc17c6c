"""The model that ships: its files agree with each other, and training and measuring keep their promises."""

import csv
import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from services.insights.themes import FOLDER, evaluate, load, model, read_theme_table, train
from services.insights.themes.comments import read_comments
from services.insights.themes.features import features
from services.insights.themes.measures import overall, per_theme

SCORES = json.loads((FOLDER / train.SCORES).read_text(encoding="utf-8"))
TABLE = read_theme_table()


def test_the_model_card_quotes_the_scores():
    card = (FOLDER / train.CARD).read_text(encoding="utf-8")

    assert train.card_table(SCORES) in card


def test_the_table_of_themes_the_model_and_the_scores_name_the_same_themes():
    shipped = model.load(FOLDER)

    assert [row["slug"] for row in TABLE] == list(shipped.slugs) == list(SCORES["themes"])
    assert shipped.version == SCORES["version"]


def test_a_reviewer_finds_a_name_a_group_and_a_definition_for_every_theme():
    reader = load()

    assert list(reader.themes) == [row["slug"] for row in TABLE]
    assert all(theme.name and theme.group and theme.definition.endswith(".") for theme in reader.themes.values())
    assert len({row["label"] for row in TABLE}) == len(TABLE)


def test_the_model_is_arrays_without_pickles_and_small():
    path = FOLDER / model.ARRAYS

    with np.load(path, allow_pickle=False) as arrays:
        kinds = {name: arrays[name].dtype.kind for name in arrays.files}

    assert kinds == {"vocabulary": "u", "idf": "f", "weights": "f", "offsets": "f"}
    assert path.stat().st_size < 6_000_000


def test_the_scores_that_ship_hold_the_floor():
    assert SCORES["cross_validated"]["micro_f1"] >= 0.69
    assert SCORES["cross_validated"]["macro_f1"] >= 0.54


def small_csv(path, rows):
    header = ["Trust", "FFT answer", "Comment sentiment", *(entry["label"] for entry in TABLE), "Not assigned"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows({"Trust": "A", "FFT answer": text} | dict.fromkeys(labels, "1") for text, labels in rows)
    return path


def test_texts_that_differ_in_case_and_punctuation_are_one_text_with_the_labels_most_agree_on(tmp_path):
    manner, time = "Staff manner & personal attributes", "Timeliness of care"
    path = small_csv(tmp_path / "c.csv", [("Kind.", [manner]), ("kind", [manner]), ("KIND!", [time]), ("...", [time])])

    comments = read_comments(path)

    assert (comments.rows, comments.texts) == (4, ("Kind.",))
    assert {label for label, count in comments.counts().items() if count} == {manner}


def test_a_file_in_another_layout_is_refused_by_the_missing_column(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("comment,theme\nKind,staff\n", encoding="utf-8")

    with pytest.raises(ValueError, match="FFT answer"):
        read_comments(path)


def test_evaluating_prints_every_measure_of_the_shipped_model(tmp_path, capsys):
    path = small_csv(
        tmp_path / "c.csv", [("The nurses were so kind and caring", ["Staff manner & personal attributes"])]
    )

    evaluate.main([str(path)])

    printed = capsys.readouterr().out
    for measure in ("micro f1", "macro f1", "exact match", "hamming loss", "texts/s"):
        assert measure in printed


def test_a_theme_nobody_was_taught_is_never_found():
    texts = [f"the staff were kind {number}" for number in range(20)] + [f"long wait {number}" for number in range(20)]
    marks = np.array([[True, False]] * 20 + [[False, False]] * 20)

    scores = train.fit(texts, marks).scores(texts)
    found = scores > train.find_thresholds(texts, marks)

    assert found[:, 0].tolist() == marks[:, 0].tolist()
    assert not found[:, 1].any()
    assert scores[:, 1].max() < scores[:, 0].min()


def test_measures_follow_their_definitions():
    marks = np.array([[True, False, False], [True, True, False], [False, False, False], [False, True, False]])
    found = np.array([[True, False, False], [True, False, False], [False, False, True], [False, True, False]])

    assert overall(marks, found) == {
        "micro_f1": 0.75,  # 3 hits, 1 miss, 1 extra
        "macro_f1": 0.8333,  # 1 and 2/3; the third theme is in no text
        "exact_match": 0.5,
        "hamming_loss": 0.1667,  # 2 of 12
    }
    assert per_theme(marks, found, ["a", "b", "c"])["b"] == {"texts": 2, "precision": 1.0, "recall": 0.5, "f1": 0.6667}


def test_the_model_scores_texts_as_scikit_learns_own_vectorizer_would():
    shipped = model.load(FOLDER)
    texts = [
        *(row["definition"] for row in TABLE),
        "",
        "!!!",
        "Café CAFE ｃａｆｅ",
        "nothing",
        "the the the the",
        "ڈاکٹر",
        "x" * 300,
    ]
    reference = TfidfVectorizer(
        analyzer=features, vocabulary=list(shipped.vocabulary), sublinear_tf=True, dtype=np.float32
    )
    reference.idf_ = shipped.idf

    margins = shipped.margins(texts)

    expected = reference.transform(texts) @ shipped.weights + shipped.offsets
    np.testing.assert_allclose(margins, expected, atol=1e-5)
    assert shipped.margins([]).shape == (0, len(shipped.slugs))
