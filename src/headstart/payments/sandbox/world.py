"""One sandbox, put together: its settings, memory, rules and post, and the task that keeps time."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.outbox import PAUSE_AFTER_FAULT_S, Outbox
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.payments.sandbox.till import Till

T = TypeVar("T")

log = logging.getLogger(__name__)


class World:
    """Everything one running sandbox has."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.ledger = Ledger(settings.state_path)
        self.outbox = Outbox(settings, self.ledger)
        self.till = Till(settings, self.ledger, self.outbox)

    def act(self, action: Callable[[], T]) -> tuple[T, list[str]]:
        """Do something to the ledger, all of it or nothing, as of now: Sessions whose time is up
        end first. Returns what the action returned, and the ids of the events it caused."""
        self._expire_due()
        try:
            with self.ledger.transaction():
                result = action()
        finally:
            recorded = self.outbox.take_recorded()
        return result, recorded

    async def run(self) -> None:
        """End Sessions in time and send webhooks, until cancelled. What an earlier process left
        unsent goes first. A fault is logged and does not end the sandbox."""
        self.ledger.hurry(self.settings.clock())
        while True:
            try:
                self._expire_due()
                if not await self.outbox.send_due():
                    await self.outbox.rest()
            except Exception:
                log.exception("sandbox: the webhook sender stumbled")
                await asyncio.sleep(PAUSE_AFTER_FAULT_S)

    async def close(self) -> None:
        """Close connections and file. Unsent webhooks stay in the file."""
        await self.outbox.close()
        self.ledger.close()

    def _expire_due(self) -> None:
        with self.ledger.transaction():
            self.till.expire_due()
        self.outbox.take_recorded()
