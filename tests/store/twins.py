"""PostgreSQL and the model of it, side by side: asked the same, they must say the same.

Two actors, each with a connection and perhaps a transaction of its own, and a bystander who reads.
Whoever waits for a lock must wait in both; that is asked of PostgreSQL itself, and not of a clock.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import product, takewhile
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import (
    By,
    Change,
    Cursor,
    Flag,
    Intake,
    LoggedEvent,
    PaymentEvent,
    Plan,
    Seen,
)
from headstart.core.request import CustomerId, Matched, MechanicId, SessionRequest
from headstart.lab.simulation.database import EPOCH, Faults, ModelDatabase
from headstart.lab.simulation.store import ModelStore
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.people import PeopleStore
from headstart.store.postgres import SERVICE_ROLE, connected

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

Store = Any  # an IntakeStore or a ModelStore: whatever has the ports
Ask = Callable[[Store], Awaitable[Any]]

BYSTANDER, ONE, OTHER = "bystander", "one", "other"
ACTORS = (ONE, OTHER)
NESTED_MAX = 2  # whoever waits for a savepoint in a savepoint waits for longer in PostgreSQL
LOOKS_MAX = 20_000  # until it is known whether somebody waits
SOON_S = 0.02  # most statements are answered by then, and nobody has to ask whether they wait

# The clock stands still unless it is moved, and is the same in both.
FROZEN = f"""
create or replace function headstart.clock() returns timestamptz language plpgsql volatile as $$
begin
    return '{EPOCH.isoformat()}'::timestamptz + (select ahead from headstart.test_clock);
end
$$;
"""
EMPTY = """
truncate headstart.session_events, headstart.session_requests, headstart.intakes,
    headstart.stripe_events, headstart.presence, headstart.favorites cascade;
