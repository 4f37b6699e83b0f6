"""One town for all cells: each story is lived over HTTP, by people of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.lab.walls import STATES, Cell
from headstart.store.people import PeopleStore
from tests.web.conftest import World, world_on

GUARD_S = 10.0
LATER = {"seconds": 3600, "reason": "a test"}  # longer than any request waits
ROLE_OF = {
    "customer": Role.CUSTOMER,
    "stranger": Role.CUSTOMER,
    "operator": Role.OPERATOR,
    **dict.fromkeys(
        ("favourite", "winner", "decliner", "mechanic", "suspended", "dropped"), Role.MECHANIC
    ),
}
COMMANDS = {
    "ask": ("customer", "broadcast"),
    "cancel": ("customer", "cancellation"),
    "decline": ("decliner", "declination"),
    "take": ("favourite", "acceptance"),
    "accept": ("winner", "acceptance"),
    "finish": ("winner", "completion"),
}
# How a request comes to each state: whether the favourite is asked first, and what people do then.
PLOTS: Mapping[str, tuple[bool, str]] = {
    "held": (True, ""),
    "open": (False, "decline"),
    "fallen": (True, "ask decline"),
    "matched": (True, "ask decline accept"),
    "taken": (True, "take"),
    "done": (True, "ask decline accept finish"),
    "unfilled": (True, "ask decline"),
    "cancelled": (False, "decline cancel"),
    "withdrawn": (True, "cancel"),
}


@dataclass(frozen=True, slots=True)
class Story:
    """A request, and who everybody is to it."""

    id: str
    people: Mapping[str, Principal]


@dataclass(slots=True)
class Town:
    """Every state once, for those who change nothing, and as often as wanted for those who do."""

    world: World
    stranger: Principal
    shared: dict[tuple[str, bool], Story] = field(default_factory=dict)

    async def story_of(self, cell: Cell) -> Story:
        """Where this person is asked: in a story that nobody else is in when they change it."""
        dropped = cell.row == "dropped"
        if cell.word == "yes":
            return await self.tell(cell.column, dropped=dropped)
        return self.shared[cell.column, dropped]

    async def ask(self, route: str, person: str, story: Story) -> httpx.Response:
        """What this person is answered."""
        method, path = route.split()
        said = {"reason": "a test"} if person == "operator" and method == "POST" else None
        if said and path.endswith("/assignment"):
            said["mechanic_id"] = str(story.people["mechanic"].id)
        if said and path.startswith("/admin"):  # a form, whose tick says that it is meant
            sent: dict[str, Any] = {"data": {**said, "confirmed": "yes"}}
        else:
            sent = {"json": said}
        return await self.world.client.request(
            method,
            path.replace("{request_id}", story.id),
            headers=self.headers(story, person),
            **sent,
        )

    def headers(self, story: Story, person: str) -> dict[str, str]:
        """What proves who they are; nothing for nobody."""
        who = story.people.get(person)
        return self.world.headers(who.role, who.id) if who else {}

    async def versions(self) -> Mapping[UUID, int]:
        """How often each shared request has changed."""
        ids: Sequence[Any] = [UUID(story.id) for story in self.shared.values()]
        found = await self.world.service.requests.see(ids)
        return {seen.request.id: seen.request.version for seen in found if seen.request}

    async def tell(self, state: str, *, dropped: bool = False) -> Story:
        """Live a new story up to this state."""
        people = await self._newcomers(dropped)
        if state == "never":
            return Story(str(uuid4()), people)
        asked_first, plot = PLOTS[state]
        story = Story(await self._booked(people, asked_first), people)
        for step in plot.split():
            who, command = COMMANDS[step]
            path = f"POST /api/v1/session-requests/{{request_id}}/{command}"
            (await self.ask(path, who, story)).raise_for_status()
        if state == "unfilled":
            await self._unfilled(story)
        await self._suspend(people["suspended"], *([people["winner"]] if dropped else []))
        return story

    async def _newcomers(self, dropped: bool) -> Mapping[str, Principal]:
        people = {
            name: Principal(role, uuid4()) for name, role in ROLE_OF.items() if name != "dropped"
        }
        if dropped:
            people["dropped"] = people["winner"]
        people["stranger"] = self.stranger
        for name, who in people.items():
            if who.role is Role.MECHANIC:
                await self._records.add_mechanic(MechanicId(who.id), name.title())
        customer = CustomerId(people["customer"].id)
        await self._records.add_customer(customer, "Carla", last_name="Canary")
        await self._records.add_favorite(customer, MechanicId(people["favourite"].id))
        return people

    async def _booked(self, people: Mapping[str, Principal], asked_first: bool) -> str:
        by = self.world.headers(people["customer"].role, people["customer"].id)
        wish = {"preferred_mechanic_id": str(people["favourite"].id)} if asked_first else {}
        submitted = await self.world.submit(by=by, plan="free", **wish)
        submitted.raise_for_status()
        booked: str = submitted.json()["session_id"]
        return booked

    async def _unfilled(self, story: Story) -> None:
        (await self.world.client.post("/demo/clock", json=LATER)).raise_for_status()
        path = "GET /api/v1/session-requests/{request_id}"
        async with asyncio.timeout(GUARD_S):
            while (await self.ask(path, "customer", story)).json()["stage"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _suspend(self, *mechanics: Principal) -> None:
        for mechanic in mechanics:
            await self._records.set_mechanic_status(MechanicId(mechanic.id), "suspended")

    @property
    def _records(self) -> PeopleStore:
        people = self.world.service.people
        assert isinstance(people, PeopleStore)
        return people


@asynccontextmanager
async def town_on(database: str) -> AsyncIterator[Town]:
    """The town, with every state lived once. Time passes first: nobody else's deadline is due."""
    async with world_on(database, HEADSTART_JOIN_LIMIT_MINUTES=600) as world:
        stranger = Principal(Role.CUSTOMER, uuid4())
        town = Town(world, stranger)
        await town._records.add_customer(CustomerId(stranger.id), "Stan")
        for state in sorted(STATES, key=lambda one: one != "unfilled"):
            town.shared[state, False] = await town.tell(state)
        for state in ("matched", "done"):
            town.shared[state, True] = await town.tell(state, dropped=True)
        yield town
