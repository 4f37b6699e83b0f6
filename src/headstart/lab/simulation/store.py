"""The ports ``Requests``, ``Intakes`` and ``EventLog`` on the model of the database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

from headstart.app.ports import (
    Change,
    Cursor,
    Flag,
    Intake,
    LoggedEvent,
    PaymentEvent,
    Plan,
    Seen,
    Unavailable,
)
from headstart.core import events as happened
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.policy import OfflinePolicy
from headstart.core.request import (
    CustomerId,
    IntakeId,
    Matched,
    MechanicId,
    RequestId,
    Reserved,
    SessionRequest,
)
from headstart.lab.simulation.database import (
    CARD,
    NOBODY,
    Faults,
    ModelDatabase,
    StoredEvent,
    Transaction,
)

TRIP_S_MAX = 0.02  # of virtual time, each way


class ModelStore:
    """The ports ``Requests``, ``Intakes`` and ``EventLog`` on the model."""

    def __init__(
        self, database: ModelDatabase, faults: Faults, transaction: Transaction | None = None
    ) -> None:
        self._database = database
        self._faults = faults
        self._transaction = transaction

    @property
    def requests(self) -> Self:
        """In the same transaction."""
        return self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """Commit at the end; roll back on any error, and on a crash."""
        if self._transaction is not None:
            yield self
            return
        transaction = Transaction(self._database)
        try:
            await self._travel(self._faults.before)
            yield type(self)(self._database, self._faults, transaction)
            await self._travel(self._faults.before)
            transaction.commit()
        finally:
            transaction.end()
        await self._travel(self._faults.after)

    @asynccontextmanager
    async def _statement(self) -> AsyncIterator[Transaction]:
        """One statement, in the transaction or as one of its own."""
        await self._travel(self._faults.before)
        if self._transaction is not None:
            yield self._transaction
        else:
            transaction = Transaction(self._database)
            try:
                yield transaction
                transaction.commit()
            finally:
                transaction.end()
        await self._travel(self._faults.after)

    async def _travel(self, fails: float) -> None:
        await asyncio.sleep(self._database.random.uniform(0, TRIP_S_MAX))
        if fails and self._database.random.random() < fails:
            raise Unavailable("the connection was cut")

    # --- requests ------------------------------------------------------------------------

    async def see(
        self,
        ids: Sequence[RequestId],
        *,
        concerned: Sequence[MechanicId] = (),
        command_key: str | None = None,
    ) -> Sequence[Seen]:
        """One snapshot."""
        async with self._statement() as transaction:
            now = self._database.now()
            seen = []
            for request_id in ids:
                request = self._request(transaction, request_id)
                if request is not None:
                    mechanics = [*(step.mechanic for step in request.chain), *concerned]
                    facts = self._facts(request.customer, mechanics)
                    done = self._was_done(request_id, command_key)
                    seen.append(Seen(request, facts, now, done))
        return seen

    async def see_facts(self, customer: CustomerId, concerned: Sequence[MechanicId]) -> Seen:
        """For a request that does not exist yet."""
        async with self._statement():
            return Seen(None, self._facts(customer, concerned), self._database.now())

    async def clock(self) -> datetime:
        """The database's clock."""
        async with self._statement():
            return self._database.now()

    async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
        """Lock each row, look again, and write those whose version still holds."""
        written: set[RequestId] = set()
        async with self._statement() as transaction:
            for change in changes:
                await transaction.lock(change.request.id)
                if not await self._still_holds(transaction, change):
                    continue
                if await self._is_rival(transaction, change):
                    assert self._transaction is None, "sweeps make no matches"
                    return frozenset()
                self._apply(transaction, change)
                written.add(change.request.id)
        return frozenset(written)

    async def create(self, change: Change) -> bool:
        """Insert, or do nothing when the request exists; waits for a rival's commit."""
        async with self._statement() as transaction:
            await transaction.lock(change.request.id)
            if self._request(transaction, change.request.id) is not None:
                return False
            self._apply(transaction, change)
        return True

    async def claim_due(self, limit: int) -> Sequence[RequestId]:
        """Lock the overdue, skipping what is held elsewhere."""
        async with self._statement() as transaction:
            now = self._database.now()
            due = [
                (request.due_at, str(request.id), request.id)
                for request in self._database.state.requests.values()
                if request.due_at is not None and request.due_at <= now
            ]
            return self._claimed(transaction, [request_id for *_, request_id in sorted(due)], limit)

    async def claim_unfit(self, limit: int) -> Sequence[RequestId]:
        """Lock the reservations that their mechanic can no longer take."""
        async with self._statement() as transaction:
            unfit = [one.id for one in self._database.state.requests.values() if self._unfit(one)]
            return self._claimed(transaction, sorted(unfit, key=str), limit)

    async def next_due_s(self) -> float | None:
        """Negative when overdue."""
        async with self._statement():
            now = self._database.now()
            requests = self._database.state.requests.values()
            due = [one.due_at for one in requests if one.due_at is not None]
            return (min(due) - now).total_seconds() if due else None

    def _request(self, transaction: Transaction, request_id: RequestId) -> SessionRequest | None:
        return transaction.requests.get(request_id) or self._database.state.requests.get(request_id)

    async def _still_holds(self, transaction: Transaction, change: Change) -> bool:
        current = self._request(transaction, change.request.id)
        if current is None or change.before is None or current.version != change.before.version:
            return False
        after = change.request.state
        if not isinstance(after, Matched) or isinstance(change.before.state, Matched):
            return True
        return self._database.state.mechanics.get(after.mechanic) == "approved"

    async def _is_rival(self, transaction: Transaction, change: Change) -> bool:
        """Unique keys: one active match per mechanic, one effect per command key."""
        state = change.request.state
        if isinstance(state, Matched):
            await transaction.lock(("match", state.mechanic))
            if any(
                isinstance(one.state, Matched) and one.state.mechanic == state.mechanic
                for one in self._database.state.requests.values()
                if one.id != change.request.id
            ):
                return True
        if change.command_key is not None:
            await transaction.lock(("key", change.request.id, change.command_key))
        return self._was_done(change.request.id, change.command_key)

    def _was_done(self, request_id: RequestId, command_key: str | None) -> bool:
        return command_key is not None and any(
            stored.command_key == command_key and stored.logged.request_id == request_id
            for stored in self._database.state.events
        )

    def _apply(self, transaction: Transaction, change: Change) -> None:
        xid = transaction.begin_writing()
        transaction.requests[change.request.id] = change.request
        first_version = change.request.version - len(change.events) + 1
        for offset, event in enumerate(change.events):
            event_id = self._database.next_event_id
            self._database.next_event_id += 1
            opened = isinstance(event, happened.RequestOpened)
            logged = LoggedEvent(
                cursor=Cursor(xid, event_id),
                request_id=change.request.id,
                customer=change.request.customer,
                version=first_version + offset,
                at=change.at,
                read_at=change.at,
                event=event,
                eligible=self._eligible() if opened else frozenset(),
                card=CARD | {"session_id": str(change.request.id)},
            )
            key = change.command_key if offset == 0 else None
            transaction.events.append(StoredEvent(xid, event_id, logged, key))

    def _eligible(self) -> frozenset[MechanicId]:
        state = self._database.state
        facts = self._facts(CustomerId(NOBODY), list(state.mechanics))
        return frozenset(
            mechanic
            for mechanic, known in facts.mechanics.items()
            if known.approved and not known.busy
        )

    def _facts(self, customer: CustomerId, concerned: Sequence[MechanicId]) -> Facts:
        state = self._database.state
        busy = {
            one.state.mechanic for one in state.requests.values() if isinstance(one.state, Matched)
        }
        return Facts(
            {
                mechanic: MechanicFacts(
                    approved=state.mechanics[mechanic] == "approved",
                    busy=mechanic in busy,
                    online=self._is_online(mechanic),
                    favorite=(customer, mechanic) in state.favorites,
                )
                for mechanic in concerned
                if mechanic in state.mechanics
            }
        )

    def _is_online(self, mechanic: MechanicId) -> bool:
        until_s = self._database.state.online_until.get(mechanic, -1.0)
        return until_s > asyncio.get_running_loop().time()

    def _unfit(self, request: SessionRequest) -> bool:
        state = request.state
        if not isinstance(state, Reserved):
            return False
        known = self._facts(request.customer, [state.mechanic]).mechanics.get(state.mechanic)
        if known is None or not known.approved or known.busy:
            return True
        offline = request.policy.offline
        acts = offline is OfflinePolicy.SKIP or (
            offline is OfflinePolicy.SHORTEN and not state.shortened
        )
        return acts and not known.online

    def _claimed(
        self, transaction: Transaction, wanted: Sequence[RequestId], limit: int
    ) -> Sequence[RequestId]:
        claimed: list[RequestId] = []
        for request_id in wanted:
            if len(claimed) < limit and transaction.lock_if_free(request_id):
                claimed.append(request_id)
        return claimed

    # --- intakes -------------------------------------------------------------------------

    async def plan(self, code: str) -> Plan | None:
        """A plan."""
        async with self._statement():
            return self._database.state.plans.get(code)

    async def flag(self, name: str) -> Flag:
        """The one flag."""
        async with self._statement():
            return self._database.state.flag

    async def keep(
        self, intake: Intake, idempotency_key: str | None, checkout_lifetime: timedelta
    ) -> Intake:
        """Keys are not modelled: the simulation starts at the payment."""
        async with self._statement() as transaction:
            transaction.intakes[intake.id] = intake
        return intake

    async def intake(self, intake_id: IntakeId) -> Intake | None:
        """One intake."""
        async with self._statement() as transaction:
            kept = self._database.state.intakes.get(intake_id)
            return transaction.intakes.get(intake_id) or kept

    async def at_checkout(self, intake_id: IntakeId, checkout_session_id: str, url: str) -> None:
        """Not modelled."""

    async def conclude(self, intake_id: IntakeId, status: str) -> None:
        """Paid is never undone."""
        async with self._statement() as transaction:
            await transaction.lock(("intake", intake_id))
            intake = self._database.state.intakes[intake_id]
            if intake.status != "paid":
                transaction.intakes[intake_id] = replace(intake, status=status)

    async def first_receipt(self, event: PaymentEvent) -> bool:
        """Waits for a concurrent first receipt to end."""
        async with self._statement() as transaction:
            await transaction.lock(("receipt", event.id))
            if event.id in self._database.state.receipts:
                return False
            transaction.receipts[event.id] = "received"
        return True

    async def conclude_receipt(self, event_id: str, outcome: str) -> None:
        """What became of it."""
        async with self._statement() as transaction:
            transaction.receipts[event_id] = outcome

    # --- the log -------------------------------------------------------------------------

    async def end(self) -> Cursor:
        """The last place that no running transaction can still overtake."""
        async with self._statement():
            return max((one.logged.cursor for one in self._readable()), default=Cursor())

    async def after(self, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        """The next events, oldest first."""
        async with self._statement():
            now = self._database.now()
            later = [one.logged for one in self._readable() if one.logged.cursor > cursor]
            later.sort(key=lambda logged: logged.cursor)
            return [replace(logged, read_at=now) for logged in later[:limit]]

    def _readable(self) -> Sequence[StoredEvent]:
        horizon = min(self._database.running, default=self._database.next_xid)
        return [one for one in self._database.state.events if one.xid < horizon]

    async def approved(self, mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        """Which of these may be told anything."""
        async with self._statement():
            known = self._database.state.mechanics
            return frozenset(one for one in mechanics if known.get(one) == "approved")
