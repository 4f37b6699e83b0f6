"""Two or three people at once, each in a window of their own."""

import re

from playwright.sync_api import Page, Response, expect

from headstart.lab.stage import Stage
from tests.browser.cast import (
    CONCERN,
    MINUTES_AND_SECONDS,
    Cast,
    book_again,
    book_and_pay,
    ending,
    offer,
)
from tests.browser.conftest import Windows

WINDOW_MINUTES = 10
NEWS = re.compile(r"^\(1\) New request \d+:\d\d · Headstart$")


def headline(page: Page, text: str) -> None:
    """What the customer's waiting page says in large letters."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def is_look(answer: Response) -> bool:
    """The page's script asks for the page again, as it does once its stream is open."""
    return answer.url.endswith("/mechanic") and answer.request.resource_type == "fetch"


def test_the_favourite_is_silent_and_somebody_else_comes(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    dmitri = windows.open(cast.other, "/mechanic")
    carla = windows.open(cast.customer, "/dashboard")

    book_again(carla)
    expect(carla.get_by_label("Ask Maria first")).to_be_checked()
    expect(carla.get_by_text("Maria Lopez alone is asked for 10 minutes")).to_be_visible()
    request_id = book_and_pay(carla)
    headline(carla, "Asking Maria Lopez")
    expect(carla.get_by_role("timer")).to_have_text(MINUTES_AND_SECONDS)

    card = offer(maria, request_id, "#by-name")
    expect(card).to_contain_text(CONCERN)
    expect(card.get_by_role("timer")).to_have_text(MINUTES_AND_SECONDS)
    expect(card).to_contain_text("then everyone")
    expect(maria).to_have_title(NEWS)
    expect(maria.locator("#alarm")).to_contain_text("asked for you by name")
    marker = stage.book(stage.customer("Marker"), plan="quick", concern="Told after it")
    expect(offer(dmitri, marker)).to_be_visible()  # news keep their order: nothing came before
    expect(offer(dmitri, request_id)).to_have_count(0)

    stage.advance(WINDOW_MINUTES)
    expect(offer(dmitri, request_id, "#to-all")).to_contain_text(CONCERN)
    headline(carla, "Asking everyone")
    expect(carla.get_by_text("Maria did not answer in time.")).to_be_visible()
    expect(offer(maria, request_id, "#by-name")).to_have_count(0)
    expect(offer(maria, request_id, "#to-all")).to_contain_text("open to everyone now")

    offer(dmitri, request_id).get_by_role("button", name="Accept").click()
    expect(dmitri.get_by_role("heading", name="Your job")).to_be_visible()
    headline(carla, "Dmitri Volkov accepted")
    expect(carla.get_by_text("somebody else than you asked for")).to_be_visible()
    expect(ending(maria, request_id)).to_have_text("Taken by another mechanic.")


def test_the_favourite_accepts_by_keyboard(stage: Stage, windows: Windows, cast: Cast) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    carla = windows.open(cast.customer, cast.intake())
    request_id = book_and_pay(carla)

    offer(maria, request_id).get_by_role("button", name="Accept").press("Enter")
    expect(maria.get_by_role("status").filter(has_text="The job is yours.")).not_to_have_count(0)
    expect(ending(maria, request_id)).to_have_count(0)
    headline(carla, "Maria Lopez accepted")
    expect(carla.locator("#announcer")).to_contain_text("Maria Lopez accepted")

    maria.get_by_role("button", name="The session is over").click()
    expect(maria.get_by_role("heading", name="Your job")).to_have_count(0)
    headline(carla, "Done")


def test_the_favourite_declines_and_it_is_not_made_personal(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    dmitri = windows.open(cast.other, "/mechanic")
    carla = windows.open(cast.customer, cast.intake())
    request_id = book_and_pay(carla)

    offer(maria, request_id).get_by_role("button", name="Decline").click()
    expect(offer(maria, request_id)).to_have_count(0)
    expect(offer(dmitri, request_id, "#to-all")).to_be_visible()
    headline(carla, "Asking everyone")
    expect(carla.get_by_text("Maria is not available right now.")).to_be_visible()
    expect(carla.locator("main")).not_to_contain_text("declined")


def test_the_customer_asks_everyone_and_then_cancels(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    dmitri = windows.open(cast.other, "/mechanic")
    carla = windows.open(cast.customer, cast.intake())
    request_id = book_and_pay(carla)

    carla.get_by_role("button", name="Ask everyone now").click()
    headline(carla, "Asking everyone")
    expect(offer(dmitri, request_id, "#to-all")).to_be_visible()

    carla.get_by_text("Cancel and get your money back").click()
    expect(carla.get_by_text("You get all of 29.99 CAD back")).to_be_visible()
    carla.get_by_role("button", name="Cancel and refund").click()
    headline(carla, "Cancelled")
    expect(carla.get_by_text("No mechanic will be sent.")).to_be_visible()
    expect(carla.locator("main")).not_to_contain_text("refund")
    expect(ending(dmitri, request_id)).to_have_text("Withdrawn. The request was cancelled.")


def test_two_press_accept_and_one_is_told_that_it_is_taken(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer)
    maria = windows.open(cast.favourite, "/mechanic", java_script_enabled=False)
    cast.other.accept(request_id).raise_for_status()
    offer(maria, request_id).get_by_role("button", name="Accept").click()
    expect(maria.get_by_text("This request is taken")).to_be_visible()


def test_a_mechanic_without_scripts_accepts_by_plain_form(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic", java_script_enabled=False)
    expect(maria).to_have_title("(1) New request · Headstart")
    expect(offer(maria, request_id).get_by_role("timer")).to_have_text(MINUTES_AND_SECONDS)
    offer(maria, request_id).get_by_role("button", name="Accept").click()
    expect(maria.get_by_text("The job is yours.")).to_be_visible()
    assert stage.request(request_id).get("matched_mechanic_id") == cast.favourite.id

    maria.get_by_text("I cannot do this job").click()
    maria.get_by_role("button", name="Give it back").click()
    expect(maria.get_by_text("You gave the job back.")).to_be_visible()
    maria.get_by_role("button", name="Go off duty").click()
    expect(maria.get_by_role("heading", name="You are off duty")).to_be_visible()


def test_a_customer_without_scripts_books_waits_and_cancels(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    carla = windows.open(cast.customer, cast.intake(), java_script_enabled=False)
    book_and_pay(carla)
    headline(carla, "Asking Maria Lopez")
    carla.get_by_role("button", name="Ask everyone now").click()
    headline(carla, "Asking everyone")
    carla.get_by_text("Cancel and get your money back").click()
    carla.get_by_role("button", name="Cancel and refund").click()
    headline(carla, "Cancelled")


def test_a_reload_in_mid_window_keeps_offer_and_countdown(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic")
    expect(offer(maria, request_id, "#by-name")).to_be_visible()
    stage.advance(6)
    maria.reload()
    timer = offer(maria, request_id, "#by-name").get_by_role("timer")
    expect(timer).to_have_text(MINUTES_AND_SECONDS)
    assert timer.inner_text().startswith(("3:", "4:0"))


def test_time_is_announced_and_its_end_is_the_servers_to_say(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/")
    maria.clock.install()
    with maria.expect_response(is_look):
        maria.goto("/mechanic")
    for minutes, words in ((5, "5 minutes left."), (4, "1 minute left.")):
        # The device first: a look between the two would else correct it by the whole jump.
        maria.clock.fast_forward(minutes * 60_000)
        stage.advance(minutes)
        expect(maria.locator("#announcer")).to_contain_text(words)
    maria.clock.fast_forward(70_000)  # this device's clock runs ahead; the server's does not
    expect(offer(maria, request_id).get_by_role("timer")).to_have_text(MINUTES_AND_SECONDS)


def test_the_server_goes_away_and_nothing_is_missed(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    maria = windows.open(cast.favourite, "/mechanic")
    expect(maria.get_by_role("heading", name="You are on duty")).to_be_visible()
    request_id = stage.book(cast.customer, cast.favourite)
    expect(offer(maria, request_id, "#by-name")).to_be_visible()
    stage.server.kill()
    try:
        expect(maria.locator("#connection")).to_contain_text("No connection")
        expect(maria.locator("#connection")).to_contain_text("safe on the server until")
    finally:
        stage.server.start()
    later = stage.book(stage.customer("Cleo", cast.favourite), cast.favourite)
    for one in (request_id, later):
        expect(offer(maria, one, "#by-name")).to_have_count(1)
    expect(maria.locator("#connection")).to_be_hidden()


def test_what_happened_while_the_stream_was_down_is_explained(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic")
    expect(offer(maria, request_id)).to_be_visible()
    maria.context.set_offline(True)
    cast.customer.post(f"/session-requests/{request_id}/cancellation").raise_for_status()
    maria.context.set_offline(False)
    expect(ending(maria, request_id)).to_have_text("Withdrawn. The request was cancelled.")


def test_a_job_that_our_team_ends_does_not_go_without_a_word(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    request_id = stage.book(cast.customer, cast.favourite)
    maria = windows.open(cast.favourite, "/mechanic")
    cast.favourite.post(f"/session-requests/{request_id}/acceptance").raise_for_status()
    expect(maria.get_by_role("heading", name="Your job")).to_be_visible()
    stage.operator().post(f"/session-requests/{request_id}/cancellation").raise_for_status()
    gone = "Your job was cancelled. You need not come."
    expect(maria.locator("#notice")).to_have_text(gone)
    expect(maria.locator("#alarm")).to_contain_text(gone)
    expect(maria.get_by_role("heading", name="Your job")).to_have_count(0)


def test_one_becomes_somebody_of_the_demo(stage: Stage, windows: Windows, cast: Cast) -> None:
    page = windows.open(None, "/mechanic")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody is signed in here")
    page.get_by_role("link", name="Go to the front page").click()
    person = page.locator(f'form:has(input[value="{cast.favourite.id}"])')
    person.get_by_role("button").click()
    expect(page).to_have_url("/mechanic")
    page.goto("/dashboard")
    expect(page.get_by_text("You are signed in as a mechanic.")).to_be_visible()