update headstart.mechanics set status = 'approved' where status <> 'approved';
update headstart.feature_flags set enabled = true;
update headstart.test_clock set ahead = '0';
"""
FORGETFUL = "alter table headstart.session_events disable trigger append_only"
# A foreign transaction would hold up the log, and not the model's.
NO_STRANGERS = "alter system set autovacuum = off"


class Differ(AssertionError):
    """The model is not what it models."""


@dataclass(slots=True)
class Undone(Exception):
    """Why a transaction is rolled back."""


@dataclass(slots=True)
class Session:
    """One actor's connection to one of the two, and the transactions open on it."""

    outside: Store
    opened: list[tuple[AbstractAsyncContextManager[Store], Store]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """Inside everything that was opened."""
        return self.opened[-1][1] if self.opened else self.outside

    async def begin(self) -> None:
        """A transaction, or a savepoint within one."""
        manager = self.store.transaction()
        self.opened.append((manager, await manager.__aenter__()))

    async def end(self, *, commit: bool) -> None:
        """The innermost."""
        manager, _ = self.opened.pop()
        if commit:
            await manager.__aexit__(None, None, None)
        else:
            await manager.__aexit__(Undone, Undone(), None)


@dataclass(slots=True)
class Waiting:
    """A question that neither has answered, because somebody holds what it needs."""

    asked: str
    original: "asyncio.Task[Any]"
    model: "asyncio.Task[Any]"


class Original:
    """PostgreSQL."""

    def __init__(self, pools: "dict[str, Pool]", pids: dict[str, int]) -> None:
        self._pools = pools
        self._pids = pids
        self.sessions = {name: Session(IntakeStore(pool)) for name, pool in pools.items()}
        self.log = EventLogStore(pools[BYSTANDER])
        self.people = PeopleStore(pools[BYSTANDER])

    async def is_waiting(self, actor: str) -> bool:
        """Whether the server says that this connection waits for a lock."""
        blocking = "select cardinality(pg_blocking_pids($1)) > 0"
        return bool(await self._pools[BYSTANDER].fetchval(blocking, self._pids[actor]))

    async def empty(self, customers: Sequence[CustomerId], them: Sequence[MechanicId]) -> None:
        """As in the beginning: everybody approved, and everybody's favourite."""
        await self._pools[BYSTANDER].execute(EMPTY)
        for customer, mechanic in product(customers, them):
            await self.people.add_favorite(customer, mechanic)

    async def switch(self, *, enabled: bool) -> None:
        """The flag."""
        store = self.sessions[BYSTANDER].store
        await store.set_flag(
            FAVORITES_PRIORITY,
            enabled=enabled,
            rollout_percentage=None,
            by=By("operator", "a test"),
        )

    async def add_people(self, customers: Sequence[CustomerId], them: Sequence[MechanicId]) -> None:
        """Who there is, and the flag."""
        await self.sessions[BYSTANDER].store.introduce_flag(FAVORITES_PRIORITY, enabled=True)
        for customer in customers:
            await self.people.add_customer(customer, "Carla", last_name="Canary")
        for mechanic in them:
            await self.people.add_mechanic(mechanic, "Fay")


class Model:
    """The model, with nothing in it; on an ordinary loop, whose time does not count."""

    def __init__(
        self,
        plans: Sequence[Plan],
        customers: Sequence[CustomerId],
        mechanics: Sequence[MechanicId],
    ) -> None:
        self.database = ModelDatabase(Random(0))
        self.database._time_s = lambda: 0.0
        self.log = ModelStore(self.database, Faults(trip_s_max=0.0))
        self.sessions = {name: Session(self.log) for name in (BYSTANDER, *ACTORS)}
        self.state.mechanics = dict.fromkeys(mechanics, "approved")
        self.state.favorites = set(product(customers, mechanics))
        self.state.plans = {plan.code: plan for plan in plans}
        self.state.flag = Flag(FAVORITES_PRIORITY, True, 100)

    @property
    def state(self) -> Any:
        """What is committed."""
        return self.database.state

    def is_waiting(self) -> bool:
        """Whether anybody waits for a lock."""
        return any(self.database.waiting.values())

    def has_a_rival(self, change: Change) -> bool:
        """Whether this would break a unique key, or may, by what somebody else has under way."""
        under_way = list(self.database.running.values())
        state, request, key = self.state, change.request, (change.request.id, change.command_key)
        rows = [*state.requests.values(), *(r for tx in under_way for r in tx.requests.values())]
        jobs = {row.id for row in rows if _winner(row) and _winner(row) == _winner(request)}
        events = [one for transaction in under_way for one in transaction.events]
        used = {(one.logged.request_id, one.command_key) for one in events}
        return bool(jobs - {request.id}) or (key[1] is not None and key in state.keys | used)

    def deadlines_differ(self) -> bool:
        """Of two for one instant any comes first."""
        written = [row for one in self.database.running.values() for row in one.requests.values()]
        rows = self.state.requests | {row.id: row for row in written}
        due = [row.due_at for row in rows.values() if row.due_at]
        return len(due) == len(set(due))


class Twins:
    """Both, and what is asked of both."""

    def __init__(self, original: Original, model: Model, answers: Counter[str]) -> None:
        self.original = original
        self.model = model
        self.waiting: dict[str, Waiting] = {}
        self.story: list[str] = []
        self.differed = False
        self.answers = answers  # how often which kind of answer was given

    def depth(self, actor: str) -> int:
        """How many transactions, one in the other, an actor has open."""
        return len(self.model.sessions[actor].opened)

    def is_promised(self, actor: str, change: Change) -> bool:
        """To break a unique key within a transaction ends it, and the service never does."""
        return not (self.depth(actor) and self.model.has_a_rival(change))

    def can_begin(self) -> list[str]:
        """Who may open one more transaction."""
        return [actor for actor in ACTORS if self.depth(actor) < NESTED_MAX]

    def can_end(self) -> list[str]:
        """Who has one open, and does not wait."""
        return [actor for actor in ACTORS if self.depth(actor) and actor not in self.waiting]

    async def ask(self, actor: str, asked: str, ask: Ask) -> Any:
        """What both answer; None when both wait."""
        self.story.append(f"{actor}: {asked}")
        of_both = (self.original.sessions[actor].store, self.model.sessions[actor].store)
        tasks = [asyncio.ensure_future(_answer(ask(store))) for store in of_both]
        self.waiting[actor] = Waiting(asked, *tasks)
        answer = await self._settle(actor)
        await self._settle_others(actor)
        return answer

    async def begin(self, actor: str) -> None:
        """A transaction, or a savepoint."""
        self.story.append(f"{actor}: begin")
        for sessions in (self.original.sessions, self.model.sessions):
            await sessions[actor].begin()

    async def end(self, actor: str, *, commit: bool) -> None:
        """The innermost transaction; then whoever waited for it may go on."""
        self.story.append(f"{actor}: {'commit' if commit else 'roll back'}")
        for sessions in (self.original.sessions, self.model.sessions):
            await sessions[actor].end(commit=commit)
        await self._settle_others(actor)

    async def give_up(self) -> None:
        """Roll back whatever is open; whoever does not wait goes first."""
        for actor in sorted(ACTORS, key=lambda one: one in self.waiting):
            while self.depth(actor) and not self.differed:
                await self.end(actor, commit=False)

    async def abandon(self) -> None:
        """After a difference: leave nothing open behind, whatever it says."""
        tasks = [task for one in self.waiting.values() for task in (one.original, one.model)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in self.original.sessions.values():
            while session.opened:
                with suppress(Exception):
                    await session.end(commit=False)

    async def _settle_others(self, actor: str) -> None:
        for waiting in [name for name in self.waiting if name != actor]:
            await self._settle(waiting)

    async def _settle(self, actor: str) -> Any:
        """Wait until each has answered or waits for a lock, and compare."""
        waiting = self.waiting[actor]
        for _ in range(LOOKS_MAX):
            if waiting.model.done() or self.model.is_waiting():
                break
            await asyncio.sleep(0)
        await asyncio.wait([waiting.original], timeout=SOON_S)
        for _ in range(LOOKS_MAX):
            if waiting.original.done() or await self.original.is_waiting(actor):
                break
        said = [
            task.result() if task.done() else "waits" for task in (waiting.original, waiting.model)
        ]
        self.must_agree(f"{actor}: {waiting.asked}", *said)
        self.answers[f"{waiting.asked.partition('(')[0]}: {_kind(said[1])}"] += 1
        if not waiting.model.done():
            return None
        del self.waiting[actor]
        return said[1]

    def must_agree(self, asked: str, original: Any, model: Any) -> None:
        """Differ when they do not."""
        if original != model:
            self.differed = True
            told = "\n  ".join(self.story)
            one, other = _where_they_differ(original, model)
            raise Differ(f"{asked}\n  PostgreSQL: {one}\n  the model:  {other}\n\n  {told}")


def _where_they_differ(original: Any, model: Any) -> tuple[Any, Any]:
    """Of two lists only that."""
    if not (isinstance(original, list) and isinstance(model, list)):
        return original, model
    same = sum(
        1 for _ in takewhile(lambda both: both[0] == both[1], zip(original, model, strict=False))
    )
    return original[same:], model[same:]


def _kind(answer: Any) -> str:
    match answer:
        case bool() | str() | None:
            return str(answer)
        case list() | frozenset():
            return "some" if answer else "none"
        case _:
            return "something"


def _winner(row: SessionRequest) -> MechanicId | None:
    return row.state.mechanic if isinstance(row.state, Matched) else None


async def _answer(asked: Awaitable[Any]) -> Any:
    """An error is an answer, too."""
    try:
        return canonical(await asked)
    except (LookupError, AssertionError) as error:
        return f"fails: {type(error).__name__}"


def canonical(answer: Any) -> Any:
    """Without what is promised to nobody: order, and numbers that only order."""
    match answer:
        case LoggedEvent():
            return replace(answer, cursor=Cursor(), card={})
        case Intake():
            return replace(answer, checkout_expires_at=None)
        case float():
            return round(answer, 6)
        case [Seen(), *_]:
            return sorted(answer, key=lambda seen: seen.request.id)
        case [*several]:
            return [canonical(one) for one in several]
        case _:
            return answer


def short(value: Any) -> str:
    """As little as tells it apart."""
    match value:
        case UUID():
            return str(value)[:8]
        case Change():
            events = "+".join(type(event).__name__ for event in value.events)
            return f"{short(value.request.id)}: {events} {value.actor} key={value.command_key}"
        case list() | tuple():
            return f"[{', '.join(map(short, value))}]"
        case Intake() | PaymentEvent():
            return f"{type(value).__name__} {str(value.id)[:8]}"
        case _:
            return str(value)


@asynccontextmanager
async def original(dsn: str) -> AsyncIterator[Original]:
    """PostgreSQL, with one connection for each actor."""
    async with AsyncExitStack() as stack:
        pools, pids = {}, {}
        for name in (BYSTANDER, *ACTORS):
            role = None if name == BYSTANDER else SERVICE_ROLE
            pool = connected(dsn, connections_max=1, role=role)
            pools[name] = await stack.enter_async_context(pool)
            await pools[name].execute("set lock_timeout = 0")  # who waits does so for long
            pids[name] = await pools[name].fetchval("select pg_backend_pid()")
        await pools[BYSTANDER].execute(FROZEN)
        await pools[BYSTANDER].execute(FORGETFUL)
        await pools[BYSTANDER].execute(NO_STRANGERS)
        await pools[BYSTANDER].execute("select pg_reload_conf()")
        try:
            yield Original(pools, pids)
        finally:
            await pools[BYSTANDER].execute("alter system reset autovacuum")
            await pools[BYSTANDER].execute("select pg_reload_conf()")
