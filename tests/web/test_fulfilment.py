"""From the URL to the offer: the favourite survives every hop, and money in means a request."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from headstart.lab import explain
from headstart.web.problems import PROBLEM_TYPE
from tests.web.conftest import World, paid_event


async def offers(world: World, mechanic: Any) -> list[dict[str, Any]]:
    """What a mechanic is offered now."""
    answer = await world.client.get("/api/v1/offers", headers=world.mechanic(mechanic))
    found: list[dict[str, Any]] = answer.json()["offers"]
    return found


async def test_the_favourite_survives_every_hop(world: World) -> None:
    favorite = str(world.cast.favorite)
    submitted = await world.submit(
        preferred_mechanic_id=favorite, routing_type="priority_broadcast"
    )
    body = submitted.json()
    checkout_id = body["checkout_url"].rsplit("/", 1)[1]
    auth = {"Authorization": "Bearer sk_test_any"}
    path = f"/v1/checkout/sessions/{checkout_id}?expand[0]=payment_intent"
    await world.sandbox.post(body["checkout_url"], data={"action": "pay"})
    session = (await world.sandbox.get(path, headers=auth)).json()
    for carried in (session["metadata"], session["payment_intent"]["metadata"]):
        assert carried["preferred_mechanic_id"] == favorite
        assert carried["routing_type"] == "priority_broadcast"
        assert carried["plan"] == "standard"
    [offer] = await offers(world, world.cast.favorite)
    assert offer["priority"]
    assert offer["priority_window_minutes"] == 10
    for other in world.cast.others:
        assert await offers(world, other) == []
        path = f"/api/v1/session-requests/{offer['session_id']}"
        hidden = await world.client.get(path, headers=world.mechanic(other))
        unknown = await world.client.get(
            f"/api/v1/session-requests/{uuid4()}", headers=world.mechanic(other)
        )
        assert (hidden.status_code, hidden.json()) == (404, unknown.json())
        refused = await world.order(offer["session_id"], "acceptance", world.mechanic(other))
        assert (refused.status_code, refused.json()) == (404, unknown.json())


async def test_the_same_webhook_a_hundred_times_at_once_and_after_the_match(world: World) -> None:
    submitted = await world.submit(preferred_mechanic_id=str(world.cast.favorite))
    event = paid_event(submitted.json()["intake_id"])
    answers = await asyncio.gather(*(world.deliver(event) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    outcomes = [answer.json()["outcome"] for answer in answers]
    assert sorted(set(outcomes)) == ["duplicate", "fulfilled"]
    assert outcomes.count("fulfilled") == 1
    [request] = await world.requests()
    accepted = await world.order(
        request["session_id"], "acceptance", world.mechanic(world.cast.favorite)
    )
    assert accepted.status_code == 200
    twin = event | {"id": "evt_twin"}
    for late in (event, twin):
        assert (await world.deliver(late)).status_code == 200
    [after] = await world.requests()
    assert (after["status"], after["version"]) == ("matched", accepted.json()["version"])


async def test_twins_of_an_event_at_once_make_one_request(world: World) -> None:
    submitted = await world.submit(preferred_mechanic_id=str(world.cast.favorite))
    intake = submitted.json()["intake_id"]
    twins = [paid_event(intake, event={"id": f"evt_{number}"}) for number in range(20)]
    answers = await asyncio.gather(*(world.deliver(twin) for twin in twins))
    assert {answer.json()["outcome"] for answer in answers} == {"fulfilled"}
    assert len(await world.requests()) == 1


async def test_what_was_quarantined_is_looked_at_again_when_it_is_sent_again(world: World) -> None:
    intake = (await world.submit()).json()["intake_id"]
    wrong = paid_event(intake, event={"livemode": True})
    assert (await world.deliver(wrong)).json()["outcome"] == "quarantined_mode"
    assert (await world.deliver(paid_event(intake))).json()["outcome"] == "fulfilled"
    assert (await world.deliver(paid_event(intake))).json()["outcome"] == "duplicate"
    assert len(await world.requests()) == 1


async def test_a_stranger_as_favourite_means_a_broadcast_with_the_reason(world: World) -> None:
    for named in (world.cast.others[0], uuid4()):
        customer = await world.newcomer(world.cast.favorite)
        preferred = {"preferred_mechanic_id": str(named), "routing_type": "priority_broadcast"}
        await world.book(by=customer, **preferred)
        [newest] = await world.requests(customer)
        assert newest["stage"] == "open"
        assert newest["fallback_reason"] == "not_a_favorite"
    assert len(await offers(world, world.cast.others[1])) == 2


async def test_the_flag_off_means_a_plain_broadcast(world: World) -> None:
    path = "/api/v1/flags/ENABLE_FAVORITES_PRIORITY"
    off = {"enabled": False, "reason": "a test"}
    switched = await world.client.put(path, json=off, headers=world.operator)
    assert switched.status_code == 200
    [change] = switched.json()["changes"]
    told = (change["was_enabled"], change["enabled"], change["reason"])
    assert told == (True, False, "a test")
    submitted = await world.submit(preferred_mechanic_id=str(world.cast.favorite))
    intake = submitted.json()["intake_id"]
    named = {"intake_id": intake, "preferred_mechanic_id": str(world.cast.favorite)}
    assert (await world.deliver(paid_event(intake, metadata=named))).status_code == 200
    [request] = await world.requests()
    assert request["routing_type"] == "broadcast"
    assert request["fallback_reason"] is None
    assert request["priority_window_minutes"] is None
    async with world.service.views.on_behalf_of(explain.READER) as views:
        stored = await views.stored_request(request["session_id"])
    assert stored is not None
    assert stored["metadata"] == {}, "no priority keys"


async def test_a_free_plan_takes_the_same_path_without_a_payment(world: World) -> None:
    submitted = await world.submit(plan="free", preferred_mechanic_id=str(world.cast.favorite))
    assert submitted.status_code == 201
    [request] = await world.requests()
    assert request["session_id"] == submitted.json()["session_id"]
    assert request["stage"] == "reserved"


async def test_an_intake_is_kept_once_per_key(world: World) -> None:
    first = await world.submit(key="one")
    again = await world.submit(key="one")
    assert first.json() == again.json()
    other = await world.submit(key="one", urgent=True)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"plan": "platinum"}, 422, "plan"),
        ({"plan": None}, 422, "plan"),
        ({"preferred_mechanic_id": "not-a-uuid"}, 422, "preferred_mechanic_id"),
        ({"routing_type": "Priority_Broadcast"}, 422, "routing_type"),
        ({"concern": "x" * 3_000}, 422, "concern"),
        ({"concern": "a\0b"}, 422, "concern"),
        (
            {"preferred_mechanic_ids": [str(uuid4()) for _ in range(6)]},
            422,
            "preferred_mechanic_id",
        ),
        (
            {"preferred_mechanic_ids": [str(uuid4()) for _ in range(3)]},
            422,
            "preferred_mechanic_id",
        ),
    ],
)
async def test_a_bad_intake_names_the_field(
    body: dict[str, Any], status: int, field: str, world: World
) -> None:
    answer = await world.submit(**body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_TYPE
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_the_price_comes_from_the_plan_and_nowhere_else(world: World) -> None:
    submitted = await world.submit(amount=1, price=1, specialist=True)
    checkout_id = submitted.json()["checkout_url"].rsplit("/", 1)[1]
    session = await world.sandbox.get(
        f"/v1/checkout/sessions/{checkout_id}", headers={"Authorization": "Bearer sk_test_any"}
    )
    assert session.json()["amount_total"] == 2999 + 1500
