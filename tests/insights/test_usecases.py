"""Counts stay exact whatever comes, and answers show nothing that gives anybody away; over a real mongod."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from services.insights import domain
from services.insights.domain import ALL, Cell, Question
from services.insights.store import Store
from services.insights.usecases import Insights
from shared.errors import Invalid, NotFound
from shared.events import Feedback, Incoming

from .contributions import NOON, THEMES, contribution, crowd, read_themes, received, tombstone


def kept_counts(database: Database) -> Counter[Cell]:
    """All counts above zero as they stand in the database."""
    found = database["counts"].find({"people": {"$ne": 0}})
    return Counter({Cell(one["table"], one["period"], one["first"], one["second"]): one["people"] for one in found})


def test_a_contribution_counts_once_however_often_it_comes(insights: Insights, database: Database) -> None:
    batch = received(contribution(1))

    insights.on_feedback(batch)
    insights.on_feedback(batch)
    insights.on_feedback(batch * 2)

    assert kept_counts(database)[Cell("total", ALL)] == 1
    assert database["facts"].count_documents({}) == 1


def test_an_older_version_changes_nothing(insights: Insights, database: Database) -> None:
    insights.on_feedback(received(contribution(1, version=3, text="transport")))

    insights.on_feedback(received(contribution(1, version=2, text="food-drink")))

    assert kept_counts(database)[Cell("theme", ALL, "transport")] == 1
    assert Cell("theme", ALL, "food-drink") not in kept_counts(database)


def test_a_newer_version_moves_its_person_to_other_cells(insights: Insights, database: Database) -> None:
    insights.on_feedback(received(contribution(1, text="transport", area="BB1")))

    insights.on_feedback(received(contribution(1, version=2, text="food-drink", area="BB2")))

    counts = kept_counts(database)
    assert counts[Cell("theme.area", ALL, "food-drink", "BB2")] == 1
    assert not [cell for cell in counts if "transport" in cell or "BB1" in cell]


@pytest.mark.parametrize("end", [received(contribution(1, version=2, state="withdrawn")), [tombstone("feedback-1")]])
def test_what_is_taken_back_leaves_no_count_no_words_and_no_person(
    insights: Insights, database: Database, end: Sequence[Incoming]
) -> None:
    insights.on_feedback(received(contribution(1)))

    insights.on_feedback(end)

    assert not kept_counts(database)
    assert set(database["facts"].find_one({"_id": "feedback-1"}) or {}) == {"_id", "version", "state"}


def test_what_was_erased_stays_erased(insights: Insights, database: Database) -> None:
    insights.on_feedback([tombstone("feedback-1")])

    insights.on_feedback(received(contribution(1, version=7)))

    assert not kept_counts(database)
    assert not database["facts"].find_one({"text": {"$exists": True}})


def test_the_person_of_an_erased_contribution_still_counts_for_the_others(
    insights: Insights, database: Database
) -> None:
    insights.on_feedback(received(contribution(1), contribution(2, person_id="person-1", text="transport")))

    insights.on_feedback([tombstone("feedback-2")])

    counts = kept_counts(database)
    assert counts[Cell("total", ALL)] == 1
    assert Cell("theme", ALL, "transport") not in counts


STATES = st.builds(
    contribution,
    st.sampled_from("abcdef"),
    version=st.integers(1, 5),
    person_id=st.sampled_from(["p", "q", "r"]),
    text=st.sampled_from(["", "timeliness", "transport", "timeliness transport"]),
    area=st.sampled_from([None, "BB1", "daisyfield"]),
    language=st.sampled_from(["en-GB", "ur"]),
    channel=st.sampled_from(["sms", "web"]),
    received_at=st.sampled_from([NOON, NOON.replace(month=10)]),
    state=st.sampled_from(["received", "received", "received", "withdrawn"]),
)
INCOMING = STATES.map(lambda state: received(state)[0]) | st.sampled_from("abcdef").map(
    lambda number: tombstone(f"feedback-{number}")
)
BATCHES = st.lists(st.lists(INCOMING, min_size=1, max_size=8), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_counts_equal_a_recount_after_any_mix(database: Database, batches: list[list[Incoming]]) -> None:
    for name in ("facts", "counts", "feed", "ledger"):
        database[name].delete_many({})
    store = Store(database)
    insights = Insights(store, themes=THEMES, clock=lambda: NOON, read_themes=read_themes)
    expected: dict[str, Feedback | None] = {}

    for batch in batches:
        insights.on_feedback(batch)
        for incoming in batch:
            seen = expected.get(incoming.key)
            if (
                incoming.state is None
                or incoming.key not in expected
                or (seen and seen.version < incoming.state.version)
            ):
                expected[incoming.key] = incoming.state

    facts = [
        domain.fact(key, state, read_themes([("", state.text)])[0].themes) for key, state in expected.items() if state
    ]
    assert kept_counts(database) == domain.recount(facts)
    assert kept_counts(database) == domain.recount(store.all_facts())
    assert _told_by_feed(store) == _shown(kept_counts(database))


def _told_by_feed(store: Store) -> dict[tuple, object]:
    """What a partner knows who has read the whole feed."""
    known = {}
    for entry in store.feed(0, 100_000):
        item = entry.item
        known[item.theme, item.area, item.language, item.period] = item.people
    return {key: people for key, people in known.items() if people != 0}


def _shown(counts: Counter[Cell]) -> dict[tuple, object]:
    """What may be known of the cells in the feed."""
    shown = {}
    for cell, people in counts.items():
        area = cell.second if cell.table == "theme.area" else None
        if cell.table in domain.IN_FEED and (area is None or domain.is_named(area, people)):
            language = cell.second if cell.table == "theme.language" else None
            shown[cell.first, area, language, cell.period] = domain.disclose(people)
    return shown


def test_two_workers_at_once_lose_and_double_nothing(database: Database) -> None:
    people = 30
    states = [contribution(n, person_id=f"person-{n % people}", text="timeliness transport") for n in range(240)]
    withdrawn = [replace(state, version=2, state="withdrawn") for state in states[:60]]
    workers = [Insights(Store(database), themes=THEMES, clock=lambda: NOON, read_themes=read_themes) for _ in range(2)]
    batches = [[states[n : n + 15], withdrawn[n : n + 15]] for n in range(0, 240, 15)]

    def work(number: int) -> None:
        for first, then in batches[number::2]:
            workers[number].on_feedback(received(*first))
            if then:
                workers[number].on_feedback(received(*then))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))

    assert kept_counts(database) == domain.recount(Store(database).all_facts())
    assert kept_counts(database)[Cell("total", ALL)] == people
    places = [one["_id"] for one in database["feed"].find().sort("_id")]
    assert places == list(range(1, len(places) + 1))


def test_nothing_is_left_of_a_batch_that_fails_half_way(insights: Insights, database: Database) -> None:
    database.create_collection("counts", validator={"people": {"$lt": 3}})

    with pytest.raises(Exception, match="validation"):
        insights.on_feedback(crowd(3, "a"))

    assert database["facts"].count_documents({}) == 0
    assert database["feed"].count_documents({}) == 0
    assert Store(database).ledger().batches == 0


def test_without_a_reader_contributions_are_counted_by_everything_but_themes(database: Database) -> None:
    insights = Insights(Store(database), themes=THEMES, clock=lambda: NOON)

    insights.on_feedback(crowd(9, "a"))

    assert insights.count(Question("area")).rows[0].people == 10
    assert insights.count(Question("theme")).rows[0].people == 0


def test_an_answer_holds_every_theme_and_is_ordered_by_what_is_shown(insights: Insights) -> None:
    insights.on_feedback(
        crowd(13, "a", text="transport") + crowd(3, "b", text="timeliness") + crowd(7, "c", text="food-drink")
    )

    answer = insights.count(Question("theme"))

    assert [(row.value, row.people) for row in answer.rows] == [
        ("transport", 15),
        ("food-drink", "*"),
        ("timeliness", "*"),
    ]
    assert answer.people == 25
    assert [row.percent for row in answer.rows] == [60, None, None]


def test_an_answer_can_be_of_those_of_one_area_or_theme_and_month(insights: Insights) -> None:
    insights.on_feedback(
        crowd(13, "a", text="transport", area="BB1", language="ur")
        + crowd(9, "b", text="transport", area="BB2", received_at=NOON.replace(month=10))
    )

    by_theme = insights.count(Question("theme", ("area", "BB1")))
    by_area = insights.count(Question("area", ("theme", "transport")))
    in_october = insights.count(Question("area", None, "2026-10"))
    by_day = insights.count(Question("day"))

    assert (by_theme.people, by_theme.rows[0].people) == (15, 15)
    assert [(row.value, row.people) for row in by_area.rows] == [("BB1", 15), ("BB2", 10)]
    assert [(row.value, row.people) for row in in_october.rows] == [("BB2", 10)]
    assert [(row.value, row.people) for row in by_day.rows] == [("2026-10-21", 10), ("2026-11-21", 15)]
    assert insights.months() == ["2026-11", "2026-10"]


def test_a_place_that_few_wrote_is_not_named_and_cannot_be_asked_about(insights: Insights) -> None:
    insights.on_feedback(crowd(7, "a", area="behind the mosque") + crowd(9, "b", area="Daisyfield"))

    assert [row.value for row in insights.count(Question("area")).rows] == ["Daisyfield"]
    assert [row.value for row in insights.count(Question("area", ("theme", "timeliness"))).rows] == ["Daisyfield"]
    for place in ("Behind The Mosque", "Where Nobody Lives"):
        with pytest.raises(NotFound, match="No area of that name"):
            insights.count(Question("theme", ("area", place)))
    assert insights.count(Question("theme", ("area", "BB9"))).people == 0


def test_a_theme_there_is_not_is_refused(insights: Insights) -> None:
    with pytest.raises(Invalid, match="no theme 'weather'"):
        insights.count(Question("area", ("theme", "weather")))


def test_a_feed_is_read_to_its_end_page_by_page(insights: Insights) -> None:
    insights.on_feedback(crowd(13, "a", text="transport timeliness"))
    whole = insights.feed(None, limit=500)

    read, cursor, more = [], None, True
    while more:
        page = insights.feed(cursor, limit=2)
        read, cursor, more = [*read, *page.items], page.next, page.more

    assert read == list(whole.items)
    assert len({item.item_id for item in read}) == len(read) > 2
    assert insights.feed(cursor, limit=2).items == ()
    assert insights.feed(cursor, limit=2).next == cursor


def test_a_page_of_the_feed_never_changes_while_contributions_come_in(
    insights: Insights, run_in_thread: Callable[..., object], eventually: Callable[..., None]
) -> None:
    done = []

    def keep_coming(stop: object) -> None:
        for n in range(12):
            insights.on_feedback(crowd(5, f"wave-{n}", area=f"BB{n % 3}", text="transport timeliness"))
        done.append(True)

    read: list = []
    pages: dict = {}

    def follow() -> bool:
        page = insights.feed(read[-1].cursor if read else None, limit=3)
        if len(page.items) == 3:
            pages[read[-1].cursor if read else None] = page.items
        read.extend(page.items)
        return bool(done) and not page.more

    run_in_thread(keep_coming)
    eventually(follow, within=30, every=0.001)

    everything = insights.feed(None, limit=10_000).items
    assert read == list(everything)
    assert all(insights.feed(cursor, limit=3).items == items for cursor, items in pages.items())


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "1", "aaaaaaaaaaaaaaaa", "ж" * 16, "aaaa=", "mzxw6ytboi7wgzlumzxw6ytboi"]
)
def test_a_cursor_that_was_never_given_out_is_refused(insights: Insights, cursor: str) -> None:
    with pytest.raises(Invalid, match="never gave out that cursor"):
        insights.feed(cursor, limit=1)


def test_a_cursor_of_another_log_is_refused(insights: Insights, database: Database) -> None:
    insights.on_feedback(crowd(1, "a"))
    cursor = insights.feed(None, limit=10).next
    database["ledger"].update_one({}, {"$set": {"log": "00000000"}})

    with pytest.raises(Invalid, match="never gave out that cursor"):
        insights.feed(cursor, limit=10)
