"""The pages of insights: the dashboard and one page for each theme, in the reader's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal, format_percent
from flask import Blueprint, render_template, request, url_for

from services.insights import domain
from services.insights.domain import ALL, SUPPRESSED, Question
from services.insights.usecases import Answer, Insights, Row, Theme
from shared.errors import Invalid, NotFound
from shared.i18n import DEFAULT, LANGUAGES, Catalogues
from shared.web import N_, current_language

DAYS = 14  # the latest days drawn
CHANNELS: Mapping[str, str] = {
    "web": N_("On the website"),
    "sms": N_("By text message"),
    "api": N_("Through another organisation"),
}
UNKNOWN_LANGUAGE = N_("A language we did not recognise")


class Names:
    """What slugs, tags, codes and dates are called in each language."""

    def __init__(self, catalogues: Catalogues, themes: Mapping[str, Theme]) -> None:
        self._catalogues = catalogues
        self._themes = themes

    def of(self, by: str, value: str, language: str) -> str:
        """The name of a value of a table; a value that has none is its own name."""
        locale = LANGUAGES[language].locale
        if by == "theme":
            return self._catalogues.text(language, self._themes[value].name) if value in self._themes else value
        if by == "channel":
            return self._catalogues.text(language, CHANNELS[value]) if value in CHANNELS else value
        if by == "language":
            return self._language(value, language)
        return format_date(date.fromisoformat(value), "long", locale=locale) if by == "day" else value

    def _language(self, tag: str, language: str) -> str:
        if tag == "und":
            return self._catalogues.text(language, UNKNOWN_LANGUAGE)
        if tag in LANGUAGES and language == DEFAULT:
            return LANGUAGES[tag].english
        wanted = tag.partition("-")[0] if tag in LANGUAGES else tag  # "angielski", not "angielski (Wielka Brytania)".
        try:
            return Locale.parse(wanted, sep="-").get_display_name(LANGUAGES[language].locale) or tag
        except (ValueError, UnknownLocaleError):
            return tag


@dataclass(frozen=True)
class Bar:
    """One row of a chart. `share` is its length from 0 to 1, None where it may not be drawn."""

    name: str
    value: str
    text: str
    share: float | None


@dataclass(frozen=True)
class Choice:
    """A link that chooses what the page shows. `name` None: all time, which the templates name."""

    name: str | None
    address: str
    chosen: bool


def pages(insights: Insights, catalogues: Catalogues) -> Blueprint:
    """The blueprint of /insights/."""
    blueprint = Blueprint("insights", __name__, url_prefix="/insights")
    names = Names(catalogues, insights.themes)

    @blueprint.get("/")
    def show() -> str:
        period, only = request.args.get("period") or ALL, _only(request.args.get("only", ""))
        themes = insights.count(domain.question("theme", dict([only]) if only else {}, period))
        bars = _bars(themes, names)
        others = {} if only else {by: insights.count(Question(by, None, period)) for by in (*domain.CROSSED, "day")}
        return render_template(
            "dashboard.html",
            only=names.of(*only, current_language()) if only else None,
            period=_period_name(period),
            people=_People(themes),
            themes=[bar for bar in bars if bar.share],
            few=sorted((bar for bar in bars if bar.share is None), key=_by_name),
            unheard=sorted((bar for bar in bars if bar.share == 0), key=_by_name),
            others={by: _bars(answer, names) for by, answer in others.items()},
            periods=_periods(insights, period, only),
            choices=_choices(insights, names, period, only),
            everybody_address=_address(period, None),
            as_of=themes.as_of,
            day_name=_day_name,
        )

    @blueprint.get("/themes/<slug>")
    def theme(slug: str) -> str:
        if slug not in insights.themes:
            raise NotFound("theme-unknown", "There is no such theme.")
        period = request.args.get("period") or ALL
        asked = {by: domain.question(by, {"theme": slug}, period) for by in domain.CROSSED}
        answers = {by: insights.count(question) for by, question in asked.items()}
        return render_template(
            "theme.html",
            theme=insights.themes[slug],
            period=_period_name(period),
            people=_People(answers["area"]),
            others={by: _bars(answer, names) for by, answer in answers.items()},
            periods=_periods(insights, period, None),
            as_of=answers["area"].as_of,
            day_name=_day_name,
        )

    return blueprint


class _People:
    """How many people an answer is about, as a template says it."""

    def __init__(self, answer: Answer) -> None:
        self.nobody = answer.people == 0
        self.few = answer.people == SUPPRESSED
        self.number = None if self.few else answer.people


def _bars(answer: Answer, names: Names) -> list[Bar]:
    by = answer.question.by
    rows = answer.rows[-DAYS:] if by == "day" else answer.rows
    longest = max((domain.rank(row.people) for row in rows if row.people != SUPPRESSED), default=0)
    return [
        Bar(
            names.of(answer.question.by, row.value, current_language()),
            row.value,
            _text(row, answer.question.by),
            _share(row, longest),
        )
        for row in rows
    ]


def _by_name(bar: Bar) -> str:
    return bar.name


def _text(row: Row, by: str) -> str:
    locale = LANGUAGES[current_language()].locale
    if row.people == SUPPRESSED:
        return SUPPRESSED
    people = format_decimal(row.people, locale=locale)
    return (
        people
        if row.percent is None or by == "day"
        else f"{people} ({format_percent(row.percent / 100, locale=locale)})"
    )


def _share(row: Row, longest: int) -> float | None:
    return None if row.people == SUPPRESSED else row.people / (longest or 1)


def _only(text: str) -> tuple[str, str] | None:
    """The filter in an address: `area:BB1`."""
    if not text:
        return None
    name, _, value = text.partition(":")
    if name not in domain.CROSSED or not value:
        raise Invalid("filter-unknown", "A filter is area:, language: or channel: and a value.")
    return name, domain.area(value) if name == "area" else value


def _periods(insights: Insights, chosen: str, only: tuple[str, str] | None) -> list[Choice]:
    return [
        Choice(_period_name(period), _address(period, only), period == chosen) for period in (ALL, *insights.months())
    ]


def _choices(
    insights: Insights, names: Names, period: str, only: tuple[str, str] | None
) -> dict[str, Sequence[Choice]]:
    found: dict[str, Sequence[Choice]] = {}
    for by in domain.CROSSED:
        values = [row.value for row in insights.count(Question(by)).rows]
        found[by] = [
            Choice(names.of(by, value, current_language()), _address(period, (by, value)), only == (by, value))
            for value in sorted(values)
        ]
    return found


def _address(period: str, only: tuple[str, str] | None) -> str:
    given: dict[str, Any] = {"period": None if period == ALL else period, "only": ":".join(only) if only else None}
    return url_for(request.endpoint or "insights.show", **(request.view_args or {}), **given)


def _period_name(period: str) -> str | None:
    """A month in words; None for all time, which the templates name."""
    if period == ALL:
        return None
    locale = LANGUAGES[current_language()].locale
    return format_skeleton("yMMMM", date.fromisoformat(f"{period}-01"), locale=locale)


def _day_name(moment: date) -> str:
    return format_date(moment, "long", locale=LANGUAGES[current_language()].locale)
