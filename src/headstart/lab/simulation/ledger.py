"""The port ``Operations`` on the model of the database, and what a purchase asks of it.

``money_follows`` is the trigger of the same name: whoever changes a request, what is owed for it is
written in the same transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from headstart.app.ports import (
    Change,
    Conclusion,
    Intake,
    Operation,
    OperationKind,
    PaidRequest,
    PaymentIntent,
)
from headstart.core.commands import Payment
from headstart.core.events import SessionRequested
from headstart.core.request import CustomerId, IntakeId, RequestId, SessionRequest
from headstart.lab.simulation.books import Debt, Sight
from headstart.lab.simulation.database import Faults, ModelDatabase, Transaction
from headstart.lab.simulation.line import Lone, Statement
from headstart.store.operations import GIVEN_UP_AFTER, HOLD_MARGIN, PATIENCE

PENDING = ("reserved", "open")
ENDED_UNSERVED = ("unfilled", "cancelled")
MOVES_MONEY = (OperationKind.CAPTURE, OperationKind.GIVE_BACK)


def money_follows(database: ModelDatabase, transaction: Transaction, change: Change) -> None:
    """The rule of money, for one row that is written."""
    request, first = change.request, change.events[0]
    if isinstance(first, SessionRequested):
        _note_the_payment(transaction, request, first.payment)
    payment = _payment_behind(database, transaction, request.id)
    status, before = status_of(request), change.before and status_of(change.before)
    if payment is None or payment.payment_intent is None or status == before:
        return
    if status == "matched" and payment.hold:
        owe(database, transaction, OperationKind.CAPTURE, payment.payment_intent, request.id)
    if status in ENDED_UNSERVED:
        _supersede_the_capture(database, transaction, request.id)
        owe(database, transaction, OperationKind.GIVE_BACK, payment.payment_intent, request.id)


def _note_the_payment(transaction: Transaction, request: SessionRequest, payment: Payment) -> None:
    transaction.books.behind[request.id] = payment
    if payment.payment_intent is not None:
        transaction.books.whose[payment.payment_intent] = request.id


def _payment_behind(
    database: ModelDatabase, transaction: Transaction, request: RequestId
) -> Payment | None:
    kept = database.state.books.behind.get(request)
    return transaction.books.behind.get(request, kept)


def _supersede_the_capture(
    database: ModelDatabase, transaction: Transaction, request: RequestId
) -> None:
    key = f"{OperationKind.CAPTURE}:{request}"
    capture = debt(database, transaction, key)
    if capture and capture.state == "due" and capture.attempts == 0:
        assert transaction.lock_if_free(("debt", key)), "nobody holds one for longer than a moment"
        transaction.books.debts[key] = capture.settled("superseded", database.now())


def owe(
    database: ModelDatabase,
    transaction: Transaction,
    kind: OperationKind,
    subject: str,
    request: RequestId,
) -> None:
    """Once for each request, however often it is written."""
    key, now = f"{kind}:{request}", database.now()
    if debt(database, transaction, key) is None:
        id_ = database.state.books.next_id()
        transaction.books.debts[key] = Debt(id_, key, kind, subject, request, now, now)


def debt(database: ModelDatabase, transaction: Transaction, key: str) -> Debt | None:
    """As this transaction sees it."""
    return transaction.books.debts.get(key) or database.state.books.debts.get(key)


def status_of(request: SessionRequest) -> str:
    """As the database says it."""
    name = type(request.state).__name__.lower()
    return "pending" if name in PENDING else name


class _OnTheModel:
    """What both parts have in common."""

    def __init__(
        self, database: ModelDatabase, faults: Faults, transaction: Transaction | None = None
    ) -> None:
        self._database = database
        self._faults = faults
        self._transaction = transaction

    def _statement(self) -> Statement | Lone:
        """One statement, in the transaction or as one of its own."""
        if self._transaction is None:
            return Lone(self._database, self._faults)
        return Statement(self._database, self._faults, self._transaction)


class ModelLedger(_OnTheModel):
    """The port ``Operations``."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Operation]:
        """What is due, each money's debts in their order, skipping what is held elsewhere."""
        async with self._statement() as transaction:
            now, claimed = self._database.now(), list[Operation]()
            for one in sorted(self._due(now), key=lambda one: (one.due_at, one.id)):
                if len(claimed) < limit and transaction.lock_if_free(("debt", one.key)):
                    taken = replace(one, due_at=now + lease, attempts=one.attempts + 1, result=None)
                    transaction.books.debts[one.key] = taken
                    claimed.append(_operation(taken))
            return claimed

    def _due(self, now: datetime) -> Iterator[Debt]:
        debts = self._database.state.books.debts.values()
        waiting = [one for one in debts if one.state == "due"]
        first: dict[RequestId | None, int] = {}
        for one in waiting:
            if one.kind in MOVES_MONEY:
                first[one.request] = min(one.id, first.get(one.request, one.id))
        for one in waiting:
            in_turn = one.kind not in MOVES_MONEY or one.id == first[one.request]
            if one.due_at is not None and one.due_at <= now and in_turn:
                yield one

    async def conclude(
        self, operation: Operation, how: Conclusion, result: str, amount: int | None = None
    ) -> None:
        """Nothing, when somebody else has it by now; due at once, when it was asked for again."""
        async with self._statement() as transaction:
            held = await self._held(transaction, operation)
            if held is None:
                return
            now = self._database.now()
            known = replace(held, result=result, amount=held.amount if amount is None else amount)
            again = held.nudges > operation.nudges
            transaction.books.debts[held.key] = (
                replace(known, due_at=now) if again else known.settled(how, now)
            )

    async def postpone(
        self, operation: Operation, wait: timedelta, result: str, *, new_key: bool = False
    ) -> None:
        """Nothing, when somebody else has it by now; due at once, when it was asked for again."""
        async with self._statement() as transaction:
            held = await self._held(transaction, operation)
            if held is not None:
                again = held.nudges > operation.nudges
                transaction.books.debts[held.key] = replace(
                    held,
                    due_at=self._database.now() + (timedelta(0) if again else wait),
                    result=result,
                    key_number=held.key_number + new_key,
                )

    async def _held(self, transaction: Transaction, operation: Operation) -> Debt | None:
        """The row, if it is still the attempt of this operation."""
        await transaction.lock(("debt", operation.key))
        found = debt(self._database, transaction, operation.key)
        if found is None or (found.state, found.attempts) != ("due", operation.attempts):
            return None
        return found

    async def ask_for(self, kind: OperationKind, subject: str) -> None:
        """A new row, or a nudge for the one there is."""
        async with self._statement() as transaction:
            key = f"{kind}:{subject}"
            await transaction.lock(("debt", key))
            known, now = debt(self._database, transaction, key), self._database.now()
            if known is None:
                id_ = self._database.state.books.next_id()
                asked = Debt(id_, key, kind, subject, None, now, now)
            elif known.state == "due":
                due_at = known.due_at if known.result is None else now
                asked = replace(known, due_at=due_at, nudges=known.nudges + 1)
            else:
                anew = replace(known, state="due", due_at=now, settled_at=None, attempts=0)
                asked = replace(anew, nudges=known.nudges + 1)
            transaction.books.debts[key] = asked

    async def contradict(self, request: RequestId, seen_at: datetime) -> bool:
        """True for the one that noticed."""
        async with self._statement() as transaction:
            key = f"{OperationKind.GIVE_BACK}:{request}"
            await transaction.lock(("debt", key))
            known = debt(self._database, transaction, key)
            if known is None or known.state != Conclusion.DONE or known.settled_at is None:
                return False
            if known.settled_at >= seen_at:
                return False
            now = self._database.now()
            transaction.books.debts[key] = known.settled(
                Conclusion.REFUSED, now, result="not_returned"
            )
            return True

    async def next_due_s(self) -> float | None:
        """Negative when overdue."""
        async with self._statement():
            debts = self._database.state.books.debts.values()
            first = min((one.due_at for one in debts if one.due_at is not None), default=None)
            return None if first is None else (first - self._database.now()).total_seconds()

    async def keep_payment(
        self, payment: PaymentIntent, checkout_session_id: str | None, seen_at: datetime
    ) -> None:
        """The newest sight wins."""
        async with self._statement() as transaction:
            await transaction.lock(("payment", payment.id))
            known = self._sight(payment.id)
            if known is None or known.seen_at <= seen_at:
                transaction.books.sights[payment.id] = Sight(payment, seen_at)

    async def is_gone(self, payment_intent_id: str) -> bool:
        """False for one that was never fetched."""
        async with self._statement():
            known = self._sight(payment_intent_id)
            return known is not None and known.payment.is_gone

    def _sight(self, payment_intent_id: str) -> Sight | None:
        own = self._transaction.books.sights if self._transaction else {}
        kept = self._database.state.books.sights
        return own.get(payment_intent_id) or kept.get(payment_intent_id)

    async def request_of_payment(self, payment_intent_id: str) -> PaidRequest | None:
        """By the payment that it was created with."""
        async with self._statement():
            state = self._database.state
            request_id = state.books.whose.get(payment_intent_id)
            if request_id is None:
                return None
            payment, request = state.books.behind[request_id], state.requests[request_id]
            return PaidRequest(request_id, payment.checkout_session, status_of(request))

    async def doubtful(self, limit: int) -> Sequence[str]:
        """Oldest first; not what is looked at just now, or was a moment ago."""
        async with self._statement():
            doubts = sorted(self._doubts(), key=lambda doubt: doubt[0])
            worth = (subject for _, subject in doubts if not self._was_looked_at(subject))
            return list(dict.fromkeys(worth))[:limit]

    def _doubts(self) -> Iterator[tuple[datetime, str]]:
        state, now = self._database.state, self._database.now()
        for intake in state.intakes.values():
            booked_at, closes_at = state.books.booked_at[intake.id], intake.checkout_expires_at
            in_question = intake.status == "checkout" and booked_at < now - PATIENCE
            open_lately = closes_at is not None and closes_at > now - GIVEN_UP_AFTER
            if in_question and open_lately and intake.checkout_session_id:
                yield booked_at, intake.checkout_session_id
        for payment_id, request_id in state.books.whose.items():
            request, sight = state.requests[request_id], state.books.sights.get(payment_id)
            status = status_of(request)
            if sight and self._is_a_doubtful_hold(sight.payment, request):
                yield sight.seen_at, payment_id
            if sight and sight.payment.is_gone and status == "pending":
                yield sight.seen_at, payment_id
            back = state.books.debts.get(f"{OperationKind.GIVE_BACK}:{request_id}")
            kept = sight is not None and sight.payment.amount_kept > 0
            if kept and back and back.state == "done" and status in ENDED_UNSERVED:
                yield request.created_at, payment_id

    def _is_a_doubtful_hold(self, payment: PaymentIntent, request: SessionRequest) -> bool:
        """It ends soon, or is over and nobody sees to it."""
        if payment.amount_capturable == 0:
            return False
        if status_of(request) in ("pending", "matched"):
            ends_at = payment.capture_before
            return ends_at is not None and ends_at < self._database.now() + HOLD_MARGIN
        debts = self._database.state.books.debts
        known = (debts.get(f"{kind}:{request.id}") for kind in MOVES_MONEY)
        return not any(one is not None and one.state == Conclusion.REFUSED for one in known)

    def _was_looked_at(self, subject: str) -> bool:
        look = self._database.state.books.debts.get(f"{OperationKind.LOOK}:{subject}")
        if look is None or look.state == "due":
            return look is not None
        since = self._database.now() - PATIENCE
        return look.settled_at is not None and look.settled_at > since

    async def unpaid_among(self, intakes: Sequence[IntakeId]) -> frozenset[IntakeId]:
        """Those of ours that are not paid."""
        async with self._statement():
            known = self._database.state.intakes
            return frozenset(one for one in intakes if one in known and known[one].status != "paid")

    async def clock(self) -> datetime:
        """The database's."""
        async with self._statement():
            return self._database.now()


