"""From a directory to an address and back: create the cluster, start the server, stop it."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import asyncpg

from headstart.store.embedded.binaries import (
    Binaries,
    EmbeddedError,
    bindir,
    server_account,
    spawn_as,
)
from headstart.store.embedded.directory import DataDirectory, owned, prepare

NAME = "headstart"  # of the role and of the database
PORT = 5432  # only part of the socket's file name

START_PATIENCE_S = 60.0  # recovery of a large WAL is part of a start
STOP_PATIENCE_S = 35.0  # longer than the watcher takes to end a server by force
POLL_S = 0.01

SOCKET_PATH_BYTES_MAX = 80  # the platforms' limit is 104, and the file name comes on top
SOCKET_PATH_PLAIN = re.compile(r"[\w /.@+-]+", re.ASCII)  # a comma would mean two directories

# The caller's settings override these. Time zones: the same words mean the same everywhere.
OUR_SETTINGS = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # a refused statement is its client's affair, not the log's
    "log_checkpoints": "off",
}


@contextmanager
def running(
    data_directory: Path, *, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Run PostgreSQL on this directory for as long as the block lasts, and yield its address.

    The directory is made when it is missing, and so is the database. Durable unless `settings` say
    otherwise. `EmbeddedError` when it cannot run, in one sentence that names the way out.
    """
    with ExitStack() as stack:
        try:
            address = stack.enter_context(_running(Path(data_directory), settings))
        except OSError as error:
            raise EmbeddedError(f"cannot run PostgreSQL in {data_directory}: {error}") from error
        yield address


@contextmanager
def _running(path: Path, settings: Mapping[str, str]) -> Iterator[str]:
    account = server_account()
    data = prepare(Path(os.path.abspath(path)), account)
    with owned(data) as lock:
        binaries = bindir(account)
        _create_cluster(data, binaries, sync=settings.get("fsync") != "off")
        with _socket_directory(data) as sockets:
            command = _command(data, binaries, sockets, settings)
            with _served(data, command, sockets, lock):
                yield _address(sockets)


def _address(sockets: Path, database: str = NAME) -> str:
    return f"postgresql://{NAME}@/{database}?host={quote(str(sockets))}&port={PORT}"


# --- the cluster -----------------------------------------------------------------------------


def _create_cluster(data: DataDirectory, binaries: Binaries, *, sync: bool) -> None:
    """Create the cluster if it is missing. It appears by one rename, whole or not at all."""
    if data.cluster.exists():
        _check_version(data.cluster, binaries)
        return
    fresh = data.path / "cluster.new"
    if fresh.exists():  # an earlier attempt was cut short
        shutil.rmtree(fresh)
    data.make_room(fresh)
    _initdb(data, binaries, fresh, sync=sync)
    fresh.rename(data.cluster)
    if sync:
        _sync(data.path)


def _check_version(cluster: Path, binaries: Binaries) -> None:
    try:
        made_by = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedError(f"{cluster} is not a PostgreSQL directory: move it away") from None
    if made_by != str(binaries.major):
        raise EmbeddedError(
            f"{cluster} was made by PostgreSQL {made_by} and this is PostgreSQL {binaries.major}: "
            "move the directory away to begin anew, or set DATABASE_URL to a server that reads it"
        )


