"""The pictures of the documentation, taken of the real pages in a real browser.

``python -m headstart.lab.pictures`` writes them all anew into ``docs/pictures``, with the page that
shows them. It needs the packages of ``requirements/browser.txt`` and a Chromium (``CHROMIUM``).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from headstart.lab.showing import demo
from headstart.lab.sights import Sight, sights
from headstart.lab.stage import put_up
from headstart.lab.stepped import allow_sound, fallback, shot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DOCS = Path(__file__).parents[3] / "docs"
PLACE = DOCS / "pictures"
PAGE = DOCS / "reference" / "screens.md"
FALLBACK = "fallback.svg"
LAUNCH = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
# What tests hide in people's private fields is no sight for a picture.
NAMED = "update headstart.customers set last_name = 'Jensen', email = 'carla@example.com'"
CHOSEN = {  # one sight for each page, and what it shows
    "dashboard": "A customer's dashboard",
    "choosing-in-a-dialog": "Book again: the favourite first, or anyone",
    "plans-with-favourite": "The plans",
    "intake": "The intake, with a favourite",
    "request-reserved": "Waiting for the favourite",
    "request-fallen": "Everybody is asked",
    "request-matched": "Somebody accepted",
    "request-unfilled": "Nobody was free",
    "messages": "Messages, kept",
    "mechanic-asked": "A mechanic, asked for by name",
    "mechanic-busy": "A mechanic with a job",
    "mechanic-history": "Earlier offers",
    "admin": "The operator's board",
    "admin-request-fallen": "One request's story",
    "admin-analytics": "Figures",
    "admin-flags": "The switch",
    "stage": "The stage of the demo",
    "home": "The front page of a demo",
}


def _play(page: "Page") -> None:
    page.get_by_role("button", name="Pause").click()
    page.locator("#scene-silent").click()
    page.frame_locator("iframe.customer").get_by_role("timer").first.wait_for()


OF_THE_DEMO = (Sight("stage", None, "/demo/stage", _play), Sight("home", None, "/"))

_INTRODUCTION = """# Screens

Every page at 1280 and 320 px, in light and dark. `python -m headstart.lab.pictures` takes the
pictures anew, of the real pages in a real browser; the [stage](../tutorial.md) shows them live.
"""


class Look(NamedTuple):
    """How a page is looked at."""

    name: str
    width: int
    height: int
    height_max: int
    scheme: Any
    scale: float


LOOKS = (
    Look("wide", 1280, 720, 1000, "light", 0.7),
    Look("wide-dark", 1280, 720, 1000, "dark", 0.7),
    Look("narrow", 320, 640, 1000, "light", 1),
    Look("narrow-dark", 320, 640, 1000, "dark", 1),
)


def main() -> None:
    """Take them all."""
    console = Console()
    PLACE.mkdir(exist_ok=True)
    for old in PLACE.iterdir():
        old.unlink()
    with _browser() as browser:
        with put_up() as stage:
            seen = sights(stage)
            stage.execute(NAMED)
            for sight in seen:
                if sight.name in CHOSEN.keys() - {one.name for one in OF_THE_DEMO}:
                    _take(browser, stage.server.url, sight)
                    console.print(f"took {sight.name}")
        with demo() as server:
            for sight in OF_THE_DEMO:
                _take(browser, server.url, sight)
            (PLACE / FALLBACK).write_text(fallback(browser, server.url), encoding="utf-8")
    PAGE.write_text(gallery(), encoding="utf-8")
    size = sum(one.stat().st_size for one in PLACE.iterdir())
    console.print(f"{size / 1e6:.2f} MB in {PLACE}")


def pictures() -> list[str]:
    """The names of all files there must be."""
    return sorted([*(_file(name, look) for name in CHOSEN for look in LOOKS), FALLBACK])


def gallery() -> str:
    """The page that shows them."""
    parts = [_INTRODUCTION]
    for name, title in CHOSEN.items():
        shown = " ".join(
            f'<img src="../pictures/{_file(name, look)}" alt="{title}, {look.name}"'
            f' width="{560 if look.width > 600 else 200}">'
            for look in LOOKS
        )
        parts.append(f"## {title}\n\n{shown}\n")
    return "\n".join(parts)


def _file(name: str, look: Look) -> str:
    return f"{name}-{look.name}.webp"


@contextmanager
def _browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH)
        yield browser
        browser.close()


def _take(browser: "Browser", address: str, sight: Sight) -> None:
    """One sight, in every look."""
    context = browser.new_context(
        base_url=address, reduced_motion="reduce", permissions=["notifications"]
    )
    if sight.who:
        become: dict[str, str | float | bool] = {
            "role": sight.who.role.value,
            "id": str(sight.who.id),
        }
        context.request.post("/demo/sign-in", form=become, max_redirects=0)
    page = context.new_page()
    page.goto(sight.path)
    if sight.press:
        sight.press(page)
    allow_sound(page)
    for look in LOOKS:
        page.emulate_media(color_scheme=look.scheme)
        page.set_viewport_size({"width": look.width, "height": look.height})
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": look.width, "height": min(tall, look.height_max)})
        (PLACE / _file(sight.name, look)).write_bytes(shot(page, scale=look.scale))
    context.close()


if __name__ == "__main__":
    main()
