"""One picture of a fallback: three people's screens, step after step, as they really were."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from headstart.demonstration.people import PARTS
from headstart.demonstration.scenes import SCENES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

QUALITY = 38
PATIENCE_MS = 10_000
REDRAWN_MS = 200  # the last frame of a change has no event of its own
STEP_S = 5
WIDTH, HEIGHT, GAP, HEAD = 380, 640, 16, 84
SCENE = next(scene for scene in SCENES if scene.id == "silent")
# What the customer and the two mechanics show once a step has reached all three.
SIGNS = (
    ("Asking Maria Lopez", "#by-name .offer:not([data-ended])", ".empty"),
    ("Asking everyone", "#to-all .offer:not([data-ended])", "#to-all .offer:not([data-ended])"),
    ("Aisha Rahman accepted", ".ending", "[data-job]"),
)


class Step(NamedTuple):
    """What happened, and the three screens then."""

    title: str
    screens: Sequence[bytes]


def fallback(browser: "Browser", address: str) -> str:
    """Play the scene of the silent favourite on a demo at this address, and draw it."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": WIDTH, "height": HEIGHT},
        reduced_motion="reduce",
        permissions=["notifications"],
    )
    context.set_default_timeout(PATIENCE_MS)
    _press(context, address, f"/scenes/{SCENE.id}")
    stage = context.new_page()
    stage.goto("/demo/stage")
    customer = stage.locator("#live").get_attribute("data-customer-at")
    screens = [one.get_attribute("src") or "" for one in stage.locator("iframe").all()]
    stage.close()
    pages = [_opened(context, one) for one in (customer or "", *screens[1:])]
    steps = []
    for number, step in enumerate(SCENE.steps):
        if number:
            _press(context, address, "/next")
        steps.append(Step(step.title, _seen(pages, SIGNS[number])))
    context.close()
    return drawn(steps)


def _press(context: "BrowserContext", address: str, what: str) -> None:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    context.request.post(f"/demo/stage{what}", headers={"Origin": origin})


def _opened(context: "BrowserContext", address: str) -> "Page":
    page = context.new_page()
    page.goto(address)
    allow_sound(page)
    return page


def allow_sound(page: "Page") -> None:
    """Where a page says that its sound is blocked, do what it asks for."""
    button = page.locator("#channels").get_by_role("button").first
    if button.is_visible():
        button.click()


def _seen(pages: Sequence["Page"], signs: tuple[str, str, str]) -> Sequence[bytes]:
    headline, *selectors = signs
    pages[0].get_by_role("heading", name=headline).wait_for()
    for page, selector in zip(pages[1:], selectors, strict=True):
        page.locator(selector).first.wait_for()
        page.locator(selector).first.evaluate("one => one.scrollIntoView({block: 'nearest'})")
    return [shot(page) for page in pages]


def shot(page: "Page", *, scale: float = 1) -> bytes:
    """What the page shows, as WebP, which the browser itself can write."""
    page.wait_for_timeout(REDRAWN_MS)
    session = page.context.new_cdp_session(page)
    wish: dict[str, Any] = {"format": "webp", "quality": QUALITY}
    if scale != 1:
        wish["clip"] = {"x": 0, "y": 0, "scale": scale, **(page.viewport_size or {})}
    taken = session.send("Page.captureScreenshot", wish)
    session.detach()
    return b64decode(taken["data"])


def drawn(steps: Sequence[Step]) -> str:
    """The steps one after the other, for ever; the first one for who wants no movement."""
    width = len(PARTS) * (WIDTH + GAP) + GAP
    share = 100 / len(steps)
    groups = [_drawn_step(step, number, len(steps)) for number, step in enumerate(steps)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEAD + HEIGHT + GAP}">\n'
        "<style>\n"
        "text { font: 600 15px system-ui, sans-serif; fill: #55615e }\n"
        ".title { font-size: 21px; fill: #1a2422 }\n"
        f".step {{ visibility: hidden; animation: shown {len(steps) * STEP_S}s step-end infinite }}"
        "\n"
        f"@keyframes shown {{ 0% {{ visibility: visible }}\n"
        f"  {share:.2f}%, 100% {{ visibility: hidden }} }}\n"
        "@media (prefers-reduced-motion: reduce) { .step { animation: none }\n"
        "  .step:first-of-type { visibility: visible } }\n"
        "</style>\n"
        '<rect width="100%" height="100%" rx="12" fill="#e9e7df"/>\n' + "".join(groups) + "</svg>\n"
    )


def _drawn_step(step: Step, number: int, of: int) -> str:
    parts = [
        f'<g class="step" style="animation-delay:{number * STEP_S}s">\n'
        f'<text class="title" x="{GAP}" y="36">{number + 1} of {of}: {escape(step.title)}</text>\n'
    ]
    for column, (part, picture) in enumerate(zip(PARTS, step.screens, strict=True)):
        x = GAP + column * (WIDTH + GAP)
        parts.append(
            f'<text x="{x}" y="70">{escape(part.about)}, {escape(part.name)}</text>\n'
            f'<image x="{x}" y="{HEAD}" width="{WIDTH}" height="{HEIGHT}"'
            f' href="data:image/webp;base64,{b64encode(picture).decode()}"/>\n'
        )
    return "".join([*parts, "</g>\n"])
