"""Over the API: more time for the favourite, and a mechanic whom an operator names."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.web.conftest import World

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

GUARD_S = 10.0


async def more_time(world: World, request_id: str, key: str = "") -> tuple[int, dict[str, Any]]:
    """What the customer is answered who asks for it."""
    headers = world.customer | ({"Idempotency-Key": key} if key else {})
    answer = await world.order(request_id, "extension", headers)
    return answer.status_code, answer.json()


async def seen(world: World, request_id: str) -> dict[str, Any]:
    """The request, as its customer sees it."""
    path = f"/api/v1/session-requests/{request_id}"
    found: dict[str, Any] = (await world.client.get(path, headers=world.customer)).json()
    return found


async def test_more_time_is_given_once_for_each_key_and_no_longer_than_it_is_offered(
    world: World,
) -> None:
    favorite = world.mechanic(world.cast.favorite)
    request_id = await world.book(preferred_mechanic_id=str(world.cast.favorite))
    before = await seen(world, request_id)
    assert before["extension_minutes"] == 5
    due_at = datetime.fromisoformat(before["due_at"])
    for key, changed, extensions in (("a", True, 1), ("a", False, 1), ("b", True, 2)):
        status, told = await more_time(world, request_id, key)
        assert (status, told["changed"]) == (200, changed)
        assert datetime.fromisoformat(told["due_at"]) == due_at + timedelta(minutes=5) * extensions
    now = await seen(world, request_id)
    assert (now["priority_window_minutes"], now["extension_minutes"]) == (20, None)
    [card] = (await world.client.get("/api/v1/offers", headers=favorite)).json()["offers"]
    assert card["priority_window_minutes"] == 20
    assert datetime.fromisoformat(card["due_at"]) == datetime.fromisoformat(now["due_at"])
    status, told = await more_time(world, request_id)
    assert (status, told["code"]) == (409, "window_at_limit")

    await world.order(request_id, "broadcast", world.customer)
    status, told = await more_time(world, request_id)
    assert (status, told["code"]) == (409, "not_reserved")
    assert (await seen(world, request_id))["extension_minutes"] is None


async def test_whom_an_operator_names_has_the_job_and_the_money_is_taken(
    world: World, owner: "Pool"
) -> None:
    await owner.execute("update headstart.plans set capture = 'hold' where code = 'quick'")
    favorite, named = world.cast.favorite, world.cast.others[0]
    submitted = await world.submit(plan="quick", preferred_mechanic_id=str(favorite))
    await world.sandbox.post(submitted.json()["checkout_url"], data={"action": "pay"})
    async with asyncio.timeout(GUARD_S):
        while not (made := await world.requests()):  # noqa: ASYNC110 - held, or not, is seen first
            await asyncio.sleep(0.01)
    request_id = made[0]["session_id"]
    assert made[0]["money"] == "held"
    path = f"/api/v1/session-requests/{request_id}/assignment"
    body = {"mechanic_id": str(named), "reason": "agreed by telephone"}
    for wrong in ({"reason": "x"}, {"mechanic_id": str(named)}, {**body, "mechanic_id": "Otto"}):
        refused = await world.client.post(path, json=wrong, headers=world.operator)
        assert refused.status_code == 422
    answer = await world.client.post(path, json=body, headers=world.operator)
    assert (answer.status_code, answer.json()["matched_mechanic_id"]) == (200, str(named))
    again = await world.client.post(path, json=body, headers=world.operator)
    assert again.json()["changed"] is False
    for who, has_job in ((favorite, False), (named, True)):
        told = await world.client.get("/api/v1/offers", headers=world.mechanic(who))
        assert (bool(told.json()["job"]), told.json()["offers"]) == (has_job, [])
    async with asyncio.timeout(GUARD_S):
        while (await seen(world, request_id))["money"] != "paid":  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)

    other = {"mechanic_id": str(favorite), "reason": "nearer"}
    taken = await world.client.post(path, json=other, headers=world.operator)
    assert (taken.status_code, taken.json()["code"]) == (409, "already_matched")
    second = await world.book(await world.newcomer())
    busy = await world.client.post(
        path.replace(request_id, second), json=body, headers=world.operator
    )
    assert (busy.status_code, busy.json()["code"]) == (409, "mechanic_busy")
    await world.order(request_id, "release", world.operator)
    sent_on = await world.client.post(path, json=other, headers=world.operator)
    assert sent_on.json()["matched_mechanic_id"] == str(favorite)
