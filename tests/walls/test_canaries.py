"""Whatever is private is heard where it may be heard, and nowhere else.

A whole story is lived with canaries in every private field: two bookings, a window that lapses, a
match, a cancellation with its refund, refusals, an error of ours. Everybody looks everywhere, again
and again, as in production; all they are answered, told and logged is searched.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
import structlog
from structlog.testing import CapturingLoggerFactory

from headstart import telemetry
from headstart.app.views import _OFFER_STATE_FIELDS, OFFER_FIELDS, Payload, offer_card
from headstart.core.access import Role
from headstart.core.request import CustomerId
from headstart.lab.canaries import (
    CONTACT,
    ENTITLED,
    PAYMENT,
    PERSONAL,
    Sighting,
    account_of,
    contact_of,
    is_entitled,
    sightings,
)
from headstart.payments.sandbox.ids import fresh_id
from headstart.settings import Mode
from headstart.store.people import PeopleStore
from headstart.web import app as web_app
from headstart.web.doors import FILES, doors_of
from tests.conftest import fresh_database
from tests.web.conftest import PARTICULARS, World, paid_event, world_on
from tests.web.test_stream import listening, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARAMETER = re.compile(r"{\w+}")
WHY = {"reason": "a test"}
MEANT_FOR_STRIPE = {"intake_id", "plan", "routing_type", "preferred_mechanic_id"} | {
    "specialist",
    "urgent",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody was answered or told, whole."""

    name: str
    role: Role | None
    route: str
    text: str

    @property
    def leaks(self) -> set[Sighting]:
        """What is private in it and not for them."""
        found = sightings(self.text)
        return {one for one in found if not is_entitled(self.route, self.role, self.name, one)}


