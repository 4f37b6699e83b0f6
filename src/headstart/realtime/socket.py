"""WebSocket on the port of the web server: the protocol class that uvicorn hands upgrades to.

An ASGI application cannot send a ping, and learns nothing of a reader who is too slow. Here the
frames are read by the sans-I/O protocol of ``websockets``, and written to the transport directly.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from headstart.realtime.connection import Connection
from headstart.realtime.hub import Hub
from headstart.realtime.limits import SOCKET_PATH
from headstart.realtime.protocol.versions import Version, version_asked

BUFFERED_BYTES_MAX = 64 * 1024  # of ours, beyond what the operating system takes
INVALID_TEXT = 1007
FULL_RETRY_S = 30


@dataclass(frozen=True, slots=True)
class Head:
    """A handshake as it came: whoever is at the other end, what they ask for, and all headers."""

    peer: str
    target: str
    headers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a handshake is not answered by a socket."""

    status: HTTPStatus
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Gate(Protocol):
    """Judges handshakes."""

    def judge(self, head: Head) -> str | Refusal:
        """The address of whoever comes; or why not."""
        ...

    def in_vain(self, client: str) -> None:
        """A connection of theirs has ended, and never joined anything."""
        ...


def socket_class(hub: Hub, gate: Gate) -> type[asyncio.Protocol]:
    """What uvicorn's ``ws`` setting wants."""
    return cast(type[asyncio.Protocol], partial(Socket, hub, gate))


class Socket(asyncio.Protocol):
    """One connection, from its handshake on."""

    __slots__ = (
        "_client",
        "_connection",
        "_cut",
        "_gate",
        "_hub",
        "_is_open",
        "_is_text",
        "_open_sockets",
        "_pieces",
        "_protocol",
        "_transport",
        "is_full",
    )

    def __init__(self, hub: Hub, gate: Gate, config: Any, server_state: Any, **_: Any) -> None:
        self._hub = hub
        self._gate = gate
        self._client = ""
        self._open_sockets = server_state.connections
        # No extensions: compression doubles the latency and triples the memory of small frames.
        self._protocol = ServerProtocol(extensions=None, max_size=hub.limits.message_bytes)
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._pieces: list[bytes] = []
        self._is_text = False
        self._cut: asyncio.TimerHandle | None = None
        self._is_open = False  # for what is not the protocol's own
        self.is_full = False

    # --- asyncio -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Taken over from HTTP."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BUFFERED_BYTES_MAX)
        self._open_sockets.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        self._protocol.receive_data(data)
        self._is_open = self._protocol.state is State.OPEN
        self._handle(self._protocol.events_received())
        self._send_out()

    def eof_received(self) -> None:
        """The client sends nothing more."""
        self._protocol.receive_eof()
        self._send_out()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.is_full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_full = False
        if self._connection:
            self._connection.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._is_open = False
        self._open_sockets.discard(self)
        if self._cut:
            self._cut.cancel()
        if self._connection:
            self._connection.lost()
            if not self._connection.has_joined:
                self._gate.in_vain(self._client)

    def shutdown(self) -> None:
        """The server stops. Called by uvicorn."""
        if self._connection:
            self._hub.close_in_turn(self._connection)
        elif self._transport:
            self._transport.close()

    # --- what the connection asks for ----------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Frames that are whole already."""
        if self._is_open and self._transport:
            self._transport.write(data)

    def pause_reading(self, for_s: float) -> None:
        """Let the client wait: it floods us."""
        if self._transport and self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(for_s, self._read_on)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and cut if the other side does not answer."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        self._send_out()
        self._cut_later()

    # --- within --------------------------------------------------------------------------------

    def _read_on(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _handle(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame) and self._connection:
                self._take(self._connection, event)

    def _shake_hands(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        version = version_asked(asked.get("vsn"))
        judged = self._judged(request, path, version)
        if isinstance(judged, Refusal):
            response = self._reject(judged)
        else:
            response = self._protocol.accept(request)
            if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                key = _only(request.headers, "x-api-key") or asked.get("apikey")
                self._connection = self._hub.connect(self, judged, key)
        self._protocol.send_response(response)
        self._send_out()

    def _judged(self, request: Request, path: str, version: Version | None) -> Version | Refusal:
        """The gate comes first: whom it refuses learns nothing else."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        head = Head(peer[0] if peer else "", request.path, list(request.headers.raw_items()))
        judged = self._gate.judge(head)
        if isinstance(judged, Refusal):
            return judged
        self._client = judged
        if path != SOCKET_PATH:
            return Refusal(HTTPStatus.NOT_FOUND, f"Connect to {SOCKET_PATH}.")
        if version is None:
            return Refusal(HTTPStatus.BAD_REQUEST, f"vsn is {' and '.join(Version)}.")
        if self._hub.is_full:
            sentence = f"ConnectionRateLimitReached: retry in {FULL_RETRY_S} s."
            again = {"Retry-After": str(FULL_RETRY_S)}
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence, again)
        return version

    def _reject(self, refusal: Refusal) -> Response:
        response = self._protocol.reject(refusal.status, f"{refusal.sentence}\n")
        for name, value in refusal.headers.items():
            response.headers[name] = value
        return response

    def _take(self, connection: Connection, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                if frame.opcode is not Opcode.CONT:
                    self._is_text = frame.opcode is Opcode.TEXT
                self._pieces.append(bytes(frame.data))
                if frame.fin:
                    self._take_message(connection)
            case Opcode.PONG:
                connection.pong(bytes(frame.data))
            case Opcode.PING | Opcode.CLOSE:
                pass  # answered by the protocol

    def _take_message(self, connection: Connection) -> None:
        message, self._pieces = b"".join(self._pieces), []
        if not self._is_text:
            connection.receive(message)
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._protocol.fail(INVALID_TEXT, "text is UTF-8")
            return
        connection.receive(text)

    def _send_out(self) -> None:
        """What the protocol has to say by itself: the handshake, pongs, goodbyes."""
        self._is_open = self._protocol.state is State.OPEN
        if self._transport is None or self._transport.is_closing():
            return
        for piece in self._protocol.data_to_send():
            if piece:
                self._transport.write(piece)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._protocol.close_expected():
            self._cut_later()

    def _cut_later(self) -> None:
        if self._cut is None and self._transport:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(self._hub.limits.closing_s, self._transport.abort)


def _only(headers: Headers, name: str) -> str | None:
    """A header; one that comes twice fits nothing."""
    return ", ".join(headers.get_all(name)) if name in headers else None
