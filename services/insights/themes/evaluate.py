"""Score the shipped model on labelled comments it has not been trained on.

    python -m services.insights.themes.evaluate labelled.csv

On the comments it was trained on the scores mean nothing; scores.json holds the honest ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from services.insights.themes import load, read_theme_table
from services.insights.themes.comments import read_comments
from services.insights.themes.measures import overall


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path, help="labelled comments in the layout of v6framework_230831.csv")
    comments = read_comments(parser.parse_args(arguments).csv)
    table = read_theme_table()
    marks = comments.columns([entry["label"] for entry in table])
    reader = load()
    began = perf_counter()
    readings = reader.read_many([("en", text) for text in comments.texts])
    seconds = perf_counter() - began
    found = np.array([[entry["slug"] in reading.themes for entry in table] for reading in readings])
    print(f"{comments.rows} rows, {len(comments.texts)} distinct texts, {len(table)} themes")
    for name, value in overall(marks, found).items():
        print(f"{name.replace('_', ' '):14}{value:.4f}")
    print(f"{'texts/s':14}{len(comments.texts) / seconds:.0f}")


if __name__ == "__main__":
    main()
