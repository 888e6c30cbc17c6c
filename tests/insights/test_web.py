"""What partners get over HTTP: right, in their language, and with nothing in it that gives anybody away."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from pymongo.database import Database

from services.insights import app
from services.insights.pages import Names
from services.insights.settings import Settings
from services.insights.store import Store
from services.insights.usecases import Insights
from shared import i18n

from .contributions import NOON, crowd, read_themes

ROOT = Path(__file__).parents[2]
LANGUAGES = tuple(i18n.LANGUAGES)
RAW = (3, 7, 8, 12, 13, 22, 57, 94)  # people in the known population, none of which may be shown


@pytest.fixture
def settings(mongo_url: str) -> Settings:
    """Settings for a fresh database; nobody calls the broker."""
    return Settings(
        mongo_url=mongo_url,
        kafka_bootstrap="127.0.0.1:1",
        secret_key=bytes(32),
        public_url="http://hub.test",
        log_level="WARNING",
    )


@pytest.fixture
def application(settings: Settings) -> Flask:
    """The web application as gunicorn runs it."""
    return app.web(settings)


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    """A partner's browser or program."""
    return application.test_client()


@pytest.fixture
def take_in(database: Database) -> Callable[..., None]:
    """Take in a batch as the worker does."""
    insights = Insights(Store(database), themes=app.theme_table(), clock=lambda: NOON, read_themes=read_themes)
    return insights.on_feedback


@pytest.fixture
def population(take_in: Callable[..., None]) -> None:
    """3, 7, 8, 12 and 13 people by theme; no total, area, language, channel or day has a number that may be shown."""
    take_in(
        crowd(3, "a", text="food-drink", area="BB1", language="ur")
        + crowd(7, "b", text="cleanliness discharge", area="BB2", language="pl", channel="web")
        + crowd(8, "c", text="transport", area="BB3", language="ar", channel="api")
        + crowd(12, "d", text="timeliness", area="BB4", received_at=NOON.replace(month=10))
        + crowd(13, "e", text="funding", area="Daisyfield", language="pa", received_at=NOON.replace(day=1))
        + crowd(51, "f", text="medication", area="BB1")
    )


@pytest.mark.usefixtures("population")
def test_counts_are_answered_as_shown(client: FlaskClient) -> None:
    answer = client.get("/api/v1/counts?by=area").get_json()

    assert answer["people"] == 95
    assert answer["only"] == {}
    assert answer["period"] == "all"
    assert [(row["value"], row["people"], row["percent"]) for row in answer["rows"]] == [
        ("BB1", 55, 58),
        ("Daisyfield", 15, 16),
        ("BB3", 10, 11),
        ("BB4", 10, 11),
        ("BB2", "*", None),
    ]


@pytest.mark.usefixtures("population")
def test_counts_can_be_of_one_theme_area_language_or_channel(client: FlaskClient) -> None:
    of_area = client.get("/api/v1/counts?by=theme&area=bb4&period=2026-10").get_json()
    of_theme = client.get("/api/v1/counts?by=channel&theme=timeliness").get_json()
    of_language = client.get("/api/v1/counts?by=theme&language=ar").get_json()

    assert of_area["only"] == {"area": "BB4"}
    assert of_area["rows"][0] == {
        "value": "timeliness", "name": "Timeliness of care", "people": 10, "percent": 100,
    }  # fmt: skip
    assert of_theme["rows"] == [{"value": "sms", "name": "By text message", "people": 10, "percent": 100}]
    assert (of_language["rows"][0]["value"], of_language["rows"][0]["people"]) == ("transport", 10)


