"""What every page must pass: axe-core's WCAG 2.2 A and AA rules, and what axe does not look at.

axe-core finds nothing wrong with a page that prints a Python dict or scrolls sideways, so the text and the width are
asserted too.
"""

import os
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WCAG_A_AND_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
NARROWEST = 320  # CSS pixels; WCAG 2.2, 1.4.10 Reflow.
RIGHT_TO_LEFT = re.compile(r"^(ar|ur|fa|ckb|he|ks|ps|sd|ug|yi)(-|$)|-Arab(-|$)")
# What a template that went wrong leaves in the text: a dict, a None, an unfilled placeholder, an object, a macro.
DEBRIS = re.compile(r"\{'|%\(|\[object|<Markup|<Macro|Undefined|\bNone\b(?! of)")

AXE = files("axe_playwright_python").joinpath("axe.min.js")


@pytest.fixture(scope="module")  # Not longer: while it runs, no other test could run an event loop of its own.
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, headless. Without one the tests are skipped, but in CI they fail."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        reason = f"no browser: none of {', '.join(CHROMIUM)} is on the PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield running
        running.close()


def check(page: Page, url: str) -> list[dict[str, Any]]:
    """Opens `url` and returns axe's violations of WCAG 2.0, 2.1 and 2.2, levels A and AA, as axe reports them."""
    page.goto(url)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {
        "runOnly": {"type": "tag", "values": list(WCAG_A_AND_AA)},
        "rules": {"target-size": {"enabled": True}},  # axe leaves this AA rule off unless asked.
        "resultTypes": ["violations"],
    }
    violations: list[dict[str, Any]] = page.evaluate("options => axe.run(options).then(it => it.violations)", options)
    return violations


def assert_accessible(page: Page, url: str) -> None:
    """Fails with every fault of the page at `url` at once, one a line. The page is left open at its own width."""
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("request", lambda request: troubles.extend(_from_elsewhere(request.url, url)))

    faults = [_in_words(violation) for violation in check(page, url)]
    faults += _wrong_language(page) + _debris(page) + _sideways_scroll(page) + troubles

    assert not faults, f"{url}\n" + "\n".join(f"- {fault}" for fault in faults)


def _in_words(violation: dict[str, Any]) -> str:
    places = ", ".join(str(node["target"]) for node in violation["nodes"])
    return f"{violation['id']}: {violation['help']} at {places} ({violation['helpUrl']})"


def _wrong_language(page: Page) -> list[str]:
    language, direction = page.evaluate("[document.documentElement.lang, document.documentElement.dir]")
    wanted = "rtl" if RIGHT_TO_LEFT.search(language) else "ltr"
    faults = [] if language else ["<html> has no lang"]
    return faults + ([] if direction == wanted else [f"<html lang={language}> has dir={direction!r}, not {wanted!r}"])


def _debris(page: Page) -> list[str]:
    text = page.title() + "\n" + page.inner_text("body")
    return [f"the text holds {found.group()!r}" for found in DEBRIS.finditer(text)]


def _sideways_scroll(page: Page) -> list[str]:
    before = page.viewport_size
    page.set_viewport_size({"width": NARROWEST, "height": 640})
    width = page.evaluate("document.documentElement.scrollWidth")
    if before:
        page.set_viewport_size(before)
    return [f"at {NARROWEST} px the page is {width} px wide"] if width > NARROWEST else []


def _from_elsewhere(asked: str, url: str) -> list[str]:
    asked_of = urlsplit(asked)
    own = asked_of.scheme in {"data", "about"} or asked_of.netloc == urlsplit(url).netloc
    return [] if own else [f"asks another site for {asked}"]
