"""Procrastinate: a job with ``schedule_at``. Its documentation adds a task for stalled jobs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import procrastinate  # type: ignore[import-not-found]

from bench.peers.libraries import Fired

CLIENTS = 16
WORKER = {
    "default": {},
    "tuned": {"concurrency": 50, "fetch_job_polling_interval": 0.05, "delete_jobs": "successful"},
}
EVERY = {"default": "*/10 * * * *", "tuned": "* * * * * */5"}  # as documented; and 5 s


def _app(address: str) -> Any:
    connector = procrastinate.PsycopgConnector(conninfo=address, min_size=4, max_size=CLIENTS)
    return procrastinate.App(connector=connector)


class _Timers:
    def __init__(self, app: Any, task: Any) -> None:
        self._app, self._task = app, task
        self._jobs: dict[int, int] = {}

    async def arm(self, key: int, due_s: float) -> None:
        job = self._task.configure(schedule_at=datetime.fromtimestamp(due_s, UTC))
        self._jobs[key] = await job.defer_async(key=key)

    async def cancel(self, key: int) -> None:
        cancelled = await self._app.job_manager.cancel_job_by_id_async(self._jobs[key])
        assert cancelled, key


@asynccontextmanager
async def client(address: str, _tuned: bool) -> AsyncIterator[_Timers]:
    app = _app(address)

    async def fire(key: int) -> None: ...

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        yield _Timers(app, app.task(name="fire")(fire))


async def work(address: str, tuned: bool, fired: Fired) -> None:
    setting = "tuned" if tuned else "default"
    app = _app(address)

    async def fire(key: int) -> None:
        fired(key)

    async def retry_stalled_jobs(timestamp: int) -> None:
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(job)

    app.task(name="fire")(fire)
    stalled = app.task(name="retry_stalled_jobs", queueing_lock="stalled")(retry_stalled_jobs)
    app.periodic(cron=EVERY[setting])(stalled)
    async with app.open_async():
        await asyncio.shield(app.run_worker_async(**WORKER[setting]))
