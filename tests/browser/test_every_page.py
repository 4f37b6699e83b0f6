"""Every page in every state that people meet: accessible in light and dark, and never too wide."""

from collections.abc import Iterator

import pytest

from headstart.lab.sights import Sight, sights
from headstart.lab.stage import Stage
from headstart.web.app import routes
from headstart.web.doors import doors_of
from tests.browser.conftest import Windows
from tests.browser.judge import WIDE, faults

FOR_PROGRAMS = ("/api/", "/static", "/realtime/", "/healthz", "/readyz", "/metrics")
# A browser is told where to go on by these, or given a file, and shows none of them.
NOT_PAGES = {"/sign-in", "/sign-in/callback", "/admin/analytics/{table}.csv"}


@pytest.fixture(scope="module")
def seen(stage: Stage) -> Iterator[list[Sight]]:
    """All there is to see; afterwards nothing that was asked stays open."""
    yield sights(stage)
    stage.advance(60)


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
