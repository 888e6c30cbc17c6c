"""What all pages and APIs have in common, seen from outside on the smallest application."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, abort, redirect, render_template_string, request
from flask.testing import FlaskClient
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from shared import i18n, web
from shared.errors import Conflict, Forbidden, HubError, Invalid, NotFound, Unavailable

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SAFE: dict[str, Exception] = {
    "invalid": Invalid("text-missing", "Write something.", fields={"text": ["It is empty."]}),
    "not-found": NotFound("no-such-thing", "Nothing is here."),
    "conflict": Conflict("changed-meanwhile", "It was changed."),
    "forbidden": Forbidden("signature-wrong", "It does not fit."),
    "unavailable": Unavailable("database-away", "It is away.", retry_after=7),
    "mongo-away": ServerSelectionTimeoutError("127.0.0.1:27017: secret host"),
}
OURS: dict[str, Exception] = {
    "bug": ValueError("my secret words"),
    "mongo-refuses": OperationFailure("my secret words", 13),
    "no-translation": i18n.CatalogueIncomplete("message-missing", "my secret words"),
    "unknown-category": HubError("unknown", "my secret words"),
}
STATUS = {
    "invalid": 422,
    "not-found": 404,
    "conflict": 409,
    "forbidden": 403,
    "unavailable": 503,
    "mongo-away": 503,
}


class Thing(Schema):
    """What the small API takes."""

    text = fields.String(required=True)
    number = fields.Integer()


def small_app(public_url: str, ready: Callable) -> Flask:
    app, api = web.create_app(
        "small",
        folder=Path("/nowhere"),
        catalogues=i18n.load(),
        hub_name="Say it",
        public_url=public_url,
        ready=ready,
    )
    blueprint = Blueprint("things", "things", url_prefix="/api/v1")

    @blueprint.post("/things")
    @blueprint.arguments(Thing)
    def take(given: dict) -> dict:
        return given

    api.register_blueprint(blueprint)

    @app.get("/page/<word>")
    def page(word: str) -> str:
        return render_template_string('{% extends "base.html" %}{% block main %}<p>{{ lang }}</p>{% endblock %}')

    @app.post("/form")
    def form() -> str:
        return str(len(request.form.get("text", "")))

    @app.get("/away")
    def away():
        return redirect("/page/x", 303)

    @app.get("/fail/<name>")
    @app.get("/api/v1/fail/<name>", endpoint="api_fail")
    def fail(name: str) -> str:
        raise (SAFE | OURS)[name]

    @app.get("/abort/<int:status>")
    def give_up(status: int) -> str:
        abort(status)

    return app


@pytest.fixture
def client() -> FlaskClient:
    return small_app("http://localhost:8080", lambda: (True, {})).test_client()


@pytest.mark.parametrize("name", SAFE)
def test_each_category_of_error_is_a_problem_for_programs(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/api/v1/fail/{name}", headers=PAGE)

    problem = answer.get_json()
    assert answer.status_code == problem["status"] == STATUS[name]
    assert answer.content_type == "application/problem+json"
    assert problem["type"].startswith("urn:hub:problem:")
    assert problem["title"]
    if isinstance(error := SAFE[name], HubError):
        assert (problem["type"], problem["detail"]) == (f"urn:hub:problem:{error.slug}", error.detail)
        assert problem.get("errors", {}) == error.fields
    assert "secret" not in answer.text


@pytest.mark.parametrize("name", SAFE)
def test_each_category_of_error_is_a_page_for_people(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/fail/{name}?lang=pl", headers=PAGE)

    title, advice = web.ERROR_PAGES[STATUS[name]]
    say = i18n.load().gettext("pl")
    assert answer.status_code == STATUS[name]
    assert answer.mimetype == "text/html"
    assert '<html lang="pl" dir="ltr"' in answer.text
    assert f'<h1 class="govuk-heading-l">{say(title)}</h1>' in answer.text
    assert say(advice) in answer.text


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("path", ["/fail/", "/api/v1/fail/"])
def test_an_error_of_ours_is_500_and_quotes_nothing(client: FlaskClient, name: str, path: str, caplog) -> None:
    answer = client.get(path + name, headers=PAGE)

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["unexpected error"]


def test_an_error_of_ours_gives_programs_a_number_that_the_log_knows(client: FlaskClient, caplog) -> None:
    problem = client.get("/api/v1/fail/bug").get_json()

    [number] = [record.request_id for record in caplog.records if record.levelname == "ERROR"]
    assert number in problem["detail"]


def test_an_error_of_ours_says_so_to_people_in_their_language(client: FlaskClient) -> None:
    answer = client.get("/fail/bug?lang=ur", headers=PAGE)

    assert i18n.load().text("ur", web.OUR_FAULT[0]) in answer.text
    assert 'dir="rtl"' in answer.text
    assert "hub.rtl.css" in answer.text


@pytest.mark.parametrize("path", ["/fail/unavailable", "/api/v1/fail/unavailable"])
def test_what_is_away_says_when_to_come_back(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=PAGE).headers["Retry-After"] == "7"
    assert int(client.get(path.replace("unavailable", "mongo-away")).headers["Retry-After"]) > 0


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 413, 415, 418, 422, 429, 500, 502, 503])
def test_every_status_has_a_page_in_every_language(client: FlaskClient, status: int) -> None:
    for tag in i18n.LANGUAGES:
        answer = client.get(f"/abort/{status}?lang={tag}", headers=PAGE)
        assert answer.status_code == status
        assert f'lang="{tag}"' in answer.text


def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(client: FlaskClient) -> None:
    assert client.get("/nothing", headers=PAGE).mimetype == "text/html"
    for path in ("/api/v1/nothing", "/sms/nobody", "/receipts/nobody"):
        answer = client.get(path, headers=PAGE)
        assert (answer.status_code, answer.get_json()["type"]) == (404, "urn:hub:problem:not-found")
    assert client.get("/nothing").get_json()["status"] == 404


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    answer = client.get("/form", headers=PAGE)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert answer.mimetype == "text/html"


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    large = "x" * (web.LARGEST_BODY + 1)

    page = client.post("/form?lang=ar", data={"text": large}, headers=PAGE)
    program = client.post("/api/v1/things", json={"text": large})

    assert (page.status_code, page.mimetype) == (413, "text/html")
    assert i18n.load().text("ar", web.ERROR_PAGES[413][0]) in page.text
    assert (program.status_code, program.content_type) == (413, "application/problem+json")


def test_a_large_text_within_the_limit_is_taken(client: FlaskClient) -> None:
    assert client.post("/form", data={"text": "x" * 900_000}).text == "900000"


@pytest.mark.parametrize(
    ("body", "named"),
    [({}, {"text"}), ({"text": 7, "number": "x"}, {"text", "number"}), ({"text": "a", "other": 1}, {"other"})],
)
def test_what_the_schema_refuses_is_named_field_by_field(client: FlaskClient, body: dict, named: set) -> None:
    answer = client.post("/api/v1/things", json=body)

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["errors"]["json"].keys() == named


@pytest.mark.parametrize("body", [b"{", b"\xff"], ids=["no JSON", "no text"])
def test_a_body_that_is_no_json_is_the_askers_fault(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/api/v1/things", data=body, content_type="application/json")

    assert 400 <= answer.status_code < 500
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en-GB"),
        ("pl-PL,pl;q=0.9", "pl"),
        ("cy;q=0.9,ar;q=0.8,en;q=0.1", "ar"),
        ("xx", "en-GB"),
        ("ar;q=0", "en-GB"),
    ],
)
def test_the_page_is_in_the_language_the_browser_asks_for(client: FlaskClient, accepted: str, tag: str) -> None:
    answer = client.get("/page/x", headers={"Accept-Language": accepted})

    assert f"<p>{tag}</p>" in answer.text
    assert answer.headers["Content-Language"] == tag
    assert {"Accept-Language", "Cookie"} <= set(answer.vary)
    assert "Set-Cookie" not in answer.headers


def test_a_language_chosen_by_link_is_remembered(client: FlaskClient) -> None:
    cookie = client.get("/page/x?lang=pa").headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "<p>pa</p>" in client.get("/page/x", headers={"Accept-Language": "pl"}).text
    assert "<p>ur</p>" in client.get("/page/x?lang=ur").text
    assert "<p>ur</p>" in client.get("/page/x").text


@pytest.mark.parametrize("asked", ["xx", "", "en", "../../etc", "<script>"])
def test_a_language_we_do_not_have_changes_nothing(client: FlaskClient, asked: str) -> None:
    client.set_cookie("lang", asked)

    answer = client.get("/page/x", query_string={"lang": asked}, headers={"Accept-Language": "pl"})

    assert "<p>pl</p>" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_page_links_to_itself_in_every_language(client: FlaskClient) -> None:
    text = client.get("/page/ü b?theme=a%26b&theme=c&lang=pl").text

    for tag in i18n.LANGUAGES:
        assert f'href="/page/%C3%BC%20b?theme=a%26b&amp;theme=c&amp;lang={tag}"' in text


@pytest.mark.parametrize("name", ["endpoint", "_external", "_scheme", "_method", "_anchor", "word", "self", "values"])
def test_no_name_in_a_query_breaks_a_page(client: FlaskClient, name: str) -> None:
    answer = client.get("/page/x", query_string={name: "evil"})

    assert answer.status_code == 200
    assert f"/page/x?{name}=evil&amp;lang=pl" in answer.text


def test_an_address_that_is_not_ours_links_to_the_start(client: FlaskClient) -> None:
    assert 'href="/?lang=pl"' in client.get("//evil.example/x", headers=PAGE).text


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize("path", ["/page/x", "/fail/bug", "/nothing", "/api/v1/fail/invalid", "/health/live", "/away"])
def test_every_answer_has_the_protective_headers(client: FlaskClient, path: str) -> None:
    headers = dict(client.get(path, headers=PAGE).headers)

    assert headers.items() >= HEADERS.items()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "Strict-Transport-Security" not in headers


def test_behind_https_cookies_and_browsers_are_told_so() -> None:
    client = small_app("https://hub.example.org", lambda: (True, {})).test_client()

    answer = client.get("/page/x?lang=pl")

    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert "Secure" in answer.headers["Set-Cookie"]


def test_style_sheets_are_addressed_by_their_content_and_kept(client: FlaskClient) -> None:
    [address] = [part for part in client.get("/page/x").text.split('"') if part.startswith("/static/hub.css")]

    answer = client.get(address)

    assert "?v=" in address
    assert answer.status_code == 200
    assert answer.cache_control.max_age == 365 * 24 * 60 * 60


def test_head_answers_as_get_without_the_body(client: FlaskClient) -> None:
    head, get = client.head("/page/x"), client.get("/page/x")

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert client.head("/fail/not-found", headers=PAGE).data == b""


def test_the_openapi_is_served(client: FlaskClient) -> None:
    described = client.get("/api/v1/small/openapi.json").get_json()

    assert described["openapi"].startswith("3.1")
    assert "/api/v1/things" in described["paths"]


def test_the_openapi_describes_errors_as_the_problems_they_are(client: FlaskClient) -> None:
    components = client.get("/api/v1/small/openapi.json").get_json()["components"]
    answer = client.post("/api/v1/things", json={})

    assert "DEFAULT_ERROR" in components["responses"]
    assert [described["content"] for described in components["responses"].values()] == [
        {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    ] * len(components["responses"])
    assert web.Problem().validate(answer.get_json()) == {}
    assert answer.get_json().keys() == components["schemas"]["Problem"]["properties"].keys()


def test_it_lives_without_asking_anybody() -> None:
    def ready() -> tuple:
        raise AssertionError("nobody is asked")

    answer = small_app("http://localhost", ready).test_client().get("/health/live")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "pass"})


@pytest.mark.parametrize(
    ("fine", "checks", "status", "code"),
    [
        (True, {"database": "pass", "broker": "pass"}, "pass", 200),
        (True, {"database": "pass", "broker": "warn"}, "warn", 200),
        (False, {"database": "fail"}, "fail", 503),
    ],
)
def test_readiness_passes_warns_or_fails(fine: bool, checks: dict, status: str, code: int) -> None:
    said = {name: {"status": one} for name, one in checks.items()}

    answer = small_app("http://localhost", lambda: (fine, said)).test_client().get("/health/ready")

    assert answer.status_code == code
    assert answer.get_json() == {"status": status, "checks": said}


def test_the_log_of_a_request_names_the_route_and_not_the_address(client: FlaskClient, caplog) -> None:
    caplog.set_level("INFO")

    client.get("/page/K7MX-4TQP?secret=words")

    [record] = [record for record in caplog.records if record.getMessage() == "request"]
    assert (record.method, record.path, record.status) == ("GET", "/page/<word>", 200)
    assert record.took_ms >= 0
    assert "K7MX" not in str(vars(record))
