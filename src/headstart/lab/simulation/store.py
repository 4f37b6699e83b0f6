"""The ports ``Requests``, ``Intakes`` and ``EventLog`` on the model of the database.

Every statement costs time, before and after its effect, so that transactions overlap; it may fail
before its effect, or after it, unseen.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
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
)
from headstart.app.views import OFFER_FIELDS
from headstart.core import events as happened
from headstart.core.policy import OfflinePolicy
from headstart.core.request import CustomerId, IntakeId, Matched, MechanicId, RequestId, Reserved
from headstart.core.request import SessionRequest as Request
from headstart.lab.simulation.database import (
    Snapshot,
    State,
    StoredEvent,
    Transaction,
    seconds,
)
from headstart.lab.simulation.ledger import Purchases, money_follows
from headstart.lab.simulation.line import Savepoint, Work

CARD = dict.fromkeys(OFFER_FIELDS, "")  # what is on a card is not what races are about


class _Rival(Exception):
    """A unique key is taken: the statement has no effect."""


class ModelStore(Purchases):
    """The ports ``Requests``, ``Intakes`` and ``EventLog`` on the model."""

    @property
    def requests(self) -> Self:
        """In the same transaction."""
        return self

    def connection(self) -> AbstractAsyncContextManager[Self]:
        """Connections are not modelled: every statement travels by itself."""
        return nullcontext(self)

    def transaction(self) -> AbstractAsyncContextManager[Self]:
        """Commit at the end; roll back on any error, and on a crash."""
        if self._transaction is not None:
            return Savepoint(self._transaction, self)
        transaction = Transaction(self._database)
        inside = type(self)(self._database, self._faults, transaction)
        return Work(self._database, self._faults, transaction, inside)

    @property
    def _state(self) -> State:
        """What is committed, and what this transaction has written itself."""
        own, state = self._transaction, self._database.state
        return state.with_own(own) if own is not None and own.requests else state

    # --- requests ------------------------------------------------------------------------

    async def see(
        self,
        ids: Sequence[RequestId],
        *,
        concerned: Sequence[MechanicId] = (),
        command_key: str | None = None,
    ) -> Sequence[Seen]:
        """One snapshot."""
        async with self._statement():
            now, state = self._database.now(), self._state
            found = [state.requests.get(request_id) for request_id in ids]
            return [
                Seen(
                    request,
                    state.facts(request.customer, _mechanics(request, concerned), self._now_s()),
                    now,
                    command_key is not None and (request.id, command_key) in state.keys,
                )
                for request in found
                if request is not None
            ]

    async def see_facts(self, customer: CustomerId, concerned: Sequence[MechanicId]) -> Seen:
        """For a request that does not exist yet."""
        async with self._statement():
            facts = self._state.facts(customer, concerned, self._now_s())
            return Seen(None, facts, self._database.now())

    async def clock(self) -> datetime:
        """The database's clock."""
        async with self._statement():
            return self._database.now()

    async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
        """Lock each row, look at it again, and write those whose version still holds."""
        written: set[RequestId] = set()
        try:
            async with self._statement() as transaction:
                snapshot = self._snapshot()
                for change in [one for one in changes if self._still_holds(one, snapshot)]:
                    transaction.begin_writing()
                    await transaction.lock(change.request.id)
                    if self._still_holds(change, snapshot):
                        await transaction.lock(("written", change.request.id))
                        await self._meet_rivals(transaction, change)
                        self._apply(transaction, change, snapshot)
                        written.add(change.request.id)
        except _Rival:
            assert self._transaction is None, "sweeps make no matches"
            return frozenset()
        return frozenset(written)

    async def create(self, change: Change) -> bool:
        """Insert, or do nothing when the request exists; waits for who writes one like it."""
        requested = change.events[0]
        assert isinstance(requested, happened.SessionRequested), "a request begins so"
        request_id = change.request.id
        purchase = requested.payment.checkout_session or f"free {requested.intake}"
        async with self._statement() as transaction:
            snapshot = self._snapshot()
            rows = {request_id, self._state.checkouts.get(purchase, request_id)}
            await transaction.free(("purchase", purchase), *(("written", one) for one in rows))
            if request_id in self._state.requests or self._is_taken(purchase):
                return False
            for key in (request_id, ("written", request_id), ("purchase", purchase)):
                await transaction.lock(key)
            self._apply(transaction, change, snapshot)
            transaction.checkouts[purchase] = request_id
        return True

    async def claim_due(self, limit: int) -> Sequence[RequestId]:
        """Lock the overdue, the longest overdue first, skipping what is held elsewhere."""
        async with self._statement() as transaction:
            now = self._database.now()
            due = [(at, id_) for at, id_ in self._deadlines() if at <= now]
            return self._claimed(transaction, (id_ for _, id_ in sorted(due)), limit)

    async def claim_unfit(self, limit: int) -> Sequence[RequestId]:
        """Lock the reservations that their mechanic can no longer take."""
        async with self._statement() as transaction:
            state = self._state
            waiting = (state.requests[request_id] for request_id in state.due)
            unfit = sorted(request.id for request in waiting if self._is_unfit(request))
            return self._claimed(transaction, unfit, limit)

    async def next_due_s(self) -> float | None:
        """Negative when overdue."""
        async with self._statement():
            first = min(self._deadlines(), default=None)
            return (first[0] - self._database.now()).total_seconds() if first else None

    def _now_s(self) -> float:
        return self._database.now_s()

    def _snapshot(self) -> Snapshot:
        return self._state.snapshot(self._now_s())

    def _deadlines(self) -> Iterable[tuple[datetime, RequestId]]:
        return ((due_at, request_id) for request_id, due_at in self._state.due.items())

    def _still_holds(self, change: Change, snapshot: Snapshot) -> bool:
        current = self._state.requests.get(change.request.id)
        if current is None or change.before is None or current.version != change.before.version:
            return False
        return self._may_win(change, snapshot)

    def _may_win(self, change: Change, snapshot: Snapshot) -> bool:
        """Whether a new winner is approved, as far as this statement can see."""
        after, before = change.request.state, change.before
        won_before = before is not None and isinstance(before.state, Matched)
        return won_before or not isinstance(after, Matched) or after.mechanic in snapshot.approved

    async def _meet_rivals(self, transaction: Transaction, change: Change) -> None:
        """Unique keys: one active match per mechanic, one effect per command key."""
        request_id, key = change.request.id, change.command_key
        for match in (change.request.state, change.before and change.before.state):
            if isinstance(match, Matched):  # who leaves one is waited for, too
                await transaction.lock(("match", match.mechanic))
        state = change.request.state
        if isinstance(state, Matched) and self._state.holds_another(state.mechanic, request_id):
            raise _Rival
        if key is not None:
            await transaction.lock(("key", request_id, key))
            if (request_id, key) in self._state.keys:
                raise _Rival

    def _is_taken(self, purchase: str) -> bool:
        return purchase in self._state.checkouts

    def _apply(self, transaction: Transaction, change: Change, snapshot: Snapshot) -> None:
        xid = transaction.begin_writing()
        transaction.requests[change.request.id] = change.request
        first_version = change.request.version - len(change.events) + 1
        for offset, event in enumerate(change.events):
            opened = isinstance(event, happened.RequestOpened)
            logged = LoggedEvent(
                cursor=Cursor(xid, self._database.next_event_id),
                request_id=change.request.id,
                customer=change.request.customer,
                version=first_version + offset,
                at=change.at,
                read_at=change.at,
                event=event,
                eligible=snapshot.eligible if opened else frozenset(),
                card=CARD | {"session_id": str(change.request.id)},
            )
            self._database.next_event_id += 1
            key = change.command_key if offset == 0 else None
            began_s, actor = transaction.began_s, str(change.actor)
            stored = StoredEvent(logged, key, actor, began_s, snapshot.at_s)
            transaction.events.append(stored)
        money_follows(self._database, transaction, change)

    def _is_unfit(self, request: Request) -> bool:
        state = request.state
        if not isinstance(state, Reserved):
            return False
        facts = self._state.facts(request.customer, [state.mechanic], self._now_s())
        known = facts.mechanics.get(state.mechanic)
        if known is None or not known.approved or known.busy:
            return True
        offline = request.policy.offline
        shortens = offline is OfflinePolicy.SHORTEN and not state.shortened
        return (offline is OfflinePolicy.SKIP or shortens) and not known.online

    def _claimed(
        self, transaction: Transaction, wanted: Iterable[RequestId], limit: int
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
            now = self._database.now()
            intake = replace(intake, checkout_expires_at=now + checkout_lifetime)
            transaction.intakes[intake.id] = intake
            transaction.books.booked_at[intake.id] = now
        return intake

    async def intake(self, intake_id: IntakeId) -> Intake | None:
        """One intake."""
        async with self._statement() as transaction:
            return self._intake(transaction, intake_id)

    async def conclude(self, intake_id: IntakeId, status: str) -> None:
        """Paid is never undone."""
        async with self._statement() as transaction:
            intake = self._intake(transaction, intake_id)
            if intake is None or intake.status == "paid":
                return
            transaction.begin_writing()
            await transaction.lock(("intake", intake_id))
            intake = self._intake(transaction, intake_id)
            if intake is not None and intake.status != "paid":
                transaction.intakes[intake_id] = replace(intake, status=status)

    def _intake(self, transaction: Transaction, intake_id: IntakeId) -> Intake | None:
        kept = self._database.state.intakes.get(intake_id)
        return transaction.intakes.get(intake_id, kept)

    async def first_receipt(self, event: PaymentEvent) -> bool:
        """Waits for a concurrent first receipt to end. What was quarantined may come again."""
        async with self._statement() as transaction:
            await transaction.lock(("receipt", event.id))
            before = self._receipt(transaction, event.id)
            if before is not None and not before.startswith("quarantined"):
                return False
            transaction.receipts[event.id] = "received"
        return True

    async def conclude_receipt(self, event_id: str, outcome: str) -> None:
        """What became of it; nothing, if it never came."""
        async with self._statement() as transaction:
            if self._receipt(transaction, event_id) is not None:
                transaction.begin_writing()
                await transaction.lock(("receipt", event_id))
                transaction.receipts[event_id] = outcome

    def _receipt(self, transaction: Transaction, event_id: str) -> str | None:
        kept = self._database.state.receipts.get(event_id)
        return transaction.receipts.get(event_id, kept)

    # --- the log -------------------------------------------------------------------------

    async def end(self) -> Cursor:
        """The last place that no running transaction can still overtake."""
        async with self._statement():
            return self._database.state.end(self._database.horizon)

    async def after(self, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        """The next events, oldest first."""
        async with self._statement():
            page = self._database.state.after(cursor, self._database.horizon, limit)
            now = self._database.now()
            return [_read(logged, now) for logged in page]

    async def stall_s(self) -> float:
        """How long the oldest event that may not be read yet has been committed."""
        async with self._statement():
            held = self._database.state.held_up(self._database.horizon)
            return max((self._now_s() - seconds(one.at) for one in held), default=0.0)

    def as_told(self, mechanic: MechanicId) -> MechanicId:
        """There is one make here."""
        return mechanic

    async def approved(self, mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        """Which of these may be told anything."""
        async with self._statement():
            known = self._database.state.mechanics
            return frozenset(one for one in mechanics if known.get(one) == "approved")

    async def unapproved(self) -> frozenset[MechanicId]:
        """Everybody who may be told nothing."""
        async with self._statement():
            known = self._database.state.mechanics
            return frozenset(one for one, status in known.items() if status != "approved")


def _mechanics(request: Request, concerned: Sequence[MechanicId]) -> Sequence[MechanicId]:
    return [*(step.mechanic for step in request.chain), *concerned]


def _read(logged: LoggedEvent, now: datetime) -> LoggedEvent:
    """``replace(logged, read_at=now)``, three times as fast."""
    return LoggedEvent(
        logged.cursor,
        logged.request_id,
        logged.customer,
        logged.version,
        logged.at,
        now,
        logged.event,
        logged.eligible,
        logged.card,
    )