def _initdb(data: DataDirectory, binaries: Binaries, cluster: Path, *, sync: bool) -> None:
    """Run initdb: UTF-8, one sort order on every machine, no way in but the private socket."""
    initdb = [str(binaries.directory / "initdb"), "-D", str(cluster), "-U", NAME]
    options = ["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject"]
    if binaries.major >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not sync:
        options += ["--no-sync"]
    made = subprocess.run(
        [*initdb, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=_environment(),
        **spawn_as(data.account),
    )
    if made.returncode != 0:
        raise EmbeddedError(f"initdb failed: {_last_words(made.stderr)}")


def _sync(directory: Path) -> None:
    """Make a rename in this directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    """Our environment without what would steer the server, and with its messages in English."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _last_words(said: str) -> str:
    """The line that tells why a program gave up."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return (telling or lines or ["it said nothing"])[-1]


# --- the server ------------------------------------------------------------------------------


@contextmanager
def _socket_directory(data: DataDirectory) -> Iterator[Path]:
    """A private directory for the socket: with the data, or, where that path is too long for a
    socket or has characters that an address cannot carry, a short temporary one."""
    own = data.path / "socket"
    if len(os.fsencode(own)) < SOCKET_PATH_BYTES_MAX and SOCKET_PATH_PLAIN.fullmatch(str(own)):
        if not own.exists():
            data.make_room(own)
        yield own
        return
    temporary = Path(tempfile.mkdtemp(prefix="headstart-", dir="/tmp"))
    try:
        data.give(temporary)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _command(
    data: DataDirectory, binaries: Binaries, sockets: Path, settings: Mapping[str, str]
) -> list[str]:
    ours = {"unix_socket_directories": f'"{sockets}"', "port": str(PORT)}
    command = [str(binaries.directory / "postgres"), "-D", str(data.cluster)]
    for name, value in {**OUR_SETTINGS, **settings, **ours}.items():
        command += ["-c", f"{name}={value}"]
    return command


@contextmanager
def _served(data: DataDirectory, command: list[str], sockets: Path, lock: int) -> Iterator[None]:
    """Start the server under its watcher, and stop it at the end of the block."""
    theirs, mine = os.pipe()
    try:
        watcher = _start_watcher(data, command, sockets, lock, pipe=theirs)
    except BaseException:
        os.close(mine)
        raise
    finally:
        os.close(theirs)
    try:
        _wait_until_ready(watcher, data, sockets)
        yield
    finally:
        _stop(watcher, data, pipe=mine)


def _start_watcher(
    data: DataDirectory, command: list[str], sockets: Path, lock: int, *, pipe: int
) -> "subprocess.Popen[bytes]":
    account = f"{data.account.uid}:{data.account.gid}" if data.account else ""
    leftover = "" if sockets.parent == data.path else str(sockets)
    program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("watcher.py"))]
    if data.log.exists():
        data.log.replace(data.log.with_suffix(".log.1"))
    with data.log.open("wb") as log:
        return subprocess.Popen(
            [*program, str(data.cluster), str(lock), account, leftover, *command],
            stdin=pipe,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment() | _overlooking_stale_pid(data),
            pass_fds=(lock,),
            start_new_session=True,
        )


def _overlooking_stale_pid(data: DataDirectory) -> dict[str, str]:
    """A pid file left by a kill may by now name somebody else's process, and the server would
    refuse to start beside it. This variable makes it overlook that one process; its own check, by
    shared memory, that no server is left in the directory stays in force."""
    pid = data.pid_on_file()
    return {} if data.is_server(pid) else {"PG_GRANDPARENT_PID": str(pid)}


def _stop(watcher: "subprocess.Popen[bytes]", data: DataDirectory, *, pipe: int) -> None:
    """Stop the server and wait for it. A second interruption cannot leave it behind: by then the
    pipe is closed. Nor can the watcher's death."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, b".")  # a copy of the pipe in a forked child would hold back end of file
    os.close(pipe)
    try:
        watcher.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        watcher.kill()
        watcher.wait()
    data.end_orphan(STOP_PATIENCE_S)


def _wait_until_ready(
    watcher: "subprocess.Popen[bytes]", data: DataDirectory, sockets: Path
) -> None:
    """Ready is what answers a real connection: a pid file only says that something once ran."""
    give_up_at = time.monotonic() + START_PATIENCE_S
    with ThreadPoolExecutor(1) as aside:  # the caller may be inside an event loop
        while not aside.submit(asyncio.run, _answers(sockets)).result():
            if watcher.poll() is not None:
                said = _last_words(data.log.read_text(errors="replace"))
                raise EmbeddedError(f"PostgreSQL did not start: {said} (its log: {data.log})")
            if time.monotonic() > give_up_at:
                raise EmbeddedError(f"PostgreSQL does not answer; its log: {data.log}")
            time.sleep(POLL_S)


async def _answers(sockets: Path) -> bool:
    """Does the server take connections? Then see that our database is there."""
    try:
        connection = await asyncpg.connect(_address(sockets, "postgres"), timeout=5)
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
        return False
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", NAME):
            await connection.execute(f"create database {NAME}")
    finally:
        await connection.close()
    return True
