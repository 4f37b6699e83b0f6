"""Webhooks that never come, pages paid behind our back: reconciler and success page know them."""

from headstart.store.operations import PATIENCE
from tests.money.conftest import Bank


async def test_an_hour_without_webhooks_loses_no_job(bank: Bank) -> None:
    await bank.lever("switches", drop=True)
    pages = []
    for capture in ("charge", "hold"):
        await bank.use(capture)
        for _ in range(5):
            pages.append(await bank.pay(await bank.open_page(await bank.customer())))
    assert await bank.pool.fetchval("select count(*) from headstart.session_requests") == 0
    assert bank.world.service.money
    reconciler = bank.world.service.money.reconciler
    assert await reconciler.reconcile() >= len(pages)
    for page in pages:
        await bank.request_of(page)
    await bank.settled()
    before = await bank.pool.fetch("select * from headstart.session_requests order by id")
    assert len(before) == len(pages)
    await reconciler.reconcile()
    await bank.settled()
    again = await bank.pool.fetch("select * from headstart.session_requests order by id")
    assert again == before, "running it twice changes nothing"


async def test_the_success_page_delivers_what_no_webhook_told(bank: Bank) -> None:
    await bank.lever("switches", drop=True)
    await bank.use("hold")
    customer = await bank.customer()
    page = await bank.pay(await bank.open_page(customer))
    settled = await bank.world.service.fulfilment.settle(page)
    assert settled is not None
    assert settled.outcome == "fulfilled"
    assert await bank.stands(await bank.request_of(page)) == ("pending", "held")


async def test_a_page_whose_number_we_lost_is_found_by_its_intake(bank: Bank) -> None:
    """The process died after Stripe had made the page, and before we had written it down."""
    await bank.lever("switches", drop=True)
    submitted = await bank.open_page(await bank.customer())
    await bank.pool.execute(
        "update headstart.intakes set status = 'draft', checkout_session_id = null,"
        " checkout_url = null where id = $1",
        submitted["intake_id"],
    )
    page = await bank.pay(submitted)
    assert bank.world.service.money
    await bank.world.service.money.reconciler.reconcile()
    await bank.request_of(page)


async def test_a_refund_that_comes_back_needs_a_person_who_tries_again(bank: Bank) -> None:
    customer = await bank.customer()
    request = await bank.book(customer)
    await bank.order(request, "cancellation", customer)
    await bank.comes_to(request, "cancelled", "returned")
    [owed] = await bank.operations(request)
    refund = (
        await bank.world.sandbox.get(
            f"/v1/refunds?payment_intent={await bank.payment(request)}",
            headers={"Authorization": "Bearer sk_test_any"},
        )
    ).json()["data"][0]["id"]
    await bank.lever("settle", id=refund, outcome="failed")
    await bank.comes_to(request, "cancelled", "needs_help")
    headers = bank.world.operator
    listed = await bank.world.client.get("/api/v1/money-troubles", headers=headers)
    [trouble] = listed.json()["troubles"]
    assert (trouble["operation_id"], trouble["detail"]) == (owed["id"], "not_returned")
    path = f"/api/v1/operations/{owed['id']}/attempt"
    why = {"reason": "the bank says it is there"}
    assert (await bank.world.client.post(path, json=why, headers=headers)).status_code == 200
    await bank.comes_to(request, "cancelled", "returned")
    assert (await bank.world.client.post(path, json=why, headers=headers)).status_code == 404


async def test_nobody_is_looked_for_when_the_money_went_during_the_match(bank: Bank) -> None:
    request = await bank.book(await bank.customer())
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    await bank.lever("refund", payment_intent=await bank.payment(request))
    seen = "select true from headstart.payments where amount_refunded > 0"
    await bank.until(lambda: bank.pool.fetchval(seen))
    await bank.settled()
    assert await bank.stands(request) == ("matched", "returned"), "who did it knows why"
    await bank.order(request, "release", mechanic)
    assert await bank.stands(request) == ("pending", "returned")
    await bank.pass_time(PATIENCE.total_seconds() / 60)
    assert bank.world.service.money
    await bank.world.service.money.reconciler.reconcile()
    await bank.comes_to(request, "cancelled", "returned")


async def test_a_disputed_payment_is_never_refunded_by_itself(bank: Bank) -> None:
    customer = await bank.customer()
    request = await bank.book(customer)
    await bank.lever("dispute", payment_intent=await bank.payment(request))
    await bank.order(request, "cancellation", customer)
    await bank.comes_to(request, "cancelled", "needs_help")
    assert (await bank.at_stripe(request))["refunded"] == 0
    listed = await bank.world.client.get("/api/v1/money-troubles", headers=bank.world.operator)
    assert {one["trouble"] for one in listed.json()["troubles"]} >= {"refused", "disputed"}


async def test_a_page_left_open_is_closed_when_another_is_paid(bank: Bank) -> None:
    customer = await bank.customer()
    left, paid = [await bank.open_page(customer) for _ in range(2)]
    await bank.request_of(await bank.pay(paid))
    page = left["checkout_url"].rsplit("/", 1)[1]

    async def closed() -> bool:
        headers = {"Authorization": "Bearer sk_test_any"}
        found = await bank.world.sandbox.get(f"/v1/checkout/sessions/{page}", headers=headers)
        return bool(found.json()["status"] == "expired")

    await bank.until(closed)
    again = await bank.world.client.post(
        "/api/v1/intakes", json={"plan": "standard"}, headers=customer
    )
    assert (again.status_code, again.json()["code"]) == (409, "already_booked")
    drafts = "select count(*) from headstart.intakes where status = 'draft'"
    assert await bank.pool.fetchval(drafts) == 0, "who is refused leaves nothing behind"
