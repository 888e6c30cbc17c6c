"""The pages of insights, as the service draws them, are open to people who use them with what they have."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from pymongo import MongoClient
from werkzeug.serving import make_server

from deploy.servers import Server
from services.insights import app
from services.insights.settings import Settings
from services.insights.store import Store
from services.insights.usecases import Insights
from shared import i18n, mongo
from tests.insights.contributions import NOON, crowd, read_themes

from .axe import assert_accessible

LANGUAGES = tuple(i18n.LANGUAGES)
PAGES = ("/insights/", "/insights/?only=area:BB1", "/insights/themes/timeliness")


@pytest.fixture(scope="module")
def insights(mongod: Server) -> Iterator[str]:
    """The address of insights with a town's contributions in it."""
    url = f"mongodb://127.0.0.1:{mongod.port}/insights_pages?replicaSet=rs0"
    settings = Settings(
        mongo_url=url,
        kafka_bootstrap="127.0.0.1:1",
        secret_key=bytes(32),
        public_url="http://hub.test",
        log_level="WARNING",
    )
    _take_in_a_town(url)
    server = make_server("127.0.0.1", 0, app.web(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    with MongoClient("127.0.0.1", mongod.port, directConnection=True) as client:
        client.drop_database("insights_pages")


def _take_in_a_town(url: str) -> None:
    """Numbers of every kind: large, small, none; areas in both spellings, every language and channel, two months."""
    database = mongo.connect(url)
    insights = Insights(Store(database), themes=app.theme_table(), clock=lambda: NOON, read_themes=read_themes)
    insights.on_feedback(
        crowd(60, "a", text="timeliness contacting-services", area="BB1", language="ur")
        + crowd(30, "b", text="being-kept-informed", area="Daisyfield", language="pa", channel="web")
        + crowd(12, "c", text="transport", area="BB2", language="pl", received_at=NOON.replace(month=10))
        + crowd(5, "d", text="food-drink", area=None, language="und", channel="api")
        + crowd(1300, "e", text="staff-manner", area="BB11", language="en-GB", received_at=NOON.replace(day=20))
    )
    database.client.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_accessible(page: Page, insights: str, address: str, language: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sign = "&" if "?" in address else "?"

    assert_accessible(page, f"{insights}{address}{sign}lang={language}")


@pytest.mark.parametrize("language", ["en-GB", "ur"])
def test_everything_folded_away_is_accessible_too(page: Page, insights: str, language: str) -> None:
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => document.querySelectorAll('details').forEach(it => it.open = true))"
    )

    assert_accessible(page, f"{insights}/insights/?lang={language}")


def test_a_partner_finds_one_areas_themes_in_two_taps(page: Page, insights: str) -> None:
    page.goto(f"{insights}/insights/")

    page.get_by_text("Choose a month, an area or a language").click()
    page.get_by_role("link", name="Daisyfield").click()

    assert "About 30 people" in page.inner_text("main")
    assert page.locator(".hub-chart__row").first.inner_text().split("\n")[0].startswith("Being kept informed")


def test_a_theme_on_the_dashboard_leads_to_who_speaks_of_it(page: Page, insights: str) -> None:
    page.goto(f"{insights}/insights/")

    page.get_by_role("link", name="Timeliness of care").first.click()

    assert page.locator("h1").inner_text().endswith("Timeliness of care")
    assert page.locator(".hub-chart__row", has_text="BB1").locator(".hub-chart__value").inner_text() == "60 (100%)"
