"""The one public door leads every public path to the service that answers it, and no private one anywhere."""

import re
from pathlib import Path

import pytest

TEMPLATE = (Path(__file__).parents[2] / "deploy" / "proxy" / "hub.conf.template").read_text("utf-8")
LOCATION = re.compile(r"^    location (?:([=~]) )?(\S+) \{([^\n]+\}|\n.*?\n    \})", re.MULTILINE | re.DOTALL)


def upstream(path: str) -> str | None:
    """Which service nginx asks for a path: an equal one, else the first pattern, else the longest beginning."""
    locations = LOCATION.findall(TEMPLATE)
    equal = [body for kind, where, body in locations if kind == "=" and path == where]
    patterns = [body for kind, where, body in locations if kind == "~" and re.search(where, path)]
    beginnings = [(len(where), body) for kind, where, body in locations if not kind and path.startswith(where)]
    body = [*equal, *patterns, max(beginnings)[1]][0]
    found = re.search(r"set \$service (\w+);", body)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "engagement"),
        ("/status/K7MX-4TQP", "engagement"),
        ("/static/hub.css", "engagement"),
        ("/sms/twilio", "engagement"),
        ("/api/v1/feedback", "engagement"),
        ("/api/v1/feedback/K7MX-4TQP", "engagement"),
        ("/api/v1/engagement/openapi.json", "engagement"),
        ("/receipts/twilio", "notifications"),
        ("/api/v1/notifications/openapi.json", "notifications"),
        ("/insights/", "insights"),
        ("/insights/themes/timeliness", "insights"),
        ("/api/v1/counts", "insights"),
        ("/api/v1/feed", "insights"),
        ("/api/v1/themes", "insights"),
        ("/api/v1/insights/openapi.json", "insights"),
    ],
)
def test_a_public_path_leads_to_the_service_that_answers_it(path: str, service: str) -> None:
    assert upstream(path) == service


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/health/ready", None),
        ("/metrics", None),
        ("/_pages/away.html", None),
        ("/api/v1/deliveries/mzxw6.receipt", "engagement"),  # It has no such path: 404.
    ],
)
def test_a_private_path_does_not_reach_the_service_that_has_it(path: str, service: str | None) -> None:
    assert upstream(path) == service


def test_a_body_that_is_too_large_is_a_problem_wherever_programs_send_one() -> None:
    for _, where, body in LOCATION.findall(TEMPLATE):
        if "away.json" in body:
            assert "error_page 413 /_pages/too-large.json;" in body, where
