"""Areas that people type, read as outward codes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engagement.reading.postcode import AREAS, outward_code


@pytest.mark.parametrize(
    ("typed", "outward"),
    [
        ("bb1 7qa", "BB1"),
        ("BB1", "BB1"),
        ("fy 4 1aa", "FY4"),
        ("FY41AA", "FY4"),
        (" pr25 3xx ", "PR25"),
        ("W1A 1AA", "W1A"),
        ("ec1a1bb", "EC1A"),
        ("m1 1ae", "M1"),
        ("L1 8JQ", "L1"),
        ("bb1 oaa", "BB1"),
        ("BB10", "BB10"),
        ("bb1-7qa.", "BB1"),
    ],
)
def test_a_postcode_gives_its_outward_code(typed, outward):
    assert outward_code(typed) == outward


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "Blackburn",
        "QQ1 1AA",
        "BB",
        "7QA",
        "BB1 7CI",
        "12345",
        "BB1 7QA and more",
        "بلیک برن",
        "B B",
        "ZZ9",
        "BB01 7QA",
        "L1Z 1AA",
    ],
)
def test_what_is_no_postcode_gives_none(typed):
    assert outward_code(typed) is None


def test_there_are_the_124_areas():
    assert len(AREAS) == 124


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_and_no_inward_code_leaves(text):
    found = outward_code(text)

    assert found is None or 2 <= len(found) <= 4


@settings(deadline=None)
@given(
    st.sampled_from(["BB1", "FY4", "PR25", "W1A", "EC1A", "M1"]),
    st.from_regex(r"[0-9][ABD-HJLNP-UW-Z]{2}", fullmatch=True),
)
def test_the_inward_code_never_changes_the_answer(outward, inward):
    assert outward_code(f"{outward} {inward}") == outward_code(outward + inward.lower()) == outward