@pytest.mark.parametrize(
    ("address", "slug", "where"),
    [
        ("/api/v1/counts", "unprocessable-entity", "by"),
        ("/api/v1/counts?by=mood", "unprocessable-entity", "by"),
        ("/api/v1/counts?by=theme&areas=BB1", "unprocessable-entity", "areas"),
        ("/api/v1/counts?by=area&language=ur", "counts-not-kept", None),
        ("/api/v1/counts?by=day&theme=timeliness", "counts-not-kept", None),
        ("/api/v1/counts?by=theme&area=BB1&language=ur", "counts-not-kept", None),
        ("/api/v1/counts?by=theme&period=2026", "period-unknown", "period"),
        ("/api/v1/counts?by=area&theme=weather", "theme-unknown", "theme"),
        ("/api/v1/counts?by=theme&area=" + "x" * 300, "unprocessable-entity", "area"),
        ("/api/v1/feed?limit=0", "unprocessable-entity", "limit"),
        ("/api/v1/feed?limit=501", "unprocessable-entity", "limit"),
        ("/api/v1/feed?limit=many", "unprocessable-entity", "limit"),
        ("/api/v1/feed?after=nonsense", "cursor-unknown", "after"),
        ("/api/v1/feed?after=%00", "cursor-unknown", "after"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(
    client: FlaskClient, address: str, slug: str, where: str | None
) -> None:
    response = client.get(address)

    problem = response.get_json()
    assert response.status_code == problem["status"] == 422
    assert response.content_type == "application/problem+json"
    assert problem["type"] == f"urn:hub:problem:{slug}"
    assert problem["detail"]
    assert where is None or where in json.dumps(problem["errors"])


def test_a_place_that_is_not_named_is_not_found(client: FlaskClient) -> None:
    response = client.get("/api/v1/counts?by=theme&area=Behind the mosque")

    assert response.status_code == 404
    assert response.get_json()["type"] == "urn:hub:problem:area-not-shown"


@pytest.mark.usefixtures("population")
def test_the_feed_gives_each_item_once_and_in_order(client: FlaskClient, take_in: Callable[..., None]) -> None:
    first = client.get("/api/v1/feed?limit=3").get_json()
    take_in(crowd(40, "g", text="timeliness"))

    items, page = list(first["items"]), first
    while page["more"]:
        page = client.get(f"/api/v1/feed?limit=3&after={page['next']}").get_json()
        items += page["items"]

    assert items == client.get("/api/v1/feed?limit=500").get_json()["items"]
    assert len({item["item_id"] for item in items}) == len({item["cursor"] for item in items}) == len(items)
    assert client.get("/api/v1/feed?limit=3").get_json() == first
    assert client.get(f"/api/v1/feed?after={page['next']}").get_json() == {
        "items": [], "next": page["next"], "more": False,
    }  # fmt: skip
    assert set(items[0]) == {
        "item_id", "cursor", "type", "theme", "theme_name", "area", "language", "period", "people", "as_of",
    }  # fmt: skip


def test_an_empty_feed_has_a_cursor_to_go_on_from(client: FlaskClient, take_in: Callable[..., None]) -> None:
    empty = client.get("/api/v1/feed").get_json()
    take_in(crowd(1, "a"))

    assert empty["items"] == []
    assert client.get(f"/api/v1/feed?after={empty['next']}").get_json()["items"]


@pytest.mark.usefixtures("population")
def test_what_a_reader_has_already_is_not_sent_again(client: FlaskClient, take_in: Callable[..., None]) -> None:
    tag = client.get("/api/v1/feed?limit=500").headers["ETag"]
    again = client.get("/api/v1/feed?limit=500", headers={"If-None-Match": tag})

    take_in(crowd(20, "g", text="discharge"))
    later = client.get("/api/v1/feed?limit=500", headers={"If-None-Match": tag})

    assert (again.status_code, again.data) == (304, b"")
    assert later.status_code == 200


def test_the_themes_are_listed_with_what_they_mean(client: FlaskClient) -> None:
    themes = client.get("/api/v1/themes").get_json()["themes"]

    assert len(themes) == len(app.theme_table())
    assert all(theme["slug"] and theme["name"] and theme["group"] and theme["definition"] for theme in themes)


def test_the_api_describes_itself_validly(client: FlaskClient) -> None:
    description = client.get("/api/v1/insights/openapi.json").get_json()

    validate(description)
    assert set(description["paths"]) == {"/api/v1/counts", "/api/v1/feed", "/api/v1/themes"}


ADDRESSES = [
    "/api/v1/feed?limit=500",
    "/insights/",
    "/insights/?period=2026-10",
    *(f"/api/v1/counts?by={by}{period}" for by in ("theme", "area", "language", "channel", "day")
      for period in ("", "&period=2026-10", "&period=2026-11")),
    *(f"/api/v1/counts?by=theme&{only}" for only in
      ("area=BB1", "area=BB2", "language=pl", "channel=web", "area=Daisyfield")),
    *(f"/insights/?only={only}" for only in ("area:BB1", "area:BB2", "language:pl", "channel:web", "area:Daisyfield")),
    *(f"/api/v1/counts?by={by}&theme={theme}" for by in ("area", "language", "channel")
      for theme in ("food-drink", "discharge", "transport", "timeliness", "funding", "medication")),
    *(f"/insights/themes/{theme}" for theme in ("food-drink", "discharge", "transport", "timeliness", "funding")),
]  # fmt: skip


@pytest.mark.usefixtures("population")
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_number_but_a_rounded_one_is_in_any_answer(client: FlaskClient, address: str) -> None:
    response = client.get(address)

    assert response.status_code == 200
    if response.is_json:
        shown = _numbers_in_json(response.get_json())
    else:
        shown = _numbers_in_page(response.get_data(as_text=True))
    assert shown
    assert {number for number in shown if number % 5} == set()


def test_the_scan_for_raw_numbers_finds_them() -> None:
    page = '<span class="hub-chart__value">13</span><td class="govuk-table__cell">7 (3%)</td><p>About 12 people</p>'

    assert _numbers_in_page(page) == [13, 7, 12]
    assert _numbers_in_json({"people": 13, "rows": [{"people": 7, "percent": 3}, {"people": "*"}]}) == [13, 7, 0]


def _numbers_in_json(value: object) -> list[int]:
    """All numbers of people, "*" as 0. Any other number in an answer is a share, which is checked in the domain."""
    if isinstance(value, list):
        return [number for one in value for number in _numbers_in_json(one)]
    if not isinstance(value, dict):
        return []
    found = [value["people"] if value["people"] != "*" else 0] if "people" in value else []
    assert {name for name, one in value.items() if type(one) is int} <= {"people", "percent"}
    return found + [number for one in value.values() for number in _numbers_in_json(one)]


def _numbers_in_page(html: str) -> list[int]:
    cells = re.findall(r'class="hub-chart__value">([^<]*)<|<td class="govuk-table__cell[^>]*>([^<]*)<', html)
    words = re.findall(r"[Aa]bout (\d+)", html)
    texts = [one or other for one, other in cells]
    return [0 if text == "*" else int(re.sub(r" \(.*|,", "", text)) for text in [*texts, *words]] or [0]


@pytest.mark.usefixtures("population")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_dashboard_speaks_the_readers_language(client: FlaskClient, language: str) -> None:
    catalogues = i18n.load(app.FOLDER / "translations")

    page = client.get(f"/insights/?lang={language}").get_data(as_text=True)
    theme = client.get(f"/insights/themes/timeliness?lang={language}").get_data(as_text=True)

    assert f'<html lang="{language}" dir="{i18n.LANGUAGES[language].dir}"' in page
    for words in ("What people tell us", "How to read these numbers", "Timeliness of care", "By text message"):
        assert catalogues.text(language, words) in page
    assert catalogues.text(language, "Access to care and support") in theme
    assert language == "en-GB" or "What people tell us" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_theme_and_group_has_a_name_in_every_language(language: str) -> None:
    catalogues = i18n.load(app.FOLDER / "translations")

    for theme in app.theme_table().values():
        for words in (theme.name, theme.group, theme.definition):
            assert catalogues.text(language, words)


def test_a_dashboard_without_contributions_says_so(client: FlaskClient) -> None:
    page = client.get("/insights/").get_data(as_text=True)

    assert "Nobody has told us anything here yet." in page


@pytest.mark.usefixtures("population")
def test_the_dashboard_leads_with_what_most_people_spoke_of(client: FlaskClient) -> None:
    page = client.get("/insights/").get_data(as_text=True)
    of_area = client.get("/insights/?only=area:BB4").get_data(as_text=True)

    assert "About 95 people have told us something here." in page
    assert "Most often they spoke of: Supplying and understanding medication." in page
    assert "Most often they spoke of: Timeliness of care." in of_area


@pytest.mark.parametrize("address", ["/insights/themes/weather", "/insights/?only=mood:bad", "/insights/?period=soon"])
def test_a_page_that_is_not_there_is_an_error_page_in_the_readers_language(client: FlaskClient, address: str) -> None:
    response = client.get(address, headers={"Accept": "text/html", "Accept-Language": "pl"})

    assert response.status_code in (404, 422)
    assert '<html lang="pl"' in response.get_data(as_text=True)


def test_the_root_leads_to_the_dashboard(client: FlaskClient) -> None:
    assert client.get("/").headers["Location"] == "/insights/"


def test_what_a_person_typed_is_escaped(client: FlaskClient, take_in: Callable[..., None]) -> None:
    take_in(crowd(9, "a", area="<b>Bank Top"))

    page = client.get("/insights/").get_data(as_text=True)

    assert "&lt;b&gt;bank Top" in page
    assert "<b>bank" not in page


@pytest.mark.parametrize(
    ("tag", "english", "polish"),
    [
        ("en-GB", "English", "angielski"),
        ("pa", "Panjabi", "pendżabski"),
        ("cy", "Welsh", "walijski"),
        ("??", "??", "??"),
    ],
)
def test_languages_have_the_names_that_the_hub_and_the_reader_use(tag: str, english: str, polish: str) -> None:
    names = Names(i18n.load(app.FOLDER / "translations"), {})

    assert names.of("language", tag, "en-GB") == english
    assert names.of("language", tag, "pl") == polish


def test_the_web_process_does_not_carry_the_model() -> None:
    loaded = "import sys, services.insights.app; print({'numpy', 'scipy', 'sklearn'} & sys.modules.keys())"

    told = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "set()"


def test_readiness_tells_of_the_database(client: FlaskClient) -> None:
    assert client.get("/health/ready").get_json()["checks"]["database"]["status"] == "pass"


def test_without_its_database_it_says_so_and_does_not_break() -> None:
    away = Settings(
        mongo_url="mongodb://127.0.0.1:9/insights?replicaSet=rs0", kafka_bootstrap="127.0.0.1:1",
        secret_key=bytes(32), public_url="http://hub.test", log_level="ERROR",
    )  # fmt: skip
    client = app.web(away).test_client()

    response = client.get("/api/v1/feed")

    assert response.status_code == 503
    assert response.get_json()["type"] == "urn:hub:problem:database-away"
    assert response.headers["Retry-After"]