@dataclass(slots=True)
class Story:
    """The people, and everything that any of them heard."""

    world: World
    inside: httpx.AsyncClient
    routes: list[str]
    people: Mapping[str, tuple[Role | None, dict[str, str]]]
    heard: list[Heard] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)
    checkouts: dict[str, str] = field(default_factory=dict)

    async def ask(self, name: str, route: str, path: str = "", **sent: Any) -> httpx.Response:
        """Ask as a browser does, and keep the answer."""
        role, headers = self.people[name]
        method, plain = route.split()
        accepting = headers | {"Accept": "text/html"}
        answer = await self.inside.request(method, path or plain, headers=accepting, **sent)
        head = "\n".join(f"{one}: {value}" for one, value in answer.headers.items())
        self.heard.append(Heard(name, role, route, f"{head}\n\n{answer.text}"))
        return answer

    async def look_everywhere(self) -> None:
        """Everybody opens every page, and reads everything that can be read."""
        cast, wanted = self.world.cast, {"plan": "standard", "session_id": self.checkouts["ada"]}
        for route in self.routes:
            path = route.split()[1]
            meant = "ENABLE_FAVORITES_PRIORITY" if "/flags/" in path else str(cast.favorite)
            ids = self.requests.values() if "requests/" in path else [meant]
            for one in ids:
                for name in self.people:
                    named = PARAMETER.sub("{id}", route)
                    await self.ask(name, named, PARAMETER.sub(one, path), params=wanted)

    async def listen(self) -> None:
        """Everybody is told, once more, whatever they were ever told."""
        beginning = self.world.service.seals.seal(0, 0)
        for name, (role, headers) in self.people.items():
            if role:
                async with listening(self.world, headers, beginning) as stream:
                    told = [json.dumps(one.data) for one in await until(stream, "ready")]
                self.heard.append(Heard(name, role, "GET /api/v1/stream", "\n".join(told)))

    async def live(self, database: str) -> None:
        """The story."""
        await self._introduce()
        await self._book_and_pay()
        await self.look_everywhere()
        order = "POST /api/v1/session-requests/{id}/"
        ada = f"/api/v1/session-requests/{self.requests['ada']}/"
        for name in ("other", "bob", "nobody"):  # who may not know of it
            await self.ask(name, f"{order}acceptance", f"{ada}acceptance")
            await self.ask(name, f"{order}cancellation", f"{ada}cancellation")
        await self.world.client.post("/demo/clock", json={"seconds": 601, **WHY})
        await self._until_it_is("ada", "stage", "open")
        for name in ("winner", "other"):
            await self.ask(name, f"{order}acceptance", f"{ada}acceptance")
        await self.look_everywhere()
        await self.ask("operator", f"{order}cancellation", f"{ada}cancellation", json=WHY)
        await self._until_it_is("ada", "money", "returned")
        await self._break_something(database)
        await self.look_everywhere()
        await self.listen()

    async def _introduce(self) -> None:
        for name in ("ada", "bob"):
            path = f"/api/v1/customers/{CUSTOMERS[name]}"
            known = {**account_of(name), **WHY}
            answer = await self.ask("operator", "PUT /api/v1/customers/{id}", path, json=known)
            answer.raise_for_status()
        people = self.world.service.people
        assert isinstance(people, PeopleStore)
        await people.add_favorite(CUSTOMERS["ada"], self.world.cast.favorite)

    async def _book_and_pay(self) -> None:
        """Ada over the API, with a favourite; Bob by the form, which he fills in wrongly first."""
        wish = {"plan": "standard", "preferred_mechanic_id": str(self.world.cast.favorite)}
        body = {**wish, "concern": "It squeaks", "vehicle": "A van", **contact_of("ada")}
        booked = await self.ask("ada", "POST /api/v1/intakes", json=body)
        await self.ask("ada", "POST /api/v1/intakes", json={**body, "plan": "none"})
        form = {"plan": "standard", **PARTICULARS, **contact_of("bob"), "concern": "x" * 3_000}
        await self.ask("bob", "POST /intake", data=form)
        sent = await self.ask("bob", "POST /intake", data={**form, "concern": "It rattles, too"})
        await self.ask("bob", "POST /intake/resumption")
        pages = {"ada": booked.json()["checkout_url"], "bob": sent.headers["location"]}
        for name, page in pages.items():
            self.checkouts[name] = page.rpartition("/")[2]
            back = {"session_id": self.checkouts[name]}
            await self.ask(name, "GET /intake/success", params=back)  # too early
            await self.world.sandbox.post(page, data={"action": "pay"})
            [request] = await self.world.requests(self.people[name][1])
            self.requests[name] = request["session_id"]

    async def _until_it_is(self, name: str, field: str, value: str) -> None:
        async def is_so() -> bool:
            [request] = await self.world.requests(self.people[name][1])
            return bool(request[field] == value)

        async with asyncio.timeout(10):
            while not await is_so():  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.01)

    async def _break_something(self, database: str) -> None:
        """An error of ours in the middle of a booking: the database reports the row it refuses.
        A payment that nobody made, and one that a bank disputes: an operator has to look at them.
        """
        await self.world.deliver(paid_event(str(uuid4())))
        connection = await asyncpg.connect(database)
        try:
            broken = "alter table headstart.intakes add constraint broken check (concern = '')"
            await connection.execute(f"{broken} not valid")
            body = {"plan": "micro", "concern": "It squeaks", **contact_of("ada")}
            answer = await self.ask("ada", "POST /api/v1/intakes", json=body)
            assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
            await connection.execute("alter table headstart.intakes drop constraint broken")
            await connection.execute("update headstart.payments set disputed = true")
        finally:
            await connection.close()


CUSTOMERS = {name: CustomerId(uuid4()) for name in ("ada", "bob")}


@asynccontextmanager
async def logged() -> AsyncIterator[list[str]]:
    """Every line that the service and its libraries log, as in production."""
    before, factory, libraries = (
        structlog.get_config(),
        CapturingLoggerFactory(),
        telemetry._Libraries(),
    )
    telemetry.configure_logging(readable=False)
    structlog.configure(logger_factory=factory)
    logging.getLogger().addHandler(libraries)
    lines: list[str] = []
    try:
        yield lines
    finally:
        lines += [str(call.args[0]) for call in factory.logger.calls]
        logging.getLogger().removeHandler(libraries)
        structlog.configure(**before)


