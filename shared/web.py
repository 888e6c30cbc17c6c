"""What the web applications share: language, problem details, health, headers; the one table from errors to HTTP.

A view parses, calls one use case and answers. What goes wrong is raised as one of `shared.errors`; here it becomes
an RFC 9457 problem for programs, and a page in the reader's language for people.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Flask, Response, g, jsonify, make_response, render_template, request, url_for
from flask.json.provider import DefaultJSONProvider
from flask_smorest import Api
from jinja2 import ChoiceLoader, FileSystemLoader
from marshmallow import Schema, fields
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException

from shared import i18n
from shared.errors import Conflict, Forbidden, HubError, Invalid, NotFound, Unavailable
from shared.i18n import N_
from shared.mongo import is_away

log = logging.getLogger(__name__)
HERE = Path(__file__).parent

STATUS: Mapping[type[HubError], int] = {Invalid: 422, NotFound: 404, Conflict: 409, Forbidden: 403, Unavailable: 503}
LARGEST_BODY = 1 << 20  # bytes; a contribution is at most a few pages of text
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60  # seconds
RETRY_AFTER = 5  # seconds
PROBLEM = "application/problem+json"
FOR_PROGRAMS = ("/api/", "/sms/", "/receipts/", "/health/")

_Words = tuple[str, str]


ERROR_PAGES: Mapping[int, _Words] = {
    400: (N_("We could not read that"), N_("Something in the request was not right. Please go back and try again.")),
    403: (N_("This is not open to you"), N_("If you think it should be, tell the people who run this service.")),
    404: (N_("We cannot find that page"), N_("Check the address. If you typed a reference, check each letter.")),
    405: (N_("We could not read that"), N_("Something in the request was not right. Please go back and try again.")),
    409: (N_("That has changed meanwhile"), N_("Please go back, look again, and try once more.")),
    413: (N_("That is too long for us"), N_("Please send it in a few shorter pieces. Nothing was saved yet.")),
    422: (N_("Something is missing"), N_("Please go back and check what you wrote.")),
    429: (N_("Please wait a little"), N_("Too many requests came at once. Try again in a minute.")),
    503: (
        N_("We cannot save anything at the moment"),
        N_("It is our fault, not yours, and nothing you wrote was saved. Please try again in a minute."),
    ),
}
OUR_FAULT: _Words = (
    N_("Something went wrong here"),
    N_("It is our fault, not yours. We cannot be sure your words were saved. Please try again in a few minutes."),
)


class Problem(Schema):
    """Problem details (RFC 9457). `type` never changes, so programs may branch on it."""

    type = fields.String(required=True, metadata={"example": "urn:hub:problem:database-away"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "What was wrong and what to do, in English."})
    errors = fields.Dict(metadata={"description": "What is wrong with each field."})


class Json(DefaultJSONProvider):
    """JSON in plain UTF-8, its fields in the order they were written in."""

    ensure_ascii = False
    sort_keys = False


def create_app(
    service: str,
    *,
    folder: Path,
    catalogues: i18n.Catalogues,
    hub_name: str,
    public_url: str,
    ready: Callable[[], tuple[bool, Mapping[str, Any]]],
) -> tuple[Flask, Api]:
    """A Flask application with everything that all services' pages and APIs have in common, and its OpenAPI.

    `folder` is the service's own, with `templates/`. `ready` tells whether requests can be served, and the checks
    behind that answer.
    """
    app = Flask(service, static_folder=str(HERE / "static"), static_url_path="/static")
    app.jinja_loader = ChoiceLoader([FileSystemLoader(folder / "templates"), FileSystemLoader(HERE / "templates")])
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        API_TITLE=f"{hub_name}: {service}",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=f"/api/v1/{service}",
        OPENAPI_JSON_PATH="openapi.json",
        SEND_FILE_MAX_AGE_DEFAULT=365 * 24 * 60 * 60,
    )
    app.json = Json(app)
    _languages(app, catalogues, hub_name)
    _headers(app, https=public_url.startswith("https:"))
    _request_log(app)
    app.register_blueprint(_health(ready))
    api = _Api(app)
    for kind in (HubError, PyMongoError, HTTPException, Exception):
        app.register_error_handler(kind, _answer_error)
    return app, api


def current_language() -> str:
    """The language of this request: chosen by link, remembered in a cookie, or what the browser asks for."""
    if "language" not in g:  # Found when it is first needed: an API request never needs it.
        remembered = request.cookies.get("lang", "")
        g.language = language_asked() or (remembered if remembered in i18n.LANGUAGES else _language_of_browser())
    return g.language


def _language_of_browser() -> str:
    """What the browser asks for; quality 0 means "not this one" (RFC 9110, section 12.4.2)."""
    return i18n.negotiate([tag for tag, quality in request.accept_languages if quality > 0])


def language_asked() -> str | None:
    """The language that the address itself asks for (`?lang=ur`), or None."""
    asked = request.args.get("lang", "")
    return asked if asked in i18n.LANGUAGES else None


def problem(status: int, slug: str, detail: str, *, fields: Mapping[str, Any] | None = None) -> Response:
    """A problem details answer (RFC 9457). `slug` is stable; `fields` says what is wrong with each input field."""
    body: dict[str, Any] = {
        "type": f"urn:hub:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if fields:
        body["errors"] = fields
    response = make_response(jsonify(body), status)
    response.content_type = PROBLEM
    return response


class _Api(Api):
    """flask-smorest without its own error format: every error goes through `_answer_error`, and is described so."""

    ERROR_SCHEMA = Problem

    def _register_responses(self) -> None:
        self.DEFAULT_RESPONSE_CONTENT_TYPE = PROBLEM  # All that are registered here are errors.
        super()._register_responses()
        del self.DEFAULT_RESPONSE_CONTENT_TYPE

    def _register_error_handlers(self) -> None:
        return None


def _languages(app: Flask, catalogues: i18n.Catalogues, hub_name: str) -> None:
    @app.after_request
    def remember(response: Response) -> Response:
        if request.query_string and (asked := language_asked()):
            response.set_cookie(
                "lang",
                asked,
                max_age=LANGUAGE_COOKIE_AGE,
                samesite="Lax",
                httponly=True,
                secure=app.config["SECURE_COOKIES"],
            )
        if response.mimetype == "text/html":
            response.content_language = [current_language()]
            response.vary.update(["Accept-Language", "Cookie"])
        return response

    @app.context_processor
    def words() -> dict[str, Any]:
        language = current_language()
        return {
            "lang": language,
            "dir": i18n.LANGUAGES[language].dir,
            "languages": catalogues.languages(),
            "_": catalogues.gettext(language),
            "ngettext": catalogues.ngettext(language),
            "hub_name": hub_name,
            "static": _static_url,
            "lang_url": _same_page_in,
        }


def _same_page_in(tag: str) -> str:
    """This address in another language. A page that answered a POST leads to the form's own address."""
    query = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    path = quote(request.path) if request.endpoint else "/"
    return f"{path}?{urlencode([*query, ('lang', tag)])}"


