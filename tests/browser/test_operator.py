"""The operator before a live shop: all at a glance, one click to a story, and a hand in it."""

import re

from playwright.sync_api import Locator, Page, expect

from headstart.lab.stage import Stage
from tests.browser.cast import Cast
from tests.browser.conftest import Windows

RANG = "the customer rang us"


def intervene(page: Page, what: str) -> Locator:
    """A thing that can be done, unfolded by keyboard, with the reason written and ticked."""
    place = page.locator(f"#do-{what}")
    place.locator("summary").press("Enter")
    place.get_by_label("Why").fill(RANG)
    place.get_by_role("checkbox").press("Space")
    return place


def can_cancel(page: Page) -> None:
    """The operator, at any time; and then there is nothing more to be done."""
    ending = intervene(page, "cancellation")
    ending.get_by_role("button", name="Cancel and give the money back").press("Enter")
    expect(page.locator("#state")).to_have_text("cancelled")
    expect(page.get_by_text("Nothing: this request has ended")).to_be_visible()


def is_told_to_sign_in(page: Page) -> None:
    """Whoever was signed out elsewhere meanwhile, and asks everyone."""
    asking = intervene(page, "broadcast")
    page.context.clear_cookies()
    asking.get_by_role("button", name="Ask everyone").press("Enter")
    expect(page.locator("#notice")).to_contain_text("Sign in")


def test_the_operator_watches_the_shop_and_steps_in(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    page = windows.open(stage.operator(), "/admin?stage=reserved")
    request_id = stage.book(cast.customer, cast.favourite)
    card = page.locator(f'.request[data-session="{request_id}"]')
    expect(card).to_contain_text("Maria Lopez")
    expect(page.get_by_role("link", name="asked alone")).to_have_attribute("aria-current", "true")
    expect(page.locator("#stuck")).to_have_text("0")
    stage.advance(8.5)
    page.reload()
    expect(card.locator(".age")).to_have_class(re.compile("soon"))
    link = card.get_by_role("link", name="Carla")
    link.focus()
    other_id = stage.book(stage.customer("Cleo", cast.favourite), cast.favourite)
    expect(page.locator(f'.request[data-session="{other_id}"]')).to_be_visible()
    expect(link).to_be_focused()  # news take nobody's place away
    page.keyboard.press("Enter")

    asking = intervene(page, "broadcast")
    cast.customer.post(f"/session-requests/{request_id}/extension").raise_for_status()
    expect(page.get_by_text("lengthened")).to_be_visible()
    expect(asking.get_by_label("Why")).to_have_value(RANG)  # news take nothing away
    expect(asking.get_by_role("checkbox")).to_be_checked()
    asking.get_by_role("button", name="Ask everyone").press("Enter")
    expect(
        page.get_by_role("status").filter(has_text="Everyone is being asked.")
    ).not_to_have_count(0)
    expect(page.locator("#state")).to_have_text("asking everyone")
    expect(page.get_by_text(f"“{RANG}”")).not_to_have_count(0)
    expect(asking).to_have_count(0)

    cast.other.accept(request_id).raise_for_status()
    expect(page.locator("#state")).to_have_text("matched")
    can_cancel(page)
    page.get_by_role("link", name="Board").click()
    expect(page.locator(".ended").get_by_role("link", name="Carla").first).to_be_visible()

    page.goto(f"/admin/requests/{other_id}")
    is_told_to_sign_in(page)


def test_without_scripts_the_operator_does_the_same(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    page = windows.open(stage.operator(), "/admin", java_script_enabled=False)
    page.locator(f'.request[data-session="{request_id}"]').get_by_role("link").first.click()
    place = page.locator("#do-assignment")
    place.locator("summary").click()
    place.get_by_label("Mechanic").select_option(value=str(cast.other.id))
    place.get_by_role("button").click()
    expect(page.locator("#state")).to_have_text("asked alone")  # neither a reason nor a tick
    place.get_by_label("Why").fill(RANG)
    place.get_by_role("checkbox").check()
    place.get_by_role("button").click()
    expect(page.locator("#state")).to_have_text("matched")
    page.get_by_label("Mechanic", exact=True).select_option(value=str(cast.other.id))
    page.get_by_role("button", name="Ask the log").click()
    expect(page.get_by_text("it was held for another mechanic alone")).to_be_visible()


def switch(page: Page, to: str, why: str) -> None:
    """What it needs: a reason, and a tick that one means it."""
    place = page.locator("section").filter(has=page.get_by_role("button", name=f"Switch it {to}"))
    place.get_by_label("Why").fill(why)
    place.get_by_role("checkbox").check()
    place.get_by_role("button", name=f"Switch it {to}").click()
    expect(page.locator("#flag")).to_have_text(to)


def test_the_operator_switches_and_reads_a_story(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    page = windows.open(stage.operator(), "/admin/flags")
    switch(page, "off", "too many complaints")
    carla = windows.open(cast.customer, cast.intake())
    expect(carla.get_by_label("Ask Maria first")).to_have_count(0)
    switch(page, "on", "all is well again")
    expect(page.get_by_role("cell", name="too many complaints")).to_be_visible()
    page.get_by_label("The id of a request").fill(str(request_id))
    page.get_by_role("button", name="Its story").click()
    expect(page.get_by_text("Reserved for Maria Lopez")).to_be_visible()
