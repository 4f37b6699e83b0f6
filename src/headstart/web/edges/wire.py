"""HTTP/1.1 on the wire, with bounds on what is not yet a request: uvicorn itself has none.

A head that never ends would fill the memory, and one that comes in drops would hold a connection
for ever, both before any application is asked.
"""

from asyncio import Transport
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

UNREAD_BYTES_MAX = 64 * 1024  # more than uvicorn reads at once, and than the gate allows in a head
HEAD_PATIENCE_S = 10.0


class CarefulProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unread = 0
        self._waiting: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Somebody may begin to speak."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody speaks any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless too much came that is neither a whole head nor a body."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > UNREAD_BYTES_MAX and not self.transport.is_closing():
            self._hang_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """A whole head."""
        self._unread = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body; its size is for the application to limit."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request."""
        self._unread = 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From here on it is the socket's connection."""
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def _wait_for_head(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_PATIENCE_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self._hang_up(HTTPStatus.REQUEST_TIMEOUT)

    def _hang_up(self, status: HTTPStatus) -> None:
        """Say why, if a request has begun and no answer has, and end the connection."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        answering = cycle is not None and not cycle.response_complete
        if self._unread and not answering:
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            self.transport.write(f"{line}content-length: 0\r\nconnection: close\r\n\r\n".encode())
        self.transport.close()
