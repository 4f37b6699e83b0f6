"""The customer's way from "Book again" to the end, by hand, by keyboard, and without scripts."""

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from headstart.lab.stage import Stage
from tests.browser.cast import (
    CONCERN,
    MINUTES_AND_SECONDS,
    Cast,
    book_again,
    book_and_pay,
    fill_in,
    offer,
)
from tests.browser.conftest import Windows


def headline(page: Page, text: str) -> None:
    """What the page says in large letters."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def timer(page: Page) -> str:
    """What is left on the customer's clock."""
    clock = page.get_by_role("timer")
    expect(clock).to_have_text(MINUTES_AND_SECONDS)
    return clock.inner_text()


def test_more_time_moves_every_clock_and_is_given_twice(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic")
    carla = windows.open(cast.customer, f"/requests/{request_id}")
    tablet = windows.open(cast.customer, f"/requests/{request_id}", java_script_enabled=False)
    card = offer(maria, request_id, "#by-name").get_by_role("timer")
    for more in ("14:", "19:"):
        carla.get_by_role("button", name="Give them 5 more minutes").click()
        expect(carla.get_by_role("timer")).to_contain_text(more)
        expect(card).to_contain_text(more)
    expect(carla.get_by_role("button", name="Give them")).to_have_count(0)
    expect(carla.get_by_text("Maria was given more time to answer.")).to_have_count(2)
    tablet.get_by_role("button", name="Give them 5 more minutes").click()  # the first wish, again
    expect(tablet.get_by_role("timer")).to_contain_text("19:")
    assert stage.request(request_id)["priority_window_minutes"] == 20

    stage.advance(12)
    carla.reload()
    assert timer(carla).startswith(("7:", "8:0"))
    carla.get_by_role("button", name="Ask everyone now").click()
    headline(carla, "Asking everyone")
    expect(carla.get_by_text("you get 29.99 CAD back")).to_be_visible()


def test_book_again_by_keyboard_alone(windows: Windows, cast: Cast) -> None:
    carla = windows.open(cast.customer, "/dashboard")
    again = carla.get_by_role("link", name="Book Maria again")
    again.press("Enter")
    dialog = carla.get_by_role("dialog", name="Book Maria again")
    expect(dialog).to_contain_text("available now")
    carla.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(again).to_be_focused()

    again.press("Enter")
    expect(dialog.get_by_role("link", name="Ask Maria first")).to_be_focused()
    carla.keyboard.press("Enter")
    carla.get_by_label("I want a specialist").press("Space")
    plan = carla.get_by_role("button", name="Video Session")
    expect(plan).to_contain_text("44.99 CAD")
    plan.press("Enter")
    expect(carla.locator("#total")).to_have_text("44.99 CAD")
    expect(carla.get_by_label("Ask Maria first")).to_be_checked()
    carla.get_by_label("What is wrong?").press_sequentially("short")
    carla.get_by_role("button", name="Go on to payment").press("Enter")
    errors = carla.locator("#errors")
    expect(errors).to_contain_text("10 characters or more")
    errors.get_by_role("link", name="Say which car it is").press("Enter")
    expect(carla.get_by_label("Year")).to_be_focused()
    carla.get_by_label("It is urgent").press("Space")  # then it is enough
    carla.get_by_role("button", name="Go on to payment").press("Enter")
    expect(carla.get_by_role("button", name="Pay 44.99 CAD")).to_be_visible()


def test_an_unpaid_booking_goes_on_from_another_device(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    carla = windows.open(cast.customer, "/dashboard")
    book_again(carla)
    confirmed = carla.get_by_text("Maria Lopez alone is asked for 10 minutes")
    expect(confirmed).to_be_visible()
    carla.reload()
    expect(confirmed).to_be_visible()
    fill_in(carla)
    carla.get_by_role("button", name="Go on to payment").click()
    expect(carla.get_by_role("button", name="Pay 29.99 CAD")).to_be_visible()

    phone = windows.open(cast.customer, "/dashboard", java_script_enabled=False)
    phone.get_by_role("button", name="Go on to payment").click()
    expect(phone).to_have_url(carla.url)
    phone.get_by_role("button", name="Pay 29.99 CAD").click()
    headline(phone, "Asking Maria Lopez")
    request_id = UUID(phone.url.rpartition("/")[2])
    carla.goto("/dashboard")
    expect(carla.get_by_text("Not paid yet")).to_have_count(0)
    carla.get_by_role("link", name="Video Session").click()
    headline(carla, "Asking Maria Lopez")
    assert stage.request(request_id)["stage"] == "reserved"


def test_whoever_helped_becomes_a_favourite_and_what_was_told_stays(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer)
    cast.other.accept(request_id).raise_for_status()
    carla = windows.open(cast.customer, f"/requests/{request_id}")
    expect(carla.get_by_role("button", name="Add Dmitri")).to_have_count(0)
    cast.other.post(f"/session-requests/{request_id}/completion").raise_for_status()
    carla.get_by_role("button", name="Add Dmitri to your favourites").click()
    expect(carla.get_by_text("among your favourites")).to_be_visible()
    expect(carla.get_by_role("button", name="Add Dmitri")).to_have_count(0)

    carla.get_by_role("link", name="Dashboard").click()
    card = carla.locator(".favourite", has_text="Dmitri Volkov")
    expect(card).to_contain_text("1 job together, last on")
    expect(card).to_contain_text("available now")
    expect(carla.locator(".favourite", has_text="Maria Lopez")).to_contain_text("No job together")
    carla.get_by_role("link", name="Messages").click()
    expect(carla.locator(".letters li")).to_contain_text(
        ["The session is over.", "Dmitri accepted."]
    )


@pytest.mark.parametrize("on_duty", [True, False], ids=["there", "away"])
def test_without_scripts_the_same_way_is_made_of_pages(
    windows: Windows, cast: Cast, on_duty: bool
) -> None:
    if not on_duty:
        cast.favourite.off_duty()
    carla = windows.open(cast.customer, "/dashboard", java_script_enabled=False)
    carla.get_by_role("link", name="Book Maria again").click()
    headline(carla, "Book Maria again")
    availability = "Maria is there now" if on_duty else "Maria is not there at the moment"
    expect(carla.get_by_text(availability)).to_be_visible()
    expect(carla.get_by_text("nobody else is asked for 10 minutes")).to_be_visible()
    carla.get_by_role("link", name="Not now").click()
    headline(carla, "Hello, Carla")
    book_again(carla)
    expect(carla.get_by_label("Ask Maria first")).to_be_checked()
    if on_duty:
        book_and_pay(carla)
        headline(carla, "Asking Maria Lopez")
        carla.get_by_role("button", name="Give them 5 more minutes").click()
        expect(carla.get_by_text("they have more time to answer")).to_be_visible()
        expect(carla.get_by_text(CONCERN)).to_have_count(0)
