"""Where the data lives, and that it has one owner.

What lies in a data directory: `cluster` is PostgreSQL's own, `lock` names the owning process,
`server.log` is what the server said, `socket` is where it listens. As root the directory itself
stays root's, so that the server's account cannot turn the lock or the log into a link to something
else; only `cluster` and `socket` are that account's.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headstart.store.embedded.binaries import Account, EmbeddedError, server_account, spawn_as

TAKE_OVER_PATIENCE_S = 35.0  # longer than the watcher takes to end a server by force
POLL_S = 0.01


class InUse(EmbeddedError):
    """Another process owns the directory: it is running, and has the address."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory, and the account that the server in it runs as (None: our own)."""

    path: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    def make_room(self, path: Path) -> None:
        """Make a private directory for the server to work in."""
        path.mkdir(mode=0o700)
        self.give(path)

    def give(self, path: Path) -> None:
        """Make the server's account the owner of a directory of ours."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def pid_on_file(self) -> int:
        """The process that the server's pid file names, or 0. It may be long gone, or another's."""
        try:
            return _number((self.cluster / "postmaster.pid").read_text().partition("\n")[0])
        except OSError:
            return 0

    def is_server(self, pid: int) -> bool:
        """Is this living process the server of this directory?"""
        return str(self.cluster) in _command_of(pid)

    def end_orphan(self, patience_s: float) -> None:
        """Stop a server that has neither owner nor watcher any more. The common case has none."""
        pid, give_up_at = self.pid_on_file(), time.monotonic() + patience_s  # the file goes first
        while self.is_server(pid) and time.monotonic() < give_up_at:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(POLL_S)


def default_data_directory(checkout: Path | None = None) -> Path:
    """Where the data of this checkout (or of the current directory) lives, if nobody says.

    `.headstart/postgres` inside it. Where that cannot be written, or, as root, where the account
    that PostgreSQL runs as cannot reach it (a private home), a stable directory of its own outside:
    root's below /var/lib/headstart, a user's below ~/.local/share/headstart, and if even that
    fails, in /var/tmp.
    """
    root = Path(os.path.abspath(checkout or Path.cwd()))
    account = server_account()
    name = f"postgres-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    shared = Path("/var/lib" if account else os.path.expanduser("~/.local/share"))
    for candidate in (root / ".headstart" / "postgres", shared / "headstart" / name):
        if _is_usable(candidate, account):
            return candidate
    return Path("/var/tmp") / f"headstart-{os.geteuid()}-{name}"


def _is_usable(path: Path, account: Account | None) -> bool:
    """Could the data live here? Asked of the nearest part of the path that exists."""
    existing = next(part for part in (path, *path.parents) if part.exists())
    if existing == path and path.lstat().st_uid != os.geteuid():
        return False
    return os.access(existing, os.W_OK | os.X_OK) and _can_search(account, existing)


def prepare(path: Path, account: Account | None) -> DataDirectory:
    """Make the directory if it is missing, and see that it is ours and can be reached."""
    for part in reversed((path, *path.parents)):
        if not part.exists():
            part.mkdir(exist_ok=True)
            part.chmod(0o711 if account else 0o700)
    owner = path.lstat().st_uid
    if owner != os.geteuid():
        raise EmbeddedError(f"{path} belongs to another user (uid {owner}): choose another")
    entries = os.listdir(path)
    if entries and "lock" not in entries:
        raise EmbeddedError(f"{path} is not empty and was not made by Headstart: choose another")
    if account and not _can_search(account, path):
        raise EmbeddedError(
            f"the account {account.name!r}, which PostgreSQL runs as because root may not, cannot "
            f"reach {path}: choose a directory outside private homes, or set DATABASE_URL"
        )
    return DataDirectory(path, account)


def _can_search(account: Account | None, path: Path) -> bool:
    """Can this account walk to the directory? Asked of the system, which knows every rule."""
    if account is None:
        return os.access(path, os.X_OK)
    question = ["sh", "-c", 'test -x "$0"', str(path)]
    return subprocess.run(question, check=False, **spawn_as(account)).returncode == 0


@contextmanager
def owned(data: DataDirectory) -> Iterator[int]:
    """Hold the directory's lock, and yield its descriptor for the server to inherit: so the
    directory is free only when the owner *and* the last of the server's processes are gone."""
    lock = os.open(data.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(lock, data)
        _write_owner(lock, str(os.getpid()))
        try:
            yield lock
        finally:
            _write_owner(lock, "")
    finally:
        os.close(lock)


def _take(lock: int, data: DataDirectory) -> None:
    """Take the lock, or say who has it. A server whose owner died is stopped and waited for."""
    give_up_at = time.monotonic() + TAKE_OVER_PATIENCE_S
    while not _try_lock(lock):
        owner = _number(os.pread(lock, 32, 0).decode(errors="replace"))
        if _command_of(owner):
            raise InUse(
                f"{data.path} is in use by process {owner}: stop that one, give this one its "
                "address as DATABASE_URL, or choose another directory"
            )
        if time.monotonic() > give_up_at:
            raise EmbeddedError(f"the last server in {data.path} does not stop: see {data.log}")
        data.end_orphan(TAKE_OVER_PATIENCE_S)
        time.sleep(POLL_S)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_owner(lock: int, owner: str) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, owner.encode(), 0)


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _command_of(pid: int) -> str:
    """The command line of a living process; empty for none, and for a zombie."""
    if pid <= 0:
        return ""
    if os.path.exists("/proc/self/cmdline"):
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            return ""
    question = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(question, check=False, capture_output=True, text=True).stdout
