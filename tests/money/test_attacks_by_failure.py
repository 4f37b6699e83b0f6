"""What fails around us, and what is configured wrongly: nothing is lost, and nothing done twice.

The numbers are those of the table in docs/explanation/payment-attacks.md.
"""

import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import pytest

from headstart.app import cashier
from headstart.payments import gateway as gateway_module
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.store.postgres import connected
from tests.money.conftest import SDK_ATTEMPTS, Bank, Json
from tests.money.test_attacks import HOOK, signed
from tests.money.witness import counted, listed, matched, nothing_changes, troubles
from tests.web.conftest import PARTICULARS, paid_event, world_on

pytestmark = pytest.mark.usefixtures("no_pauses", "no_rest")


async def test_an_event_that_meets_no_database_is_completed_by_the_next_delivery(
    database: str,
) -> None:
    """Attack 23."""
    split = urlsplit(database)
    sockets = Path(parse_qs(split.query)["host"][0])
    door = Path("/tmp") / f"hs-door-{os.getpid()}"
    door.symlink_to(sockets)
    through = urlunsplit(split._replace(query=urlencode({"host": str(door), "port": 5432})))
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    try:
        async with (
            world_on(through) as world,
            connected(database, connections_max=1, role=None) as pool,
        ):
            bank = Bank(world, pool)
            submitted = await bank.open_page(await bank.customer())
            event = paid_event(submitted["intake_id"])
            door.unlink()
            await pool.execute(cut)
            async with nothing_changes(bank):
                answer = await world.deliver(event)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            door.symlink_to(sockets)
            again = await world.deliver(event)
            assert (again.status_code, again.json()["outcome"]) == (200, "fulfilled")
    finally:
        door.unlink(missing_ok=True)


FAULTS = {
    "down": ("503", SDK_ATTEMPTS),
    "too many": ("429", SDK_ATTEMPTS),
    "slow": ("hang", SDK_ATTEMPTS),
    "answer lost": ("lost", SDK_ATTEMPTS),
    "kept failure": ("kept_500", 1),
    "done, and a failure kept": ("done_500", 1),
}
each_fault = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture
async def hasty(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bank]:
    """A service that does not wait long for Stripe, nor its people for a slow call."""
    monkeypatch.setattr(gateway_module, "REQUEST_TIMEOUT_S", 1.0)
    monkeypatch.setattr(cashier, "WAIT_MIN", timedelta(seconds=0.1))
    async with (
        world_on(database) as world,
        connected(database, connections_max=2, role=None) as pool,
    ):
        yield Bank(world, pool)


@each_fault
async def test_trouble_at_the_opening_of_the_page_leaves_one_page(hasty: Bank, fault: str) -> None:
    """Attack 24: "try again", and then the same page, whatever became of the first calls."""
    kind, times = FAULTS[fault]
    customer = await hasty.customer()
    await hasty.lever("trouble", call="create_session", fault=kind, times=times)
    headers = customer | {"Idempotency-Key": "one"}
    seen, pages = set(), set()

    async def taken() -> bool:
        answer = await hasty.world.client.post(
            "/api/v1/intakes", json={"plan": "standard"}, headers=headers
        )
        seen.add(answer.status_code)
        if answer.status_code == 503:
            assert (answer.json()["code"], "retry-after" in answer.headers) == (
                "payments_unavailable",
                True,
            )
            return False
        pages.add(answer.json()["checkout_url"])
        return True

    await hasty.until(taken)
    await hasty.until(taken)
    assert seen <= {201, 503}
    [url] = pages
    made = await listed(hasty, "/v1/checkout/sessions?limit=100")
    unknown = int(kind == "done_500")  # Stripe made it, and told nobody: nobody can pay it
    assert len(made) == 1 + unknown
    assert await hasty.pool.fetchval("select count(*) from headstart.intakes") == 1
    await hasty.request_of(await hasty.pay({"checkout_url": url}))


async def test_the_form_says_try_again_when_stripe_is_down(hasty: Bank) -> None:
    """Attack 24."""
    await hasty.lever("trouble", call="create_session", fault="503", times=SDK_ATTEMPTS)
    form = {"plan": "standard", "key": "the-same-key", **PARTICULARS}
    customer = hasty.world.customer
    refused = await hasty.world.client.post("/intake", data=form, headers=customer)
    assert refused.status_code == 503
    assert "please try again" in refused.text
    assert PARTICULARS["concern"] in refused.text
    assert (
        await hasty.world.client.post("/intake", data=form, headers=customer)
    ).status_code == 303


@pytest.mark.parametrize("fault", ["down", "too many", "slow"])
async def test_trouble_at_a_look_is_no_error_and_the_look_is_made_later(
    hasty: Bank, fault: str
) -> None:
    """Attack 24: neither the page after the payment nor the job gives up."""
    kind, times = FAULTS[fault]
    await hasty.use("hold")
    await hasty.lever("switches", drop=True)
    customer = await hasty.customer()
    page = await hasty.pay(await hasty.open_page(customer))
    await hasty.lever("trouble", call="retrieve_session", fault=kind, times=2 * times)
    shown = await hasty.world.client.get(f"/intake/success?session_id={page}", headers=customer)
    assert (shown.status_code, "nothing is lost" in shown.text) == (200, True)
    event = (await listed(hasty, "/v1/events?type=checkout.session.completed"))[0]
    assert (await hasty.world.deliver(event)).json()["outcome"] == "to_be_looked_at"
    request = await hasty.request_of(page)
    await hasty.comes_to(request, "pending", "held")


@each_fault
async def test_trouble_at_a_capture_takes_the_money_once(hasty: Bank, fault: str) -> None:
    """Attack 24."""
    kind, times = FAULTS[fault]
    await hasty.lever("trouble", call="capture", fault=kind, times=times)
    request = await matched(hasty, "hold")
    await hasty.comes_to(request, "matched", "paid")
    assert (await hasty.at_stripe(request))["received"] == 2999
    assert await troubles(hasty) == set()


# Configuration: 25


async def test_a_hook_without_a_secret_takes_nothing(database: str) -> None:
    """Attack 25: where nothing can be paid, no signature is good, not even the sandbox's."""
    nothing: Json = {"STRIPE_SECRET_KEY": None, "HEADSTART_STRIPE_API_BASE": None}
    async with (
        world_on(database, STRIPE_WEBHOOK_SECRET=[], **nothing) as world,
        connected(database, connections_max=1, role=None) as pool,
    ):
        bank, body = Bank(world, pool), json.dumps(paid_event(str(uuid4()))).encode()
        before = await counted(bank, outcome="refused_bad_signature")
        for secret in ("", "whsec_", SANDBOX_WEBHOOK_SECRET):
            headers = {"Stripe-Signature": signed(body, secret)}
            async with nothing_changes(bank):
                answer = await world.client.post(HOOK, content=body, headers=headers)
            assert answer.status_code == 400
        assert await counted(bank, outcome="refused_bad_signature") == before + 3
