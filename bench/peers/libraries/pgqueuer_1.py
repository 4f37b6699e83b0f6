"""PgQueuer: a job with ``execute_after``."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer, Queries  # type: ignore[import-not-found]

from bench.peers.libraries import Fired

CLIENTS = 16
BATCH_SIZE_TUNED = 500
POLL_TUNED = timedelta(milliseconds=10)  # its shortest sleep; 100 ms by itself


class _Timers:
    def __init__(self, queries: Any) -> None:
        self._queries = queries
        self._jobs: dict[int, Any] = {}

    async def arm(self, key: int, due_s: float) -> None:
        wait = timedelta(seconds=due_s - time.time())
        payload = str(key).encode()
        [self._jobs[key]] = await self._queries.enqueue("fire", payload, execute_after=wait)

    async def cancel(self, key: int) -> None:
        await self._queries.mark_job_as_cancelled([self._jobs[key]])


@asynccontextmanager
async def client(address: str, _tuned: bool) -> AsyncIterator[_Timers]:
    async with asyncpg.create_pool(address, max_size=CLIENTS) as pool:
        queries = Queries.from_asyncpg_pool(pool)
        await queries.install()
        yield _Timers(queries)


async def work(address: str, tuned: bool, fired: Fired) -> None:
    worker = PgQueuer.from_asyncpg_connection(await asyncpg.connect(address))

    async def fire(job: Any) -> None:
        fired(int(job.payload))

    worker.entrypoint("fire")(fire)
    if tuned:
        worker.qm.min_dequeue_poll_interval = POLL_TUNED
        await worker.run(batch_size=BATCH_SIZE_TUNED)
    else:
        await worker.run()
