"""What the English model sees of a text: whole words, pairs of words, pieces of words and a rough length."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

SHORTEST, LONGEST = 2, 5  # characters in a piece of a word, its edges included
LENGTHS = (2, 3, 5, 8, 13, 25, 50, 100)  # words; "Nothing." and a page of story are different answers
_WORD = re.compile(r"\w+")


def features(text: str) -> list[str]:
    """Name every feature of a text, repeats included, in no order that matters.

    A prefix keeps the kinds apart: ``w`` a word or a pair of words, ``c`` a piece of a word, ``n`` the length.
    """
    words = _WORD.findall(plain(text))
    found = ["w" + word for word in words]
    found += [f"w{first} {second}" for first, second in pairwise(words)]
    for word in words:
        found += _pieces(word)
    found.append(f"n{sum(len(words) >= length for length in LENGTHS)}")
    return found


def plain(text: str) -> str:
    """Fold case, width and accents, so that "Café", "CAFE" and "ｃａｆｅ" are one word."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


# People repeat words far more than they invent them: remembering the pieces makes reading several times faster.
@lru_cache(maxsize=50_000)
def _pieces(word: str) -> tuple[str, ...]:
    return tuple(_cut(f" {word} "))


def _cut(edged: str) -> Iterator[str]:
    for size in range(SHORTEST, LONGEST + 1):
        for start in range(len(edged) - size + 1):
            yield "c" + edged[start : start + size]
