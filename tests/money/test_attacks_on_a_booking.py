"""The attacks on what is booked: metadata, the intake's address, prices, double clicks.

The numbers are those of the table in docs/explanation/payment-attacks.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from headstart.core.access import Role
from headstart.core.request import MechanicId
from headstart.store.people import PeopleStore
from headstart.web.pages.intake import KEY_COOKIE
from tests.money.conftest import Bank, Headers
from tests.money.witness import listed, nothing_changes, request_row, rows
from tests.web.conftest import PARTICULARS, paid_event

PAGES = "/v1/checkout/sessions?limit=100"
HTML = {"Accept": "text/html"}
CLICKS = 50
CHARACTERS_SHOWN = 40


async def request_of_event(bank: Bank, customer: Headers, booking: Any, **metadata: str) -> Any:
    """Book, and hear of the payment with this metadata; answers with the row."""
    intake = (await bank.open_page(customer, **booking))["intake_id"]
    event = paid_event(intake, metadata={"intake_id": intake, **metadata})
    assert (await bank.world.deliver(event)).json()["outcome"] == "fulfilled"
    return await request_row(bank, event["data"]["object"]["id"])


# Hostile metadata: 13 and 14


HOSTILE = {
    "no id": "not-a-uuid",
    "SQL": "'; drop table headstart.session_requests; --",
    "500 characters": "a-very-long-value-" * 27,
    "NUL": "f\x00f",
    "half a character": "f\ud800f",
    "markup": "<script>alert(1)</script>",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_metadata_is_neither_used_nor_kept_nor_logged(
    bank: Bank, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attack 13: metadata is a copy for people. Nothing but our own id is read from it."""
    customer = await bank.customer(bank.world.cast.favorite)
    row = await request_of_event(
        bank, customer, {}, preferred_mechanic_id=value, routing_type=value, plan=value
    )
    assert (row["stage"], row["preferred_mechanic_id"], row["metadata"]) == ("open", None, {})
    logged = capsys.readouterr()
    kept = str(await rows(bank)) + str(await bank.pool.fetch("select * from stripe_events"))
    for shown in (logged.out, logged.err, kept):
        assert value[:CHARACTERS_SHOWN] not in shown


async def test_metadata_in_other_letters_is_no_favourite(bank: Bank) -> None:
    """Attack 13: the favourite's own id, shouted."""
    favorite = bank.world.cast.favorite
    customer = await bank.customer(favorite)
    shouted = {"preferred_mechanic_id": str(favorite).upper(), "routing_type": "PRIORITY_BROADCAST"}
    row = await request_of_event(bank, customer, {}, **shouted)
    assert (row["stage"], row["preferred_mechanic_id"]) == ("open", None)


@pytest.mark.parametrize(
    "named", ["stranger", "suspended", "customer", "another favourite", "nobody"]
)
async def test_the_intake_wins_over_metadata(bank: Bank, named: str) -> None:
    """Attack 14."""
    cast, people = bank.world.cast, bank.world.service.people
    assert isinstance(people, PeopleStore)
    await people.set_mechanic_status(cast.others[1], "suspended")
    ids = {
        "stranger": cast.others[0],
        "suspended": cast.others[1],
        "customer": cast.customer,
        "another favourite": cast.second,
        "nobody": uuid4(),
    }
    booking = {"preferred_mechanic_id": str(cast.favorite)}
    row = await request_of_event(
        bank, bank.world.customer, booking, preferred_mechanic_id=str(ids[named])
    )
    assert (row["stage"], row["preferred_mechanic_id"]) == ("reserved", cast.favorite)


async def suspended(bank: Bank, favorite: MechanicId, _: Headers) -> None:
    people = bank.world.service.people
    assert isinstance(people, PeopleStore)
    await people.set_mechanic_status(favorite, "suspended")


async def forgotten(bank: Bank, favorite: MechanicId, customer: Headers) -> None:
    path = f"/api/v1/favorites/{favorite}"
    assert (await bank.world.client.delete(path, headers=customer)).status_code == 204


async def busy(bank: Bank, favorite: MechanicId, _: Headers) -> None:
    await bank.accept(await bank.book(await bank.customer()), bank.world.mechanic(favorite))


