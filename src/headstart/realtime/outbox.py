"""The one writer of a connection: a bounded queue, and pings that prove what has arrived.

Thousands are told the same in one go: nothing is made or scheduled here for a frame that can be
written at once. All that a frame passes on its way to the transport (``Channel``, ``Connection``,
``Outbox``, ``Socket``) has slots: what belongs to one listener then lies together in memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from headstart.app.ports import Cursor
from headstart.realtime.wire import PING_BYTES, PING_HEAD


class Listener(Protocol):
    """Whoever wants to know what has arrived of theirs."""

    def arrived(self, cursor: Cursor) -> None:
        """Everything of theirs up to here has reached the other side."""
        ...


class Pipe(Protocol):
    """The way out. ``is_full`` while the other side reads too slowly."""

    @property
    def is_full(self) -> bool:
        """Nothing should be written now."""
        ...

    def write(self, data: bytes) -> None:
        """Never blocks."""
        ...


class Outbox:
    """Writes at once, or as soon as there is room. Never blocks whoever puts something in."""

    __slots__ = (
        "_asked",
        "_closed",
        "_frames_max",
        "_on_overflow",
        "_payload",
        "_pings",
        "_pipe",
        "_room",
        "_unproved",
        "_waiting",
    )

    def __init__(self, pipe: Pipe, frames_max: int, on_overflow: Callable[[], None]) -> None:
        self._pipe = pipe
        self._frames_max = frames_max
        self._on_overflow = on_overflow
        self._waiting: deque[tuple[bytes, Listener | None, Cursor | None]] = deque()
        self._closed = False
        self._unproved: dict[Listener, Cursor] = {}
        self._asked: Mapping[Listener, Cursor] | None = None
        self._pings = 0
        self._payload = b""
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_empty(self) -> bool:
        """Everything was written."""
        return not self._waiting

    @property
    def awaits_pong(self) -> bool:
        """A ping is on its way. There is one at a time."""
        return self._asked is not None

    def put(
        self, data: bytes, listener: Listener | None = None, cursor: Cursor | None = None
    ) -> None:
        """One frame, with the place in the log that its arrival proves."""
        if self._closed:
            return
        if self._waiting or self._pipe.is_full:
            self._wait_in_line(data, listener, cursor)
            return
        if listener is not None and cursor is not None:
            if self._asked is None:
                data += self._question({**self._unproved, listener: cursor})
            else:
                self._unproved[listener] = cursor
        self._pipe.write(data)

    def _wait_in_line(self, data: bytes, listener: Listener | None, cursor: Cursor | None) -> None:
        if len(self._waiting) >= self._frames_max:
            self._closed = True
            self._on_overflow()
        else:
            self._waiting.append((data, listener, cursor))

    async def room(self) -> None:
        """Wait until nothing waits: for those who have much to say and can take their time."""
        if len(self._waiting) * 2 >= self._frames_max:
            self._room.clear()
            await self._room.wait()

    def flush(self) -> None:
        """Write what waits in one go, and ask for a proof that it arrived."""
        if self._closed or self._pipe.is_full:
            return
        pieces = []
        for data, listener, cursor in self._waiting:
            pieces.append(data)
            if listener is not None and cursor is not None:
                self._unproved[listener] = cursor
        self._waiting.clear()
        self._room.set()
        if self._unproved and self._asked is None:
            pieces.append(self._question(self._unproved))
        if pieces:
            self._pipe.write(b"".join(pieces))

    def ping(self, places: Mapping[Listener, Cursor]) -> None:
        """Is anybody there? If so, these have arrived too. To be asked with nothing waiting."""
        if self._asked is None and not self._closed:
            self._pipe.write(self._question({**places, **self._unproved}))

    def pong(self, payload: bytes) -> None:
        """The answer to a ping; all that was written before it has arrived."""
        if self._asked is None or payload != self._payload:
            return
        arrived, self._asked = self._asked, None
        for listener, cursor in arrived.items():
            listener.arrived(cursor)
        if self._unproved and not self._closed:
            self._pipe.write(self._question(self._unproved))

    def close(self) -> None:
        """Nothing more is written."""
        self._closed = True
        self._waiting.clear()

    def _question(self, places: Mapping[Listener, Cursor]) -> bytes:
        self._asked = places
        if self._unproved:
            self._unproved = {}
        self._pings += 1
        self._payload = self._pings.to_bytes(PING_BYTES)
        return PING_HEAD + self._payload
