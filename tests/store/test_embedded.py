"""Embedded PostgreSQL: every way in which its owner, its server or its directory can go wrong.

Servers here are started and killed for real. The one directory that most tests share is made once.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg
import pytest

from headstart.store.embedded import (
    EmbeddedError,
    default_data_directory,
    running,
    server,
)
from headstart.store.embedded.binaries import Binaries, bindir, server_account, spawn_as
from headstart.store.embedded.directory import DataDirectory

QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
PATIENCE_S = 20.0
IS_ROOT = os.geteuid() == 0

OWNER = """
import sys
from pathlib import Path
from headstart.store.embedded import running

with running(Path(sys.argv[1]), settings=dict(fsync="off")) as dsn:
    print(dsn, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A short temporary path that, as root, the server's account can reach; pytest's is private."""
    with tempfile.TemporaryDirectory(prefix="hs-", dir="/tmp") as made:
        os.chmod(made, 0o711)
        yield Path(made)


@pytest.fixture(scope="module")
def data(place: Path) -> DataDirectory:
    """A data directory with a cluster in it, and with no server."""
    made = DataDirectory(place / "shared", server_account())
    with running(made.path, settings=QUICK):
        pass
    return made


@contextmanager
def owner_of(data: DataDirectory) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that owns the directory's server, in a process group of its own."""
    command = [sys.executable, "-c", OWNER, str(data.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as owner:
        assert owner.stdout is not None
        try:
            yield owner, owner.stdout.readline().strip()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(owner.pid, signal.SIGKILL)


async def ask(dsn: str, question: str) -> str:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return str(await connection.fetchval(question))
    finally:
        await connection.close()


async def note(dsn: str, word: str) -> None:
    await ask(dsn, "create table if not exists notes (word text primary key)")
    await ask(dsn, f"insert into notes values ('{word}') on conflict do nothing")


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.01)


def watcher_of(server: int) -> int:
    """The process that started the server."""
    try:
        _, _, after_name = Path(f"/proc/{server}/stat").read_text().rpartition(")")
        return int(after_name.split()[1])
    except FileNotFoundError:
        listed = ["ps", "-o", "ppid=", "-p", str(server)]
        return int(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)


# --- what it promises ------------------------------------------------------------------------


async def test_a_fresh_directory_yields_a_server_with_our_database(place: Path) -> None:
    with running(place / "with a space", settings=QUICK | {"max_connections": "7"}) as dsn:
        assert await ask(dsn, "select current_database()") == "headstart"
        assert await ask(dsn, "show server_encoding") == "UTF8"
        assert await ask(dsn, "show timezone") == "UTC"
        assert await ask(dsn, "select 'Z' < 'a' and 'z' < 'ä'") == "True"
        assert await ask(dsn, "show max_connections") == "7"
        assert await ask(dsn, "show fsync") == "off"


async def test_it_is_durable_and_off_the_network_unless_told(data: DataDirectory) -> None:
    with running(data.path) as dsn:
        assert await ask(dsn, "show fsync") == "on"
        assert await ask(dsn, "show full_page_writes") == "on"
        assert await ask(dsn, "show synchronous_commit") == "on"
        assert await ask(dsn, "show listen_addresses") == ""


async def test_a_path_that_no_address_can_carry_gets_its_socket_elsewhere(place: Path) -> None:
    path = place / ("ümläut, comma" + "l" * 100)
    with running(path, settings=QUICK) as dsn:
        assert await ask(dsn, "select 1") == "1"
        sockets = Path(unquote(dsn.partition("host=")[2].partition("&")[0]))
        assert sockets.parent == Path("/tmp")
        assert os.listdir(sockets)
    assert sockets.name not in os.listdir("/tmp")


async def test_data_outlives_the_server(data: DataDirectory) -> None:
    with running(data.path) as dsn:
        await note(dsn, "kept")
    with running(data.path) as dsn:
        assert await ask(dsn, "select word from notes where word = 'kept'") == "kept"


async def test_a_dropped_database_is_made_again(data: DataDirectory) -> None:
    with running(data.path, settings=QUICK) as dsn:
        await ask(dsn.replace("/headstart?", "/postgres?"), "drop database headstart")
    with running(data.path, settings=QUICK) as dsn:
        assert await ask(dsn, "select current_database()") == "headstart"


async def test_the_environment_does_not_steer_the_server(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere"}.items():
        monkeypatch.setenv(name, value)
    with running(data.path, settings=QUICK) as dsn:
        assert await ask(dsn, "show port") == "5432"


def test_a_wrong_setting_is_named(data: DataDirectory) -> None:
    with (
        pytest.raises(EmbeddedError, match=r"did not start: .*max_connections"),
        running(data.path, settings={"max_connections": "many"}),
    ):
        pass


# --- when something is killed ----------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_the_server_goes_with_its_owner_and_group(
    data: DataDirectory, number: signal.Signals
) -> None:
    with owner_of(data) as (owner, dsn):
        await note(dsn, f"before {number.name}")
        pid = data.pid_on_file()
        assert data.is_server(pid)
        os.killpg(owner.pid, number)
        until(lambda: not data.is_server(pid))
    with running(data.path, settings=QUICK) as dsn:
        found = await ask(dsn, f"select count(*) from notes where word = 'before {number.name}'")
        assert found == "1"


async def test_an_interrupted_owner_waits_for_its_server(data: DataDirectory) -> None:
    with owner_of(data) as (owner, dsn):
        assert await ask(dsn, "select 1") == "1"
        os.killpg(owner.pid, signal.SIGINT)
        owner.wait(PATIENCE_S)
        assert not data.pid_on_file()


async def test_a_killed_server_comes_back_with_every_committed_row(data: DataDirectory) -> None:
    with running(data.path) as dsn:
        await note(dsn, "committed")
        killed = data.pid_on_file()
        os.kill(killed, signal.SIGKILL)
        until(lambda: data.pid_on_file() not in (0, killed))
        assert await _ask_patiently(dsn, "select 1 from notes where word = 'committed'") == "1"


async def _ask_patiently(dsn: str, question: str) -> str:
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await ask(dsn, question)
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < give_up_at, "waited in vain"


async def test_nothing_is_lost_when_everything_is_killed_at_once(data: DataDirectory) -> None:
    with owner_of(data) as (owner, dsn):
        await note(dsn, "power cut")
        killed = data.pid_on_file()
        for pid in (watcher_of(killed), killed, owner.pid):  # a watcher left would end it politely
            os.kill(pid, signal.SIGKILL)
    assert data.pid_on_file() == killed  # stale
    with running(data.path, settings=QUICK) as dsn:
        assert await ask(dsn, "select 1 from notes where word = 'power cut'") == "1"


async def test_a_server_without_owner_and_watcher_is_taken_over(data: DataDirectory) -> None:
    with owner_of(data) as (owner, _):
        orphan = data.pid_on_file()
        for pid in (watcher_of(orphan), owner.pid):
            os.kill(pid, signal.SIGKILL)
        owner.wait(PATIENCE_S)
    assert data.is_server(orphan)
    with running(data.path, settings=QUICK) as dsn:
        assert await ask(dsn, "select 1") == "1"
        assert not data.is_server(orphan)


async def test_the_end_is_the_end_even_without_a_watcher(data: DataDirectory) -> None:
    with running(data.path, settings=QUICK):
        pid = data.pid_on_file()
        os.kill(watcher_of(pid), signal.SIGKILL)
    assert not data.is_server(pid)


@contextmanager
def stale_pid_file(data: DataDirectory, *, zombie: bool) -> Iterator[None]:
    """A pid file that names a stranger, of the very account that the server runs as."""
    with subprocess.Popen(["sleep", "60"], **spawn_as(data.account)) as stranger:
        if zombie:
            stranger.send_signal(signal.SIGKILL)
        lines = [str(stranger.pid), str(data.cluster), "1", "5432", "/nowhere", "", "0 0", "ready"]
        (data.cluster / "postmaster.pid").write_text("\n".join(lines))
        try:
            yield
        finally:
            stranger.kill()


@pytest.mark.parametrize("zombie", [False, True])
async def test_a_stale_pid_file_may_name_anybody(data: DataDirectory, zombie: bool) -> None:
    with stale_pid_file(data, zombie=zombie), running(data.path, settings=QUICK) as dsn:
        assert await ask(dsn, "select 1") == "1"


# --- directories that will not do ------------------------------------------------------------


async def test_a_second_owner_is_kept_off(data: DataDirectory) -> None:
    with owner_of(data) as (owner, dsn):
        with (
            pytest.raises(EmbeddedError, match=f"in use by process {owner.pid}:"),
            running(data.path),
        ):
            pass
        assert await ask(dsn, "select 1") == "1"


def test_another_major_version_is_named(data: DataDirectory) -> None:
    version = data.cluster / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    try:
        with pytest.raises(EmbeddedError, match="made by PostgreSQL 9 and"), running(data.path):
            pass
    finally:
        version.write_text(kept)


async def test_a_creation_that_was_cut_short_is_done_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "cut short"
    with monkeypatch.context() as broken:
        broken.setattr(server, "NAME", "pg_is_a_reserved_prefix")
        with pytest.raises(EmbeddedError, match="initdb failed"), running(path):
            pass
    assert os.listdir(path / "cluster.new") == []
    (path / "cluster.new" / "half").touch()
    with running(path, settings=QUICK) as dsn:
        assert await ask(dsn, "select 1") == "1"


def test_somebody_elses_directory_is_left_alone(place: Path) -> None:
    path = place / "theirs"
    path.mkdir()
    (path / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedError, match="not made by Headstart"), running(path):
        pass
    assert os.listdir(path) == ["PG_VERSION"]


def test_a_path_through_a_file_is_one_sentence(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(EmbeddedError, match="cannot run PostgreSQL in"), running(place / "file/x"):
        pass


async def test_an_installed_postgresql_serves_as_well(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    try:
        found: Binaries = bindir(server_account())
    except EmbeddedError:
        pytest.skip("no PostgreSQL is installed on this machine")
    with running(place / "installed", settings=QUICK) as dsn:
        assert (await ask(dsn, "show server_version")).startswith(str(found.major))


# --- as root, and as somebody else -----------------------------------------------------------

as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


@as_root
def test_as_root_only_the_server_s_own_directories_change_hands(data: DataDirectory) -> None:
    assert data.account is not None
    owners = {path.name: path.stat().st_uid for path in (data.path, *data.path.iterdir())}
    given = {name for name, uid in owners.items() if uid == data.account.uid}
    assert given == {"cluster", "socket"}
    assert not data.cluster.stat().st_mode & 0o077


@as_root
def test_as_root_a_private_parent_is_refused_and_not_opened(place: Path) -> None:
    private = place / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="cannot reach"), running(private / "data"):
        pass
    assert private.stat().st_mode & 0o777 == 0o700
    assert private not in default_data_directory(private).parents


@as_root
def test_an_ordinary_user_runs_it_as_themselves(place: Path) -> None:
    nobody: dict[str, Any] = {"user": "nobody", "group": 65534, "extra_groups": [], "cwd": "/"}
    with contextlib.suppress(OSError):
        subprocess.run([sys.executable, "-c", "import asyncpg"], check=True, **nobody)
        path = place / "nobody's"
        path.mkdir()
        shutil.chown(path, "nobody", 65534)
        ended = subprocess.run(
            [sys.executable, "-c", OWNER, str(path / "data")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **nobody,
        )
        assert "postgresql://headstart@/headstart?host=" in ended.stdout, ended.stderr
        assert (path / "data" / "cluster").owner() == "nobody"
        return
    pytest.skip("an ordinary user cannot run this Python")
