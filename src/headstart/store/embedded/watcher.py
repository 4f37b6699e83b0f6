"""Keep one PostgreSQL server alive exactly as long as its owner.

`server` starts this file as a program of its own; nobody imports it. Standard input is one end
of a pipe whose other end only the owner holds. A byte, or the end of file that even `kill -9` of
the owner causes, means: shut the server down. A server that was itself killed is started again.

It lives in a session of its own, so that a Ctrl-C in the terminal reaches the owner only and the
order of stopping stays the owner's. Standard library only, so that it starts at once.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

RESTARTS_MAX = 100
RESTART_PAUSE_S = 0.1

# Fast shutdown rolls open transactions back; immediate leaves the rest to the next start's WAL.
ENDINGS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class Watcher:
    """One server process, restarted when it is killed, ended when the owner is gone."""

    def __init__(self, command: Sequence[str], *, cluster: str, lock: int, account: str) -> None:
        self.command = command
        self.pid_file = os.path.join(cluster, "postmaster.pid")
        self.lock = lock
        self.account = [int(number) for number in account.split(":")] if account else None
        self.stopping = False
        self.server: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until told to stop, or until the server ends by itself; return its exit status."""
        threading.Thread(target=self.end_when_told, daemon=True).start()
        status = 1
        for _ in range(RESTARTS_MAX):
            status = self.serve_once()
            if self.stopping or not self.was_killed():
                break
            time.sleep(RESTART_PAUSE_S)
        return status

    def serve_once(self) -> int:
        self.server = server = self.start()
        if self.stopping:  # told to stop while it was being started
            server.send_signal(signal.SIGINT)
        return server.wait()

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the server. It inherits the owner's lock, which so outlives the last backend."""
        user, group = self.account or (None, None)
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            cwd="/",
            pass_fds=(self.lock,),
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    def was_killed(self) -> bool:
        """A server that ends by itself removes its pid file; one that was killed leaves it."""
        return os.path.exists(self.pid_file)

    def end_when_told(self) -> None:
        os.read(0, 1)
        self.end()

    def end(self) -> None:
        """Stop the server, politely first. Safe to call twice."""
        self.stopping = True
        for number, patience_s in ENDINGS:
            if self.server is None:
                return
            self.server.send_signal(number)
            try:
                self.server.wait(patience_s)
                return
            except subprocess.TimeoutExpired:
                continue

    def on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        # In a thread: the handler interrupts the wait in `serve_once`, which must go on.
        threading.Thread(target=self.end, daemon=True).start()


def _remove_socket_directory(directory: str) -> None:
    """Remove a temporary socket directory, also when its owner no longer can."""
    try:
        for entry in os.listdir(directory):
            os.unlink(os.path.join(directory, entry))
        os.rmdir(directory)
    except OSError:
        pass


def main(arguments: Sequence[str]) -> int:
    """Arguments: the cluster, the lock's descriptor, 'uid:gid' to run the server as or '', a socket
    directory to remove at the end or '', and then the server's command."""
    cluster, lock, account, leftover, *command = arguments
    watcher = Watcher(command, cluster=cluster, lock=int(lock), account=account)
    signal.signal(signal.SIGTERM, watcher.on_terminate)
    try:
        return watcher.run()
    finally:
        if leftover:
            _remove_socket_directory(leftover)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
