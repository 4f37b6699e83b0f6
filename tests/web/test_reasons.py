"""Whoever acts for the house says why, and it is kept where all operators see it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from headstart.lab.explain import READER
from headstart.web.reasons import REASON_CHARACTERS_MAX
from tests.web.conftest import World

FLAG = "/api/v1/flags/ENABLE_FAVORITES_PRIORITY"
MECHANIC = f"/api/v1/mechanics/{UUID(int=5)}"
CUSTOMER = f"/api/v1/customers/{UUID(int=6)}"
WITHOUT: dict[str, Any] = {
    FLAG: {"enabled": False},
    MECHANIC: {"name": "Mo", "status": "approved"},
    CUSTOMER: {"first_name": "Mia"},
}
BAD_REASONS = [{}, {"reason": ""}, {"reason": " \n"}, {"reason": None}]
BAD_REASONS += [{"reason": "x" * (REASON_CHARACTERS_MAX + 1)}, {"reason": 7}]


@pytest.mark.parametrize("path", WITHOUT)
async def test_without_a_reason_nothing_is_put(path: str, world: World) -> None:
    for bad in BAD_REASONS:
        refused = await world.client.put(path, json=WITHOUT[path] | bad, headers=world.operator)
        assert refused.status_code == 422
        assert [one["field"] for one in refused.json()["errors"]] == ["reason"]
    assert await world.service.actions.actions(10) == []
    assert (await world.service.switchboard.flag("ENABLE_FAVORITES_PRIORITY")).enabled


@pytest.mark.parametrize(
    "command", ["broadcast", "extension", "cancellation", "release", "completion"]
)
async def test_without_a_reason_no_command_of_an_operator_is_carried_out(
    command: str, world: World
) -> None:
    request_id = await world.book()
    path = f"/api/v1/session-requests/{request_id}/{command}"
    for bad in BAD_REASONS:
        refused = await world.client.post(path, json=bad, headers=world.operator)
        assert refused.status_code == 422, refused.text
        assert "reason" in refused.json()["errors"][0]["field"]
    assert (await world.client.post(path, headers=world.operator)).status_code == 422
    assert [one["version"] for one in await world.requests()] == [2]


async def test_what_an_operator_says_is_on_the_event_and_only_operators_see_it(
    world: World,
) -> None:
    request_id = await world.book()
    path = f"/api/v1/session-requests/{request_id}/cancellation"
    said = {"reason": "  the canary was double-booked "}
    assert (await world.client.post(path, json=said, headers=world.operator)).status_code == 200
    [why] = (await reasons(world, request_id)).values()
    assert why == "the canary was double-booked"
    seen = await page(world, f"/admin/requests/{request_id}", world.operator)
    assert why in seen
    assert why not in await page(world, f"/requests/{request_id}", world.customer)
    read = await world.client.get(f"/api/v1/session-requests/{request_id}", headers=world.customer)
    assert why not in read.text


async def reasons(world: World, request_id: str) -> Mapping[int, str]:
    """As an operator reads them."""
    async with world.service.views.on_behalf_of(READER) as views:
        return await views.reasons(UUID(request_id))


async def page(world: World, path: str, headers: dict[str, str]) -> str:
    """As it is shown to somebody."""
    answer = await world.client.get(path, headers=headers | {"Accept": "text/html"})
    assert answer.status_code == 200
    return answer.text


async def test_customers_and_mechanics_need_not_say_why(world: World) -> None:
    request_id = await world.book()
    path = f"/api/v1/session-requests/{request_id}/cancellation"
    assert (await world.client.post(path, headers=world.customer)).status_code == 200
    assert await reasons(world, request_id) == {}


async def test_what_operators_did_is_listed_with_what_was_and_what_is(world: World) -> None:
    for status in ("approved", "suspended"):
        known = {"name": "Mo", "status": status, "reason": f"now {status}"}
        put = await world.client.put(MECHANIC, json=known, headers=world.operator)
        assert put.status_code == 200
        assert "reason" not in put.json(), "a mechanic has none"
    advanced = {"seconds": 5, "reason": "a rehearsal"}
    assert (await world.client.post("/demo/clock", json=advanced)).status_code == 200
    listed = await world.client.get("/api/v1/operator-actions", headers=world.operator)
    clock, suspended, known = listed.json()["actions"]
    assert (known["was"], known["became"]["status"]) == (None, "approved")
    assert suspended["was"] == {"status": "approved"}
    assert (suspended["action"], suspended["subject"]) == ("put_mechanic", str(UUID(int=5)))
    assert (suspended["actor"], suspended["reason"]) == (f"operator:{UUID(int=7)}", "now suspended")
    assert (clock["action"], clock["became"]["ahead_s"] - clock["was"]["ahead_s"]) == (
        "move_clock",
        5,
    )
    assert "now suspended" in await page(world, "/admin", world.operator)


@pytest.mark.parametrize("who", ["customer", "mechanic", "nobody"])
async def test_what_operators_did_is_for_operators(who: str, world: World) -> None:
    headers = {"customer": world.customer, "mechanic": world.mechanic(uuid4()), "nobody": {}}[who]
    listed = await world.client.get("/api/v1/operator-actions", headers=headers)
    assert listed.status_code == (401 if who == "nobody" else 403)


async def test_the_page_asks_for_a_reason_too(world: World) -> None:
    form = {"enabled": "false", "confirmed": "yes"}
    refused = await world.client.post("/admin/flag", data=form, headers=world.operator)
    assert refused.status_code == 422
    said = form | {"reason": "a trial"}
    done = await world.client.post("/admin/flag", data=said, headers=world.operator)
    assert done.status_code == 303
    assert "a trial" in await page(world, "/admin/flags", world.operator)
    refused = await world.client.post("/admin/operations/1/attempt", headers=world.operator)
    assert refused.status_code == 422
