"""Finds what fell between the chairs: paid pages nobody told us of, holds that are over, money that
is neither earned nor returned. Each finding becomes a look; running it twice changes nothing."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from headstart.app.fulfilment import Fulfilment, Outcome, intake_id_of
from headstart.app.ports import (
    Money,
    OperationKind,
    Operations,
    PaymentsRefused,
    PaymentsUnavailable,
    Unavailable,
)
from headstart.app.wakeups import Wakeups
from headstart.core.request import IntakeId
from headstart.telemetry import RECONCILED

EVERY_S = 120.0
DOUBTS_MAX = 100  # of one round
EVENTS_AT_ONCE = 8  # after an outage there are many, and the next round waits for the last
PAGES_SINCE = timedelta(hours=25)  # a page is open for a day at the most
EVENTS_SINCE = timedelta(days=3)  # as long as Stripe itself tries

log = structlog.get_logger()


class Reconciler:
    """Compares what we know with what the payment service knows, now and then."""

    def __init__(
        self,
        operations: Operations,
        payments: Money,
        fulfilment: Fulfilment,
        wakeups: Wakeups,
        real_time: Callable[[], datetime],
    ) -> None:
        self._operations = operations
        self._payments = payments
        self._fulfilment = fulfilment
        self._wakeups = wakeups
        self._real_time = real_time  # Stripe's clock is not the test clock

    async def run(self) -> None:
        """Until cancelled; the first round at the start, for what happened while nobody ran."""
        while True:
            try:
                await self.reconcile()
            except (PaymentsUnavailable, PaymentsRefused, Unavailable) as error:
                log.warning("reconciler_waits", error=str(error))
            except Exception:
                log.exception("reconciler_failed")
            await asyncio.sleep(EVERY_S)

    async def reconcile(self) -> int:
        """One round; answers how many things are worth a look."""
        found = [*await self._operations.doubtful(DOUBTS_MAX), *await self._unnoticed_pages()]
        for subject in dict.fromkeys(found):
            await self._operations.ask_for(OperationKind.LOOK, subject)
        if found:
            self._wakeups.announce()
        events = await self._catch_up()
        RECONCILED.inc(len(found) + events)
        return len(found) + events

    async def _unnoticed_pages(self) -> list[str]:
        """Pages that were paid, of intakes that we believe are not."""
        since = self._real_time() - PAGES_SINCE
        pages: dict[IntakeId, str] = {}
        async for page in self._payments.recent_checkouts(since):
            intake_id = intake_id_of(page.metadata)
            if page.is_complete and intake_id is not None:
                pages[intake_id] = page.id
        unpaid = await self._operations.unpaid_among(list(pages))
        return [page_id for intake_id, page_id in pages.items() if intake_id in unpaid]

    async def _catch_up(self) -> int:
        """Take in the events that never got through."""
        since, news = self._real_time() - EVENTS_SINCE, 0
        events = [event async for event in self._payments.undelivered_events(since)]
        for start in range(0, len(events), EVENTS_AT_ONCE):
            some = events[start : start + EVENTS_AT_ONCE]
            received = await asyncio.gather(
                *map(self._fulfilment.receive, some), return_exceptions=True
            )
            for outcome in received:  # after all of them: none goes on by itself
                if isinstance(outcome, BaseException):
                    raise outcome
                news += outcome is not Outcome.DUPLICATE
        return news
