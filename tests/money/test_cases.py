"""What a customer gets in each case: the page says it, and every row of it is played."""

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from tests.docs.pages import DOCS
from tests.money.conftest import Bank, Headers

PAGE = DOCS / "explanation" / "money.md"
WINDOW_MIN, EXTENSION_MIN, LIMIT_MIN, JOIN_MIN = 10, 5, 30, 5

pytestmark = pytest.mark.usefixtures("no_rest")

HOLD_LASTS_S = 7 * 24 * 3600.0

Play = Callable[[Bank], Awaitable[UUID]]


async def booked(bank: Bank) -> UUID:
    return await bank.book(await bank.customer())


async def somebody_accepts(bank: Bank) -> UUID:
    request = await booked(bank)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    return request


async def nobody_accepts(bank: Bank) -> UUID:
    request = await booked(bank)
    await bank.pass_time(LIMIT_MIN)
    return request


async def the_favourite_is_asked(bank: Bank) -> tuple[UUID, Headers]:
    """And nobody else yet; with the customer."""
    favorite, _ = await bank.mechanic()
    customer = await bank.customer(favorite)
    request = await bank.book(customer, preferred_mechanic_id=str(favorite))
    assert await stage(bank, request) == "reserved"
    return request, customer


async def stage(bank: Bank, request: UUID) -> str | None:
    query = "select stage from headstart.session_requests where id = $1"
    found: str | None = await bank.pool.fetchval(query, request)
    return found


async def an_operator_gives_it_to_a_mechanic(bank: Bank) -> UUID:
    request, _ = await the_favourite_is_asked(bank)
    another, _ = await bank.mechanic()
    assert (await bank.assign(request, another)).status_code == 200
    return request


async def more_time_and_nobody_accepts(bank: Bank) -> UUID:
    request, customer = await the_favourite_is_asked(bank)
    assert (await bank.order(request, "extension", customer)).status_code == 200
    await bank.pass_time(WINDOW_MIN + 1)
    assert await stage(bank, request) == "reserved"
    await bank.pass_time(EXTENSION_MIN)

    async def is_open() -> bool:
        return await stage(bank, request) == "open"

    await bank.until(is_open)
    await bank.pass_time(LIMIT_MIN)
    return request


async def cancelled_while_the_favourite_is_asked(bank: Bank) -> UUID:
    request, customer = await the_favourite_is_asked(bank)
    assert (await bank.order(request, "cancellation", customer)).status_code == 200
    return request


async def cancelled_while_everybody_is_asked(bank: Bank) -> UUID:
    request, customer = await the_favourite_is_asked(bank)
    await bank.order(request, "broadcast", customer)
    assert (await bank.order(request, "cancellation", customer)).status_code == 200
    return request


async def cancelled_by_the_customer_after_the_match(bank: Bank) -> UUID:
    customer = await bank.customer()
    request = await bank.book(customer)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    refused = await bank.order(request, "cancellation", customer)
    assert refused.json()["code"] == "already_matched"
    return request


async def cancelled_by_an_operator_after_the_match(bank: Bank) -> UUID:
    request = await somebody_accepts(bank)
    await bank.comes_to(request, "matched", "paid")
    operator = bank.world.operator
    assert (await bank.order(request, "cancellation", operator)).status_code == 200
    return request


async def withdrawn(bank: Bank) -> UUID:
    request = await booked(bank)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    await bank.comes_to(request, "matched", "paid")
    assert (await bank.order(request, "release", mechanic)).status_code == 200
    return request


async def withdrawn_and_another_accepts(bank: Bank) -> UUID:
    request = await withdrawn(bank)
    _, another = await bank.mechanic()
    await bank.accept(request, another)
    return request


async def withdrawn_and_nobody_else_accepts(bank: Bank) -> UUID:
    request = await withdrawn(bank)
    await bank.pass_time(LIMIT_MIN)
    return request


async def nobody_came(bank: Bank) -> UUID:
    request = await somebody_accepts(bank)
    await bank.comes_to(request, "matched", "paid")
    await bank.pass_time(JOIN_MIN)
    await bank.comes_to(request, "pending", "paid")
    await bank.pass_time(LIMIT_MIN)
    return request


async def completed(bank: Bank) -> UUID:
    request = await booked(bank)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    assert (await bank.order(request, "completion", mechanic)).status_code == 200
    return request


async def a_second_page_is_paid(bank: Bank) -> UUID:
    customer = await bank.customer()
    first, second = [await bank.open_page(customer) for _ in range(2)]
    await bank.lever("switches", drop=True)  # nobody hears of either, so that none is closed
    pages = [await bank.pay(page) for page in (first, second)]
    assert bank.world.service.money
    await bank.world.service.money.reconciler.reconcile()
    requests = [await bank.request_of(page) for page in pages]
    await bank.settled()
    live = [one for one in requests if (await bank.stands(one))[0] == "pending"]
    assert len(live) == 1, "one of the two is served"
    return next(one for one in requests if one not in live)


