"""Wake-ups between processes by LISTEN and NOTIFY: one listening connection each, hints only.

A hint is sent on its own, never inside a request's transaction (commits with a pending NOTIFY
queue on one lock), many commits share one, and polling stands behind all of it.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
import structlog

from headstart.app.wakeups import Wakeups
from headstart.store.postgres import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from headstart.store.postgres import Connection

CHANNEL = "headstart"
NEWS = "news"
SELF_TEST = "self-test"
SELF_TEST_S = 30.0  # silence is the failure, so it is tested for
SELF_TEST_PATIENCE_S = 5.0
RECONNECT_S = 0.5

log = structlog.get_logger()


class Listener:
    """Turns announcements into notifications, and others' notifications into wake-ups."""

    def __init__(self, dsn: str, wakeups: Wakeups) -> None:
        self._dsn = dsn
        self._wakeups = wakeups
        self._to_tell = asyncio.Event()
        self._heard = asyncio.Event()
        wakeups.tell_others = self._to_tell.set

    async def run(self) -> None:
        """Until cancelled. Reconnects for ever; while cut off, polling keeps every promise."""
        while True:
            try:
                await self._serve()
            except Exception as error:  # whatever it is, polling goes on and so must this
                log.warning("listener_cut_off", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(RECONNECT_S)

    async def _serve(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={"application_name": "headstart listener"},
        )
        try:
            connection.add_termination_listener(lambda *_: self._to_tell.set())
            await connection.add_listener(CHANNEL, self._on_notification)
            self._wakeups.wake()  # whatever was said while nobody listened
            await self._self_test(connection)
            while True:
                await self._tell_when_needed(connection)
        finally:
            with suppress(Exception):
                await connection.close(timeout=1)

    async def _tell_when_needed(self, connection: "Connection") -> None:
        try:
            async with asyncio.timeout(SELF_TEST_S):
                await self._to_tell.wait()
        except TimeoutError:
            await self._self_test(connection)
            return
        self._to_tell.clear()
        if connection.is_closed():
            raise ConnectionError("the connection was cut")
        await connection.execute("select pg_notify($1, $2)", CHANNEL, NEWS)

    async def _self_test(self, connection: "Connection") -> None:
        """A pooler swallows notifications without an error: say so, once per test."""
        self._heard.clear()
        await connection.execute("select pg_notify($1, $2)", CHANNEL, SELF_TEST)
        try:
            async with asyncio.timeout(SELF_TEST_PATIENCE_S):
                await self._heard.wait()
        except TimeoutError:
            log.warning("notifications_do_not_arrive", cure="set HEADSTART_LISTEN_URL")

    def _on_notification(
        self,
        connection: "Connection | asyncpg.pool.PoolConnectionProxy",
        pid: int,
        _: str,
        payload: object,
    ) -> None:
        """Our own words come back as well: they prove that notifications arrive, no more."""
        if pid == connection.get_server_pid():
            self._heard.set()
        elif payload == NEWS:
            self._wakeups.wake()
