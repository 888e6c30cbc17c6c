"""Every page of engagement, its errors too, in five languages, at the widths of small and large screens."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page
from werkzeug.serving import make_server

from deploy import servers
from services.engagement import app
from services.engagement.domain import Given
from services.engagement.settings import Settings
from shared import events, i18n, mongo, settings

from .axe import assert_accessible

pytestmark = pytest.mark.slow
LANGUAGES = list(i18n.LANGUAGES)
LONG = "The surgery moved and there is no bus to it. " * 20
WIDTHS = (390, 320, 1280)  # CSS pixels; what all languages pass first, which looks at sideways scrolling at 320 too
ONE_OF_EACH_DIRECTION = ("en-GB", "ur")


@pytest.fixture(scope="module")
def hub(mongod: servers.Server) -> Iterator[app.Hub]:
    """Engagement, with one contribution whose receipt failed and whose reading is late."""
    given = {
        "MONGO_URL": f"mongodb://127.0.0.1:{mongod.port}/test_engagement_pages?replicaSet=rs0",
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "SECRET_KEY": "5e" * 32,
        "PUBLIC_URL": "http://127.0.0.1",
        "SMS_NUMBER": "07700 900999",
    }
    built = app.build(settings.load(Settings, given), clock=lambda: datetime.now(UTC) - timedelta(days=30))
    yield built
    built.database.client.drop_database("test_engagement_pages")
    built.database.client.close()


@pytest.fixture(scope="module")
def reference(hub: app.Hub) -> str:
    receipt = hub.engagement.give_feedback(
        Given(cause="form:1", channel="web", text=LONG, phone="07700 900123", may_answer=True)
    )
    now = datetime.now(UTC)
    told = events.Delivery(
        f"{receipt.feedback_id}.receipt", 1, "p", "receipt", "sms", "failed", "", 1, now, now,
        feedback_id=receipt.feedback_id,
    )  # fmt: skip
    hub.engagement.on_deliveries([events.Incoming(events.DELIVERIES.name, told.delivery_id, told)])
    return receipt.reference


@pytest.fixture(scope="module")
def site(hub: app.Hub) -> Iterator[str]:
    today = app.build(hub.settings)
    yield from _served(app.web(hub=today))
    today.database.client.close()


@pytest.fixture(scope="module")
def broken_site(hub: app.Hub) -> Iterator[str]:
    """The same while MongoDB is away."""
    nobody = mongo.connect(f"mongodb://127.0.0.1:{servers.free_port()}/away", patience=0.2)
    away = app.build(hub.settings, database=nobody)
    yield from _served(app.web(hub=away))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form(page: Page, site: str, language: str) -> None:
    _check(page, f"{site}/?lang={language}", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_with_everything_wrong(page: Page, site: str, language: str) -> None:
    page.goto(f"{site}/?lang={language}")
    page.fill("#area", "x" * 81)
    page.fill("#communities", "a,b,c,d,e,f")
    page.fill("#would_help", LONG)
    page.check("#answer-2")
    page.fill("#phone", "12")
    page.click("button[type=submit]")

    assert page.locator(".govuk-error-summary li").count() == 4
    assert page.input_value("#would_help") == LONG
    _check_standing(page, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_while_nothing_can_be_kept(page: Page, broken_site: str, language: str) -> None:
    page.goto(f"{broken_site}/?lang={language}")
    page.fill("#text", LONG)
    page.click("button[type=submit]")

    assert page.input_value("#text") == LONG
    assert page.locator("[role=alert]").is_visible()
    _check_standing(page, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_gives_and_looks_it_up(page: Page, site: str, language: str) -> None:
    page.goto(f"{site}/?lang={language}")
    page.fill("#text", LONG)
    page.check("#answer-3")
    page.fill("#email", "name@example.com")
    page.click("button[type=submit]")
    given = page.locator(".hub-reference__code").inner_text()
    _check_standing(page, language)

    page.goto(f"{site}/status")
    page.fill("#reference", given.lower())
    page.click("button[type=submit]")

    assert page.get_by_text(given).is_visible()
    assert page.locator("html").get_attribute("lang") == language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/thanks/{}", "/status/{}", "/status"])
def test_every_other_page(page: Page, site: str, reference: str, language: str, path: str) -> None:
    _check(page, f"{site}{path.format(reference)}?lang={language}", language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/status/none", "/nowhere"])
def test_what_is_not_there(page: Page, site: str, language: str, path: str) -> None:
    page.goto(f"{site}{path}?lang={language}")

    assert page.locator("h1").count() == 1
    _check_standing(page, language)


def _check(page: Page, url: str, language: str) -> None:
    for width in WIDTHS if language in ONE_OF_EACH_DIRECTION else WIDTHS[:1]:
        page.set_viewport_size({"width": width, "height": 844})
        assert_accessible(page, url)


def _check_standing(page: Page, language: str) -> None:
    """A page that answered a form cannot be opened by its address, so it is served again as it stands."""
    html, url = page.content(), page.evaluate("location.origin") + "/as-it-stands"
    page.route(url, lambda route: route.fulfill(content_type="text/html; charset=utf-8", body=html))
    _check(page, url, language)


def _served(made: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, made, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
