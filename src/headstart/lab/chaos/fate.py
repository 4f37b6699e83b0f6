"""A process that ends itself, by SIGKILL, between two given steps of one kind of work.

A step is a statement, the beginning or the end of a transaction, or an exchange with the payment
service. Only the steps of the work in question count; what else the process does goes on meanwhile.
SIGUSR1 arms it, SIGUSR2 disarms it, and it says so, with the steps it has counted.
"""

import os
import signal
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from headstart.app.cashier import Cashier
from headstart.app.fulfilment import Fulfilment
from headstart.app.reconciler import Reconciler
from headstart.payments import gateway
from headstart.store import postgres
from headstart.store.postgres import Postgres

WORKS: dict[str, tuple[type, str]] = {
    "receive": (Fulfilment, "receive"),
    "settle": (Fulfilment, "settle"),
    "carry out": (Cashier, "_carry_out"),
    "reconcile": (Reconciler, "reconcile"),
}
ARMED, DISARMED = "armed", "disarmed after"

_at_work: ContextVar[bool] = ContextVar("_at_work", default=False)


@dataclass(slots=True)
class Fate:
    """Ends the process when ``steps`` steps of the work are done: none is before the first."""

    steps: int
    armed: bool = False
    done: int = 0

    def arm(self, *_: object) -> None:
        """From now on."""
        self.armed, self.done = True, 0
        os.write(2, f"{ARMED}\n".encode())

    def disarm(self, *_: object) -> None:
        """It has outlived the work."""
        self.armed = False
        os.write(2, f"{DISARMED} {self.done}\n".encode())

    def over(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The work during which steps count."""

        async def fatal(*given: Any, **named: Any) -> Any:
            token = _at_work.set(True)
            try:
                if self.armed and self.steps == self.done == 0:
                    _end()
                return await work(*given, **named)
            finally:
                _at_work.reset(token)

        return fatal

    def counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """One step, which may be the last."""

        async def done(*given: Any, **named: Any) -> Any:
            answer = await step(*given, **named)
            if self.armed and _at_work.get():
                self.done += 1
                if self.done == self.steps:
                    _end()
            return answer

        return done


def await_the_end(work: str, steps: int, *, from_birth: bool) -> None:
    """This process has a fate."""
    fate = Fate(steps, armed=from_birth)
    signal.signal(signal.SIGUSR1, fate.arm)
    signal.signal(signal.SIGUSR2, fate.disarm)
    owner, name = WORKS[work]
    setattr(owner, name, fate.over(getattr(owner, name)))
    driver, sdk = vars(postgres)["asyncpg"], vars(gateway)["stripe"]
    for begun, step in (
        (driver.transaction.Transaction, "start"),
        (driver.transaction.Transaction, "_Transaction__commit"),
        (sdk.HTTPXClient, "request_async"),
    ):
        setattr(begun, step, fate.counted(getattr(begun, step)))
    _count_statements(fate, driver.Pool)


def _count_statements(fate: Fate, pool: type) -> None:
    """On a connection: the pool only lends one, and asks again."""
    rows = Postgres.rows
    counted = fate.counted(rows)

    async def of_a_connection(self: Postgres, name: str, /, **values: Any) -> Any:
        lent = isinstance(self._executor, pool)
        return await (rows if lent else counted)(self, name, **values)

    setattr(Postgres, "rows", of_a_connection)  # noqa: B010 - it is no assignment of ours


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
