"""Engagement's pages, API and SMS addresses: a view parses, calls one use case, answers.

What a person typed is on every page that answers it with a problem, so that they never write it twice.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response, redirect, render_template, request, url_for
from flask_smorest import Blueprint as ApiBlueprint
from werkzeug.wrappers import Response as Redirection

from services.engagement import bodies, domain, schemas
from services.engagement.domain import Given, Status
from services.engagement.gateways import Call, Gateway
from services.engagement.settings import Settings
from services.engagement.usecases import Engagement
from shared import i18n
from shared.errors import Invalid, NotFound, Unavailable
from shared.i18n import N_
from shared.web import create_app, current_language, language_asked

log = logging.getLogger(__name__)

OPERATOR = N_("the local health and care partners")
PHONE_MISSING = N_("Write the mobile number that we may text.")
EMAIL_MISSING = N_("Write the email address that we may write to.")
REFERENCE_WRONG = N_("We do not know this reference. Check each letter. It looks like K7MX-4TQP.")
_FOLDER = Path(__file__).parent
_COMMAS = str.maketrans({"،": ",", ";": ",", "؛": ",", "、": ",", "\n": ","})


def create(
    engagement: Engagement,
    gateways: Mapping[str, Gateway],
    catalogues: i18n.Catalogues,
    settings: Settings,
    *,
    ready: Callable[[], tuple[bool, Mapping[str, Any]]],
    new_id: Callable[[], str],
) -> Flask:
    """The web application. `new_id` makes the hidden mark of each form, by which its repetition is known."""
    app, api = create_app(
        "engagement",
        folder=_FOLDER,
        catalogues=catalogues,
        hub_name=settings.hub_name,
        public_url=settings.public_url,
        ready=ready,
    )
    app.context_processor(lambda: _words(catalogues, settings))
    app.register_blueprint(_pages(engagement, catalogues, settings, new_id))
    app.register_blueprint(_texts(engagement, gateways, settings.public_url))
    api.register_blueprint(_api(engagement, settings.public_url))
    return app


def _pages(
    engagement: Engagement, catalogues: i18n.Catalogues, settings: Settings, new_id: Callable[[], str]
) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.route("/", methods=["GET", "POST"])
    def give() -> Response | Redirection:
        if request.method == "GET":
            return _form_page(_Typed(nonce=new_id()))
        typed = _typed()
        try:
            receipt = engagement.give_feedback(_given(typed, new_id))
        except Invalid as e:
            return _form_page(typed, errors=_errors(e, typed, catalogues), status=422)
        except Unavailable as e:
            page = _form_page(typed, unsaved=True, status=503)
            page.headers["Retry-After"] = str(e.retry_after)
            return page
        return _see_other("pages.thanks", domain.shown(receipt.reference))

    @pages.get("/thanks/<reference>")
    def thanks(reference: str) -> Response:
        return _about("thanks.html", reference)

    @pages.route("/status", methods=["GET", "POST"])
    def ask() -> Response | Redirection:
        if request.method == "GET":
            return _ask_page()
        typed = dict(_fields()).get("reference", "")
        try:
            return _see_other("pages.tell", domain.shown(domain.read_reference(typed)))
        except Invalid:
            return _ask_page(typed, _say(REFERENCE_WRONG), 422)

    @pages.get("/status/<reference>")
    def tell(reference: str) -> Response:
        return _about("status.html", reference)

    def _about(template: str, reference: str) -> Response:
        try:
            status = engagement.status(reference)
        except (Invalid, NotFound):
            return _ask_page(reference, _say(REFERENCE_WRONG), 404)
        return _page(
            template,
            reference=domain.shown(status.reference),
            status=status,
            steps=_steps(status, _say),
            read_by=i18n.date(status.read_by, current_language()),
        )

    def _say(message: str, **values: Any) -> str:
        return catalogues.text(current_language(), message, **values)

    return pages


@dataclass(frozen=True)
class _Typed:
    """What stood in the form, as it was typed."""

    text: str = ""
    would_help: str = ""
    area: str = ""
    communities: str = ""
    answer: str = "no"
    phone: str = ""
    email: str = ""
    share: str = "no"
    nonce: str = ""


def _typed() -> _Typed:
    given = dict(_fields())
    return _Typed(**{name: given[name] for name in _Typed.__dataclass_fields__ if name in given})


def _fields() -> list[tuple[str, str]]:
    if request.mimetype == "multipart/form-data":
        return list(request.form.items(multi=True))
    return bodies.read_form(request.get_data(), request.mimetype_params.get("charset"))


def _given(typed: _Typed, new_id: Callable[[], str]) -> Given:
    return Given(
        cause=f"form:{_mark(typed) if typed.nonce else new_id()}",
        channel="web",
        text=typed.text,
        would_help=typed.would_help,
        area=typed.area,
        communities=tuple(one.strip() for one in typed.communities.translate(_COMMAS).split(",") if one.strip()),
        language=current_language(),
        phone=typed.phone if typed.answer == "sms" else "",
        email=typed.email if typed.answer == "email" else "",
        may_answer=typed.answer in ("sms", "email"),
        may_share=typed.share == "yes",
    )


def _mark(typed: _Typed) -> str:
    """One form sent twice is one contribution; sent again with other words, it is another, and no word is lost."""
    fields = "\0".join(f"{len(value)}:{value}" for value in vars(typed).values())
    return hashlib.sha256(fields.encode("utf-8", "surrogatepass")).hexdigest()


def _errors(error: Invalid, typed: _Typed, catalogues: i18n.Catalogues) -> dict[str, str]:
    """What is wrong with each field, in the reader's language and the order of the form."""
    wrong = {name: messages[0] for name, messages in error.fields.items()}
    if wrong.pop("contact", None):
        wrong |= {"phone": PHONE_MISSING} if typed.answer == "sms" else {"email": EMAIL_MISSING}
    return {
        name: catalogues.text(current_language(), wrong[name]) for name in _Typed.__dataclass_fields__ if name in wrong
    }


