"""Carries out what is owed: captures, cancelled holds, refunds, and looks at what was paid.

What is owed is written by the transaction that makes it owed. Here it is only done, by any number
of processes, as often as it takes: each operation looks first at the payment as it is now, so that
whatever happened before, the next step is the right one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from headstart.app.dispatcher import Contended, Dispatcher
from headstart.app.fulfilment import Fulfilment, Settled
from headstart.app.ports import (
    Conclusion,
    Money,
    Operation,
    OperationKind,
    Operations,
    PaymentIntent,
    PaymentsRefused,
    PaymentsUnavailable,
    RefusedBecause,
    Unavailable,
)
from headstart.app.wakeups import Wakeups
from headstart.core import commands
from headstart.telemetry import OPERATIONS

_Done = tuple[str, int | None]  # what came of it, and how much money moved

AT_ONCE_MAX = 8  # of one process
LEASE = timedelta(seconds=90)  # longer than every call of one operation together
POLL_S = 1.0  # the backstop when a wake-up is lost
RETRY_S = 0.25  # after the database could not be reached
LOOKS_APART_S = 0.25  # most commits owe nothing: a burst of them is one reason to look
WAIT_MIN = timedelta(seconds=1)
WAIT_MAX = timedelta(minutes=10)
REFUSALS_MAX = 5  # of one operation, before a person must see to it
GONE = "gone"

_FOR_GOOD = frozenset(
    {
        RefusedBecause.HOLD_EXPIRED,
        RefusedBecause.CARD_REFUSED,
        RefusedBecause.DISPUTED,
        RefusedBecause.UNKNOWN_OBJECT,
    }
)

log = structlog.get_logger()


class _NeedsAPerson(Exception):
    """Trying again will not help."""


class Cashier:
    """Does what is due at the payment service."""

    def __init__(
        self,
        operations: Operations,
        payments: Money,
        fulfilment: Fulfilment,
        dispatcher: Dispatcher,
        wakeups: Wakeups,
    ) -> None:
        self._operations = operations
        self._payments = payments
        self._fulfilment = fulfilment
        self._dispatcher = dispatcher
        self._woken = wakeups.subscribe()
        self._under_way: dict[asyncio.Task[None], None] = {}  # in the order of their beginning
        self._acts: Mapping[OperationKind, Callable[[Operation], Awaitable[_Done]]] = {
            OperationKind.LOOK: self._look,
            OperationKind.CAPTURE: self._capture,
            OperationKind.GIVE_BACK: self._give_back,
            OperationKind.EXPIRE: self._expire,
        }

    async def run(self) -> None:
        """Until cancelled. An error is reported and the work goes on."""
        try:
            while True:
                try:
                    await self._begin_what_is_due()
                    await self._rest()
                except Unavailable as error:
                    log.warning("cashier_waits_for_the_database", error=str(error))
                    await asyncio.sleep(RETRY_S)
                except Exception:
                    log.exception("cashier_failed")
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._leave()

    async def work(self) -> None:
        """Do everything that is due, to its end: for whoever has no loop."""
        while begun := await self._begin_what_is_due():
            for ended in (await asyncio.wait(begun))[0]:
                ended.result()

    async def _begin_what_is_due(self) -> list[asyncio.Task[None]]:
        """As far as hands are free.

        Each operation is one task, which writes down by itself what came of it: one that hangs
        holds up nobody but its own money.
        """
        self._woken.clear()
        free = AT_ONCE_MAX - len(self._under_way)
        claimed = await self._operations.claim(free, LEASE) if free else ()
        begun = [asyncio.create_task(self._attend(operation)) for operation in claimed]
        for task in begun:
            self._under_way[task] = None
            task.add_done_callback(self._ended)
        return begun

    async def _rest(self) -> None:
        """Until there is something to do and a hand that is free for it."""
        if len(self._under_way) == AT_ONCE_MAX:  # there may be more already
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return
        next_due_s = await self._operations.next_due_s()
        await self._nap(POLL_S if next_due_s is None else min(POLL_S, max(RETRY_S, next_due_s)))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._woken.set()

    async def _leave(self) -> None:
        """What is under way is begun anew by somebody else, when its lease is over."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _nap(self, seconds: float) -> None:
        """Sleep, or less when woken; a busy house does not make it look all the time."""
        loop = asyncio.get_running_loop()
        soonest = loop.time() + LOOKS_APART_S
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
                await asyncio.sleep(soonest - loop.time())

    async def _attend(self, operation: Operation) -> None:
        """What cannot be written down is done again, when the lease is over."""
        try:
            await self._carry_out(operation)
        except Unavailable as error:
            log.warning("cashier_lost_a_result", operation=operation.key, error=str(error))
        except Exception:
            log.exception("cashier_failed", operation=operation.key)

    async def _carry_out(self, operation: Operation) -> None:
        """One attempt, and what came of it."""
        try:
            result, amount = await self._acts[operation.kind](operation)
        except (PaymentsUnavailable, Unavailable, Contended) as error:
            stored = isinstance(error, PaymentsUnavailable) and error.stored
            await self._postpone(operation, type(error).__name__, new_key=stored)
        except PaymentsRefused as refused:
            await self._refused(operation, refused.because)
        except _NeedsAPerson as needs:
            await self._give_up(operation, str(needs))
        except Exception:
            log.exception("operation_failed", operation=operation.key)
            await self._postpone(operation, "error")
        else:
            await self._operations.conclude(operation, Conclusion.DONE, result, amount)
            OPERATIONS.labels(operation.kind, result).inc()

    async def _postpone(self, operation: Operation, why: str, *, new_key: bool = False) -> None:
        wait = min(WAIT_MAX, WAIT_MIN * float(1 << min(operation.attempts - 1, 10)))
        await self._operations.postpone(operation, wait, why, new_key=new_key)
        OPERATIONS.labels(operation.kind, "postponed").inc()

    async def _refused(self, operation: Operation, because: RefusedBecause) -> None:
        """The payment may have changed under our hands; if it stays so, a person must see to it."""
        if because not in _FOR_GOOD and operation.attempts < REFUSALS_MAX:
            await self._postpone(operation, because, new_key=True)
        else:
            await self._give_up(operation, because)

    async def _give_up(self, operation: Operation, why: str) -> None:
        """Nobody works unpaid: without its money a match ends, and both sides are told."""
        if operation.kind is OperationKind.CAPTURE and operation.request is not None:
            undo = commands.CancelRequest(operation.request, commands.CASHIER)
            await self._dispatcher.execute(undo, command_key=f"unpaid:{operation.id}")
        await self._operations.conclude(operation, Conclusion.REFUSED, why)
        OPERATIONS.labels(operation.kind, "refused").inc()
        log.error("money_needs_a_person", operation=operation.key, reason=why)

    # What each kind does

    async def _capture(self, operation: Operation) -> _Done:
        payment = await self._fetch(operation.subject)
        if payment.is_held:
            await self._payments.capture(
                payment.id, amount=payment.amount, idempotency_key=operation.idempotency_key
            )
            payment = await self._fetch(payment.id)
        if not payment.is_captured:
            raise _NeedsAPerson(payment.cancellation_reason or payment.status)
        return "captured", payment.amount_received

    async def _give_back(self, operation: Operation) -> _Done:
        payment = await self._fetch(operation.subject)
        if payment.is_held:
            await self._payments.cancel_hold(payment.id, idempotency_key=operation.idempotency_key)
            result = "released", payment.amount_capturable
        elif payment.is_captured and payment.amount_kept > 0:
            sent = await self._payments.refund(
                payment.id,
                amount=payment.amount_kept,
                idempotency_key=operation.idempotency_key,
                metadata={"session_id": str(operation.request)},
            )
            result = "refunded", sent.amount
        elif payment.status == "processing":
            raise PaymentsUnavailable("the payment is still on its way")
        else:  # somebody was faster, or nothing was ever taken
            return ("refunded" if payment.amount_refunded else "released"), 0
        await self._fetch(payment.id)  # what is remembered is what was seen, not what was meant
        return result

    async def _expire(self, operation: Operation) -> _Done:
        page = await self._payments.expire_checkout(
            operation.subject, idempotency_key=operation.idempotency_key
        )
        if page is not None and page.is_complete:  # the customer was faster
            await self._operations.ask_for(OperationKind.LOOK, operation.subject)
        return (page.status if page else GONE), None

    async def _look(self, operation: Operation) -> _Done:
        page_id = await self._page_of(operation.subject)
        if page_id is None:
            return "foreign", None
        settled = await self._fulfilment.settle(page_id)
        if settled is None:
            return GONE, None
        if settled.outcome.needs_a_person:
            raise _NeedsAPerson(settled.outcome)
        await self._compare(settled)
        return settled.outcome, None

    async def _page_of(self, subject: str) -> str | None:
        """The payment page of a payment: ours says so, or the payment names its intake."""
        if subject.startswith("cs_"):
            return subject
        request = await self._operations.request_of_payment(subject)
        if request is not None:
            return request.checkout_session_id
        payment = await self._payments.retrieve_payment(subject)
        return await self._fulfilment.page_of_intake(payment.metadata) if payment else None

    async def _compare(self, settled: Settled) -> None:
        """Does the money fit what became of the request?"""
        payment = settled.checkout.payment
        request = await self._operations.request_of_payment(payment.id) if payment else None
        if payment is None or request is None:
            return
        there = payment.is_held or payment.amount_kept > 0
        if request.status == "pending" and not there:
            await self._dispatcher.execute(commands.CancelRequest(request.id, commands.CASHIER))
        over = request.status in ("unfilled", "cancelled")
        if over and there and await self._operations.contradict(request.id, settled.seen_at):
            log.error("money_was_not_returned", request_id=str(request.id))

    async def _fetch(self, payment_intent_id: str) -> PaymentIntent:
        """The payment as it is now, remembered."""
        seen_at = await self._operations.clock()
        payment = await self._payments.retrieve_payment(payment_intent_id)
        if payment is None:
            raise PaymentsRefused(
                status=404, code="missing", param=None, because=RefusedBecause.UNKNOWN_OBJECT
            )
        await self._operations.keep_payment(payment, None, seen_at)
        return payment
