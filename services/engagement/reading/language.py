"""Tells which language a text is in, and how sure that is: law, a guess is never dressed up as knowledge.

Script decides where a script has one language; letters and words decide within Arabic script;
word lists and pycld2 (Google's Compact Language Detector 2) decide within Latin. The tags are BCP 47.
Urdu and Panjabi written in Latin letters are 'ur' and 'pa', method 'romanised': one language, one catalogue.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pycld2


@dataclass(frozen=True, kw_only=True)
class Detection:
    """`confidence`: 0 to 1, measured to be at most the share of right answers among texts given that much.

    `method`: what decided: 'none', 'script', 'letters', 'words', 'romanised', 'statistics'.
    """

    language: str
    confidence: float
    method: str


@dataclass(frozen=True)
class Words:
    """What `words.toml` holds, ready to compare. For each word: the languages it speaks for and how loudly (0 to 1)."""

    latin: dict[str, dict[str, float]]
    arabic: dict[str, tuple[str, ...]]
    letters: dict[str, re.Pattern[str]]


CANNOT_TELL = Detection(language="und", confidence=0.0, method="none")
SURE_ENOUGH = 0.75  # At or over this the detection set had no wrong answer.

# Scripts in which nearly every text here is in one language. Blocks: Unicode 17, Blocks.txt.
_ONE_LANGUAGE_SCRIPTS = {
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "bn": "\u0980-\u09ff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "si": "\u0d80-\u0dff",
    "th": "\u0e00-\u0e7f",
    "ka": "\u10a0-\u10ff",
    "hy": "\u0530-\u058f",
    "el": "\u0370-\u03ff",
    "he": "\u0590-\u05ff",
    "km": "\u1780-\u17ff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "ja": "\u3041-\u30ff",
}
_OTHER_SCRIPTS = {
    "Arab": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Cyrl": "\u0400-\u052f",
    "Deva": "\u0900-\u097f",
    "Ethi": "\u1200-\u139f",
    "Hani": "\u3400-\u4dbf\u4e00-\u9fff",
}
_SCRIPTS = {name: re.compile(f"[{block}]+") for name, block in (_ONE_LANGUAGE_SCRIPTS | _OTHER_SCRIPTS).items()}
_BEYOND_LATIN = re.compile("[\u0370-\u1cff\u3041-\ud7af\uf900-\ufaff\ufb50-\ufdff\ufe70-\ufefc]")
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]+")
_LATIN_WORDS = re.compile(r"[a-z0-9]+")
_ARABIC_WORDS = re.compile(f"[{_OTHER_SCRIPTS['Arab']}]+")
_NOT_SPOKEN = re.compile(r"\[[a-z ]{3,30}\]|https?://\S{1,500}|\S{1,64}@\S{1,200}|[\u0000-\u001f\u007f-\u009f\ufffd]")
# Everyday characters whose simplified form differs (Table of General Standard Chinese Characters, 2013).
_TRADITIONAL = re.compile("[們個這醫國說話來時會學對開關電診幫請謝發還沒麼樣過見長問題東車樂買賣點錢愛]")
_SIMPLIFIED = re.compile("[们个这医国说话来时会学对开关电诊帮请谢发还没么样过见长问题东车乐买卖点钱爱]")
_HINT = "en,pl,cy,ro,pt,so,ur,pa,ar,fa,uk"
_TAGS = {
    "en": "en-GB",
    "zh": "zh-Hans",
    "zh-Hant": "zh-Hant",
    "ku": "ckb",
    "iw": "he",
    "jw": "jv",
    "no": "nb",
    "tl": "fil",
}
_UNLIKELY = 0.6  # How far pycld2 alone is believed about a language that nobody in the catalogue speaks.
_FOLDED = str.maketrans(
    {"ł": "l", "Ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i", "’": "", "'": "", "‘": "", "ʼ": ""}
)


def load() -> None:
    """Reads `words.toml` once, so that no request waits for it. `detect` does so itself where this was not called."""
    _words()


def detect(text: str) -> Detection:
    """The language most of `text` is in; 'und' for what holds no words, or words of no known language."""
    if "[" in text or "@" in text or "://" in text or "\ufffd" in text or not text.isprintable():
        text = _NOT_SPOKEN.sub(" ", text)
    latin = sum(map(len, _LATIN.findall(text)))
    if not text.isascii() and _BEYOND_LATIN.search(text):
        counts = {name: sum(map(len, found)) for name, run in _SCRIPTS.items() if (found := run.findall(text))}
        script = max(counts, key=counts.__getitem__, default="")
        if "ja" in counts and script == "Hani":
            script = "ja"
        letters = counts.get(script, 0)
        if letters * 4 >= latin * (2 if script == "Hani" else 4):
            share = letters / max(1, latin + sum(counts.values()))
            return _scaled(_in_script(text, script, letters), share)
        return _scaled(_in_latin(text, latin), latin / max(1, latin + sum(counts.values())))
    return _in_latin(text, latin)


def _scaled(detection: Detection, share: float) -> Detection:
    """A text in two scripts is the less surely in one language the more even they are."""
    if share > 0.9:
        return detection
    return Detection(
        language=detection.language, confidence=round(detection.confidence * share, 2), method=detection.method
    )


def _in_script(text: str, script: str, letters: int) -> Detection:
    if script in _ONE_LANGUAGE_SCRIPTS:
        language = "as" if script == "bn" and re.search("[ৰৱ]", text) else script
        return Detection(language=language, confidence=0.98 if letters > 3 else 0.8, method="script")
    if script == "Hani":
        traditional = len(_TRADITIONAL.findall(text)) > len(_SIMPLIFIED.findall(text))
        language = "zh-Hant" if traditional else "zh-Hans"
        return Detection(language=language, confidence=0.95 if letters > 3 else 0.7, method="script")
    if script == "Arab":
        return _in_arabic(text, letters)
    if script == "Cyrl" and re.search("[іїєґІЇЄҐ]", text) and not re.search("[ыэъёўЫЭЪЁЎ]", text):
        return Detection(language="uk", confidence=0.95, method="letters")
    return _by_statistics(text, letters)


def _in_arabic(text: str, letters: int) -> Detection:
    """Urdu, Panjabi, Persian, Sorani, Pashto or Arabic: by letters only one of them uses, and by common words."""
    words = _words()
    found = _ARABIC_WORDS.findall(text)
    seen = {tag: len(pattern.findall(text)) for tag, pattern in words.letters.items()}
    votes = dict.fromkeys(("ar", "fa", "ur", "pa-Arab"), 0)
    for word in found:
        for tag in words.arabic.get(word, ()):
            votes[tag] += 1
    if seen["ckb"] > max(seen["ur"], votes["ur"]):
        return _by_letters("ckb", seen["ckb"])
    if seen["ps"] > max(1, seen["ur"]):
        return _by_letters("ps", seen["ps"])
    if votes["pa-Arab"] * 1.5 > votes["ur"] or (seen["pa-Arab"] and votes["pa-Arab"]):
        return Detection(language="pa-Arab", confidence=min(0.9, 0.5 + 0.15 * votes["pa-Arab"]), method="words")
    if seen["ur"] and seen["ur"] >= seen["ckb"]:
        return _by_letters("ur", seen["ur"] + votes["ur"])
    # Persian and Arabic share most letters; a letter only one of them has counts as a word does.
    votes["fa"] += seen["fa"] + len(re.findall("[یک]", text))
    votes["ar"] += seen["ar"] + len(re.findall(r"\bال", text))
    best, second = sorted(votes.items(), key=lambda vote: -vote[1])[:2]
    if best[1] > second[1] and best[1] > 0:
        margin = (best[1] - second[1]) / best[1]
        confidence = min(0.95, 0.35 + 0.3 * margin + 0.1 * min(3, best[1]))
        return Detection(language=best[0], confidence=round(confidence, 2), method="words")
    return _by_statistics(text, letters)


def _by_letters(language: str, evidence: int) -> Detection:
    return Detection(language=language, confidence=min(0.97, 0.6 + 0.12 * evidence), method="letters")


def _in_latin(text: str, letters: int) -> Detection:
    if letters < 2:
        return CANNOT_TELL
    known = _words()
    words = _LATIN_WORDS.findall(_folded(text))
    votes: dict[str, float] = {}
    for word in words:
        for tag, weight in known.latin.get(word, {}).items():
            votes[tag] = votes.get(tag, 0) + weight
    judged = _by_statistics(text, letters)
    if judged.language != "und" and votes.get(judged.language, 0) == max(votes.values(), default=0) == 0:
        return judged
    weight = min(2.0, 0.25 + len(words) * 0.2) * (1 if judged.language in _first_catalogue() else 0.5)
    if judged.language != "und":
        votes[judged.language] = votes.get(judged.language, 0) + weight * judged.confidence
    return _by_votes(votes, judged, len(words))


def _by_votes(votes: dict[str, float], judged: Detection, length: int) -> Detection:
    """The language with most votes, a romanised one judged by its own list since pycld2 knows neither."""
    if not votes:
        return CANNOT_TELL
    (best, most), *rest = sorted(votes.items(), key=lambda vote: -vote[1])
    second = rest[0][1] if rest else 0.0
    siblings = best.endswith("~") and bool(rest) and rest[0][0].endswith("~")
    if siblings:  # Urdu and Panjabi share most words: that the other comes near says little against the first.
        second -= 0.6 * second
    covered = min(1.0, most / max(1, length))
    margin = (most - second) / most
    confidence = min(0.97, covered * 0.45 + margin * 0.35 + min(most, 4) * 0.08)
    if length < 3:
        confidence = min(confidence, 0.3 + 0.2 * length)
    if confidence < 0.25:
        return CANNOT_TELL
    method = "romanised" if best.endswith("~") else ("statistics" if judged.language == best else "words")
    return Detection(language=best.rstrip("~"), confidence=round(confidence, 2), method=method)


def _by_statistics(text: str, letters: int) -> Detection:
    """pycld2's first guess. Its own 'reliable' flag is set on noise too, so length and catalogue temper it."""
    try:
        _, _, guesses = pycld2.detect(text, isPlainText=True, bestEffort=True, hintLanguageHTTPHeaders=_HINT)
    except pycld2.error:  # It refuses some code points (noncharacters) that are harmless elsewhere.
        return CANNOT_TELL
    _, code, percent, _ = guesses[0]
    if code in ("un", "zzp") or code.startswith("xx-") or letters < 4:
        return CANNOT_TELL
    language = _TAGS.get(code, code)
    length = min(1.0, letters / 24)
    likely = 1.0 if language in _first_catalogue() else _UNLIKELY
    confidence = min(0.9, (0.2 + 0.7 * length) * percent / 100 * likely)
    if confidence < 0.25:
        return CANNOT_TELL
    return Detection(language=language, confidence=round(confidence, 2), method="statistics")


