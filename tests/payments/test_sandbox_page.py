"""The hosted payment page, pressed as a browser without JavaScript would."""

import asyncio
import re

import pytest

from headstart.payments.sandbox.page import price

from .stand import Stand, a_stand, until


async def test_the_page_shows_what_is_bought_and_that_it_is_not_real(stand: Stand) -> None:
    session = await stand.checkout(customer_email="ada@example.org")
    page = (await stand.http.get(f"/c/pay/{session.id}")).text
    for shown in ("Sandbox, no real money", "Video session", "49.00 USD", "ada@example.org"):
        assert shown in page
    for button in ("pay", "decline", "back"):
        assert re.search(rf'<button[^>]* id="{button}" name="action" value="{button}"', page)


async def test_the_page_needs_nothing_from_elsewhere(stand: Stand) -> None:
    session = await stand.checkout()
    response = await stand.http.get(f"/c/pay/{session.id}")
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", response.text)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


async def test_what_was_ordered_is_text_and_not_markup(stand: Stand) -> None:
    session = await stand.checkout(plan_name="<script>alert(1)</script>")
    page = (await stand.http.get(f"/c/pay/{session.id}")).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


async def test_paying_leads_back_with_the_id_of_the_session(stand: Stand) -> None:
    session = await stand.checkout(
        success_url="https://shop.test/paid?encoded=%7BCHECKOUT_SESSION_ID%7D"
    )
    response = await stand.press(session, "pay")
    assert response.status_code == 303
    assert response.headers["location"] == (
        f"https://shop.test/paid?encoded=%7BCHECKOUT_SESSION_ID%7D&session_id={session.id}"
    )


async def test_the_customer_waits_for_the_webhook(stand: Stand) -> None:
    stand.shop.gate.clear()
    session = await stand.checkout()
    paying = asyncio.create_task(stand.press(session, "pay"))
    await until(lambda: stand.shop.waiting == 1)
    assert not paying.done()
    stand.shop.gate.set()
    assert (await paying).status_code == 303
    assert "checkout.session.completed" in stand.shop.types()


async def test_the_customer_does_not_wait_for_ever() -> None:
    async with a_stand(page_wait_s=0.01) as stand:
        stand.shop.gate.clear()
        session = await stand.checkout()
        assert (await stand.press(session, "pay")).status_code == 303
        assert "checkout.session.completed" not in stand.shop.types()


async def test_a_webhook_that_is_refused_lets_the_customer_go(stand: Stand) -> None:
    stand.shop.answer = lambda received: 500
    session = await stand.checkout()
    assert (await stand.press(session, "pay")).status_code == 303


async def test_without_a_webhook_address_nobody_waits() -> None:
    async with a_stand(webhook_url=None) as stand:
        session = await stand.paid()
        assert session.is_paid
        (event, *_) = (await stand.get("/v1/events"))["data"]
        assert event["pending_webhooks"] == 0
        assert (await stand.http.post(f"/_sandbox/resend/{event['id']}")).status_code == 409


async def test_pressing_pay_many_times_pays_once(stand: Stand) -> None:
    session = await stand.checkout()
    answers = await asyncio.gather(*(stand.press(session, "pay") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    await stand.settled()
    assert sorted(stand.shop.types()) == [
        "charge.succeeded",
        "checkout.session.completed",
        "payment_intent.succeeded",
    ]


async def test_a_declined_card_can_be_tried_again(stand: Stand) -> None:
    session = await stand.checkout()
    response = await stand.press(session, "decline")
    assert response.status_code == 200
    assert 'role="alert"' in response.text
    assert "declined" in response.text

    declined = await stand.gateway.retrieve_checkout(session.id)
    assert declined is not None
    assert (declined.status, declined.payment_status) == ("open", "unpaid")
    intent = await stand.get(f"/v1/payment_intents/{declined.payment_intent_id}")
    assert intent["last_payment_error"]["code"] == "card_declined"

    assert (await stand.press(session, "pay")).status_code == 303
    again = await stand.get(f"/v1/payment_intents/{declined.payment_intent_id}")
    assert (again["status"], again["last_payment_error"]) == ("succeeded", None)
    await stand.settled()
    assert stand.shop.types()[:2] == ["payment_intent.payment_failed", "charge.failed"]


async def test_going_back_pays_nothing(stand: Stand) -> None:
    session = await stand.checkout()
    response = await stand.press(session, "back")
    assert (response.status_code, response.headers["location"]) == (303, session_cancel_url(stand))
    found = await stand.gateway.retrieve_checkout(session.id)
    assert found == session


def session_cancel_url(stand: Stand) -> str:
    return stand.order().cancel_url


@pytest.mark.parametrize("action", ["", "steal", "PAY"])
async def test_another_button_does_nothing(stand: Stand, action: str) -> None:
    session = await stand.checkout()
    assert (await stand.press(session, action)).status_code == 400
    assert await stand.gateway.retrieve_checkout(session.id) == session


async def test_a_page_that_is_over_says_so(stand: Stand) -> None:
    expired = await stand.checkout()
    await stand.gateway.expire_checkout(expired.id, idempotency_key="expire:1")
    response = await stand.http.get(f"/c/pay/{expired.id}")
    assert response.status_code == 410
    assert "Nothing was charged" in response.text
    assert (await stand.press(expired, "decline")).status_code == 410

    paid = await stand.paid()
    response = await stand.http.get(f"/c/pay/{paid.id}")
    assert "This has been paid" in response.text
    assert (await stand.press(paid, "decline")).status_code == 200

    for method in ("GET", "POST"):
        unknown = await stand.http.request(method, "/c/pay/cs_test_unknown")
        assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (4900, "usd", "49.00 USD"),
        (5, "eur", "0.05 EUR"),
        (123456, "usd", "1,234.56 USD"),
        (500, "jpy", "500 JPY"),
        (0, "usd", "0.00 USD"),
    ],
)
def test_prices_are_written_in_their_currency(amount: int, currency: str, shown: str) -> None:
    assert price({"amount_total": amount, "currency": currency}) == shown