def _form_page(
    typed: _Typed, *, errors: Mapping[str, str] | None = None, unsaved: bool = False, status: int = 200
) -> Response:
    return _page("form.html", status, typed=typed, errors=errors or {}, unsaved=unsaved)


def _ask_page(typed: str = "", wrong: str = "", status: int = 200) -> Response:
    return _page("ask.html", status, typed=typed[:40], errors={"reference": wrong} if wrong else {})


def _page(template: str, code: int = 200, **values: Any) -> Response:
    return make_response(render_template(template, **{"errors": {}, **values}), code)


def _see_other(endpoint: str, reference: str) -> Redirection:
    """To the page that may be loaded again without sending again. The language goes along, cookie or not."""
    return redirect(url_for(endpoint, reference=reference, lang=language_asked()), 303)


def _words(catalogues: i18n.Catalogues, settings: Settings) -> dict[str, Any]:
    language = current_language()
    return {
        "operator": settings.operator or catalogues.text(language, OPERATOR),
        "sms_number": settings.sms_number,
        "answer_days": settings.answer_days,
        "language_name": lambda tag: i18n.LANGUAGES[tag].name if tag in i18n.LANGUAGES else "",
    }


RECEIPTS: Mapping[tuple[str, str], str] = {
    ("sms", "sent"): N_("We sent you a text message with your reference"),
    ("sms", "failed"): N_("We could not reach you by text message"),
    ("sms", "cancelled"): N_("We sent you no text message, because you asked us to stop"),
    ("email", "sent"): N_("We sent you an email with your reference"),
    ("email", "failed"): N_("We could not reach you by email"),
    ("email", "cancelled"): N_("We sent you no email, because you asked us to stop"),
}