@pytest.mark.parametrize(
    ("become", "reason"),
    [
        (suspended, "mechanic_unavailable"),
        (forgotten, "not_a_favorite"),
        (busy, "mechanic_busy"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
async def test_a_favourite_who_cannot_be_asked_any_more_means_a_broadcast(
    bank: Bank, become: Callable[[Bank, MechanicId, Headers], Awaitable[None]], reason: str
) -> None:
    """Attack 14: the intake was true when it was kept, and is not when it is paid."""
    favorite, _ = await bank.mechanic()
    customer = await bank.customer(favorite)
    submitted = await bank.open_page(customer, preferred_mechanic_id=str(favorite))
    await become(bank, favorite, customer)
    row = await request_row(bank, await bank.pay(submitted))
    assert (row["stage"], row["fallback_reason"]) == ("open", reason)
    assert row["fallback_broadcast_at"] == row["created_at"], "at once"


# The intake's address: 15, 16 and 17


async def page_for(bank: Bank, address: str, customer: Headers | None = None) -> tuple[int, str]:
    """The intake as a browser with a booking key shows it."""
    headers = (customer or bank.world.customer) | HTML | {"Cookie": f"{KEY_COOKIE}=the-same-key"}
    answer = await bank.world.client.get(f"/intake?{address}", headers=headers)
    return answer.status_code, answer.text


async def test_the_intake_tells_nobody_who_is_a_mechanic(bank: Bank) -> None:
    """Attack 15: strangers, suspended ones and people who do not exist get the same page."""
    cast, people = bank.world.cast, bank.world.service.people
    assert isinstance(people, PeopleStore)
    await people.set_mechanic_status(cast.others[1], "suspended")
    pages, answers = set(), set()
    for named in (cast.others[0], cast.others[1], uuid4(), cast.customer):
        status, text = await page_for(bank, f"plan=standard&preferred_mechanic_id={named}")
        pages.add((status, text.replace(str(named), "X")))
        answer = await bank.world.submit(preferred_mechanic_id=str(named))
        answers.add((answer.status_code, *answer.json()))
    [(status, text)] = pages
    assert status == 200
    assert not any(name in text for name in ("Otto", "Olga", "Ask everyone"))
    assert answers == {(201, "intake_id", "checkout_url", "session_id")}
    known = await page_for(bank, f"plan=standard&preferred_mechanic_id={cast.favorite}")
    assert "Fay" in known[1], "the favourite is named, so the test can tell"


@pytest.mark.parametrize(
    ("address", "status", "total"),
    [
        ("plan=platinum", 404, None),
        ("plan='; drop table plans; --", 404, None),
        ("plan=" + "x" * 5_000, 404, None),
        ("plan=%00", 404, None),
        ("plan=STANDARD", 404, None),
        ("", 422, None),
        ("plan=standard&price=1&amount=1&currency=usd", 200, "29.99"),
        ("plan=standard&plan=micro", 200, "29.99"),
        ("plan=micro&plan=standard", 200, "4.99"),
        ("plan=free", 200, "Ask now"),
    ],
)
async def test_the_price_is_the_catalogues(
    bank: Bank, address: str, status: int, total: str | None
) -> None:
    """Attack 16: the first of a repeated parameter counts, and what is not asked for is not heard.

    A plan that costs nothing is a plan like any other here: it is on sale, for nothing.
    """
    async with nothing_changes(bank):
        answered, text = await page_for(bank, address)
    assert answered == status
    assert total is None or total in text


async def test_the_form_cannot_name_a_price(bank: Bank) -> None:
    """Attack 16: neither what is held against the amount, nor the payment page."""
    form = {"plan": "standard", **PARTICULARS, "key": "a-key-of-9"}
    form |= {"amount": "1", "price": "1", "currency": "usd"}
    answer = await bank.world.client.post("/intake", data=form, headers=bank.world.customer)
    assert answer.status_code == 303
    [session] = await listed(bank, PAGES)
    assert (session["amount_total"], session["currency"]) == (2999, "cad")
    kept = await bank.pool.fetchrow("select amount, currency from headstart.intakes")
    assert tuple(kept) == (2999, "cad")


@pytest.mark.parametrize("word", ["PRIORITY_BROADCAST", "Priority_Broadcast", "first", "'; --"])
async def test_an_unknown_routing_type_is_a_broadcast(bank: Bank, word: str) -> None:
    """Attack 17. Programs are told: the API answers 422."""
    customer, favorite = bank.world.customer, str(bank.world.cast.favorite)
    body = {"plan": "standard", "preferred_mechanic_id": favorite, "routing_type": word}
    async with nothing_changes(bank):
        told = await bank.world.client.post("/api/v1/intakes", json=body, headers=customer)
    assert told.status_code == 422
    form = body | PARTICULARS
    booked = await bank.world.client.post("/intake", data=form, headers=customer)
    assert booked.status_code == 303
    row = await request_row(bank, await bank.pay({"checkout_url": booked.headers["location"]}))
    assert (row["stage"], row["routing_type"]) == ("open", "broadcast")
    assert (row["fallback_reason"], row["metadata"]) == (None, {})


# Opening the payment page: 18


@pytest.mark.parametrize(
    "foreign",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=str,
)
@pytest.mark.parametrize("path", ["/intake", "/api/v1/intakes"])
async def test_another_sites_page_cannot_book(
    bank: Bank, path: str, foreign: dict[str, str]
) -> None:
    """Attack 18."""
    headers = await bank.world.browser(Role.CUSTOMER, bank.world.cast.customer) | foreign
    sent: Any = {"json": {"plan": "standard"}} if "api" in path else {"data": {"plan": "standard"}}
    async with nothing_changes(bank):
        answer = await bank.world.client.post(path, headers=headers, **sent)
    assert answer.status_code == 403
    assert await listed(bank, PAGES) == []


async def test_a_link_cannot_book(bank: Bank) -> None:
    """Attack 18: a GET opens no payment page."""
    async with nothing_changes(bank):
        answer = await bank.world.client.get(
            "/api/v1/intakes?plan=standard", headers=bank.world.customer
        )
        assert answer.status_code == 405
        assert (await page_for(bank, "plan=standard"))[0] == 200
    assert await listed(bank, PAGES) == []


async def test_many_clicks_open_one_payment_page(bank: Bank) -> None:
    """Attack 18. Who is too early hears "try again", and never gets a page of their own."""
    form = {"plan": "standard", **PARTICULARS, "key": "the-same-key"}

    async def click() -> tuple[int, str]:
        answer = await bank.world.client.post("/intake", data=form, headers=bank.world.customer)
        return answer.status_code, answer.headers.get("location", "")

    answers = set(await asyncio.gather(*(click() for _ in range(CLICKS))))
    [session] = await listed(bank, PAGES)
    assert answers - {(503, "")} == {(303, session["url"])}
    assert await bank.pool.fetchval("select count(*) from headstart.intakes") == 1
