"""Makes every incoming text fit to read and to keep: law, nothing a person can see is changed.

What goes is what no one typed on purpose: control characters, marks that only steer the
direction of display, invisible characters between Latin letters. What stays is every
letter, every newline, and the joiners that Persian, Indic scripts and emoji need.
"""

import re
import unicodedata

from shared.errors import Invalid

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# C0 and C1 controls but the newline; the tab becomes a space before this is used. U+FFFE, U+FFFF: Unicode 23.7.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufff9-\ufffb\ufffe\uffff]")
# Unicode Standard Annex 9, section 2: the directional formatting characters.
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = re.compile(f"[{_DIRECTION}\u00ad\u180e\u2060-\u2064\u206a-\u206f\ufeff]")
# U+200B marks the words of scripts written without spaces (Thai, Lao, Burmese, Khmer); elsewhere it is debris.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_ZERO_WIDTH_SPACE = re.compile(f"(?<![{_SPACELESS}])\u200b+|\u200b+(?![{_SPACELESS}])")
# Joiners (U+200C, U+200D) shape Arabic-script and Indic words and glue emoji (Unicode Standard 23.2; UTS 51).
_JOINABLE = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af"
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINER = re.compile(f"(?<![{_JOINABLE}{_EMOJI}])[\u200c\u200d]+|[\u200c\u200d]+(?![{_JOINABLE}{_EMOJI}])")
# The tag characters spell the flags of England, Scotland and Wales after a black flag; alone they are invisible.
_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ODD = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0001-\U000e007f]"
)
# Names under which senders declare Windows-1252 (WHATWG Encoding Standard, section 4.2).
_REALLY_CP1252 = {"latin1", "latin-1", "iso-8859-1", "iso8859-1", "iso_8859-1", "ascii", "us-ascii"}


def clean(text: str) -> str:
    """The text as it is read and kept: NFC, no control or stray invisible characters, no trailing spaces.

    Lone surrogates become U+FFFD, each line end "\\n", a tab a space. Returns '' when nothing is left.
    Cleaning twice changes nothing more.
    """
    if _ODD.search(text):
        text = _without_debris(text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def decode(raw: bytes, declared: str | None = None) -> str:
    """The words in `raw`, when the declared encoding may be wrong: UTF-8 if it fits, then `declared`, then cp1252.

    Text of another encoding is almost never valid UTF-8 by chance, so UTF-8 needs no declaration. UTF-16 is the
    exception (its NUL bytes are valid UTF-8), so it is believed where a byte order mark or a declaration names it.
    Raises Invalid('text-undecodable') when no way fits.
    """
    for name in _encodings_to_try(raw, declared):
        try:
            return raw.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    raise Invalid(
        "text-undecodable",
        f"The text of {len(raw)} bytes is neither UTF-8, {declared or 'anything declared'} nor Windows-1252. "
        "Send it as UTF-8.",
    )


def _without_debris(text: str) -> str:
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    text = _INVISIBLE.sub("", _CONTROLS.sub("", text))
    # A mark freed of its neighbour may turn stray itself, so until nothing changes (twice, in practice).
    while (fewer := _TAGS.sub("", _JOINER.sub("", _ZERO_WIDTH_SPACE.sub("", text)))) != text:
        text = fewer
    return text


def _encodings_to_try(raw: bytes, declared: str | None) -> list[str]:
    declared = (declared or "").strip().lower()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16", "cp1252"]
    first = [declared] if declared.replace("_", "-").startswith(("utf-16", "utf-32", "ucs-2")) else []
    middle = [declared] if declared and declared not in _REALLY_CP1252 else []
    return [*first, "utf-8-sig", *middle, "cp1252"]
