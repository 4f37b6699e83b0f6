"""The judge of accessibility, axe-core, installed by its hash; and what it is asked."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.realtime.clients import environment

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc")
WIDE: "ViewportSize" = {"width": 1280, "height": 900}
NARROW: "ViewportSize" = {"width": 320, "height": 700}
COLOURS = {"runOnly": ["color-contrast"]}  # all that the dark can change


def script() -> str:
    """Its own script; environment.Missing where it cannot be installed."""
    _, place = environment.node_packages(HERE, FILES, "axe")
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def violations(page: "Page", options: dict[str, Any]) -> list[str]:
    """What the judge finds, each with where it is."""
    wish = {"resultTypes": ["violations"], "iframes": False, **options}
    found = page.evaluate("options => axe.run(options)", wish)
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
