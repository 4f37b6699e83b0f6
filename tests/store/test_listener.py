"""Hints between processes: they arrive, survive a cut connection, and are missed by nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from headstart.app.wakeups import Wakeups
from headstart.store.listener import CHANNEL, NEWS, Listener

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


@asynccontextmanager
async def listening(database: str) -> AsyncIterator[tuple[Wakeups, asyncio.Event]]:
    """One process's hints, and a sleeper in it."""
    wakeups = Wakeups()
    woken = wakeups.subscribe()
    loop = asyncio.create_task(Listener(database, wakeups).run())
    await within(woken)  # the first wake-up says that somebody listens
    try:
        yield wakeups, woken
    finally:
        loop.cancel()


async def within(woken: asyncio.Event) -> None:
    """Wait for a wake-up in bounded time, and be ready for the next."""
    async with asyncio.timeout(10):
        await woken.wait()
    woken.clear()


async def test_an_announcement_wakes_the_other_process_and_not_its_own_twice(
    database: str,
) -> None:
    async with listening(database) as (here, woken_here), listening(database) as (_, there):
        woken_here.clear()
        here.announce()
        assert woken_here.is_set(), "at once, without the database"
        woken_here.clear()
        await within(there)
        assert not woken_here.is_set()


async def test_a_listener_that_is_cut_off_comes_back_and_wakes_everybody(
    owner: "Pool", database: str
) -> None:
    async with listening(database) as (_, woken):
        for _ in range(3):
            await owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and application_name = 'headstart listener'"
            )
            await within(woken)
            await owner.execute("select pg_notify($1, $2)", CHANNEL, NEWS)
            await within(woken)


async def test_silence_is_reported(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a transaction pooler: LISTEN is accepted, and nothing ever arrives."""
    monkeypatch.setattr("headstart.store.listener.SELF_TEST_PATIENCE_S", 0.1)
    monkeypatch.setattr(Listener, "_on_notification", lambda *_: None)
    wakeups = Wakeups()
    loop = asyncio.create_task(Listener(database, wakeups).run())
    reported = ""
    async with asyncio.timeout(10):
        while "notifications_do_not_arrive" not in reported:
            await asyncio.sleep(0.01)
            captured = capsys.readouterr()
            reported += captured.out + captured.err
    loop.cancel()
