"""APScheduler 3, its stable line, with its job store in PostgreSQL.

Only one scheduler may use a store, and it does not see what others add while it runs; so timers are
armed here before the worker starts, which reads them all.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-not-found]
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # type: ignore[import-not-found]
from apscheduler.schedulers.background import (  # type: ignore[import-not-found]
    BackgroundScheduler,
)
from sqlalchemy import create_engine  # type: ignore[import-not-found]

from bench.peers.libraries import Fired

CLIENTS = 16
THREADS = {"default": 10, "tuned": 40}
NOTED: list[Fired] = []  # a job is found by its name, so it cannot be a closure


def fire(key: int) -> None:
    """What a job does."""
    NOTED[0](key)


def _scheduler(address: str, *, tuned: bool) -> Any:
    url = address.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, pool_size=CLIENTS)
    return BackgroundScheduler(
        timezone=UTC,
        jobstores={"default": SQLAlchemyJobStore(engine=engine)},
        executors={"default": ThreadPoolExecutor(THREADS["tuned" if tuned else "default"])},
        # Its default drops a job that is a second late, and 5,000 at once are.
        job_defaults={"misfire_grace_time": None},
    )


class _Timers:
    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def arm(self, key: int, due_s: float) -> None:
        when = datetime.fromtimestamp(due_s, UTC)
        self._scheduler.add_job(fire, "date", run_date=when, args=[key], id=str(key))

    def cancel(self, key: int) -> None:
        self._scheduler.remove_job(str(key))


@asynccontextmanager
async def client(address: str, tuned: bool) -> AsyncIterator[_Timers]:
    scheduler = _scheduler(address, tuned=tuned)
    scheduler.start(paused=True)
    yield _Timers(scheduler)
    scheduler.shutdown(wait=False)


def work(address: str, tuned: bool, fired: Fired) -> None:
    NOTED.append(fired)
    _scheduler(address, tuned=tuned).start()
    while True:
        time.sleep(3600)
