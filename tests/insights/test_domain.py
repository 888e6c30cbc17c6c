"""What may be shown, where a contribution counts, and how counts change."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insights import domain
from services.insights.domain import ALL, Cell, Fact, Question, Traits
from shared.errors import Invalid

from .contributions import contribution, received, tombstone

PEOPLE = st.integers(0, 1_000_000)
SHOWN = [
    (0, 0), (1, "*"), (3, "*"), (7, "*"), (8, 10), (10, 10), (12, 10), (13, 15), (17, 15), (18, 20), (22, 20), (23, 25),
    (99, 100), (102, 100), (103, 105), (1_234_567, 1_234_565),
]  # fmt: skip


@pytest.mark.parametrize(("people", "shown"), SHOWN)
def test_a_number_of_people_is_shown_as_nhs_england_asks(people: int, shown: object) -> None:
    assert domain.disclose(people) == shown


@given(PEOPLE)
def test_what_is_shown_is_nothing_a_star_or_a_multiple_of_five_close_by(people: int) -> None:
    shown = domain.disclose(people)

    if people == 0:
        assert shown == 0
    elif people < 8:
        assert shown == "*"
    else:
        assert shown % 5 == 0
        assert abs(shown - people) <= 2


@given(PEOPLE, PEOPLE)
def test_more_people_are_never_ranked_lower(one: int, other: int) -> None:
    low, high = sorted((one, other))

    assert domain.rank(domain.disclose(low)) <= domain.rank(domain.disclose(high))


def test_fewer_than_nobody_is_never_shown() -> None:
    with pytest.raises(ValueError, match="cannot be -1"):
        domain.disclose(-1)


@given(PEOPLE, PEOPLE)
def test_a_percentage_comes_from_what_is_shown_alone(part: int, whole: int) -> None:
    shown = domain.percent(domain.disclose(part), domain.disclose(whole))

    same = {
        domain.percent(domain.disclose(p), domain.disclose(w))
        for p in range(max(0, part - 4), part + 5)
        for w in range(max(0, whole - 4), whole + 5)
        if domain.disclose(p) == domain.disclose(part) and domain.disclose(w) == domain.disclose(whole)
    }

    assert same == {shown}
    assert shown is None or 0 <= shown <= 100


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(10, 40, 25), (15, 40, 38), ("*", 40, None), (0, 0, None), (0, "*", None), (15, 10, 100)],
)
def test_percentages(part: object, whole: object, shown: object) -> None:
    assert domain.percent(part, whole) == shown


def test_a_contribution_counts_in_each_table_for_all_time_and_for_its_month() -> None:
    found = domain.cells(Traits("2026-11-21", "ur", "sms", "BB1", ("timeliness",)))

    assert Cell("day", "2026-11", "2026-11-21") in found
    for period in (ALL, "2026-11"):
        assert {
            Cell("total", period),
            Cell("theme", period, "timeliness"),
            Cell("area", period, "BB1"),
            Cell("language", period, "ur"),
            Cell("channel", period, "sms"),
            Cell("theme.area", period, "timeliness", "BB1"),
            Cell("theme.language", period, "timeliness", "ur"),
            Cell("theme.channel", period, "timeliness", "sms"),
        } <= set(found)
    assert len(found) == len(set(found)) == 17


def test_a_contribution_without_a_place_counts_in_no_area() -> None:
    found = domain.cells(Traits("2026-11-21", "ur", "sms", "", ("timeliness",)))

    assert not [cell for cell in found if "area" in cell.table]


@pytest.mark.parametrize(
    ("said", "kept"),
    [("BB1", "BB1"), ("bb1", "BB1"), (" b b1 ", "BB1"), ("daisyfield", "Daisyfield"), ("a|b", "A B"),
     ("DAISYFIELD  road", "Daisyfield Road"), ("King's park", "King's Park"), ("بلیک برن", "بلیک برن"),
     ("x" * 200, "X" + "x" * 79)],
)  # fmt: skip
def test_an_area_has_one_spelling(said: str, kept: str) -> None:
    assert domain.area(said) == kept


def test_a_place_in_own_words_is_named_only_when_many_wrote_it() -> None:
    assert domain.is_named("BB1", 1)
    assert not domain.is_named("Behind The Mosque", 7)
    assert domain.is_named("Behind The Mosque", 8)


def test_a_day_is_one_of_utc() -> None:
    midnight_in_summer = datetime.fromisoformat("2026-06-30T23:30:00+00:00").astimezone(UTC)

    kept = domain.fact("f", contribution(1, received_at=midnight_in_summer))

    assert kept.traits is not None
    assert kept.traits.day == "2026-06-30"


def test_a_strange_language_tag_is_a_language_nobody_can_tell() -> None:
    kept = domain.fact("f", contribution(1, language="<script>"))

    assert kept.traits is not None
    assert kept.traits.language == "und"


def test_the_newest_state_of_a_batch_wins_and_a_tombstone_is_final() -> None:
    one = contribution(1)
    batch = [
        *received(replace(one, version=2), one),
        *received(contribution(2)),
        tombstone("feedback-2"),
        *received(contribution(2, version=9)),
    ]

    newest = domain.newest(batch)

    assert newest["feedback-1"].version == 2
    assert newest["feedback-2"] is None


@pytest.mark.parametrize(
    ("known", "version", "news"),
    [(None, 1, True), (1, 2, True), (2, 2, False), (3, 2, False), (domain.ERASED, 9, False)],
)
def test_only_a_newer_version_is_news(known: int | None, version: int, news: bool) -> None:
    fact = None if known is None else Fact("feedback-1", known, "", None)

    assert domain.is_news(contribution(1, version=version), fact) is news


def test_a_person_counts_once_however_often_they_write() -> None:
    first = domain.fact("a", contribution(1), ("timeliness",))
    second = domain.fact("b", contribution(1), ("timeliness", "transport"))

    delta = domain.changes([first], [second])

    assert Cell("total", ALL) not in delta
    assert Cell("theme", ALL, "timeliness") not in delta
    assert delta[Cell("theme", ALL, "transport")] == 1


def test_what_is_withdrawn_leaves_only_the_cells_that_nothing_else_holds() -> None:
    first = domain.fact("a", contribution(1), ("timeliness",))
    second = domain.fact("b", contribution(1), ("timeliness", "transport"))

    delta = domain.changes([first, second], [domain.fact("b", contribution(1, version=2, state="withdrawn"))])

    assert set(delta.values()) == {-1}
    assert {cell.first for cell in delta} == {"transport"}


TRAITS = st.builds(
    Traits,
    st.sampled_from(["2026-10-31", "2026-11-01", "2026-11-02"]),
    st.sampled_from(["en-GB", "ur"]),
    st.sampled_from(["sms", "web"]),
    st.sampled_from(["", "BB1", "BB2"]),
    st.lists(st.sampled_from(["timeliness", "transport"]), unique=True).map(tuple),
)
FACTS = st.lists(
    st.builds(Fact, st.sampled_from("abcdef"), st.integers(1, 9), st.sampled_from(["p", "q", "r"]), st.none() | TRAITS),
    unique_by=lambda one: one.feedback_id,
)


@given(FACTS, FACTS)
def test_counts_and_their_changes_equal_a_recount(known: list[Fact], new: list[Fact]) -> None:
    after = {one.feedback_id: one for one in known} | {one.feedback_id: one for one in new}

    counts = domain.recount(known)
    counts.update(domain.changes(known, new))

    assert +counts == domain.recount(after.values())


def test_the_feed_speaks_only_when_something_else_is_shown() -> None:
    cell = Cell("theme", ALL, "timeliness")

    said = [
        [item.people for item in domain.news({cell: 1}, {cell: before})]
        for before in (0, 1, 6, 7, 8, 11, 12, 13)
    ]  # fmt: skip

    assert said == [["*"], [], [], [10], [], [], [15], []]


def test_the_feed_says_so_when_numbers_fall() -> None:
    cell = Cell("theme", ALL, "timeliness")

    assert [item.people for item in domain.news({cell: -1}, {cell: 8})] == ["*"]
    assert [item.people for item in domain.news({cell: -1}, {cell: 1})] == [0]


def test_the_feed_names_no_place_that_points_to_a_few() -> None:
    words, code = (
        Cell("theme.area", ALL, "timeliness", "Behind The Mosque"),
        Cell("theme.area", ALL, "timeliness", "BB1"),
    )

    few = domain.news({words: 3, code: 3}, {})
    many = domain.news({words: 5}, {words: 3})
    fewer = domain.news({words: -1}, {words: 8})

    assert [item.area for item in few] == ["BB1"]
    assert [(item.area, item.people) for item in many] == [("Behind The Mosque", 10)]
    assert [(item.area, item.people) for item in fewer] == [("Behind The Mosque", "*")]


POSSIBLE = [
    ("theme", {}, None), ("day", {}, "2026-11"), ("theme", {"area": "bb1"}, "all"), ("theme", {"language": "ur"}, None),
    ("theme", {"channel": "sms"}, None), ("area", {"theme": "timeliness"}, None), ("language", {"theme": "x"}, None),
    ("channel", {"theme": "x", "area": None}, None),
]  # fmt: skip
IMPOSSIBLE = [
    ("day", {"theme": "x"}, None), ("area", {"language": "ur"}, None), ("theme", {"theme": "x"}, None),
    ("theme", {"area": "BB1", "language": "ur"}, None), ("mood", {}, None), ("theme", {}, "2026"),
    ("theme", {}, "2026-13"), ("theme", {}, "2026-11-21"),
]  # fmt: skip


@pytest.mark.parametrize(("by", "filters", "period"), POSSIBLE)
def test_a_question_about_kept_cells_can_be_asked(by: str, filters: dict, period: str | None) -> None:
    asked = domain.question(by, filters, period)

    assert asked.by == by
    assert asked.period == (period or ALL)


@pytest.mark.parametrize(("by", "filters", "period"), IMPOSSIBLE)
def test_a_question_about_other_cells_is_told_what_is_possible(by: str, filters: dict, period: str | None) -> None:
    with pytest.raises(Invalid, match=r"Possible are|such as 2026-11"):
        domain.question(by, filters, period)


def test_an_area_is_asked_for_in_any_spelling() -> None:
    assert domain.question("theme", {"area": " bb1 "}) == Question("theme", ("area", "BB1"))
