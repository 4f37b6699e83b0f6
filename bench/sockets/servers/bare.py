"""No library and no loop: one ``send`` after another, on plain sockets. Nobody can be much faster,
and whoever counts what arrives must keep up with this.
"""

import base64
import hashlib
import json
import socket
import sys
import time
from typing import BinaryIO

from bench.sockets.servers import EVENT

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BACKLOG = 4096


def main(port: int) -> None:
    """Until it is killed. Whoever is here is told what is posted, and sends nothing."""
    listeners: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as door:
        while True:
            visitor, _ = door.accept()
            asking = visitor.makefile("rb")
            verb, fields = asking.readline()[:4], _fields(asking)
            if verb == b"POST":
                frame = _frame(json.loads(asking.read(int(fields[b"content-length"]))))
                began_s = time.time()
                _tell(listeners, frame)
                _answer(visitor, began_s)
            elif verb:
                visitor.sendall(_welcome(fields[b"sec-websocket-key"]))
                listeners.append(visitor)


def _tell(listeners: list[socket.socket], frame: bytes) -> None:
    for one in listeners:
        one.send(frame)


def _frame(payload: object) -> bytes:
    text = json.dumps({"event": EVENT, "payload": payload}, separators=(",", ":")).encode()
    return b"\x81\x7e" + len(text).to_bytes(2) + text


def _answer(visitor: socket.socket, began_s: float) -> None:
    text = json.dumps({"began_s": began_s}).encode()
    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
    visitor.close()


def _fields(asking: BinaryIO) -> dict[bytes, bytes]:
    """Of the head, in small letters."""
    lines = iter(lambda: asking.readline().strip(), b"")
    pairs = (line.partition(b":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in pairs}


def _welcome(key: bytes) -> bytes:
    digest = hashlib.sha1(key + ACCEPT, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