def _static_url(path: str) -> str:
    return url_for("static", filename=path, v=_content_hash(path))


@cache
def _content_hash(path: str) -> str:
    return hashlib.sha256((HERE / "static" / path).read_bytes()).hexdigest()[:10]


def _headers(app: Flask, *, https: bool) -> None:
    app.config["SECURE_COOKIES"] = https
    always = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        **({"Strict-Transport-Security": "max-age=31536000"} if https else {}),
    }

    @app.after_request
    def add(response: Response) -> Response:
        there = {name.lower() for name, _ in response.headers}
        response.headers.extend((name, value) for name, value in always.items() if name.lower() not in there)
        if "cache-control" not in there and request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response


def _request_log(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def end(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule else "(none)"  # The address itself may hold a reference.
        if not rule.startswith("/health/"):
            took = round((time.monotonic() - g.get("began", time.monotonic())) * 1000, 1)
            log.info(
                "request",
                extra={"method": request.method, "path": rule, "status": response.status_code, "took_ms": took},
            )
        return response


def _health(ready: Callable[[], tuple[bool, Mapping[str, Any]]]) -> Blueprint:
    health = Blueprint("health", __name__, url_prefix="/health")

    @health.get("/live")
    def live() -> Response:
        return jsonify({"status": "pass"})

    @health.get("/ready")
    def is_ready() -> Response:
        fine, checks = ready()
        status = "fail" if not fine else "warn" if any(one["status"] != "pass" for one in checks.values()) else "pass"
        return make_response(jsonify({"status": status, "checks": checks}), 200 if fine else 503)

    return health


def _answer_error(error: Exception) -> Response:
    status, slug, detail, fields, retry_after = _explain(error)
    if request.path.startswith(FOR_PROGRAMS) or not request.accept_mimetypes.accept_html:
        response = problem(status, slug, detail, fields=fields)
    else:
        title, advice = ERROR_PAGES.get(status, OUR_FAULT if status >= 500 else ERROR_PAGES[400])
        response = make_response(render_template("error.html", title=title, advice=advice, status=status), status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if isinstance(error, HTTPException) and (allowed := getattr(error, "valid_methods", None)):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _explain(error: Exception) -> tuple[int, str, str, Mapping[str, Any] | None, int | None]:
    """Status, slug, detail, field errors and seconds to wait, for any exception."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, HubError) and status != 500:
        return status, error.slug, error.detail, error.fields, getattr(error, "retry_after", None)
    if isinstance(error, PyMongoError) and is_away(error):
        return 503, "database-away", "The database cannot be reached. Please try again shortly.", None, RETRY_AFTER
    if isinstance(error, HTTPException) and error.code is not None:
        invalid = (getattr(error, "data", None) or {}).get("messages")  # Where webargs puts marshmallow's findings.
        slug = (error.name or "error").lower().replace(" ", "-")
        detail = "Some fields cannot be accepted; see errors." if invalid else (error.description or error.name)
        return error.code, slug, detail, invalid, getattr(error, "retry_after", None)
    number = secrets.token_hex(4)
    log.error("unexpected error", exc_info=error, extra={"request_id": number})
    detail = f"Something went wrong here; it is not your request. Quote {number} to the people who run this hub."
    return 500, "our-fault", detail, None, None
