"""One sandbox, put together: its settings, memory, rules and post, and the task that keeps time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.outbox import PAUSE_AFTER_FAULT_S, Cause, Outbox
from headstart.payments.sandbox.returns import Returns
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.payments.sandbox.till import Till
from headstart.payments.sandbox.trouble import Troubles
from headstart.payments.sandbox.vault import Vault

T = TypeVar("T")

log = logging.getLogger(__name__)


class World:
    """Everything one running sandbox has."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._real_time = settings.clock
        self.settings = settings = replace(settings, clock=self._now)
        self.ledger = Ledger(settings.state_path)
        self.ahead_s = self.ledger.ahead_s()
        """How far this sandbox's clock was put forward."""
        self.outbox = Outbox(settings, self.ledger, self._real_time)
        self.till = Till(settings, self.ledger, self.outbox)
        self.vault = Vault(settings, self.ledger, self.outbox)
        self.returns = Returns(settings, self.ledger, self.outbox)
        self.troubles = Troubles()

    def act(self, action: Callable[[], T]) -> tuple[T, list[str]]:
        """Do something to the ledger, all of it or nothing, as of now: what has run out by now
        ends first. Returns what the action returned, and the ids of the events it caused."""
        self._end_due()
        try:
            with self.ledger.transaction():
                result = action()
        finally:
            recorded = self.outbox.take_recorded()
        return result, recorded

    async def run(self) -> None:
        """End what runs out, in time, and send webhooks, until cancelled. What an earlier process
        left unsent goes first. A fault is logged and does not end the sandbox."""
        self.ledger.hurry(self.settings.clock())
        while True:
            try:
                self._end_due()
                if not await self.outbox.send_due():
                    await self.outbox.rest()
            except Exception:
                log.exception("sandbox: the webhook sender stumbled")
                await asyncio.sleep(PAUSE_AFTER_FAULT_S)

    async def close(self) -> None:
        """Close connections and file. Unsent webhooks stay in the file."""
        await self.outbox.close()
        self.ledger.close()

    def advance(self, seconds: float) -> None:
        """Put the sandbox's clock forward; what runs out on the way ends."""
        with self.ledger.transaction():
            self.ledger.put_ahead(self.ahead_s + seconds)
        self.ahead_s += seconds
        self._end_due()
        self.outbox.wake()

    def _now(self) -> float:
        return self._real_time() + self.ahead_s

    def _end_due(self) -> None:
        """Close the Sessions, and let go of the holds, whose time is up."""
        with self.ledger.transaction():
            for id in self.ledger.ended(self._now()):
                if id.startswith("pi_"):
                    self.vault.expire(id)
                else:
                    self.till.expire(id, Cause())
        self.outbox.take_recorded()
