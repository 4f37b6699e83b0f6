"""One request for everything that a mechanic can be to one, each of a customer of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from headstart.app.dispatcher import Dispatcher, Done
from headstart.core import commands
from headstart.core.access import Relation
from headstart.core.request import CustomerId, MechanicId, SessionRequest
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.requests import RequestStore
from tests.store.booking import WINDOW, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

OPERATOR = commands.Actor("operator", "1")


@dataclass(slots=True)
class Town:
    """The mechanic who asks (``mia``), one whom every customer names first or second (``otto``),
    and the requests by what ``mia`` is to them."""

    pool: "Pool"
    mia: MechanicId
    otto: MechanicId
    requests: dict[str, SessionRequest] = field(default_factory=dict)  # as they were created
    relations: dict[str, Relation] = field(default_factory=dict)

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(RequestStore(self.pool), lambda: None)

    async def request(self, *favorites: MechanicId) -> SessionRequest:
        """Of a new customer, who has both for favourites only if they ask for them."""
        customer = CustomerId(uuid4())
        await PeopleStore(self.pool).add_customer(customer, "Carla", last_name="Canary")
        for favorite in favorites:
            await PeopleStore(self.pool).add_favorite(customer, favorite)
        intakes = IntakeStore(self.pool)
        command = await booking(intakes, customer, *favorites)
        return await self.dispatcher.request_session(command, intakes.requests)

    async def order(self, command: commands.Command) -> None:
        """It must do something."""
        outcome = await self.dispatcher.execute(command, reason="It was a test.")
        assert isinstance(outcome, Done), outcome
        assert outcome.changed

    async def accept(self, request: SessionRequest, mechanic: MechanicId) -> None:
        await self.order(commands.AcceptOffer(request.id, mechanic, mechanic_actor(mechanic)))

    async def decline(self, request: SessionRequest, mechanic: MechanicId) -> None:
        await self.order(commands.DeclineOffer(request.id, mechanic, mechanic_actor(mechanic)))

    async def complete(self, request: SessionRequest) -> None:
        await self.order(commands.CompleteSession(request.id, None, OPERATOR))

    async def cancel(self, request: SessionRequest) -> None:
        await self.order(commands.CancelRequest(request.id, OPERATOR))


Story = Callable[[Town], Awaitable[SessionRequest]]
_STORIES: list[tuple[Relation, Story]] = []


def _specimen(relation: Relation) -> Callable[[Story], Story]:
    def keep(story: Story) -> Story:
        _STORIES.append((relation, story))
        return story

    return keep


async def settle(pool: "Pool") -> Town:
    """Everything has happened, in the order of this file: the jobs that go on come last."""
    people, town = PeopleStore(pool), Town(pool, MechanicId(uuid4()), MechanicId(uuid4()))
    stranger = MechanicId(uuid4())
    for mechanic, name in ((town.mia, "Mia"), (town.otto, "Otto"), (stranger, "Nobody")):
        await people.add_mechanic(mechanic, name)
        await people.set_presence(mechanic, on_duty=True, lease=WINDOW)
    for relation, story in _STORIES:
        name = story.__name__
        town.requests[name], town.relations[name] = await story(town), relation
    return town


@_specimen(Relation.ASKED)
async def held_for_the_next_after_their_silence(town: Town) -> SessionRequest:
    made = await town.request(town.mia, town.otto)
    await PeopleStore(town.pool).advance_clock(WINDOW)
    await town.order(commands.EnforceDeadline(made.id))
    return made


@_specimen(Relation.OTHER)
async def held_for_another(town: Town) -> SessionRequest:
    return await town.request(town.otto)


@_specimen(Relation.OTHER)
async def held_for_another_and_then_for_them(town: Town) -> SessionRequest:
    return await town.request(town.otto, town.mia)


@_specimen(Relation.OTHER)
async def cancelled_while_it_was_held_for_another(town: Town) -> SessionRequest:
    made = await town.request(town.otto)
    await town.cancel(made)
    return made


@_specimen(Relation.OTHER)
async def completed_by_another_who_alone_was_asked(town: Town) -> SessionRequest:
    made = await town.request(town.otto)
    await town.accept(made, town.otto)
    await town.complete(made)
    return made


@_specimen(Relation.ASKED)
async def held_for_them(town: Town) -> SessionRequest:
    return await town.request(town.mia)


@_specimen(Relation.ASKED)
async def held_for_the_next_after_their_no(town: Town) -> SessionRequest:
    made = await town.request(town.mia, town.otto)
    await town.decline(made, town.mia)
    return made


@_specimen(Relation.ASKED)
async def cancelled_while_it_was_held_for_them(town: Town) -> SessionRequest:
    made = await town.request(town.mia)
    await town.cancel(made)
    return made


@_specimen(Relation.ASKED)
async def open_and_declined_by_them(town: Town) -> SessionRequest:
    made = await town.request()
    await town.decline(made, town.mia)
    return made


@_specimen(Relation.ASKED)
async def released_by_them(town: Town) -> SessionRequest:
    made = await town.request()
    await town.accept(made, town.mia)
    await town.order(commands.ReleaseMatch(made.id, town.mia, mechanic_actor(town.mia)))
    return made


@_specimen(Relation.OFFERED)
async def open_to_everybody(town: Town) -> SessionRequest:
    return await town.request()


@_specimen(Relation.OFFERED)
async def open_after_the_no_of_another(town: Town) -> SessionRequest:
    made = await town.request(town.otto)
    await town.decline(made, town.otto)
    return made


@_specimen(Relation.OFFERED)
async def cancelled_while_it_was_open(town: Town) -> SessionRequest:
    made = await town.request()
    await town.cancel(made)
    return made


@_specimen(Relation.OFFERED)
async def completed_by_another_after_a_broadcast(town: Town) -> SessionRequest:
    made = await town.request()
    await town.accept(made, town.otto)
    await town.complete(made)
    return made


@_specimen(Relation.OFFERED)
async def won_by_another_after_a_broadcast(town: Town) -> SessionRequest:
    made = await town.request()
    await town.accept(made, town.otto)
    return made


@_specimen(Relation.MATCHED)
async def completed_by_them(town: Town) -> SessionRequest:
    made = await town.request()
    await town.accept(made, town.mia)
    await town.complete(made)
    return made


@_specimen(Relation.MATCHED)
async def won_by_them_while_it_was_held_for_them(town: Town) -> SessionRequest:
    made = await town.request(town.mia)
    await town.accept(made, town.mia)
    return made
