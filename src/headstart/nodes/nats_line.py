"""Wake-ups between processes by NATS: hints only, like those by LISTEN and NOTIFY.

Nothing that counts is in a message: whoever misses one looks a little later, since all poll. So
there is nothing to store, nothing to acknowledge, and any server of a cluster will do.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from headstart.app.wakeups import Wakeups

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

SUBJECT = "headstart.news"
CONNECT_S = 2
PING_S, PINGS_UNANSWERED = 5, 2  # a server that is gone without a word is noticed by this
FLUSH_S = 5
RETRY_S = 0.25  # then the next server

log = structlog.get_logger()


class NatsLine:
    """Turns announcements into messages, and others' messages into wake-ups."""

    def __init__(self, servers: Sequence[str], wakeups: Wakeups, process: UUID) -> None:
        self._servers = deque(servers)
        self._wakeups = wakeups
        self._process = process.bytes
        self._to_tell = asyncio.Event()
        self.is_connected = False
        wakeups.tell_others = self._to_tell.set

    async def run(self) -> None:
        """Until cancelled. Reconnects for ever; while cut off, polling keeps every promise."""
        while True:
            try:
                await self._serve(self._servers[0])
            except Exception as error:  # whatever it is, polling goes on and so must this
                log.warning("nats_cut_off", error=f"{type(error).__name__}: {error}")
            self.is_connected = False
            if _is_cancelled():
                raise asyncio.CancelledError
            self._servers.rotate(-1)
            await asyncio.sleep(RETRY_S)

    async def _serve(self, server: str) -> None:
        """Until the connection ends. The client would come back by itself; that it hears again what
        is said is certain only with a new one."""
        client = _careful_client()
        try:
            await self._connect(client, server)
            await client.subscribe(SUBJECT, cb=self._on_message)
            for _ in range(2):  # the client's first question may overtake what waits to be sent
                await client.flush(FLUSH_S)
            self.is_connected = True
            self._wakeups.wake()  # whatever was said before
            while client.is_connected and not _is_cancelled():
                if await self._is_to_tell():
                    await client.publish(SUBJECT, self._process)
                    await client.flush(FLUSH_S)  # what is announced meanwhile is told in one
        finally:
            self._to_tell.set()  # perhaps it was not told: it is, once there is somebody to tell
            with suppress(Exception):
                await client.close()  # also what never got further than the beginning

    async def _is_to_tell(self) -> bool:
        """Waits until it is, or until it is time to see whether the line still holds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PING_S):
                await self._to_tell.wait()
                self._to_tell.clear()
                return True
        return False

    async def _connect(self, client: "Client", server: str) -> None:
        await client.connect(
            [server],
            name="headstart",
            no_echo=True,
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            ping_interval=PING_S,
            max_outstanding_pings=PINGS_UNANSWERED,
            error_cb=_reported,
            closed_cb=self._on_end,
        )

    async def _on_message(self, message: "Msg") -> None:
        if message.data != self._process:
            self._wakeups.wake()

    async def _on_end(self) -> None:
        self.is_connected = False
        self._to_tell.set()


def _careful_client() -> "Client":
    """Theirs encrypts where the server asks for it, whatever the address says: somebody in between
    would only have to leave that out."""
    from nats.aio.client import Client
    from nats.errors import SecureConnRequiredError

    class CarefulClient(Client):
        def _connect_command(self) -> bytes:
            server = self._current_server
            if server and server.uri.scheme == "tls" and not self._server_info.get("tls_required"):
                raise SecureConnRequiredError
            return super()._connect_command()

    return CarefulClient()


def _is_cancelled() -> bool:
    """Asked, because the client keeps to itself that it was, while it writes."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _reported(error: Exception) -> None:
    """The end of the connection is reported, too."""
    log.info("nats_says", error=f"{type(error).__name__}: {error}")
