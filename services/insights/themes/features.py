"""What the English model sees of a text: whole words, pairs of words, pieces of words and a rough length."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

SHORTEST, LONGEST = 2, 5  # characters in a piece of a word, its edges included
LENGTHS = (2, 3, 5, 8, 13, 25, 50, 100)  # words; "Nothing." and a page of story are different answers
_WORD = re.compile(r"\w+")


def features(text: str) -> list[str]:
    """Name every feature of a text, repeats included, in no order that matters.

    A prefix keeps the kinds apart: ``w`` a word or a pair of words, ``c`` a piece of a word, ``n`` the length.
    """
    words = words_of(text)
    found = [pair(first, second) for first, second in pairwise(words)]
    for word in words:
        found += of_word(word)
    found.append(length(words))
    return found


def words_of(text: str) -> list[str]:
    """The words of a text in their order, folded."""
    return _WORD.findall(plain(text))


def pair(first: str, second: str) -> str:
    """The feature of two words side by side."""
    return f"w{first} {second}"


def length(words: Sequence[str]) -> str:
    """The feature of a rough length."""
    return f"n{sum(len(words) >= least for least in LENGTHS)}"


# People repeat words far more than they invent them: remembering the pieces makes reading several times faster.
@lru_cache(maxsize=50_000)
def of_word(word: str) -> tuple[str, ...]:
    """The features of one word wherever it stands: itself and its pieces."""
    return ("w" + word, *_cut(f" {word} "))


def plain(text: str) -> str:
    """Fold case, width and accents, so that "Café", "CAFE" and "ｃａｆｅ" are one word."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _cut(edged: str) -> Iterator[str]:
    for size in range(SHORTEST, LONGEST + 1):
        for start in range(len(edged) - size + 1):
            yield "c" + edged[start : start + size]
