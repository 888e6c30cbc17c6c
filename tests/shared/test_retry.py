"""Pauses grow, end somewhere, and differ a little."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import retry


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (10, 2560), (11, 3600)])
def test_each_pause_is_twice_the_last_up_to_the_most(attempt: int, seconds: float) -> None:
    assert retry.pause(attempt, first=5, most=3600, chance=1) == seconds


@given(st.integers(1, 10**9), st.floats(0.01, 100), st.floats(100, 10**6))
def test_a_pause_is_never_longer_than_the_most_nor_nothing(attempt: int, first: float, most: float) -> None:
    assert 0.79 * first <= retry.pause(attempt, first=first, most=most) <= most


def test_the_last_fifth_is_chance() -> None:
    assert retry.pause(1, first=10, most=99, chance=0) == 8
    assert len({retry.pause(1, first=10, most=99) for _ in range(20)}) > 1


def test_the_next_try_is_a_moment() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert retry.next_try(now, 2, first=5, most=60, chance=1) == now + timedelta(seconds=10)
