"""How soon a mechanic sees it: from the decision in the log to the card painted in a browser."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from bench.figures import Result, Tally, Verdict, percentile
from bench.options import Options
from headstart.lab.backstage import wait_until
from headstart.lab.stage import Stage, put_up
from headstart.lab.visitors import STREAM, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

BOOKINGS = 100
WARM_UP = 5
OTHERS = 200  # mechanics on duty, each with a stream of their own
PATIENCE_MS = 10_000
BAR_MS = 500.0

FAVOURITE = "reserved: the favourite's page"
EVERYBODY = f"open: one of {OTHERS + 1} mechanics' pages"
LAUNCH = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")

# When a card has been painted: two frames after it came into the document.
WATCH = """
window.seen = {};
new MutationObserver(() => {
  for (const { dataset } of document.querySelectorAll(".offer:not([data-ended])")) {
    if (window.seen[dataset.session] !== undefined) continue;
    window.seen[dataset.session] = null;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.seen[dataset.session] = performance.timeOrigin + performance.now();
    }));
  }
}).observe(document, { childList: true, subtree: true });
"""


async def seen(dsn: str, options: Options) -> Result:
    """One server process, one browser, one booking at a time."""
    return await asyncio.to_thread(_seen, dsn, options)


def _seen(dsn: str, options: Options) -> Result:
    result = Result("seen", "An offer is decided: when is its card painted on the mechanic's page?")
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None or find_spec("playwright") is None:
        result.notes.append(
            "not run: it needs Chromium and Playwright, which `./dev test` installs"
        )
        return result
    result.notes.append(
        f"{OTHERS} other mechanics are connected, each by a stream. decided to painted: from the"
        " event's time in the log, which is before its commit, to two frames after the card came"
        " into the document"
    )
    tally = Tally()
    others = min(OTHERS, options.scaled(OTHERS))
    with put_up(dsn) as stage, onlookers(stage, others):
        favourite = stage.mechanic("Fay").on_duty()
        with page_of(stage, favourite, browser) as page:
            for variant in (FAVOURITE, EVERYBODY):
                _figures(stage, page, variant, favourite, WARM_UP)
            for _ in range(options.repeat):
                for variant in (FAVOURITE, EVERYBODY):
                    number = min(BOOKINGS, options.scaled(BOOKINGS))
                    tally.add("", variant, **_figures(stage, page, variant, favourite, number))
    result.rows = tally.rows()
    result.verdicts = [
        Verdict(
            f"{variant}: decided to painted, p99 ms",
            tally.figure("", variant, "decided_to_painted_p99_ms"),
            BAR_MS,
        )
        for variant in (FAVOURITE, EVERYBODY)
    ]
    return result


def _figures(
    stage: Stage, page: "Page", variant: str, favourite: Person, number: int
) -> dict[str, float]:
    """So many bookings, one after another; each is withdrawn once it was seen."""
    samples = []
    for _ in range(number):
        customer = stage.customer("Carla", favourite)  # nobody has two live requests
        request = stage.book(customer, favourite if variant == FAVOURITE else None)
        painted = page.wait_for_function("id => window.seen[id]", arg=str(request))
        samples.append(float(painted.json_value()) - _decided_ms(stage, request))
        customer.post(f"/session-requests/{request}/cancellation").raise_for_status()
    shares = {f"decided_to_painted_p{share}_ms": share / 100 for share in (50, 99)}
    return {name: percentile(samples, share) for name, share in shares.items()}


def _decided_ms(stage: Stage, request: UUID) -> float:
    """By the database's clock, on this same machine."""
    at: float = stage.events(request)[-1]["at"].timestamp()
    return at * 1e3


@contextmanager
def page_of(stage: Stage, who: Person, executable: str) -> "Iterator[Page]":
    """The mechanic's page in a browser of its own, live."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH)
        context = browser.new_context(base_url=stage.server.url)
        become: dict[str, str | float | bool] = {"role": who.role.value, "id": str(who.id)}
        context.request.post("/demo/sign-in", form=become, max_redirects=0)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto("/mechanic")
        expect(page.locator('[data-channel="life"]')).to_have_text("Connected")
        yield page
        browser.close()


@contextmanager
def onlookers(stage: Stage, number: int) -> "Iterator[None]":
    """Mechanics on duty who listen and do nothing else: what arrives is counted, not read, so that
    this process takes no time from the browser."""
    ready: list[Person] = []
    people = [stage.mechanic(f"Otto {each}").on_duty() for each in range(number)]
    following = [
        stage.portal.start_task_soon(_follow, stage.server.url, who, ready.append) for who in people
    ]
    wait_until(lambda: len(ready) == number, "a stream did not open")
    try:
        yield
    finally:
        for one in following:
            one.cancel()


async def _follow(base: str, who: Person, is_ready: Callable[[Person], None]) -> None:
    """One stream over a plain socket, to its end."""
    at = urlsplit(base)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = (
        f"GET {STREAM} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {who.token}\r\n\r\n"
    )
    writer.write(head.encode())
    try:
        await reader.readuntil(b"event: ready")
        is_ready(who)
        while await reader.read(65_536):
            pass
    finally:
        writer.close()
