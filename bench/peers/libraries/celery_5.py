"""Celery with Redis: a task with an ETA, and ``revoke``. Tuned: late acknowledgement, threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from celery import Celery  # type: ignore[import-not-found]

from bench.peers.libraries import Fired

OPTIONS = {
    "default": [],
    "tuned": ["--pool=threads", "--concurrency=20"],
}
TUNED = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    # Longer than any window, or a waiting task would be delivered a second time.
    "broker_transport_options": {"visibility_timeout": 900},
}


def _app(address: str, *, tuned: bool) -> Any:
    app = Celery("bench", broker=address)
    app.conf.update(task_ignore_result=True, **(TUNED if tuned else {}))
    return app


class _Timers:
    def __init__(self, app: Any, task: Any) -> None:
        self._app, self._task = app, task

    def arm(self, key: int, due_s: float) -> None:
        when = datetime.fromtimestamp(due_s, UTC)
        self._task.apply_async((key,), eta=when, task_id=str(key))

    def cancel(self, key: int) -> None:
        self._app.control.revoke(str(key))


@asynccontextmanager
async def client(address: str, tuned: bool) -> AsyncIterator[_Timers]:
    app = _app(address, tuned=tuned)

    def fire(key: int) -> None: ...

    yield _Timers(app, app.task(name="fire")(fire))


def work(address: str, tuned: bool, fired: Fired) -> None:
    app = _app(address, tuned=tuned)

    def fire(key: int) -> None:
        fired(key)

    app.task(name="fire")(fire)
    options = OPTIONS["tuned" if tuned else "default"]
    app.worker_main(["worker", "--loglevel=ERROR", *options])
