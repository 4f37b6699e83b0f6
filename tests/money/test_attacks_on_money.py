"""The attacks on the money: wrong amounts, wrong orders, refunds, disputes.

The numbers are those of the table in docs/explanation/payment-attacks.md.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from headstart.payments.gateway import StripeGateway
from tests.money.conftest import SDK_ATTEMPTS, Bank
from tests.money.witness import AUTH, listed, matched, troubles

pytestmark = pytest.mark.usefixtures("no_pauses", "no_rest")


# A hold that is not what was asked for: 12


async def a_foreign_page(bank: Bank, intake: str, amount: int, currency: str) -> str:
    """Somebody else with our key opens a page that names our intake, and it is paid."""
    form = {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": currency,
        "line_items[0][price_data][unit_amount]": str(amount),
        "line_items[0][price_data][product_data][name]": "Video Session",
        "payment_intent_data[capture_method]": "manual",
        "client_reference_id": intake,
        "metadata[intake_id]": intake,
        "success_url": "http://127.0.0.1/",
    }
    made = await bank.world.sandbox.post("/v1/checkout/sessions", data=form, headers=AUTH)
    assert made.status_code == 200, made.text
    return await bank.pay({"checkout_url": made.json()["url"]})


@pytest.mark.parametrize(("amount", "currency"), [(1, "cad"), (2998, "cad"), (2999, "usd")])
async def test_a_hold_of_another_amount_is_left_to_a_person(
    bank: Bank, amount: int, currency: str
) -> None:
    """Attack 12, by the look: nothing is dispatched, and the hold is neither kept nor let go."""
    await bank.use("hold")
    submitted = await bank.open_page(await bank.customer())
    page = await a_foreign_page(bank, submitted["intake_id"], amount, currency)
    await bank.settled()
    assert await troubles(bank) == {("refused", "quarantined_amount")}
    assert await bank.pool.fetchval("select count(*) from headstart.session_requests") == 0
    shown = await bank.world.sandbox.get(f"/v1/checkout/sessions/{page}", headers=AUTH)
    payment = await bank.world.sandbox.get(
        f"/v1/payment_intents/{shown.json()['payment_intent']}", headers=AUTH
    )
    assert payment.json()["status"] == "requires_capture"


async def test_a_hold_of_less_than_the_page_says_is_left_to_a_person(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 12: the page is right, and one cent less can be captured."""
    await bank.use("hold")
    as_it_is = StripeGateway.retrieve_checkout

    async def with_a_cent_less(self: StripeGateway, page: str) -> Any:
        checkout = await as_it_is(self, page)
        assert checkout is not None
        if checkout.payment is None:
            return checkout
        less = replace(checkout.payment, amount_capturable=checkout.payment.amount_capturable - 1)
        return replace(checkout, payment=less)

    monkeypatch.setattr(StripeGateway, "retrieve_checkout", with_a_cent_less)
    await bank.pay(await bank.open_page(await bank.customer()))
    await bank.settled()
    assert await troubles(bank) == {("refused", "quarantined_amount")}
    assert await bank.pool.fetchval("select count(*) from headstart.session_requests") == 0


# The wrong order: 19


async def test_a_capture_after_somebody_let_go_of_the_hold_undoes_the_match(bank: Bank) -> None:
    """Attack 19."""
    await bank.lever("trouble", call="capture", fault="503", times=SDK_ATTEMPTS)
    request = await matched(bank, "hold")
    await bank.lever("cancel", payment_intent=await bank.payment(request))
    await bank.comes_to(request, "cancelled", "released")
    assert (await bank.at_stripe(request))["received"] == 0


async def test_a_cancellation_after_somebody_captured_returns_the_money(bank: Bank) -> None:
    """Attack 19."""
    await bank.use("hold")
    customer = await bank.customer()
    request = await bank.book(customer)
    await bank.lever("capture", payment_intent=await bank.payment(request))
    assert (await bank.order(request, "cancellation", customer)).status_code == 200
    await bank.comes_to(request, "cancelled", "returned")
    assert await bank.at_stripe(request) == {
        "status": "succeeded",
        "received": 2999,
        "refunded": 2999,
    }


