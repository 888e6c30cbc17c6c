"""When to try again: growing pauses with a little randomness, so that many do not come back at once."""

import random
from datetime import datetime, timedelta


def pause(attempt: int, *, first: float, most: float, chance: float | None = None) -> float:
    """Seconds to wait after the given attempt (1, 2, …): `first`, doubled each time, at most `most`, of which
    the last fifth is random. `chance` (0 to 1) replaces the randomness in tests.
    """
    whole = min(first * 2 ** min(attempt - 1, 30), most)
    return whole * (0.8 + 0.2 * (random.random() if chance is None else chance))


def next_try(now: datetime, attempt: int, *, first: float, most: float, chance: float | None = None) -> datetime:
    """The moment of the next attempt, as `pause` counts."""
    return now + timedelta(seconds=pause(attempt, first=first, most=most, chance=chance))