class Purchases(_OnTheModel):
    """What a purchase asks about money, for the port ``Intakes``."""

    @property
    def operations(self) -> ModelLedger:
        """In the same transaction."""
        return ModelLedger(self._database, self._faults, self._transaction)

    async def unpaid(self, customer: CustomerId) -> Intake | None:
        """The newest; how long a page stays open is not modelled."""
        async with self._statement():
            kept = self._database.state.intakes.values()
            mine = (one for one in kept if one.customer == customer and one.status == "checkout")
            return next(reversed([*mine]), None)

    async def at_checkout(self, intake_id: IntakeId, checkout_session_id: str, url: str) -> None:
        """A draft becomes a page."""
        async with self._statement() as transaction:
            await transaction.lock(("intake", intake_id))
            kept = self._database.state.intakes.get(intake_id)
            intake = transaction.intakes.get(intake_id) or kept
            if intake is not None:
                status = "checkout" if intake.status == "draft" else intake.status
                transaction.intakes[intake_id] = replace(
                    intake,
                    status=status,
                    checkout_session_id=checkout_session_id,
                    checkout_url=url,
                )

    async def lock_customer(self, customer: CustomerId) -> None:
        """Until the end of this transaction."""
        async with self._statement() as transaction:
            await transaction.lock(("customer", customer))

    async def live_request_of(self, customer: CustomerId, *, but: RequestId) -> RequestId | None:
        """The newest."""
        async with self._statement() as transaction:
            live = [one for one in self._live(customer, transaction) if one.id != but]
            return max(live, key=lambda one: one.created_at).id if live else None

    def _live(self, customer: CustomerId, transaction: Transaction) -> Sequence[SessionRequest]:
        seen = self._database.state.requests | transaction.requests
        mine = (one for one in seen.values() if one.customer == customer)
        return [one for one in mine if status_of(one) in ("pending", "matched")]

    def _has_a_live_one(self, customer: CustomerId, transaction: Transaction) -> bool:
        return bool(self._live(customer, transaction))

    async def expire_other_pages(self, customer: CustomerId, *, but: IntakeId) -> None:
        """Each once."""
        async with self._statement() as transaction:
            if not self._has_a_live_one(customer, transaction):
                return
            seen = self._database.state.intakes | transaction.intakes
            for intake in seen.values():
                page = intake.checkout_session_id
                mine = intake.customer == customer and intake.id != but
                if mine and intake.status == "checkout" and page is not None:
                    await self._expire(transaction, intake.id, page)

    async def _expire(self, transaction: Transaction, intake_id: IntakeId, page: str) -> None:
        key, kind, now = f"expire:{intake_id}:1", OperationKind.EXPIRE, self._database.now()
        await transaction.lock(("debt", key))
        if debt(self._database, transaction, key) is None:
            id_ = self._database.state.books.next_id()
            transaction.books.debts[key] = Debt(id_, key, kind, page, None, now, now)


def _operation(taken: Debt) -> Operation:
    return Operation(
        id=taken.id,
        key=taken.key,
        kind=taken.kind,
        subject=taken.subject,
        request=taken.request,
        attempts=taken.attempts,
        nudges=taken.nudges,
        key_number=taken.key_number,
    )