async def test_nobody_accepts_what_is_being_refunded(bank: Bank) -> None:
    """Attack 19."""
    customer = await bank.customer()
    request = await bank.book(customer)
    await bank.lever("trouble", call="create_refund", fault="503", times=SDK_ATTEMPTS)
    assert (await bank.order(request, "cancellation", customer)).status_code == 200
    _, mechanic = await bank.mechanic()
    late = await bank.order(request, "acceptance", mechanic)
    assert (late.status_code, late.json()["code"]) == (410, "gone")
    await bank.comes_to(request, "cancelled", "returned")


@pytest.mark.parametrize("call", ["capture", "cancel"])
async def test_an_unexpected_state_is_looked_at_again(bank: Bank, call: str) -> None:
    """Attack 19: Stripe's 400 is no reason to give up."""
    code = "payment_intent_unexpected_state"
    await bank.lever("trouble", call=call, fault="refuse", code=code)
    request = await matched(bank, "hold")
    if call == "cancel":
        await bank.comes_to(request, "matched", "paid")
        request = await bank.book(customer := await bank.customer())
        await bank.order(request, "cancellation", customer)
    ends = {"capture": ("matched", "paid"), "cancel": ("cancelled", "released")}
    await bank.comes_to(request, *ends[call])
    assert await troubles(bank) == set()


# Refunds and disputes: 20 and 21


async def test_many_cancellations_are_one_refund(bank: Bank) -> None:
    """Attack 20."""
    customer = await bank.customer()
    request = await bank.book(customer)
    orders = [bank.order(request, "cancellation", customer) for _ in range(20)]
    orders += [bank.order(request, "cancellation", bank.world.operator) for _ in range(20)]
    assert {answer.status_code for answer in await asyncio.gather(*orders)} == {200}
    await bank.comes_to(request, "cancelled", "returned")
    refunds = await listed(bank, f"/v1/refunds?payment_intent={await bank.payment(request)}")
    assert [one["amount"] for one in refunds] == [2999]


@pytest.mark.parametrize("in_the_middle", [False, True], ids=["before", "in the middle"])
async def test_a_part_returned_in_the_dashboard_is_not_returned_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, in_the_middle: bool
) -> None:
    """Attack 20: before ours, or between our look at the payment and our refund."""
    customer = await bank.customer()
    request = await bank.book(customer)
    part = {"payment_intent": await bank.payment(request), "amount": 1000}
    as_it_is = StripeGateway.refund

    async def overtaken(self: StripeGateway, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(StripeGateway, "refund", as_it_is)
        await bank.lever("refund", **part)
        return await as_it_is(self, *given, **named)

    if in_the_middle:
        monkeypatch.setattr(StripeGateway, "refund", overtaken)
    else:
        await bank.lever("refund", **part)
    await bank.order(request, "cancellation", customer)
    await bank.comes_to(request, "cancelled", "returned")
    assert (await bank.at_stripe(request))["refunded"] == 2999
    refunds = await listed(bank, f"/v1/refunds?payment_intent={part['payment_intent']}")
    assert sorted(one["amount"] for one in refunds) == [1000, 1999]


async def test_a_refund_in_the_dashboard_while_somebody_is_coming_shows(bank: Bank) -> None:
    """Attack 20: the match stands, and everybody sees that its money is gone."""
    request = await matched(bank, "charge")
    await bank.lever("refund", payment_intent=await bank.payment(request))
    await bank.comes_to(request, "matched", "returned")
    await bank.order(request, "cancellation", bank.world.operator)
    await bank.comes_to(request, "cancelled", "returned")
    assert (await bank.at_stripe(request))["refunded"] == 2999


async def test_a_dispute_after_the_session_is_shown_and_nothing_is_refunded(bank: Bank) -> None:
    """Attack 21."""
    await bank.use("charge")
    request = await bank.book(await bank.customer())
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    assert (await bank.order(request, "completion", mechanic)).status_code == 200
    await bank.lever("dispute", payment_intent=await bank.payment(request))

    async def disputed() -> bool:
        return await troubles(bank) == {("disputed", None)}

    await bank.until(disputed)
    await bank.settled()
    assert await bank.stands(request) == ("completed", "paid")
    assert (await bank.at_stripe(request))["refunded"] == 0
    assert await bank.operations(request) == []
