"""What pages say about money is what is so: before the payment, while somebody is looked for, at
the match, and after an end that nobody wished for."""

import html
from uuid import UUID

from tests.money.conftest import Bank, Headers
from tests.money.test_cases import the_favourite_is_asked
from tests.money.witness import troubles

PRICE = "29.99 CAD"
FOR_EVER = 1000
BEFORE = "It is taken when a mechanic accepts, and not before."


async def page(bank: Bank, path: str, who: Headers) -> str:
    """As somebody reads it."""
    answer = await bank.world.client.get(path, headers=who)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


async def test_a_hold_is_called_one_until_it_is_taken(bank: Bank) -> None:
    reader = await bank.customer()
    offered = await page(bank, "/intake?plan=standard", reader)
    assert f"If nobody accepts, you get {PRICE} back." in offered
    await bank.use("hold")
    offered = await page(bank, "/intake?plan=standard", reader)
    assert f"asked as soon as {PRICE} is held on your card. It is taken when one of them" in offered
    assert "back." not in offered
    request, customer = await the_favourite_is_asked(bank)
    waiting = await page(bank, f"/requests/{request}", customer)
    assert f"{PRICE} is held on your card. {BEFORE}" in waiting
    assert f"Nothing is charged: the bank lets go of {PRICE}" in waiting
    assert "refund" not in waiting
    assert "money back" not in waiting
    await bank.lever("trouble", call="capture", fault="503", times=FOR_EVER)
    mechanic, _ = await bank.mechanic()
    assert (await bank.assign(request, mechanic)).status_code == 200
    assert await bank.stands(request) == ("matched", "held"), "Stripe does not answer yet"
    matched = await page(bank, f"/requests/{request}", customer)
    assert f"{PRICE} was held on your card, and is being taken now." in matched
    assert BEFORE not in matched


async def test_a_match_whose_money_is_gone_is_undone_and_all_are_told(bank: Bank) -> None:
    await bank.use("hold")
    request, customer = await the_favourite_is_asked(bank)
    await bank.lever("switches", drop=True)  # only the capture finds out
    await bank.lever("cancel", payment_intent=await bank.payment(request))
    someone, mechanic = await bank.mechanic()
    assert (await bank.assign(request, someone)).status_code == 200
    await bank.comes_to(request, "cancelled", "released")
    told = await page(bank, f"/requests/{request}", customer)
    assert "Our team found Max for you." in told
    assert "Max was told not to come." in told
    assert "Your payment could not be taken, so the request was cancelled." in told
    assert f"Nothing was charged: the bank lets go of the {PRICE} it held." in told
    offers = await bank.world.client.get("/api/v1/offers", headers=mechanic)
    assert (offers.json()["job"], offers.json()["offers"]) == (None, [])
    [(trouble, why)] = await troubles(bank)
    assert (trouble, why) == ("refused", "requested_by_customer")
    late = await bank.assign(request, someone)
    assert (late.status_code, late.json()["code"]) == (410, "gone")
    await bank.settled()
    capture, back = await bank.operations(request)
    assert (capture["kind"], capture["state"]) == ("capture", "refused")
    assert (back["kind"], back["state"], back["amount"]) == ("give_back", "done", 0)


async def test_a_charge_that_our_own_people_returned_is_not_called_one_that_failed(
    bank: Bank,
) -> None:
    request, customer = await the_favourite_is_asked(bank)
    assert (await bank.order(request, "extension", customer)).status_code == 200
    await bank.lever("refund", payment_intent=await bank.payment(request))
    await bank.comes_to(request, "cancelled", "returned")
    told = await page(bank, f"/requests/{request}", customer)
    assert "Your payment was given back, so the request was cancelled." in told
    assert f"Your {PRICE} is on its way back." in told
    assert "Your payment was given back" in await page(bank, "/messages", customer)
    assert (await bank.order(request, "extension", customer)).status_code == 410


async def test_a_hold_that_ends_soon_is_shown_and_looked_at(bank: Bank) -> None:
    """Somebody is still looked for, with more time for the favourite, when the bank's time ends."""
    await bank.use("hold")
    request, customer = await the_favourite_is_asked(bank)
    assert (await bank.order(request, "extension", customer)).status_code == 200
    await bank.settled()
    await ends_within_hours(bank, request, 11)
    assert [trouble for trouble, _ in await troubles(bank)] == ["hold_ends"]
    await ends_within_hours(bank, request, 13)
    assert await troubles(bank) == set()
    await ends_within_hours(bank, request, 11)
    await bank.pass_time(2)  # what was looked at a moment ago is left alone
    assert bank.world.service.money
    assert await bank.world.service.money.reconciler.reconcile() == 1
    await bank.settled()
    assert await troubles(bank) == set(), "the bank says that there is time"
    mechanic, _ = await bank.mechanic()
    assert (await bank.assign(request, mechanic)).status_code == 200
    await bank.comes_to(request, "matched", "paid")
    assert "data-money" not in await page(bank, f"/requests/{request}", customer)


async def ends_within_hours(bank: Bank, request: UUID, hours: int) -> None:
    """As far as we know."""
    await bank.pool.execute(
        "update headstart.payments set capture_before = headstart.clock() + $2 * interval '1 hour'"
        " where payment_intent_id = $1",
        await bank.payment(request),
        hours,
    )
