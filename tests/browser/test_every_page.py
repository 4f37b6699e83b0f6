"""Every page in every state that people meet: accessible in light and dark, and never too wide."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headstart.lab.sights import Sight, sights
from headstart.lab.stage import Stage
from headstart.web.app import routes
from headstart.web.doors import doors_of
from tests.browser.conftest import Windows
from tests.conftest import ACCESSIBILITY_WAS_NOT_JUDGED
from tests.realtime.clients import environment

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

HERE = Path(__file__).parent / "axe"
FILES = ("package.json", "package-lock.json", ".npmrc")
WIDE: "ViewportSize" = {"width": 1280, "height": 900}
NARROW: "ViewportSize" = {"width": 320, "height": 700}
REQUIRED = os.environ.get("CI") == "true"
FOR_PROGRAMS = ("/api/", "/static", "/realtime/", "/healthz", "/readyz", "/metrics")
# A browser is told where to go on by these, or given a file, and shows none of them.
NOT_PAGES = {"/sign-in", "/sign-in/callback", "/admin/analytics/{table}.csv"}
COLOURS = {"runOnly": ["color-contrast"]}  # all that the dark can change


@pytest.fixture(scope="module")
def axe() -> str:
    """The judge's own script, unchanged."""
    try:
        _, place = environment.node_packages(HERE, FILES, "axe")
    except environment.Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(f"{ACCESSIBILITY_WAS_NOT_JUDGED}: {missing}")
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(stage: Stage) -> Iterator[list[Sight]]:
    """All there is to see; afterwards nothing that was asked stays open."""
    yield sights(stage)
    stage.advance(60)


def violations(page: "Page", options: dict[str, Any]) -> list[str]:
    """What the judge finds, each with where it is."""
    found = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], **options})
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}"
        for one in found["violations"]
    ]


def faults(page: "Page", axe: str) -> list[str]:
    """Of one sight, in light and dark, wide and narrow; it is left as it was found."""
    page.evaluate(axe)
    found = violations(page, {})
    page.emulate_media(color_scheme="dark")
    found += violations(page, COLOURS)
    page.set_viewport_size(NARROW)
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > NARROW["width"]:
        found.append(f"{width} px wide")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    return found


def test_no_page_in_no_state_keeps_anybody_out(
    windows: Windows, seen: list[Sight], axe: str
) -> None:
    wrong = {}
    for sight in seen:
        page = windows.show(sight, reduced_motion="reduce", viewport=WIDE)
        wrong[sight.name] = faults(page, axe)
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_page_is_among_the_sights(seen: list[Sight]) -> None:
    known = [sight.path.partition("?")[0].split("/") for sight in seen]
    there_are = {path for method, path, _ in doors_of(routes()) if method == "GET"}
    shown = {path for path in there_are if not path.startswith(FOR_PROGRAMS)} - NOT_PAGES
    assert {"/", "/dashboard", "/requests/{request_id}"} <= shown
    unseen = [one for one in shown if not any(_fits(one.split("/"), path) for path in known)]
    assert unseen == []


def _fits(parts: list[str], path: list[str]) -> bool:
    same = [one.startswith("{") or one == two for one, two in zip(parts, path, strict=False)]
    return len(parts) == len(path) and all(same)