def _steps(status: Status, say: Callable[..., str]) -> list[tuple[str, str, str, str]]:
    """The timeline, for the macro of that name."""
    day = lambda moment: i18n.date(moment, current_language())  # noqa: E731 (a name for a formula)
    steps = [("done", say(N_("We have your words")), day(status.received_at), "")]
    for one in status.deliveries:
        state = "sent" if one.state == "delivered" else one.state
        if (message := RECEIPTS.get((one.channel, state))) and one.kind == "receipt":
            steps.append(("done", say(message), day(one.updated_at), ""))
    late = say(N_("This is later than we promised. We are sorry.")) if status.overdue else ""
    steps.append(("now", say(N_("Your words wait to be read")), say(N_("by %(date)s"), date=day(status.read_by)), late))
    steps.append(("later", say(N_("You find here what is done about it")), "", ""))
    return steps


def _texts(engagement: Engagement, gateways: Mapping[str, Gateway], public_url: str) -> Blueprint:
    texts = Blueprint("texts", __name__, url_prefix="/sms")

    @texts.post("/<gateway>")
    def receive(gateway: str) -> Response:
        provider = gateways.get(gateway)
        if provider is None:
            raise NotFound("gateway-off", "No SMS gateway of this name is switched on here.")
        call = _call(public_url)
        provider.verify(call)
        outcome = engagement.receive_text(provider.parse(call))
        log.info("text taken in", extra={"gateway": gateway, "state": outcome})
        return Response(provider.answer.body, mimetype=provider.answer.mimetype)

    return texts


def _call(public_url: str) -> Call:
    query = request.query_string.decode("latin-1")
    return Call(
        url=f"{public_url}{request.path}{'?' if query else ''}{query}",
        headers=request.headers,
        body=request.get_data(),
        charset=request.mimetype_params.get("charset"),
    )


def _api(engagement: Engagement, public_url: str) -> ApiBlueprint:
    api = ApiBlueprint(
        "feedback",
        __name__,
        url_prefix="/api/v1/feedback",
        description="What people say. Every error is a problem details object (RFC 9457).",
    )
    api.ARGUMENTS_PARSER = schemas.Parser()

    @api.post("")
    @api.arguments(schemas.FeedbackGiven(), example=schemas.EXAMPLE)
    @api.response(
        201,
        schemas.FeedbackTaken,
        example=schemas.EXAMPLE_TAKEN,
        headers={
            "Idempotent-Replayed": {
                "description": "`true`: given before, nothing new was kept.",
                "schema": {"type": "string"},
            }
        },
    )
    @api.doc(parameters=[schemas.IDEMPOTENCY_KEY], responses=schemas.PROBLEMS)
    def post_feedback(values: dict[str, Any]) -> Response:
        """Give a contribution. It is kept before this answers 201."""
        receipt = engagement.give_feedback(_from_program(values))
        reference = domain.shown(receipt.reference)
        response = jsonify(
            reference=reference,
            feedback_id=receipt.feedback_id,
            language=receipt.language,
            status_url=f"{public_url}/status/{reference}",
        )
        response.status_code = 201
        if receipt.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    @api.get("/<reference>")
    @api.response(200, schemas.FeedbackStatus)
    @api.doc(responses=schemas.STATUS_PROBLEMS)
    def get_status(reference: str) -> dict[str, Any]:
        """Tell what became of a contribution: never its words, never a contact."""
        status = engagement.status(reference)
        return {**vars(status), "reference": domain.shown(status.reference), "state": "received"}

    return api


def _from_program(values: dict[str, Any]) -> Given:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > schemas.LONGEST_KEY:
        raise Invalid("idempotency-key-too-long", f"An Idempotency-Key has at most {schemas.LONGEST_KEY} characters.")
    contact = values["contact"] if values["may_answer"] else {"phone": "", "email": ""}
    if contact.get("phone") and contact.get("email"):
        raise Invalid("contribution-wrong", "Give one contact, not two.", fields={"contact": ["Give one, not two."]})
    return Given(
        cause=f"api:{key}" if key else f"api-once:{secrets.token_hex(16)}",
        channel="api",
        text=values["text"],
        would_help=values["would_help"],
        area=values["area"],
        communities=tuple(values["communities"]),
        language=values["language"],
        phone=contact.get("phone", ""),
        email=contact.get("email", ""),
        may_answer=values["may_answer"],
        may_share=values["may_share"],
    )
