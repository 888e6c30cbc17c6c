"""What is done to every incoming text, and to bytes whose encoding was declared wrongly."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engagement.reading.clean import clean, decode
from shared.errors import Invalid


@pytest.mark.parametrize(
    ("label", "typed", "cleaned"),
    [
        ("nothing", "", ""),
        ("only space", " \n\t ", ""),
        ("a NUL", "st\x00op", "stop"),
        ("Windows line ends", "one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("trailing spaces", "one  \ntwo \u00a0", "one\ntwo"),
        ("a tab", "one\ttwo", "one two"),
        ("decomposed accents", "prosze\u0328", "proszę"),
        ("direction marks", "\u200fتوقف\u200e \u202bx\u202c", "توقف x"),
        ("a byte order mark", "\ufeffhello", "hello"),
        ("invisible between Latin letters", "s\u200bt\u200do\u2060p", "stop"),
        ("a lone surrogate", "a\ud83db", "a\ufffdb"),
        ("a pair of surrogates", "\ud83d\udc4d", "👍"),
        ("a joiner at a word's end", "یہ\u200c ہے", "یہ ہے"),
    ],
)
def test_debris_goes(label, typed, cleaned):
    assert clean(typed) == cleaned, label


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Persian non-joiner", "نمی\u200cخواهم"),
        ("Panjabi joiner", "ਪ੍\u200dਰ"),
        ("family emoji", "👩\u200d👩\u200d👧"),
        ("heart emoji", "❤\ufe0f\u200d🔥"),
        ("flag of Wales", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"),
        ("Thai word break", "ไทย\u200bไทย"),
        ("newlines", "one\n\ntwo"),
    ],
)
def test_what_scripts_and_emoji_need_stays(label, text):
    assert clean(text) == text, label


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=300))
def test_a_cleaned_text_can_be_stored_sent_and_cleaned_again(text):
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not {"\x00", "\r", "\t"} & set(cleaned)
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("label", "raw", "declared", "text"),
    [
        ("UTF-8, undeclared", "proszę".encode(), None, "proszę"),
        ("UTF-8, declared as Latin 1", "بند کریں".encode(), "iso-8859-1", "بند کریں"),
        ("UTF-8 with a byte order mark", b"\xef\xbb\xbfstop", None, "stop"),
        ("Polish, declared", "proszę".encode("iso-8859-2"), "ISO-8859-2", "proszę"),
        ("Arabic, declared", "توقف".encode("windows-1256"), "windows-1256", "توقف"),
        ("declared as something unheard of", "café".encode("cp1252"), "x-klingon", "café"),
        ("declared as something that is no text encoding", "café".encode("cp1252"), "base64", "café"),
        ("declared as ASCII, curly quotes", b"don\x92t", "us-ascii", "don’t"),
        ("UTF-16, declared", "stop".encode("utf-16-be"), "UTF-16BE", "stop"),
        ("UTF-16, marked", "توقف".encode("utf-16"), None, "توقف"),
        ("nothing", b"", "utf-8", ""),
    ],
)
def test_bytes_are_read_whatever_they_were_declared_to_be(label, raw, declared, text):
    assert decode(raw, declared) == text, label


def test_what_is_in_no_encoding_is_refused_with_what_to_do():
    with pytest.raises(Invalid, match="Send it as UTF-8") as refused:
        decode(b"\x81\x8d\xff", "utf-8")

    assert refused.value.slug == "text-undecodable"


@settings(deadline=None)
@given(st.text(), st.sampled_from([None, "utf-8", "iso-8859-1", "windows-1256", "", "rot13"]))
def test_utf_8_is_read_whatever_was_declared(text, declared):
    assert decode(text.encode(), declared) == text.removeprefix("\ufeff")
