"""Insights over a real database, with a reader of themes that anybody can predict."""

import pytest
from pymongo.database import Database

from services.insights.store import Store
from services.insights.usecases import Insights

from .contributions import NOON, THEMES, read_themes


@pytest.fixture
def store(database: Database) -> Store:
    """An empty store."""
    return Store(database)


@pytest.fixture
def insights(store: Store) -> Insights:
    """Insights that has heard nothing yet."""
    return Insights(store, themes=THEMES, clock=lambda: NOON, read_themes=read_themes)
