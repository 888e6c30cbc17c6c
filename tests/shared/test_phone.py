"""Phone numbers: however they are typed, they are kept in one form."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.phone import to_e164


@pytest.mark.parametrize(
    "typed",
    ["07700 900123", "07700900123", " +44 7700 900123 ", "0044 7700 900123", "+44 (0)7700 900-123", "٠٧٧٠٠٩٠٠١٢٣"],
)
def test_one_number_however_typed_is_one_number(typed: str) -> None:
    assert to_e164(typed) == "+447700900123"


@pytest.mark.parametrize("number", range(900_000, 901_000, 111))
def test_ofcoms_numbers_for_drama_pass(number: int) -> None:
    assert to_e164(f"07700 {number}") == f"+447700{number}"


@pytest.mark.parametrize("typed", ["", "hello", "123", "07700", "+", "0" * 400, "0770090012345678", "NHS", "\x00"])
def test_what_is_no_number_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Invalid, match="07700 900123") as refusal:
        to_e164(typed)
    assert refusal.value.slug == "phone-number-unlike"


@given(st.text(max_size=40) | st.from_regex(r"\+?[0-9 ()-]{5,20}", fullmatch=True))
def test_any_text_is_a_number_in_one_form_or_refused(text: str) -> None:
    try:
        number = to_e164(text)
    except Invalid:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{3,16}", number)
    assert to_e164(number) == number
