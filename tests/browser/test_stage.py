"""The demo's stage: all scenes, each on three real screens at once, by its director's own code."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from headstart.demonstration.scenes import SCENES
from headstart.lab.showing import demo
from tests.browser.cast import MINUTES_AND_SECONDS, book_again, fill_in
from tests.browser.conftest import PATIENCE_MS
from tests.browser.judge import faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OFFER, JOB = ".offer:not([data-ended])", "[data-job]"
BY_NAME, TO_ALL = f"#by-name {OFFER}", f"#to-all {OFFER}"
NOTHING, ENDED = "", ".ending"

ASKED = ("Asking Maria Lopez", BY_NAME, NOTHING)
OPEN = ("Asking everyone", TO_ALL, TO_ALL)
TAKEN = ("Aisha Rahman accepted", ENDED, JOB)
# What the three screens show after each step: a headline, and what the mechanics have.
EXPECTED = {
    "accepts": [ASKED, ("Maria Lopez accepted", JOB, NOTHING)],
    "silent": [ASKED, OPEN, TAKEN],
    "offline": [("Hello, Carla", NOTHING, NOTHING), ASKED, OPEN, TAKEN],
    "anybody": [OPEN, TAKEN],
    "switched-off": [("Hello, Carla", NOTHING, NOTHING), OPEN, TAKEN, TAKEN],
    "declines": [ASKED, ("Asking everyone", NOTHING, TO_ALL), ("Aisha Rahman accepted", "", JOB)],
    "impatient": [ASKED, OPEN, ("Maria Lopez accepted", JOB, ENDED)],
    "cancels": [ASKED, ("Cancelled", ENDED, NOTHING)],
}


@pytest.fixture(scope="module")
def stage_page(browser: "Browser", postgres: str) -> Iterator[Page]:
    """The stage of a demo with the plan's window, paused; no script may be upset."""
    errors: list[str] = []
    with demo(postgres) as server:
        context = browser.new_context(base_url=server.url, viewport={"width": 1400, "height": 900})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto("/")
        page.get_by_role("link", name="Watch it on the stage").click()
        page.get_by_role("button", name="Pause").click()
        yield page
        context.close()
    assert not errors


def screens(page: Page) -> tuple[FrameLocator, FrameLocator, FrameLocator]:
    """What is in the frames."""
    customer, favourite, other = (
        page.frame_locator(f"iframe.{key}") for key in ("customer", "favourite", "other")
    )
    return customer, favourite, other


def shows(page: Page, headline: str, favourite: str, other: str) -> None:
    """Wait until all three screens show this."""
    carla, maria, aisha = screens(page)
    expect(carla.get_by_role("heading", level=1)).to_have_text(headline)
    for mechanic, selector in ((maria, favourite), (aisha, other)):
        if selector:
            expect(mechanic.locator(selector).first).to_be_visible()
        else:
            expect(mechanic.locator(f"{OFFER}, {JOB}")).to_have_count(0)


def test_every_scene_has_its_expectations() -> None:
    assert {scene.id: len(scene.steps) for scene in SCENES} == {
        scene: len(steps) for scene, steps in EXPECTED.items()
    }


@pytest.mark.parametrize("scene", EXPECTED)
def test_a_scene_is_played_on_three_screens(stage_page: Page, scene: str) -> None:
    stage_page.locator(f"#scene-{scene}").click()
    for number, expected in enumerate(EXPECTED[scene], start=1):
        if number > 1:
            stage_page.get_by_role("button", name="Next").click()
        expect(stage_page.get_by_text(f"step {number} of {len(EXPECTED[scene])}")).to_be_visible()
        shows(stage_page, *expected)
        expect(stage_page.locator("#notice")).to_be_empty()
    expect(stage_page.get_by_role("button", name="Next")).to_be_disabled()


def test_somebody_plays_the_customer_and_lets_time_pass(stage_page: Page) -> None:
    """By hand, in the frame: through the payment page and back to the same screen."""
    carla, maria, _ = screens(stage_page)
    stage_page.locator("#scene-cancels").click()
    stage_page.get_by_role("button", name="Next").click()
    carla.get_by_role("link", name="Book again").click()
    book_by_hand(carla)
    shows(stage_page, *ASKED)
    timer = maria.locator(BY_NAME).get_by_role("timer")
    expect(timer).to_have_text(MINUTES_AND_SECONDS)
    for left in ("8:", "7:"):
        stage_page.get_by_role("button", name="+1 minute").click()
        expect(timer).to_contain_text(left)
    stage_page.get_by_role("button", name="To the deadline").click()
    shows(stage_page, *OPEN)
    maria.locator(TO_ALL).get_by_role("button", name="Accept").click()
    shows(stage_page, "Maria Lopez accepted", JOB, ENDED)
    stage_page.get_by_role("button", name="To the deadline").click()
    expect(stage_page.locator("#notice")).to_contain_text("there is no deadline to go to")


def book_by_hand(carla: Any) -> None:
    """From her dashboard, as anybody would."""
    book_again(carla)
    fill_in(carla)
    carla.get_by_role("button", name="Go on to payment").click()
    carla.get_by_role("button", name="Pay 29.99 CAD").click()


def test_the_stage_itself_keeps_nobody_out(stage_page: Page, axe: str) -> None:
    """What stands in its frames is judged for itself."""
    assert faults(stage_page, axe) == []


def test_a_scene_plays_by_itself(stage_page: Page) -> None:
    stage_page.clock.install()
    stage_page.reload()
    stage_page.locator("#scene-silent").click()
    shows(stage_page, *ASKED)
    for expected in (OPEN, TAKEN):
        stage_page.clock.run_for(10_000)
        shows(stage_page, *expected)
