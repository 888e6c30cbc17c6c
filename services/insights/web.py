"""The API and pages of insights: a view parses, calls one use case and answers with what may be shown."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, redirect, request, url_for
from flask_smorest import Api, Blueprint
from marshmallow import RAISE

from services.insights import domain, schemas
from services.insights.pages import Names, pages
from services.insights.usecases import Answer, FeedItem, FeedPage, Insights
from shared.i18n import DEFAULT, Catalogues
from shared.web import PROBLEM, Problem


def register(app: Flask, api: Api, insights: Insights, catalogues: Catalogues) -> None:
    """Add all routes of insights to an application."""
    api.register_blueprint(_api(insights, Names(catalogues, insights.themes)))
    app.register_blueprint(pages(insights, catalogues))
    app.add_url_rule("/", "home", lambda: redirect(url_for("insights.show"), HTTPStatus.SEE_OTHER))


def _api(insights: Insights, names: Names) -> Blueprint:
    blueprint = Blueprint("insights-api", __name__, url_prefix="/api/v1", description="What people say, in numbers.")

    @blueprint.get("/counts")
    @blueprint.arguments(schemas.CountsQuery, location="query", unknown=RAISE)
    @blueprint.response(200, schemas.Counts, example=schemas.COUNTS_EXAMPLE)
    @blueprint.alt_response(422, schema=Problem, content_type=PROBLEM)
    def counts(query: dict[str, Any]) -> Response:
        """How many people, by theme, area, language, channel or day"""
        by, period = query.pop("by"), query.pop("period")
        return _fresh(_counts(insights.count(domain.question(by, query, period)), names))

    @blueprint.get("/feed")
    @blueprint.arguments(schemas.FeedQuery, location="query", unknown=RAISE)
    @blueprint.response(200, schemas.Feed, example=schemas.FEED_EXAMPLE)
    @blueprint.alt_response(422, schema=Problem, content_type=PROBLEM)
    def feed(query: dict[str, Any]) -> Response:
        """What changed, in order: one item whenever another number is shown than before"""
        return _fresh(_feed(insights.feed(query.get("after"), limit=query["limit"]), names))

    @blueprint.get("/themes")
    @blueprint.response(200, schemas.Themes)
    def themes() -> Response:
        """The themes, with what each means"""
        return _fresh({"themes": [dict(vars(theme)) for theme in insights.themes.values()]})

    return blueprint


def _fresh(body: Mapping[str, Any]) -> Response:
    """An answer that a reader may keep, but must ask about each time; unchanged, it costs a 304."""
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _counts(answer: Answer, names: Names) -> dict[str, Any]:
    question = answer.question
    return {
        "by": question.by,
        "only": dict([question.only]) if question.only else {},
        "period": question.period,
        "people": answer.people,
        "as_of": answer.as_of.isoformat(timespec="seconds") if answer.as_of else None,
        "rows": [
            {
                "value": row.value,
                "name": names.of(question.by, row.value, DEFAULT),
                "people": row.people,
                "percent": row.percent,
            }
            for row in answer.rows
        ],
    }


def _feed(page: FeedPage, names: Names) -> dict[str, Any]:
    return {"items": [_item(item, names) for item in page.items], "next": page.next, "more": page.more}


def _item(item: FeedItem, names: Names) -> dict[str, Any]:
    shown = item.entry.item
    return {
        "item_id": item.item_id,
        "cursor": item.cursor,
        "type": "count.changed",
        "theme": shown.theme,
        "theme_name": names.of("theme", shown.theme, DEFAULT),
        "area": shown.area,
        "language": shown.language,
        "period": shown.period,
        "people": shown.people,
        "as_of": item.entry.as_of.isoformat(timespec="seconds"),
    }