def _folded(text: str) -> str:
    text = text.lower().translate(_FOLDED)
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")


@cache
def _first_catalogue() -> frozenset[str]:
    return frozenset(
        ("en-GB", "cy", "pl", "ro", "ur", "pa", "pa-Arab", "gu", "bn", "ar", "fa", "ckb", "uk", "pt", "zh-Hans", "so")
    )


@cache
def _words() -> Words:
    table = tomllib.loads((Path(__file__).parent / "words.toml").read_text("utf-8"))
    both = set(table["arabic"].pop("both_ur_and_pa").split())
    arabic = {tag: set(words.split()) - (both if tag == "pa-Arab" else set()) for tag, words in table["arabic"].items()}
    return Words(
        latin=_latin(table["latin"], table["romanised"]),
        arabic=_speakers(arabic),
        letters={tag: re.compile(f"[{letters}]") for tag, letters in table["letters"].items()},
    )


def _latin(latin: dict[str, str], romanised: dict[str, str]) -> dict[str, dict[str, float]]:
    """For each word its weight for each language; a tag with "~" is a language not usually in Latin letters."""
    weights: dict[str, dict[str, float]] = {}
    borrowed = set(latin["borrowed"].split())
    for tag in latin.keys() - {"borrowed"}:
        for word in set(latin[tag].split()):
            weights.setdefault(word, {})[tag] = 0.5 if tag == "en-GB" and word in borrowed else 1.0
    shared, ambiguous = set(romanised["shared"].split()), set(romanised["ambiguous"].split())
    for tag in ("ur", "pa"):
        own = set(romanised[tag].split())
        for word in own | shared:
            weights.setdefault(word, {})[tag + "~"] = (1.0 if word in own else 0.9) * (0.5 if word in ambiguous else 1)
    return weights


def _speakers(lists: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    every = set().union(*lists.values())
    return {word: tuple(tag for tag, words in lists.items() if word in words) for word in every}