async def returned_in_the_dashboard(bank: Bank) -> UUID:
    request = await booked(bank)
    lever = "refund" if bank.capture == "charge" else "cancel"
    await bank.lever(lever, payment_intent=await bank.payment(request))
    return request


async def the_bank_refuses_the_capture(bank: Bank) -> UUID:
    request = await booked(bank)
    _, mechanic = await bank.mechanic()
    await bank.lever("trouble", call="capture", fault="refuse", code="card_declined")
    await bank.accept(request, mechanic)
    return request


async def the_bank_lets_go_of_the_hold(bank: Bank) -> UUID:
    request, customer = await the_favourite_is_asked(bank)
    assert (await bank.order(request, "extension", customer)).status_code == 200
    await bank.lever("clock", advance_s=HOLD_LASTS_S + 1)
    await bank.comes_to(request, "cancelled", "released")
    assert (await bank.order(request, "extension", customer)).status_code == 410
    return request


async def matched_and_the_hold_is_gone(bank: Bank) -> UUID:
    request, _ = await the_favourite_is_asked(bank)
    await bank.lever("switches", drop=True)  # only the capture finds out
    await bank.lever("clock", advance_s=HOLD_LASTS_S + 1)
    another, _ = await bank.mechanic()
    assert (await bank.assign(request, another)).status_code == 200
    return request


CASES: dict[str, Play] = {
    "somebody accepts": somebody_accepts,
    "an operator gives it to a mechanic": an_operator_gives_it_to_a_mechanic,
    "the favourite is given more time, and nobody accepts": more_time_and_nobody_accepts,
    "nobody accepts before the overall limit": nobody_accepts,
    "the customer cancels while the favourite is asked": cancelled_while_the_favourite_is_asked,
    "the customer cancels while everybody is asked": cancelled_while_everybody_is_asked,
    "the customer cancels after the match": cancelled_by_the_customer_after_the_match,
    "an operator cancels after the match": cancelled_by_an_operator_after_the_match,
    "the mechanic withdraws, and another accepts": withdrawn_and_another_accepts,
    "the mechanic withdraws, and nobody else accepts": withdrawn_and_nobody_else_accepts,
    "the mechanic does not come, and nobody else accepts": nobody_came,
    "the session is completed": completed,
    "a second payment page is paid while a request is live": a_second_page_is_paid,
    "the payment is returned in Stripe's Dashboard before a match": returned_in_the_dashboard,
    "the bank refuses the capture": the_bank_refuses_the_capture,
    "the bank lets go of the hold before a match": the_bank_lets_go_of_the_hold,
    "a mechanic is matched, and the hold has gone unnoticed": matched_and_the_hold_is_gone,
}


def rows() -> list[tuple[str, str, str, str]]:
    """What the page says: the case, what the request becomes, and where its money is then."""
    text = PAGE.read_text(encoding="utf-8").partition("## What the customer gets")[2]
    found = re.findall(r"^\| ([^|]+) \| `(\w+)` \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    return [
        (case, status, capture, money.strip("`"))
        for case, status, *by_mode in found
        for capture, money in zip(("charge", "hold"), by_mode, strict=True)
        if money != "–"
    ]


def test_every_case_is_played() -> None:
    assert {case for case, *_ in rows()} == set(CASES)


@pytest.mark.parametrize(("case", "status", "capture", "money"), rows())
async def test_the_customer_gets_what_the_page_says(
    bank: Bank, case: str, status: str, capture: str, money: str
) -> None:
    await bank.use(capture)
    request = await CASES[case](bank)
    await bank.comes_to(request, status, money)
    await bank.settled()
    await bank.comes_to(request, status, money)
    at_stripe = await bank.at_stripe(request)
    kept = at_stripe["received"] - at_stripe["refunded"]
    assert (kept, at_stripe["status"] == "canceled") == {
        "paid": (2999, False),
        "returned": (0, False),
        "released": (0, True),
    }[money]


async def test_news_of_an_earlier_purchase_close_no_page(bank: Bank) -> None:
    """Who tries again has a payment page open while the first payment still makes news."""
    customer = await bank.customer()
    request = await bank.book(customer)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    assert (await bank.order(request, "completion", mechanic)).status_code == 200
    submitted = await bank.open_page(customer)
    await bank.lever("refund", payment_intent=await bank.payment(request))
    seen = "select true from headstart.payments where amount_refunded > 0"
    await bank.until(lambda: bank.pool.fetchval(seen))
    await bank.settled()
    await bank.pay(submitted)
    assert not await bank.pool.fetchval(
        "select count(*) from headstart.stripe_operations where kind = 'expire'"
    )
