"""DBOS: a workflow on a queue, enqueued with a delay."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbos import DBOS, DBOSClient  # type: ignore[import-not-found]

from bench.peers.libraries import Fired

CLIENTS = 16
POLL_TUNED_S = 0.05
QUEUE = "windows"
VERSION = "1"


def _configure(address: str) -> None:
    # The version is named: it is else a digest of the source, and differs between the programs.
    DBOS(
        config={
            "name": "bench",
            "system_database_url": address,
            "log_level": "ERROR",
            "application_version": VERSION,
        }
    )


class _Timers:
    def __init__(self, client: Any) -> None:
        self._client = client

    def arm(self, key: int, due_s: float) -> None:
        options = {
            "workflow_name": "fire",
            "queue_name": QUEUE,
            "workflow_id": str(key),
            "delay_seconds": due_s - time.time(),
            "app_version": VERSION,
        }
        self._client.enqueue(options, key)

    def cancel(self, key: int) -> None:
        self._client.cancel_workflow(str(key))


@asynccontextmanager
async def client(address: str, _tuned: bool) -> AsyncIterator[_Timers]:
    _configure(address)
    DBOS.launch()  # makes its tables
    DBOS.destroy()
    timers = DBOSClient(system_database_url=address, system_database_pool_size=CLIENTS)
    yield _Timers(timers)
    timers.destroy()


def work(address: str, tuned: bool, fired: Fired) -> None:
    _configure(address)

    def fire(key: int) -> None:
        fired(key)

    DBOS.workflow(name="fire")(fire)
    DBOS.launch()
    DBOS.register_queue(QUEUE, **({"polling_interval_sec": POLL_TUNED_S} if tuned else {}))
    while True:
        time.sleep(3600)