def in_production(world: World) -> tuple[Any, list[str]]:
    """The application on the same service, and every route of it that is only read."""
    settings = world.service.settings.model_copy(update={"mode": Mode.PRODUCTION})
    skipped = {*FILES, "/api/v1/stream"}
    routes = [
        f"GET {path}"
        for method, path, _ in doors_of(web_app.routes())
        if method == "GET" and path not in skipped
    ]
    return web_app.create_app(replace(world.service, settings=settings)), routes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(postgres: str) -> AsyncIterator[Story]:
    """Lived once, for all questions about it."""
    async with fresh_database(postgres) as database, world_on(database) as world:
        app, routes = in_production(world)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        cast = world.cast
        mechanics = {"favourite": cast.favorite, "winner": cast.second, "other": cast.others[0]}
        people: dict[str, tuple[Role | None, dict[str, str]]] = {"nobody": (None, {})}
        for name, customer in CUSTOMERS.items():
            people[name] = (Role.CUSTOMER, world.headers(Role.CUSTOMER, customer))
        for name, mechanic in mechanics.items():
            people[name] = (Role.MECHANIC, world.mechanic(mechanic))
        people["operator"] = (Role.OPERATOR, world.operator)
        base = str(world.client.base_url)
        async with httpx.AsyncClient(transport=transport, base_url=base) as inside:
            made = Story(world, inside, routes, people)
            async with logged() as made.log:
                await made.live(database)
            yield made


async def test_nobody_hears_what_is_private_where_it_is_not_meant_for_them(story: Story) -> None:
    leaks = [(one.name, one.route, leak) for one in story.heard for leak in one.leaks]
    assert leaks == []


async def test_every_place_where_it_may_be_heard_is_one_where_it_is(story: Story) -> None:
    """So that the list of them says no more than it must."""
    heard = {
        (one.route, one.role, found.what)
        for one in story.heard
        for found in sightings(one.text)
        if one.role
    }
    written = {
        (route, role, what)
        for route, roles in ENTITLED.items()
        for role, whats in roles.items()
        for what in whats
    }
    assert heard == written


async def test_the_view_of_an_offer_has_the_fields_of_the_list_and_no_other(postgres: str) -> None:
    connection = await asyncpg.connect(postgres)
    try:
        prepared = await connection.prepare("select * from headstart.offer_cards")
        columns = {column.name for column in prepared.get_attributes()}
    finally:
        await connection.close()
    assert columns == {
        *OFFER_FIELDS,
        *_OFFER_STATE_FIELDS,
        "priority_window_minutes",
        "helped_before",
    }


async def test_no_line_of_the_log_says_anything_private(story: Story) -> None:
    assert any("request_failed" in line for line in story.log)
    assert [line for line in story.log if sightings(line)] == []


async def test_stripe_is_told_what_it_needs_and_no_more(story: Story) -> None:
    """The address for the receipt, and whose booking it is."""
    for name, checkout in story.checkouts.items():
        headers = {"Authorization": "Bearer sk_test_any"}
        path = f"/v1/checkout/sessions/{checkout}?expand[0]=payment_intent"
        answer = await story.world.sandbox.get(path, headers=headers)
        known = {one for one in sightings(answer.text) if one.what in PERSONAL}
        assert known == {Sighting(CONTACT, name)}
        session = answer.json()
        for told in (session["metadata"], session["payment_intent"]["metadata"]):
            assert set(told) <= MEANT_FOR_STRIPE


@pytest.mark.parametrize(
    "planted", [account_of("ada")["email"], contact_of("ada")["contact_phone"]]
)
async def test_a_planted_leak_is_found(
    planted: str, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def indiscreet(row: Mapping[str, Any], now: datetime) -> Payload:
        return offer_card(row, now) | {"contact": planted}

    monkeypatch.setattr("headstart.web.api.offer_card", indiscreet)
    before = len(story.heard)
    path = f"/api/v1/session-requests/{story.requests['bob']}"
    await story.ask("other", "GET /api/v1/session-requests/{id}", path)
    leaks = [leak for one in story.heard[before:] for leak in one.leaks]
    del story.heard[before:]
    assert [leak.whose for leak in leaks] == ["ada"]


async def test_a_canary_is_heard_however_it_is_written() -> None:
    for written in (
        "CanaryAccountAda%40example.test",
        "+1+canarycallada",
        '"Canarysurnameada"',
    ):
        assert {one.whose for one in sightings(written)} == {"ada"}
    assert sightings("a canary in a coal mine, and its phone") == set()


async def test_a_payment_is_heard_and_a_seal_is_not() -> None:
    payment = fresh_id("pi_")
    for written in (payment, f'"{payment}"', f"of {payment}.", f"{payment}_secret_{'x' * 25}"):
        assert {one.what for one in sightings(written)} == {PAYMENT}
    for sealed in (f"pi_{'A' * 61}", f"id: x-re_{'7' * 59}", "pi_" + "a" * 19):
        assert sightings(sealed) == set()
