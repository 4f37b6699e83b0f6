"""A mechanic never misses an offer, on whatever page of theirs, and never answers one in vain."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from playwright.sync_api import Page, Response, expect

from headstart.lab.stage import Stage
from tests.browser.cast import MINUTES_AND_SECONDS, Cast, ending, offer
from tests.browser.conftest import Windows

if TYPE_CHECKING:
    from playwright.sync_api import Locator

WINDOW_MINUTES = 10
NEWS = re.compile(r"^\(1\) New request \d+:\d\d ")
NOTES_OF_A_RING = 3  # that are as low as this, and no note of the test chime is
LISTEN = """
Object.assign(window, { notes: 0, notices: 0 });
const start = AudioScheduledSourceNode.prototype.start;
AudioScheduledSourceNode.prototype.start = function (...when) {
  if (this.frequency.value === 784) window.notes += 1;
  return start.apply(this, when);
};
window.Notification = class extends Notification {
  constructor(...told) { super(...told); window.notices += 1; }
};
"""
HIDDEN_LONG_MS = 20_000  # until a mechanic who was sent away reads it, with patience


def channel(page: Page, name: str) -> "Locator":
    """One of the ways in which offers reach the mechanic."""
    return page.locator(f'[data-channel="{name}"]')


def rings(pages: Sequence[Page]) -> float:
    """How often all of them together have rung."""
    notes: float = sum(page.evaluate("window.notes") for page in pages)
    return notes / NOTES_OF_A_RING


def has_rung(pages: Sequence[Page], times: int) -> None:
    """So often by now, and each time on one page only."""
    for _ in range(50):
        if rings(pages) >= times:
            break
        pages[0].wait_for_timeout(20)
    assert rings(pages) == times


def is_beat(answer: Response) -> bool:
    """The page has told the server that it is there."""
    return answer.url.endswith("/api/v1/presence")


def test_going_on_duty_is_the_gesture_and_every_channel_fails_alone(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    expect(channel(maria, "sound")).to_have_text("Sound blockedAllow it")
    expect(channel(maria, "notices")).to_contain_text("Notifications off")
    expect(channel(maria, "life")).to_have_text("Connected")
    request_id = stage.book(cast.customer, cast.favourite)
    expect(offer(maria, request_id, "#by-name")).to_contain_text("asked for you by name")
    expect(maria.locator("#alarm")).to_contain_text("asked for you by name")
    expect(maria.locator("link[rel=icon]")).to_have_attribute("href", "/static/mark-news.svg")

    channel(maria, "notices").get_by_role("button").click()  # and the browser says no
    expect(channel(maria, "notices")).to_have_text("Notifications blocked in your browser")
    expect(channel(maria, "sound")).to_contain_text("Sound on")  # any gesture will do
    maria.get_by_role("button", name="Go off duty").click()
    expect(maria.locator(".channel")).to_have_count(0)
    maria.get_by_role("button", name="Go on duty").click()
    expect(maria.get_by_role("heading", name="You are on duty")).to_be_visible()
    expect(channel(maria, "sound")).to_contain_text("Sound on")
    expect(offer(maria, request_id, "#by-name")).to_have_count(1)


def test_it_rings_on_one_page_until_it_is_seen_on_any(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    first = windows.open(cast.favourite, "/")
    first.context.grant_permissions(["notifications"])
    first.context.add_init_script(LISTEN)
    first.context.clock.install()
    second = first.context.new_page()
    pages = (first, second)
    for page in pages:
        page.goto("/mechanic")
        page.locator("#mend-sound").click()
        expect(channel(page, "sound")).to_contain_text("Sound on")
        expect(channel(page, "life")).to_have_text("Connected")
    request_id = stage.book(cast.customer, cast.favourite)
    for page in pages:
        expect(offer(page, request_id)).to_be_visible()
        expect(page).to_have_title(NEWS)
    has_rung(pages, 1)
    assert sum(page.evaluate("window.notices") for page in pages) == 1
    for rung, minutes in ((2, 1), (3, 2)):
        first.context.clock.fast_forward(minutes * 60_000 + 1_000)
        has_rung(pages, rung)
    second.keyboard.press("Shift")
    for page in pages:
        expect(page).to_have_title("Your offers · Headstart")
    first.context.clock.fast_forward(4 * 60_000)
    has_rung(pages, 3)

    remind = offer(first, request_id).get_by_role("button", name="Busy, remind me in 2 min")
    due = offer(first, request_id).get_attribute("data-due")
    remind.click()
    for page in pages:
        expect(offer(page, request_id).locator(".remind")).to_contain_text("Reminding you at")
    first.context.clock.fast_forward(2 * 60_000)
    has_rung(pages, 4)
    expect(first).to_have_title(NEWS)
    assert offer(first, request_id).get_attribute("data-due") == due


def test_after_the_window_the_card_moves_and_of_two_who_press_one_is_told_it_is_taken(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/")
    maria.context.add_init_script(LISTEN)
    maria.goto("/mechanic")
    maria.locator("#mend-sound").click()
    dmitri = windows.open(cast.other, "/mechanic")
    with maria.expect_response(is_beat):  # it has arrived, and the server knows
        request_id = stage.book(cast.customer, cast.favourite)
    expect(offer(maria, request_id, "#by-name")).to_be_visible()
    stage.advance(WINDOW_MINUTES)
    expect(offer(maria, request_id, "#to-all")).to_contain_text("open to everyone now")
    expect(offer(maria, request_id)).to_have_count(1)
    has_rung([maria], 1)
    expect(offer(dmitri, request_id)).to_be_visible()

    pages = {cast.favourite.id: maria, cast.other.id: dmitri}
    for page in pages.values():
        page.evaluate("document.querySelector('[data-accept] button').click()")
    expect(
        maria.get_by_role("heading", name="Your job").or_(ending(maria, request_id))
    ).to_be_visible()
    winner = stage.request(request_id)["matched_mechanic_id"]
    [loser] = set(pages) - {winner}
    expect(pages[winner].get_by_role("heading", name="Your job")).to_be_visible()
    expect(ending(pages[loser], request_id)).to_have_text("Taken by another mechanic.")
    expect(offer(pages[loser], request_id)).to_have_count(0)
    told = {winner: "yours", loser: "time_was_up" if loser == cast.favourite.id else "taken"}
    for mechanic, page in pages.items():
        page.goto("/mechanic/history")
        became = page.locator(f'[data-session="{request_id}"] .outcome')
        expect(became).to_have_attribute("data-outcome", told[mechanic])
        for name in ("Maria", "Dmitri"):
            expect(page.locator("main")).not_to_contain_text(name)


def test_a_no_is_one_press_and_its_reason_is_asked_afterwards(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    for scripts, why, told in (
        (True, "I am busy", "busy"),  # the first button of its form, which a press disables
        (False, "Not my field", "not my field"),
    ):
        carla = stage.customer("Carla", cast.favourite)
        request_id = stage.book(carla, cast.favourite)
        maria = windows.open(cast.favourite, "/mechanic", java_script_enabled=scripts)
        offer(maria, request_id).get_by_role("button", name="Decline").press("Enter")
        expect(maria.get_by_text("It will not be offered to you again.").first).to_be_visible()
        assert stage.request(request_id)["fallback_reason"] == "declined"
        maria.get_by_role("button", name=why).press("Enter")
        expect(maria.get_by_text("Only our team reads it.").first).to_be_visible()
        maria.get_by_role("link", name="Earlier offers").click()
        line = maria.locator(f'[data-session="{request_id}"]')
        expect(line).to_contain_text(f"You declined. {why}.")
        operator = windows.open(stage.operator(), f"/admin/requests/{request_id}")
        said = operator.locator("#notes")
        expect(said).to_contain_text(f"Maria Lopez, on why they declined: {told}.")


def test_more_time_is_shown_and_a_yes_without_a_network_arrives_in_time(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic")
    card = offer(maria, request_id, "#by-name")
    expect(channel(maria, "life")).to_have_text("Connected")
    stage.advance(6)
    cast.customer.post(f"/session-requests/{request_id}/extension").raise_for_status()
    expect(maria.locator("#announcer")).to_contain_text("You have more time")
    expect(card.get_by_role("timer")).to_have_text(MINUTES_AND_SECONDS)
    assert card.get_by_role("timer").inner_text().startswith(("8:", "9:"))

    maria.context.set_offline(True)
    card.get_by_role("button", name="Accept").click()
    expect(maria.locator("#notice")).to_contain_text("Your yes is sent as soon as it is back")
    expect(maria.locator("#connection")).to_contain_text("The offer is safe on the server until")
    expect(channel(maria, "life")).to_have_text("Reconnecting by itself")
    assert stage.request(request_id)["status"] == "pending"
    maria.context.set_offline(False)
    expect(maria.get_by_role("heading", name="Your job")).to_be_visible()
    expect(ending(maria, request_id)).to_have_count(0)
    [accepted] = stage.rows(
        "select command_key from session_events where request_id = $1 and kind = 'request_matched'",
        request_id,
    )
    assert accepted["command_key"].startswith(f"AcceptOffer:{cast.favourite.id}:")


def test_a_yes_that_cannot_be_sent_before_the_time_is_up_is_not_sent_at_all(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/")
    maria.clock.install()
    maria.goto("/mechanic")
    card = offer(maria, request_id, "#by-name")
    expect(card).to_be_visible()
    maria.context.set_offline(True)
    card.get_by_role("button", name="Accept").click()
    expect(maria.locator("#notice")).to_contain_text("No connection")
    stage.advance(WINDOW_MINUTES)  # the device sleeps meanwhile
    maria.clock.fast_forward(WINDOW_MINUTES * 60_000)
    expect(maria.locator("#notice")).to_contain_text("could not be sent before the time was up")
    maria.context.set_offline(False)
    expect(offer(maria, request_id, "#to-all")).to_contain_text("open to everyone now")
    expect(offer(maria, request_id)).to_have_count(1)
    assert stage.request(request_id)["status"] == "pending"


def test_who_misses_three_offers_in_a_row_is_sent_away_and_comes_back_by_one_press(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    expect(channel(maria, "life")).to_have_text("Connected")
    for customer in [stage.customer(name, cast.favourite) for name in ("Cleo", "Cato", "Cora")]:
        with maria.expect_response(is_beat):  # it has arrived, and the server knows
            request_id = stage.book(customer, cast.favourite)
        expect(offer(maria, request_id, "#by-name")).to_be_visible()
        stage.advance(WINDOW_MINUTES)
        expect(offer(maria, request_id, "#to-all")).to_be_visible()
    away = maria.get_by_text("the last 3 offers made to you by name went by without an answer")
    expect(away).to_be_visible(timeout=HIDDEN_LONG_MS)
    [presence] = stage.rows(
        "select on_duty from presence where mechanic_id = $1", cast.favourite.id
    )
    assert not presence["on_duty"]
    [note] = stage.rows(
        "select author, note from offer_notes where mechanic_id = $1", cast.favourite.id
    )
    assert note == {"author": "system", "note": "set_off_duty"}
    maria.get_by_role("button", name="I am back").click()
    expect(maria.get_by_role("heading", name="You are on duty")).to_be_visible()
    expect(away).to_have_count(0)
