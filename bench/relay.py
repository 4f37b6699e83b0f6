"""``python -m bench.relay SERVER DOOR DELAY``: a wire between two sockets that takes its time.

A program of its own, so that it does not compete with what is measured for the interpreter.
"""

import os
import socket
import sys
import threading
import time
from contextlib import suppress

CHUNK_BYTES = 65_536


def main(server: str, door: str, delay_s: float) -> None:
    """Until it is ended."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(unready := f"{door}.unready")
        listening.listen()
        os.rename(unready, door)  # who sees the door may knock
        while True:
            near, _ = listening.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(server)
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(*ends, delay_s), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            time.sleep(delay_s)
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
