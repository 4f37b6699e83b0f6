"""A log of any length: real histories, made by the product, and as many copies as are wanted."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from headstart.app.audit.checkpoints import Checkpoints
from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.core import commands
from headstart.core.commands import Actor
from headstart.core.request import MechanicId, RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.requests import RequestStore
from tests.conftest import Cast
from tests.store.booking import WINDOW, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

OPERATOR = Actor("operator", "7")
BY = By("operator:7", "a rehearsal")
EVENTS_OF_A_COPY = 5  # on average, as the histories are
COPIES_AT_ONCE = 400

_COLUMNS = """
select attname from pg_attribute where attrelid = 'headstart.session_requests'::regclass
and attnum > 0 and not attisdropped and attgenerated = '' order by attnum"""
_CHANGED = {
    "id": "copy.id",
    "checkout_session_id": "'cs_' || copy.id",
    "payment_intent_id": "'pi_' || copy.id",
}
_COPY_ROWS = """
insert into headstart.session_requests ({columns})
select {values} from headstart.session_requests original
join unnest($1::uuid[], $2::uuid[]) as copy (original, id) on copy.original = original.id"""
_COPY_EVENTS = """
insert into headstart.session_events
    (request_id, version, kind, at, actor, round, payload, eligible, eligible_digest, reason)
select copy.id, e.version, e.kind, e.at, e.actor, e.round,
       case when e.version > 1 then e.payload
            else jsonb_set(e.payload, '{payment}', e.payload -> 'payment' || jsonb_build_object(
                'checkout_session', 'cs_' || copy.id, 'payment_intent', 'pi_' || copy.id)) end,
       e.eligible, e.eligible_digest, e.reason
from headstart.session_events e
join unnest($1::uuid[], $2::uuid[]) as copy (original, id) on copy.original = e.request_id
order by e.version, copy.id"""


class Histories:
    """What may become of a request, each once."""

    def __init__(self, pool: "Pool", cast: Cast) -> None:
        self._cast = cast
        self._intakes = IntakeStore(pool)
        self._people = PeopleStore(pool)
        self._dispatcher = Dispatcher(RequestStore(pool), lambda: None)

    async def all(self) -> Sequence[RequestId]:
        """Most of the rules, with people who say why; the longest is first."""
        return [
            await self._taken_and_given_back(),
            await self._taken_by_the_favorite(),
            await self._nobody_comes(),
            await self._called_off(),
            await self._waiting(self._cast.favorite),
            await self._waiting(),
        ]

    async def _waiting(self, *favorites: MechanicId) -> RequestId:
        command = await booking(self._intakes, self._cast.customer, *favorites)
        made = await self._dispatcher.request_session(command, self._intakes.requests)
        return made.id

    async def _do(self, command: commands.Command) -> None:
        reason = BY.reason if command.actor.role == "operator" else None
        done = await self._dispatcher.execute(command, reason=reason)
        assert isinstance(done, Done), done

    async def _accept(self, request: RequestId, mechanic: MechanicId) -> None:
        await self._do(commands.AcceptOffer(request, mechanic, mechanic_actor(mechanic)))

    async def _taken_and_given_back(self) -> RequestId:
        one, other = self._cast.others
        request = await self._waiting(self._cast.favorite)
        await self._people.advance_clock(WINDOW + timedelta(seconds=1))
        await self._do(commands.EnforceDeadline(request))
        await self._do(commands.DeclineOffer(request, one, mechanic_actor(one)))
        await self._accept(request, other)
        await self._do(commands.ReleaseMatch(request, other, mechanic_actor(other)))
        await self._accept(request, self._cast.second)
        await self._do(commands.CompleteSession(request, None, OPERATOR))
        return request

    async def _taken_by_the_favorite(self) -> RequestId:
        request = await self._waiting(self._cast.favorite)
        await self._accept(request, self._cast.favorite)
        mine = mechanic_actor(self._cast.favorite)
        await self._do(commands.CompleteSession(request, self._cast.favorite, mine))
        return request

    async def _nobody_comes(self) -> RequestId:
        request = await self._waiting()
        await self._people.advance_clock(timedelta(minutes=31))
        await self._do(commands.EnforceDeadline(request))
        return request

    async def _called_off(self) -> RequestId:
        favorite, second = self._cast.favorite, self._cast.second
        request = await self._waiting(favorite, second)
        await self._do(commands.DeclineOffer(request, favorite, mechanic_actor(favorite)))
        customer = Actor("customer", str(self._cast.customer))
        await self._do(commands.AskEveryone(request, customer))
        await self._do(commands.CancelRequest(request, OPERATOR))
        return request


async def fill(
    pool: "Pool", cast: Cast, events: int, checkpoints: Checkpoints, seed: int = 1
) -> None:
    """So many events at least, signed as they come, and some of what operators do."""
    random = Random(seed)
    originals = await Histories(pool, cast).all()
    copies = cycle(originals)
    columns = [row["attname"] for row in await pool.fetch(_COLUMNS)]
    values = [_CHANGED.get(name, f"original.{name}") for name in columns]
    copy_rows = _COPY_ROWS.format(columns=", ".join(columns), values=", ".join(values))
    people, switchboard = PeopleStore(pool), IntakeStore(pool)
    await switchboard.introduce_flag(FAVORITES_PRIORITY, enabled=True)
    while True:
        await _act(people, switchboard, cast, random)
        while await checkpoints.advance(behind=True):
            pass
        missing = events - int(await pool.fetchval("select count(*) from session_events"))
        if missing <= 0:
            return
        some = list(islice(copies, min(COPIES_AT_ONCE, 1 + missing // EVENTS_OF_A_COPY)))
        ids = [UUID(int=random.getrandbits(128)) for _ in some]
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(copy_rows, some, ids)
            await connection.execute(_COPY_EVENTS, some, ids)


async def _act(people: PeopleStore, switchboard: IntakeStore, cast: Cast, random: Random) -> None:
    status = random.choice(("approved", "suspended"))
    await people.put_mechanic(cast.others[0], "Otto", status=status, by=BY)
    await switchboard.set_flag(
        FAVORITES_PRIORITY,
        enabled=random.random() < 0.5,
        rollout_percentage=random.randrange(101),
        by=BY,
    )
    await people.put_mechanic(cast.others[0], "Otto", status="approved", by=BY)
