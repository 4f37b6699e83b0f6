"""What a person must see to: everything is shown, and who dismisses something says why."""

from typing import Any

import httpx

from headstart.payments.sandbox.objects import Json
from tests.money.conftest import Bank, Headers
from tests.money.witness import counted, matched, troubles
from tests.web.conftest import paid_event

WHY = {"reason": "The customer was called; it was a test."}


async def listed(bank: Bank) -> Json:
    """The answer of the API."""
    answer = await bank.world.client.get("/api/v1/money-troubles", headers=bank.world.operator)
    found: Json = answer.json()
    return found


async def the_only_one(bank: Bank) -> dict[str, Any]:
    """Waits for it."""

    async def found() -> Any:
        return (await listed(bank))["troubles"]

    [trouble] = await bank.until(found)
    return dict(trouble)


async def dismiss(
    bank: Bank, trouble: dict[str, Any], who: Headers, body: Any = None
) -> httpx.Response:
    path = f"/api/v1/money-troubles/{trouble['trouble_id']}/dismissal"
    return await bank.world.client.post(path, json=WHY if body is None else body, headers=who)


async def quarantine(bank: Bank, **event: Any) -> str:
    """An event that is signed, and that we must not heed; answers with its id."""
    submitted = await bank.open_page(await bank.customer())
    told = paid_event(submitted["intake_id"], event={"livemode": True, **event})
    assert (await bank.world.deliver(told)).json()["outcome"] == "quarantined_mode"
    return str(told["id"])


async def test_a_quarantined_event_is_shown_until_somebody_says_why_not(bank: Bank) -> None:
    already = await counted(bank, outcome="quarantined_mode")
    event = await quarantine(bank)
    assert await counted(bank, outcome="quarantined_mode") == already + 1
    trouble = await the_only_one(bank)
    assert trouble["trouble_id"] == f"quarantined.{event}"
    assert (trouble["trouble"], trouble["detail"]) == ("quarantined", "mode")
    assert (trouble["kind"], trouble["subject"][:3]) == ("checkout.session.completed", "cs_")
    operator = bank.world.operator
    customer = await bank.customer()
    assert (await dismiss(bank, trouble, customer)).status_code == 403
    for no_reason in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}):
        assert (await dismiss(bank, trouble, operator, no_reason)).status_code == 422
    assert len((await listed(bank))["troubles"]) == 1
    assert (await dismiss(bank, trouble, operator)).status_code == 200
    assert (await dismiss(bank, trouble, operator)).status_code == 404
    told = await listed(bank)
    [kept] = told["dismissed"]
    assert told["troubles"] == []
    assert kept["trouble_id"] == trouble["trouble_id"]
    assert (kept["actor"].split(":")[0], kept["reason"]) == ("operator", WHY["reason"])
    assert kept["at"]


async def test_a_dismissed_event_stays_dismissed_when_it_comes_again(bank: Bank) -> None:
    await quarantine(bank)
    trouble = await the_only_one(bank)
    await dismiss(bank, trouble, bank.world.operator)
    await bank.pool.execute("update headstart.stripe_events set received_at = headstart.clock()")
    assert (await listed(bank))["troubles"] == []
    await quarantine(bank)
    assert (await the_only_one(bank))["trouble_id"] != trouble["trouble_id"]


async def test_an_event_about_a_page_that_a_person_has_is_no_second_trouble(bank: Bank) -> None:
    submitted = await bank.open_page(await bank.customer())
    cheap = paid_event(submitted["intake_id"], amount_total=1)
    assert (await bank.world.deliver(cheap)).json()["outcome"] == "quarantined_amount"
    assert await troubles(bank) == {("quarantined", "amount")}
    page = cheap["data"]["object"]["id"]
    await bank.pool.execute(
        "insert into headstart.stripe_operations (key, kind, subject, state, due_at, settled_at,"
        " result) values ('look:' || $1, 'look', $1, 'refused', null, headstart.clock(),"
        " 'quarantined_amount')",
        page,
    )
    assert await troubles(bank) == {("refused", "quarantined_amount")}


async def test_the_console_shows_it_and_takes_a_reason(bank: Bank) -> None:
    event = await quarantine(bank)
    operator = bank.world.operator
    shown = (await bank.world.client.get("/admin", headers=operator)).text
    action = f"/admin/troubles/quarantined.{event}/dismissal"
    assert f'action="{action}"' in shown
    assert "checkout.session.completed" in shown
    headers = operator | {"Origin": str(bank.world.client.base_url)}
    bare = await bank.world.client.post(action, data={"reason": " "}, headers=headers)
    assert bare.status_code == 422
    done = await bank.world.client.post(action, data=WHY, headers=headers)
    assert done.status_code == 303
    shown = (await bank.world.client.get("/admin", headers=operator)).text
    assert f'action="{action}"' not in shown
    assert WHY["reason"] in shown


async def test_a_refusal_that_is_tried_again_in_vain_is_a_new_trouble(bank: Bank) -> None:
    customer = await bank.customer()
    request = await bank.book(customer)
    payment = await bank.payment(request)
    refused = {"call": "create_refund", "fault": "refuse", "code": "charge_disputed"}
    await bank.lever("trouble", **refused)
    await bank.order(request, "cancellation", customer)
    trouble = await the_only_one(bank)
    assert (trouble["kind"], trouble["subject"]) == ("give_back", payment)
    assert (await dismiss(bank, trouble, bank.world.operator)).status_code == 200
    assert await bank.stands(request) == ("cancelled", "needs_help"), "it moves no money"
    await bank.lever("trouble", **refused)
    path = f"/api/v1/operations/{trouble['operation_id']}/attempt"
    why = {"reason": "the bank has changed its mind"}
    answer = await bank.world.client.post(path, json=why, headers=bank.world.operator)
    assert answer.status_code == 200
    again = await the_only_one(bank)
    assert again["trouble_id"] != trouble["trouble_id"]


async def test_a_hold_of_which_somebody_took_a_part_is_shown_and_the_match_stands(
    bank: Bank,
) -> None:
    await bank.use("hold")
    request = await bank.book(await bank.customer())
    payment = await bank.payment(request)
    await bank.lever("capture", payment_intent=payment, amount=1000)
    trouble = await the_only_one(bank)
    assert (trouble["trouble"], trouble["detail"]) == ("captured_in_part", "1000 of 2999")
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    await bank.settled()
    assert await bank.stands(request) == ("matched", "paid")
    assert (await bank.at_stripe(request))["received"] == 1000
    await bank.order(request, "cancellation", bank.world.operator)
    await bank.comes_to(request, "cancelled", "returned")
    assert (await bank.at_stripe(request))["refunded"] == 1000
    assert await troubles(bank) == set(), "nothing is left that could be wrong"


async def test_what_a_person_has_to_see_to_is_not_looked_at_for_ever(bank: Bank) -> None:
    """Served, and the bank refuses: the money is still held, and a person knows."""
    for code in ("503", "503", "503"):
        await bank.lever("trouble", call="capture", fault=code)
    request = await matched(bank, "hold")
    await bank.lever("trouble", call="capture", fault="refuse", code="card_declined", times=9)
    operator = bank.world.operator
    assert (await bank.order(request, "completion", operator)).status_code == 200

    async def refused() -> bool:
        await bank.pass_time(1)
        return ("refused", "card_refused") in await troubles(bank)

    await bank.until(refused)
    assert (await bank.stands(request))[0] == "completed"
    assert (await bank.at_stripe(request))["status"] == "requires_capture"
    assert bank.world.service.money
    await bank.pass_time(10)
    assert await bank.world.service.money.reconciler.reconcile() == 0
