"""``python -m bench.sockets.listeners PORT PATH EVENT``: thousands of WebSocket clients.

One process, one loop over epoll, and nothing done for a message but to look for the event in it and
note the time: so that it keeps up with any server. Pings are answered once nothing is left to be
read, a few at a time, since real listeners do not wait for each other. Commands come as lines of
JSON on the standard input, and each is answered by a line.
"""

import gc
import json
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

AT_ONCE = 64  # are on their way in at a time
READ_BYTES = 65_536
ANSWERED_AT_ONCE = 16  # pings, before it is looked again who has heard something
PATIENCE_S = 90.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = bytes(4)  # leaves everything as it is
SMALLEST_SEGMENT, SMALLEST_BUFFER = 536, 1  # so that a client who does not read is soon full
ENGINE_PING, ENGINE_PONG = b"2", b"3"  # of Socket.IO, in texts of its own

Goal = Callable[[], dict[str, Any] | None]


@dataclass(slots=True)
class Client:
    """One connection. ``hello`` goes out once it stands; ``ready`` is in what comes back."""

    socket: socket.socket
    hello: str
    ready: bytes
    rest: bytes = b""
    is_upgraded: bool = False
    is_ready: bool = False


class Listeners:
    """All of them, and what they have heard since it was asked last."""

    def __init__(self, port: int, path: str, event: str) -> None:
        self._port, self._path, self._event = port, path, f'"{event}"'.encode()
        self._epoll = select.epoll()
        self._epoll.register(0, select.EPOLLIN)
        self._clients: dict[int, Client] = {}
        self._stalled: list[Client] = []
        self._answers: deque[tuple[Client, int, bytes]] = deque()
        self._commands = b""
        self._goal: Goal | None = None
        self._give_up_at_s = 0.0
        self._coming: Iterator[str] = iter(())
        self._ready = 0
        self._heard_s: list[float] = []
        self._sample = b""
        self._worked_s = 0.0

    def run(self) -> None:
        """Until the input ends."""
        while True:
            if (answer := self._reached()) is not None:
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
            events = self._epoll.poll(0 if self._answers else 0.05)
            if not events:
                self._answer_pings()
            for number, _ in events:
                if number:
                    self._read(self._clients[number])
                elif not self._obey():
                    return

    # --- orders --------------------------------------------------------------------------------

    def _obey(self) -> bool:
        data = os.read(0, READ_BYTES)
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            self._give_up_at_s = time.time() + PATIENCE_S
            self._goal = getattr(self, f"_{command.pop('do')}")(**command)
        return bool(data)

    def _reached(self) -> dict[str, Any] | None:
        answer = self._goal() if self._goal else None
        if self._goal and answer is None and time.time() > self._give_up_at_s:
            heard, ready, of = len(self._heard_s), self._ready, len(self._clients)
            answer = {"error": f"{ready} of {of} are in, and {heard} have heard it"}
        if answer is not None:
            self._goal = None
        return answer

    def _connect(self, hellos: Sequence[str], ready: str) -> Goal:
        """Come in, so many at a time, until all are ready."""
        began_s, want = time.time(), self._ready + len(hellos)
        self._coming = iter(hellos)
        self._marker = ready.encode()
        for _ in range(AT_ONCE):
            self._next()
        return lambda: {"spent_s": time.time() - began_s} if self._ready == want else None

    def _listen(self) -> Goal:
        """From now on count who hears the event: the answer comes when everybody has."""
        self._heard_s.clear()
        self._worked_s = time.process_time()
        sys.stdout.write("{}\n")
        sys.stdout.flush()
        return lambda: self._all_heard() if len(self._heard_s) >= len(self._clients) else None

    def _all_heard(self) -> dict[str, Any]:
        worked_s = time.process_time() - self._worked_s
        return {
            "heard_s": sorted(self._heard_s),
            "worked_s": worked_s,
            "sample": _text(self._sample),
        }

    def _stall(self, hello: str, ready: str) -> Goal:
        """One more, which reads until it is in, and never again."""
        client = Client(self._knock(is_small=True), hello, ready.encode())
        self._stalled.append(client)
        while not client.is_ready:
            self._take(client, client.socket.recv(READ_BYTES))
        self._ready -= 1
        return lambda: {}

    # --- connections ---------------------------------------------------------------------------

    def _next(self) -> None:
        hello = next(self._coming, None)
        if hello is not None:
            knocking = self._knock()
            self._clients[knocking.fileno()] = Client(knocking, hello, self._marker)
            self._epoll.register(knocking.fileno(), select.EPOLLIN)

    def _knock(self, *, is_small: bool = False) -> socket.socket:
        knocking = socket.socket()
        if is_small:
            knocking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
            knocking.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALLEST_SEGMENT)
        knocking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        knocking.connect(("127.0.0.1", self._port))
        knocking.send(UPGRADE.format(path=self._path, port=self._port).encode())
        return knocking

    def _read(self, client: Client) -> None:
        data = client.socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError(f"a connection was closed; {self._ready} are in")
        self._take(client, data)

    def _take(self, client: Client, data: bytes) -> None:
        data = client.rest + data if client.rest else data
        if not client.is_upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                client.rest = head
                return
            if b" 101 " not in head[:20]:
                raise RuntimeError(f"refused: {head.decode()} {data.decode()}")
            client.is_upgraded = True
            self._greet(client)
        at = 0
        while (frame := _frame(data, at)) is not None:
            opcode, begin, at = frame
            self._hear(client, opcode, data[begin:at])
        client.rest = data[at:]

    def _greet(self, client: Client) -> None:
        if client.hello:
            client.socket.send(_masked(TEXT, client.hello.encode()))
        if not client.ready:
            self._is_in(client)

    def _is_in(self, client: Client) -> None:
        client.is_ready = True
        self._ready += 1
        self._next()

    def _hear(self, client: Client, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._answers.append((client, PONG, payload))
        elif payload == ENGINE_PING:
            self._answers.append((client, TEXT, ENGINE_PONG))
        elif opcode == CLOSE:
            raise RuntimeError(f"a connection was closed: {payload!r}; {self._ready} are in")
        elif not client.is_ready:
            if client.ready in payload:
                self._is_in(client)
        elif self._event in payload:
            self._heard_s.append(time.time())
            self._sample = payload

    def _answer_pings(self) -> None:
        for _ in range(min(ANSWERED_AT_ONCE, len(self._answers))):
            client, opcode, payload = self._answers.popleft()
            client.socket.send(_masked(opcode, payload))


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, where the payload begins and where it ends; None when it is not all there."""
    if len(data) < at + 2:
        return None
    length, begin = data[at + 1], at + 2
    if length >= 126:
        begin += 2 if length == 126 else 8
        if len(data) < begin:
            return None
        length = int.from_bytes(data[at + 2 : begin])
    return (data[at] & 15, begin, begin + length) if begin + length <= len(data) else None


def _masked(opcode: int, payload: bytes) -> bytes:
    short = len(payload) < 126
    head = struct.pack(">BB", 0x80 | opcode, 0x80 | (len(payload) if short else 126))
    return b"".join([head, b"" if short else struct.pack(">H", len(payload)), MASK, payload])


def _text(payload: bytes) -> str:
    return payload.decode(errors="replace")


if __name__ == "__main__":
    gc.disable()  # a pause of thousands of clients would count as the server's
    Listeners(int(sys.argv[1]), sys.argv[2], sys.argv[3]).run()
