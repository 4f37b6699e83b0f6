"""The operator's board: everything that is live, in its place; and what is stuck, and why."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headstart.app.watch import OVERDUE_AFTER, UNSETTLED_AFTER
from headstart.store.people import PeopleStore
from tests.web.conftest import World, world_on

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

WINDOW = timedelta(minutes=10)
SECTION = re.compile(r'<section aria-labelledby="stage-(\w+)">(.*?)</section>', re.DOTALL)


@pytest.fixture
async def still(database: str) -> AsyncIterator[World]:
    """A service whose loops do not run: what is due stays due."""
    async with world_on(database, looping=False) as made:
        yield made


async def board(world: World, query: str = "") -> str:
    """The page, as an operator gets it."""
    headers = world.operator | {"Accept": "text/html"}
    answer = await world.client.get(f"/admin{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def stages(page: str) -> dict[str, set[str]]:
    """The requests that stand in each column."""
    return {
        name: set(re.findall(r'data-session="([\w-]+)"', inside))
        for name, inside in SECTION.findall(page)
    }


def stuck(page: str) -> int:
    """The figure that must read 0."""
    [figure] = re.findall(r'<strong id="stuck">(\d+)</strong>', page)
    return int(figure)


async def hold(world: World) -> str:
    """A request whose money is held. Whether it is, the cashier has to see first."""
    customer = await world.newcomer()
    submitted = (await world.submit(by=customer, plan="quick")).json()
    await world.sandbox.post(submitted["checkout_url"], data={"action": "pay"})
    assert world.service.money
    await world.service.money.cashier.work()
    [made] = await world.requests(customer)
    assert made["held_first"]
    return str(made["session_id"])


async def pass_time(world: World, by: timedelta) -> None:
    people = world.service.people
    assert isinstance(people, PeopleStore)
    await people.advance_clock(by)


async def test_every_live_request_stands_in_its_stage_and_links_filter(world: World) -> None:
    favorite, other = world.cast.favorite, world.cast.others[0]
    held = await world.book(await world.newcomer(favorite), preferred_mechanic_id=str(favorite))
    open_ = await world.book(await world.newcomer(), plan="quick")
    won = await world.book(await world.newcomer())
    await world.order(won, "acceptance", world.mechanic(other))
    over = await world.book(await world.newcomer())
    await world.order(over, "cancellation", world.operator)
    page = await board(world)
    assert stages(page) == {"reserved": {held}, "open": {open_}, "matched": {won}}
    assert stuck(page) == 0
    ended = page.partition('id="ended"')[2].partition("</section>")[0]
    assert over in ended
    assert "cancelled" in ended
    for query, expected in (
        ("?stage=open", {"open": {open_}}),
        ("?plan=quick", {"reserved": set(), "open": {open_}, "matched": set()}),
        (f"?mechanic={other}", {"reserved": set(), "open": set(), "matched": {won}}),
        (f"?mechanic={favorite}&stage=reserved", {"reserved": {held}}),
        ("?stuck=yes", {"reserved": set(), "open": set(), "matched": set()}),
        ("?stage=nonsense&mechanic=x", {"reserved": {held}, "open": {open_}, "matched": {won}}),
    ):
        assert stages(await board(world, query)) == expected, query
    assert 'href="/admin?stage=open&amp;plan=quick"' in await board(world, "?plan=quick")


async def test_what_nobody_acts_on_is_stuck_and_says_why(still: World, owner: "Pool") -> None:
    await owner.execute("update headstart.plans set capture = 'hold' where code = 'quick'")
    favorite, other = still.cast.favorite, still.cast.others[0]
    held = await still.book(await still.newcomer(favorite), preferred_mechanic_id=str(favorite))
    taken = await hold(still)
    await still.order(taken, "acceptance", still.mechanic(other))
    owed = await still.book(await still.newcomer())
    await still.order(owed, "cancellation", still.operator)

    await pass_time(still, WINDOW + timedelta(seconds=1))
    page = await board(still)
    assert stuck(page) == 0, "late, and not yet beyond the bound"
    [late] = re.findall(r"The oldest deadline is (\d+) s late\.", page)
    assert 1 <= int(late) < OVERDUE_AFTER.total_seconds()
    assert "Nothing is late" not in page
    await pass_time(still, OVERDUE_AFTER)
    page = await board(still)
    assert stuck(page) == 1
    assert "The deadline passed and nobody acted" in page

    await pass_time(still, UNSETTLED_AFTER)
    page = await board(still)
    listed = page.partition('id="why-stuck"')[2].partition("</section>")[0]
    assert stuck(page) == listed.count("<li>")
    for request, why in (
        (held, "The deadline passed and nobody acted"),
        (taken, "Matched, and the money is not taken"),
        (owed, "Owed at the payment service, and not done"),
    ):
        [line] = [one for one in listed.split("<li>") if request in one]
        assert why in line
    assert stages(await board(still, "?stuck=yes")) == {
        "reserved": {held},
        "open": set(),
        "matched": {taken},
    }


async def test_the_switch_wants_to_be_meant_and_keeps_its_history(world: World) -> None:
    off = {"enabled": "false", "reason": "too many complaints"}
    refused = await world.client.post("/admin/flag", data=off, headers=world.operator)
    assert refused.status_code == 422, "nobody ticked that they mean it"
    for form in (
        off | {"confirmed": "yes"},
        {"enabled": "true", "confirmed": "yes", "reason": "a trial", "rollout_percentage": "5"},
    ):
        done = await world.client.post("/admin/flag", data=form, headers=world.operator)
        assert done.headers["location"].startswith("/admin/flags?said=")
    headers = world.operator | {"Accept": "text/html"}
    page = (await world.client.get("/admin/flags", headers=headers)).text
    rows = re.findall(r"<tr><td>.*?</tr>", page, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    told = [[re.sub(r"<.*?>", "", cell).strip() for cell in row[1:4]] for row in cells]
    assert told == [
        ["off, 100 %", "on, 5 %", "a trial"],
        ["on, 100 %", "off, 100 %", "too many complaints"],
    ]
    beyond = {"enabled": "true", "confirmed": "yes", "reason": "x", "rollout_percentage": "101"}
    refused = await world.client.post("/admin/flag", data=beyond, headers=world.operator)
    assert refused.status_code == 422
