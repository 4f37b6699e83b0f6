"""Money that is forgotten, moved twice, moved too early, or not there at all."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from headstart.app import cashier, fulfilment, reconciler
from headstart.app.ports import Conclusion, Operation, OperationKind
from headstart.core.request import RequestId
from headstart.lab.sabotage.craft import Patches, breaks
from headstart.lab.simulation import ledger
from headstart.lab.simulation import store as model

Cashier = cashier.Cashier


@breaks("M1")
def capture_forgotten() -> Patches:
    """A match does not take what is held."""
    yield from _never_owed(lambda kind, _: kind is OperationKind.CAPTURE)


@breaks("M1")
def unfilled_keeps_the_money() -> Patches:
    """Only who cancels gets their money back."""

    def is_for_unfilled(kind: OperationKind, status: str) -> bool:
        return kind is OperationKind.GIVE_BACK and status == "unfilled"

    yield from _never_owed(is_for_unfilled)


def _never_owed(forgotten: Callable[[OperationKind, str], bool]) -> Patches:
    follow, owe = ledger.money_follows, ledger.owe

    def follow_blindly(database: Any, transaction: Any, change: Any) -> None:
        status = type(change.request.state).__name__.lower()

        def owe_some(database: Any, transaction: Any, kind: OperationKind, *about: Any) -> None:
            if not forgotten(kind, status):
                owe(database, transaction, kind, *about)

        with patch.object(ledger, "owe", owe_some):
            follow(database, transaction, change)

    yield patch.object(model, "money_follows", follow_blindly)


@breaks("M1")
def given_back_before_it_is_done() -> Patches:
    """What is to be given back is written down as returned, and then it is tried once."""
    give_back = Cashier._give_back

    async def hasty(self: Cashier, operation: Operation) -> tuple[str, int | None]:
        await self._operations.conclude(operation, Conclusion.DONE, "refunded")
        return await give_back(self, operation)

    yield patch.object(Cashier, "_give_back", hasty)
    yield patch.object(Cashier, "_compare", _nothing)  # which would find out


@breaks("M2")
def refunded_without_looking() -> Patches:
    """A refund whose answer was lost is made once more, under a new key."""

    async def blind(self: Cashier, operation: Operation) -> tuple[str, int | None]:
        payment = await self._fetch(operation.subject)
        if operation.attempts == 1 and payment.is_held:
            return await give_back(self, operation)
        sent = await self._payments.refund(
            payment.id,
            amount=payment.amount_received,
            idempotency_key=f"{operation.key}:{operation.attempts}",
        )
        return "refunded", sent.amount

    give_back = Cashier._give_back
    yield patch.object(Cashier, "_give_back", blind)


@breaks("M3")
def hold_taken_at_once() -> Patches:
    """What is held is taken when it is booked, and not when somebody accepts."""
    follow = ledger.money_follows

    def hasty(database: Any, transaction: Any, change: Any) -> None:
        follow(database, transaction, change)
        payment = transaction.books.behind.get(change.request.id)
        if payment is not None and payment.hold:
            kind, request = OperationKind.CAPTURE, change.request.id
            ledger.owe(database, transaction, kind, payment.payment_intent, request)

    yield patch.object(model, "money_follows", hasty)


@breaks("M3")
def any_end_gives_back() -> Patches:
    """A release gives the money back, although the request is dispatched again."""
    follow = ledger.money_follows

    def generous(database: Any, transaction: Any, change: Any) -> None:
        follow(database, transaction, change)
        request, payment = change.request, database.state.books.behind.get(change.request.id)
        if request.round and payment is not None and payment.payment_intent:
            kind = OperationKind.GIVE_BACK
            ledger.owe(database, transaction, kind, payment.payment_intent, request.id)

    yield patch.object(model, "money_follows", generous)


@breaks("M4")
def refused_capture_leaves_the_match() -> Patches:
    """A mechanic works for a customer whose bank has refused to pay."""

    async def resigned(self: Cashier, operation: Operation, why: str) -> None:
        await self._operations.conclude(operation, Conclusion.REFUSED, why)

    yield patch.object(Cashier, "_give_up", resigned)


@breaks("M4")
def news_of_money_ignored() -> Patches:
    """What is returned in the Dashboard is not noticed, and the request goes on."""
    yield patch.object(Cashier, "_compare", _nothing)
    yield patch.object(fulfilment.Fulfilment, "_is_gone", _nothing)


@breaks("M4")
def gone_during_a_match_is_forgotten() -> Patches:
    """What was returned while somebody was coming is not thought of when they withdraw."""
    doubts = ledger.ModelLedger._doubts

    def careless(self: ledger.ModelLedger) -> Iterator[tuple[datetime, str]]:
        state = self._database.state
        for since, subject in doubts(self):
            request = state.books.whose.get(subject)
            if request is None or ledger.status_of(state.requests[request]) != "pending":
                yield since, subject

    yield patch.object(ledger.ModelLedger, "_doubts", careless)


@breaks("M4")
def unpaid_at_the_first_failure() -> Patches:
    """A capture that could not be asked for counts as refused."""
    postpone = Cashier._postpone

    async def impatient(self: Cashier, operation: Operation, why: str, **named: Any) -> None:
        if operation.kind is OperationKind.CAPTURE:
            await self._give_up(operation, why)
        else:
            await postpone(self, operation, why, **named)

    yield patch.object(Cashier, "_postpone", impatient)


@breaks("M5")
def second_purchase_dispatched() -> Patches:
    """Who pays at two pages is served twice."""

    async def never(*_: Any, but: RequestId) -> RequestId | None:
        return None

    yield patch.object(ledger.Purchases, "live_request_of", never)


@breaks("M5")
def two_purchases_at_once() -> Patches:
    """Two purchases of one customer do not wait for each other."""
    yield patch.object(ledger.Purchases, "lock_customer", _nothing)


@breaks("M5")
def old_purchase_closes_a_new_page() -> Patches:
    """News of any purchase close the pages that its customer has opened since."""
    yield patch.object(ledger.Purchases, "_has_a_live_one", lambda *_: True)


@breaks("M2")
def taken_by_two() -> Patches:
    """A debt can be taken by two processes, and each asks under its own key."""
    yield from _leased(timedelta(0))
    own_key = property(lambda self: f"{self.key}:{self.attempts}")
    yield patch.object(Operation, "idempotency_key", own_key)


@breaks("L4")
def lease_without_an_end() -> Patches:
    """What a process had taken when it was killed is never taken again."""
    yield from _leased(timedelta(days=1))


def _leased(lease: timedelta) -> Patches:
    claim = ledger.ModelLedger.claim

    async def claimed(self: Any, limit: int, _: timedelta) -> Sequence[Operation]:
        return await claim(self, limit, lease)

    yield patch.object(ledger.ModelLedger, "claim", claimed)


@breaks("I3")
def nobody_reconciles() -> Patches:
    """A payment whose webhooks are all lost is found by nobody."""
    yield patch.object(reconciler.Reconciler, "reconcile", _nothing)


async def _nothing(*_: Any, **__: Any) -> Any:
    return None
