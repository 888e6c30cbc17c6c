"""A page with every macro on it, in five languages, for the tests alone: what the services' pages are made of."""

from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request, url_for
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined

from shared.i18n import DEFAULT, LANGUAGES, Language

from .samples import SAMPLES

SHARED = Path(__file__).parents[2] / "shared"
MORE = [  # What is to come, to see a long list.
    Language(tag, name, name, direction, tag)
    for tag, name, direction in (
        ("cy", "Cymraeg", "ltr"),
        ("ro", "Română", "ltr"),
        ("gu", "ગુજરાતી", "ltr"),
        ("bn", "বাংলা", "ltr"),
        ("fa", "فارسی", "rtl"),
        ("ckb", "کوردیی ناوەندی", "rtl"),
        ("uk", "Українська", "ltr"),
        ("pt", "Português", "ltr"),
        ("zh-Hans", "简体中文", "ltr"),
    )
]


def build() -> Flask:
    """The gallery: /?lang=xx, with ?many=1 for a long list of languages and ?errors=1 for a form sent empty; /error."""
    app = Flask(__name__, static_folder=str(SHARED / "static"))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_loader = ChoiceLoader([FileSystemLoader(Path(__file__).parent), FileSystemLoader(SHARED / "templates")])
    app.context_processor(_context)
    app.after_request(_guard)
    app.add_url_rule("/", view_func=_show_gallery, endpoint="gallery")
    app.add_url_rule("/error", view_func=_show_error, endpoint="error")
    return app


def _show_gallery() -> str:
    errors = {"words": _say("Write a few words, in any language."), "answer": _say("Choose one.")}
    return render_template("gallery.html", errors=errors if "errors" in request.args else {})


def _show_error() -> str:
    return render_template(
        "error.html",
        title="We cannot save anything at the moment",
        advice="It is our fault, not yours, and nothing you wrote was saved. Please try again in a minute.",
        status=503,
    )


def _context() -> dict[str, Any]:
    """The names that shared/web.py promises to every template."""
    languages = [*LANGUAGES.values(), *(MORE if "many" in request.args else [])]
    language = next(it for it in languages if it.tag == request.args.get("lang", DEFAULT))
    return {
        "_": _say,
        "dir": language.dir,
        "home_url": "/",
        "hub_name": "Say it",
        "lang": language.tag,
        "lang_url": lambda tag: url_for("gallery", **{**request.args, "lang": tag}),
        "languages": languages,
        "ngettext": lambda one, many, n: one if n == 1 else many,
        "static": lambda path: url_for("static", filename=path),
    }


def _say(text: str, **values: object) -> str:
    said = SAMPLES.get(request.args.get("lang", DEFAULT), {}).get(text, text)
    return said % values if values else said


def _guard(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; img-src 'self' data:"
    return response
