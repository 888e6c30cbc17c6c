"""The simulator over HTTP: the provider's API for the hub, an API for drills, and the telephone for people."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response, redirect, render_template, request, url_for
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.exceptions import HTTPException

import shared
from deploy.simulator.calling import Caller
from deploy.simulator.exchange import FAILS_LATER, REFUSED_AT_ONCE, Exchange, Refused
from shared.errors import HubError, Invalid
from shared.phone import to_e164
from shared.signing import verify_webhook
from shared.web import LARGEST_BODY, STATUS, Json, problem

HERE = Path(__file__).parent
SHARED = Path(shared.__file__).parent
PRESETS = tuple(f"+44770090000{n}" for n in range(1, 7))  # Ofcom's range for drama, 07700 900000 to 900999
REPLY_WITHIN = 4.0  # seconds for which the telephone waits for an answer before it shows itself
LONGEST_TEXT = 10_000  # characters
STATES = {
    "accepted": "on its way",
    "waiting": "no answer, trying again",
    "received": "the hub has it",
    "refused": "the hub refused it",
    "given up": "given up",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "not delivered",
}


def create(
    exchange: Exchange, caller: Caller, *, secret: bytes, hub_name: str, hub_number: str, seconds: Callable[[], float]
) -> Flask:
    """The application, with everything under /simulator/."""
    app = Flask("simulator", static_folder=str(SHARED / "static"), static_url_path="/simulator/static")
    app.jinja_loader = ChoiceLoader([FileSystemLoader(HERE / "templates"), FileSystemLoader(SHARED / "templates")])
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY)
    app.json = Json(app)
    app.context_processor(lambda: _words(hub_name))
    app.after_request(_headers)
    app.register_error_handler(HubError, _explain)
    app.register_error_handler(HTTPException, _explain_http)
    app.register_blueprint(_provider(exchange, secret, seconds))
    app.register_blueprint(_drills(exchange, caller))
    app.register_blueprint(_telephone(exchange, caller, hub_number))
    return app


def _provider(exchange: Exchange, secret: bytes, seconds: Callable[[], float]) -> Blueprint:
    provider = Blueprint("provider", __name__, url_prefix="/simulator/api")

    @provider.post("/send")
    def send() -> Response:
        body = request.get_data()
        verify_webhook(secret, request.headers, body, now=seconds())
        given = _fields(("to", "text"), ("channel", "subject", "reference"))
        if given["channel"] not in ("", "sms", "email"):
            raise Invalid("channel-unknown", "A channel is sms or email.")
        try:
            id, new = exchange.take(
                channel=given["channel"] or "sms",
                to=given["to"],
                subject=given["subject"],
                text=given["text"],
                reference=given["reference"],
                key=request.headers.get("Idempotency-Key"),
            )
        except Refused as e:
            return make_response(jsonify({"code": e.slug, "message": e.detail}), 400)
        response = make_response(jsonify({"id": id}), 201)
        if not new:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    return provider


def _drills(exchange: Exchange, caller: Caller) -> Blueprint:
    drills = Blueprint("drills", __name__, url_prefix="/simulator/api")

    @drills.post("/text")
    def text() -> Response:
        """A person texts the hub. The same id again brings the hub the same text again."""
        given = _fields(("from",), ("text", "id"))
        id = exchange.text(sender=given["from"], text=given["text"][:LONGEST_TEXT], id=given["id"] or None)
        caller.call_now(id)
        return make_response(jsonify({"id": id}), 201)

    @drills.get("/messages")
    def messages() -> Response:
        wanted = request.args
        number = wanted.get("number", "")
        if number.startswith(" "):  # A plus that was not escaped arrives as a space.
            number = "+" + number.strip()
        found = exchange.messages(
            number=number,
            since=wanted.get("since", ""),
            direction=wanted.get("direction", ""),
            channel=wanted.get("channel", ""),
        )
        return jsonify(found)

    return drills


def _telephone(exchange: Exchange, caller: Caller, hub_number: str) -> Blueprint:
    telephone = Blueprint("telephone", __name__, static_folder=str(HERE / "static"), static_url_path="/simulator/look")

    @telephone.get("/health/live")
    @telephone.get("/health/ready")
    def well() -> Response:
        return jsonify({"status": "pass", "checks": {"owed": {"status": "pass", "count": exchange.owed()}}})

    @telephone.get("/simulator/")
    def show() -> str:
        return _page(exchange, hub_number, typed=request.args.get("number", ""))

    @telephone.post("/simulator/")
    def text() -> Any:
        typed, words = request.form.get("number", ""), request.form.get("text", "").strip()
        try:
            number = to_e164(typed)
        except Invalid as e:
            return _page(exchange, hub_number, typed=typed, words=words, errors={"number": e.detail}), 422
        if not words:
            return _page(exchange, hub_number, typed=typed, errors={"text": "Write a text first."}), 422
        id = exchange.text(sender=number, text=words[:LONGEST_TEXT])
        caller.call_now(id)
        _await_answer(exchange, number, since=id)
        return redirect(url_for("telephone.show", number=number), 303)

    @telephone.get("/simulator/emails")
    def emails() -> str:
        return render_template("emails.html", emails=exchange.messages(channel="email", limit=50)[::-1], when=_when)

    return telephone


def _page(exchange: Exchange, hub_number: str, *, typed: str, words: str = "", errors: dict | None = None) -> str:
    people = exchange.numbers()
    try:
        number = to_e164(typed) if typed else (people or PRESETS)[0]
    except Invalid:
        number = ""
    return render_template(
        "telephone.html",
        number=number,
        typed=typed or number,
        words=words,
        errors=errors or {},
        messages=exchange.messages(number=number, channel="sms", limit=100) if number else [],
        people=list(dict.fromkeys([*PRESETS, *people, *([number] if number else [])])),
        troubled={**REFUSED_AT_ONCE, **FAILS_LATER},
        hub_number=hub_number,
        states=STATES,
        spoken=spoken,
        when=_when,
    )


def _await_answer(exchange: Exchange, number: str, *, since: str) -> None:
    """Return when the hub has texted this number, or when it is time to show the page without that."""
    until = time.monotonic() + REPLY_WITHIN
    while time.monotonic() < until and not exchange.messages(number=number, since=since, direction="out"):
        threading.Event().wait(0.05)


def spoken(number: str) -> str:
    """A British number as people write it: 07700 900001; any other as it is."""
    return f"0{number[3:7]} {number[7:]}" if number.startswith("+44") and len(number) == 13 else number


def _when(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")


def _fields(required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, str]:
    """Strings of a JSON body. Raises Invalid, naming each field that is missing or no text."""
    given = request.get_json(force=True, silent=True)
    if not isinstance(given, dict):
        raise Invalid("body-unreadable", "The body should be a JSON object.")
    wrong = {name: ["It should be a text."] for name in (*required, *optional) if type(given.get(name, "")) is not str}
    wrong |= {name: ["It is missing."] for name in required if not given.get(name)}
    if wrong:
        raise Invalid("fields-wrong", "Some fields cannot be accepted; see errors.", fields=wrong)
    return {name: given.get(name, "") for name in (*required, *optional)}


def _words(hub_name: str) -> dict[str, Any]:
    """What the shared templates expect of every page; this one speaks English only."""
    return {
        "lang": "en-GB",
        "dir": "ltr",
        "languages": [],
        "hub_name": f"{hub_name}: telephone",
        "home_url": url_for("telephone.show"),
        "static": _static,
        "look": _look,
        "_": _english,
    }


def _english(message: str, **values: object) -> str:
    return message % values if values else message


def _static(path: str) -> str:
    return url_for("static", filename=path, v=_content_hash(SHARED / "static" / path))


def _look(path: str) -> str:
    return url_for("telephone.static", filename=path, v=_content_hash(HERE / "static" / path))


def _content_hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:10]


def _headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _explain(error: HubError) -> Response:
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    return problem(status, error.slug, error.detail, fields=error.fields)


def _explain_http(error: HTTPException) -> Response:
    return problem(error.code or 500, error.name.lower().replace(" ", "-"), error.description or error.name)
