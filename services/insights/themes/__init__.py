"""The theme reader: what a contribution is about, in the NHS framework's themes, or an honest "we cannot tell".

English is read by a trained model, other languages by keyword files, and a language with neither is read by nobody:
no language ever goes through the model of another. `load` alone imports the model and what it stands on: the web
process needs only the table of themes.
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from services.insights.themes import keywords

if TYPE_CHECKING:
    from services.insights.themes.model import Model

FOLDER = Path(__file__).parent
MODEL_LANGUAGE = "en"


@dataclass(frozen=True)
class Theme:
    """One theme of the NHS patient experience framework, version 6; ``definition`` is for reviewers, in plain words."""

    slug: str
    name: str
    group: str
    definition: str


@dataclass(frozen=True)
class Reading:
    """What one text is about: slugs, strongest first. No theme is an answer too; ``method`` says who looked.

    ``model`` names the version of the model or keyword file, and is empty when ``method`` is "none".
    """

    themes: tuple[str, ...]
    method: Literal["model", "keywords", "none"]
    model: str


NOBODY_LOOKED = Reading(themes=(), method="none", model="")


class ThemeReader:
    """Reads texts in any language. Build it with ``load()``, once: it holds the model in memory.

    ``themes`` is the table of every theme a reading can name, by slug, in the framework's order.
    """

    def __init__(self, themes: Iterable[Theme], english: "Model", floor: dict[str, keywords.Keywords]) -> None:
        self.themes = {theme.slug: theme for theme in themes}
        self._english = english
        self._floor = floor

    def read_many(self, texts: Sequence[tuple[str, str]]) -> list[Reading]:
        """Read (language tag, text) pairs; one reading each, in the same order.

        Tags are BCP 47; only the language itself counts ("ur-Latn" is Urdu, "en-GB" English), and any other word,
        the empty one included, is a language nobody reads. Many at once is much faster than one by one,
        and gives the same answers.
        """
        languages = [tag.replace("_", "-").partition("-")[0].lower() for tag, _ in texts]
        pairs = [(language, text) for language, (_, text) in zip(languages, texts, strict=True)]
        english = self._read_english([text for language, text in pairs if language == MODEL_LANGUAGE])
        return [
            next(english) if language == MODEL_LANGUAGE else self._read_floor(language, text)
            for language, text in pairs
        ]

    def _read_english(self, texts: Sequence[str]) -> Iterator[Reading]:
        for text, margins in zip(texts, self._english.margins(texts).tolist(), strict=True):
            found = [(-margin, theme) for theme, margin in enumerate(margins) if margin > 0]
            # A text without a letter or digit has nothing to be read by, though its length is a feature.
            strongest = sorted(found) if any(map(str.isalnum, text)) else ()
            yield Reading(tuple(self._english.slugs[theme] for _, theme in strongest), "model", self._english.version)

    def _read_floor(self, language: str, text: str) -> Reading:
        if words := self._floor.get(language):
            return Reading(words.themes(text), "keywords", words.version)
        return NOBODY_LOOKED


def load() -> ThemeReader:
    """Read the model, the keyword files and the table of themes from this package's folder."""
    from services.insights.themes import model

    themes = [Theme(row["slug"], row["name"], row["group"], row["definition"]) for row in read_theme_table()]
    floor = {path.stem: keywords.load(path) for path in sorted((FOLDER / "words").glob("*.toml"))}
    return ThemeReader(themes, model.load(FOLDER), floor)


def read_theme_table() -> list[dict[str, str]]:
    """The rows of themes.toml: slug, name, group, label (the column it was trained from) and definition."""
    return tomllib.loads((FOLDER / "themes.toml").read_text(encoding="utf-8"))["theme"]
