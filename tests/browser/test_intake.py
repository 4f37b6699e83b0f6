"""The intake: what it promises, what it forgives, and that nothing typed is lost."""

from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from headstart.lab.backstage import Server, free_port
from headstart.lab.stage import Stage
from tests.browser.cast import CONCERN, Cast, book_and_pay, fill_in
from tests.browser.conftest import Windows


def intakes_of(stage: Stage, cast: Cast) -> int:
    """How many bookings this customer has made."""
    return len(stage.rows("select from intakes where customer_id = $1", cast.customer.id))


def test_a_specialist_costs_what_is_shown(windows: Windows, cast: Cast) -> None:
    page = windows.open(cast.customer, cast.intake(specialist="true"))
    expect(page.locator("#total")).to_have_text("44.99 CAD")
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").click()
    expect(page.get_by_role("button", name="Pay 44.99 CAD")).to_be_visible()


def test_a_free_question_is_asked_at_once(windows: Windows, cast: Cast) -> None:
    page = windows.open(cast.customer, "/intake?plan=free")
    fill_in(page)
    page.get_by_role("button", name="Ask now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Asking everyone")


def test_the_choice_can_be_everyone(stage: Stage, windows: Windows, cast: Cast) -> None:
    page = windows.open(cast.customer, cast.intake())
    page.get_by_label("Ask everyone").check()
    request_id = book_and_pay(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Asking everyone")
    [row] = stage.rows("select metadata from session_requests where id = $1", request_id)
    assert row["metadata"] in ({}, "{}")


def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    windows: Windows, cast: Cast
) -> None:
    page = windows.open(cast.customer, cast.intake(), java_script_enabled=False)
    fill_in(page)
    page.get_by_label("What is wrong?").fill(f"{CONCERN}\nSince Monday.")
    page.get_by_label("E-mail").fill("carla@home")
    page.get_by_label("It is urgent").check()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Go on to payment").click()
    assert answered.value.status == 422
    expect(page.locator("#contact_email-error")).to_be_visible()
    expect(page.get_by_label("What is wrong?")).to_have_value(f"{CONCERN}\nSince Monday.")
    expect(page.get_by_label("E-mail")).to_have_value("carla@home")
    expect(page.get_by_label("It is urgent")).to_be_checked()
    expect(page.get_by_label("Ask Maria first")).to_be_checked()


@pytest.mark.parametrize(("address", "status"), [("/intake", 422), ("/intake?plan=gone", 404)])
def test_without_a_plan_the_plans_are_shown(
    windows: Windows, cast: Cast, address: str, status: int
) -> None:
    page = windows.open(cast.customer, "/dashboard")
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == status
    page.get_by_role("button", name="Quick Chat").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quick Chat")


def shown(page: Page) -> str:
    """The page as people see it."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Video Session")
    return page.locator("main").inner_text()


def test_a_stranger_and_nobody_look_the_same(stage: Stage, windows: Windows, cast: Cast) -> None:
    page = windows.open(cast.customer, "/intake?plan=standard")
    plain = shown(page)
    for named in (cast.other.id, uuid4(), "nonsense", "%00", "1 or 1=1"):
        page.goto(f"/intake?plan=standard&preferred_mechanic_id={named}&routing_type=x")
        assert shown(page) == plain
    page.goto(
        f"/intake?plan=standard&preferred_mechanic_id={cast.other.id}"
        "&routing_type=priority_broadcast&plan=quick"
    )
    assert shown(page) == plain
    request_id = book_and_pay(page)
    [row] = stage.rows("select fallback_reason from session_requests where id = $1", request_id)
    assert row["fallback_reason"] == "not_a_favorite"
    expect(page.locator("main")).not_to_contain_text("Dmitri")


def test_pressing_twice_and_coming_back_open_one_payment_page(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    page = windows.open(cast.customer, cast.intake())
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").dblclick()
    expect(page.get_by_role("button", name="Pay 29.99 CAD")).to_be_visible()
    address = page.url
    page.go_back()
    page.get_by_role("button", name="Go on to payment").click()
    expect(page).to_have_url(address)
    page.get_by_role("button", name="Back without paying").click()
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").click()
    expect(page).to_have_url(address)
    assert intakes_of(stage, cast) == 1

    page.get_by_role("button", name="Pay 29.99 CAD").click()
    page.wait_for_url("**/requests/*")
    request = page.url
    page.goto(cast.intake())
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").click()
    expect(page.get_by_text("You have this request already")).to_be_visible()
    expect(page).to_have_url(request)

    request_id = request.rsplit("/", 1)[1]
    stage.operator().post(f"/session-requests/{request_id}/cancellation").raise_for_status()
    page.goto(cast.intake())
    fill_in(page)
    page.get_by_role("button", name="Go on to payment").click()
    expect(page.get_by_role("button", name="Pay 29.99 CAD")).to_be_visible()
    assert page.url != address


def test_while_payments_are_away_nothing_typed_is_lost(
    stage: Stage, windows: Windows, cast: Cast
) -> None:
    nowhere = {"HEADSTART_STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}"}
    server = Server({**stage.environment, **nowhere}, stage.directory, free_port())
    server.start()
    try:
        page = windows.open(cast.customer.at(server.url), f"{server.url}{cast.intake()}")
        fill_in(page)
        page.get_by_role("button", name="Go on to payment").click()
        expect(page.get_by_role("alert").first).to_contain_text("please try again")
        expect(page.get_by_label("What is wrong?")).to_have_value(CONCERN)
        page.goto(f"{server.url}/intake/success?session_id=cs_test_a1b2c3")
        expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for your payment")
    finally:
        server.stop()


def test_a_payment_page_is_its_customers_alone(stage: Stage, windows: Windows, cast: Cast) -> None:
    booking = stage.submit(cast.customer, cast.favourite)
    success = f"/intake/success?session_id={booking.checkout_session}"
    carla = windows.open(cast.customer, success)
    expect(carla.get_by_role("heading", level=1)).to_have_text("Waiting for your payment")
    stranger = windows.open(stage.customer("Ben"), success)
    expect(stranger.get_by_role("heading", level=1)).to_have_text("There is no such page")
    stage.pay(booking)
    expect(carla.get_by_role("heading", level=1)).to_have_text("Asking Maria Lopez")
    answer = stranger.goto(carla.url)
    assert answer is not None
    assert answer.status == 404
