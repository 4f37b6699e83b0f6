"""What stands behind the stage: a scratch database, a payment sandbox, and server processes."""

import atexit
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal

import headstart
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.store.embedded import running
from headstart.store.postgres import connected

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)  # below those of outgoing connections: still free at a restart
START_PATIENCE_S = 30.0
STOP_PATIENCE_S = 10.0
ANSWER_PATIENCE_S = 5.0
POLL_S = 0.02
TAIL_LINES = 25
IN_A_HURRY = {  # the people of a stage ask more often than people do
    f"HEADSTART_RATE_{of}_PER_MINUTE": "1000000"
    for of in ("ACCEPTS", "BOOKINGS", "PERSON", "ADDRESS")
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
RETRY_DELAYS_S = (0.05, 0.1, *[0.25] * 120)  # for a server that is away for half a minute
_CLAIMS = ExitStack()  # to the ports that were given out here
atexit.register(_CLAIMS.close)


class ServerDied(RuntimeError):
    """The server ended by itself, or never became ready. The message has its last words."""


class Server:
    """One ``headstart serve`` process, on a port that stays its own over restarts.

    ``command``: another one that serves, with its arguments.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        directory: Path,
        port: int,
        command: Sequence[str] = ("serve",),
    ) -> None:
        self._command = command
        self.url = f"http://{HOST}:{port}"
        self._environment = {**environment, "HEADSTART_HOST": HOST, "HEADSTART_PORT": str(port)}
        self._directory = directory
        self._log = directory / f"server-{port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._started().pid

    def start(self) -> None:
        """Start it and wait until it is ready; ServerDied when it does not become so."""
        assert not self.is_running, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "headstart", *self._command],
                cwd=self._directory,  # the caller's .env is none of ours
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with httpx.Client(trust_env=False, verify=False, timeout=ANSWER_PATIENCE_S) as http:
            wait_until(lambda: self._is_ready(http), "the server is not ready", START_PATIENCE_S)

    def kill(self) -> None:
        """``kill -9``: no goodbye, no clean-up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and insist; harmless when it has."""
        if self.is_running:
            self._end(signal.SIGTERM)

    def tail(self) -> str:
        """The last lines that it said."""
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(said.splitlines()[-TAIL_LINES:])

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the server was never started"
        return self._process

    def _end(self, number: signal.Signals) -> None:
        process = self._started()
        process.send_signal(number)
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_ready(self, http: httpx.Client) -> bool:
        if not self.is_running:
            raise ServerDied(f"the server ended by itself:\n{self.tail()}")
        try:
            return http.get(f"{self.url}/readyz").is_success
        except httpx.TransportError:
            return False


def wait_until(
    condition: Callable[[], bool], otherwise: str, patience_s: float = ANSWER_PATIENCE_S
) -> None:
    """Return once it is so; TimeoutError, saying ``otherwise``, when that takes too long."""
    give_up_at = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{otherwise} within {patience_s:g} s")
        time.sleep(POLL_S)


def server_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment without anybody's settings of the service, and with these.

    The server is the program that is running here, wherever it lies.
    """
    foreign = ("HEADSTART_", "STRIPE_", "DATABASE_URL", "ENABLE_FAVORITES_", "PRIORITY_WINDOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    source = str(Path(headstart.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, kept.get("PYTHONPATH", "")]))
    return {**kept, "PYTHONPATH": path, **IN_A_HURRY, **settings}


def free_port(neighbours: int = 0) -> int:
    """A port that nobody listens on, and so many after it: ours alone while this process lives."""
    while True:
        port = random.choice(PORTS)
        wanted = range(port, port + 1 + neighbours)
        with ExitStack() as claims:
            if all(_claim(one, claims) for one in wanted) and not any(map(_is_taken, wanted)):
                _CLAIMS.push(claims.pop_all())
                return port


def _claim(port: int, claims: ExitStack) -> bool:
    """Make it ours; False when it is another's.

    Until somebody listens there, or while they restart, nothing else would keep it from whoever
    draws the same number: the UDP port of that number stands for it.
    """
    mark = claims.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    try:
        mark.bind((HOST, port))
    except OSError:
        return False
    return True


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory that even PostgreSQL under another account can walk through."""
    directory = Path(tempfile.mkdtemp(prefix="headstart-", dir="/var/tmp"))
    try:
        directory.chmod(0o711)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def scratch_database(
    portal: BlockingPortal, directory: Path, server_url: str | None
) -> Iterator[str]:
    """A database of our own: embedded, or a new one on this server, dropped afterwards."""
    if server_url is None:
        with running(directory / "postgres", settings=FORGETFUL) as dsn:
            yield dsn
        return
    name = f"headstart_scratch_{secrets.token_hex(6)}"
    administration = connected(server_url, connections_max=1, role=None)
    with portal.wrap_async_context_manager(administration) as pool:
        portal.call(pool.execute, f"create database {name}")
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            portal.call(pool.execute, f"drop database if exists {name} with (force)")


@contextmanager
def sandbox(portal: BlockingPortal, webhook_url: str) -> Iterator[str]:
    """A payment sandbox that tells this address; yields its own."""
    # The protocol is named: only then does asyncio switch off the wait for more data.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind((HOST, 0))
        url = f"http://{HOST}:{bound.getsockname()[1]}"
        settings = SandboxSettings(
            public_url=url,
            webhook_url=webhook_url,
            webhook_secret=SANDBOX_WEBHOOK_SECRET,
            retry_delays_s=RETRY_DELAYS_S,
        )
        config = uvicorn.Config(create_app(settings), log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = portal.start_task_soon(server.serve, [bound])
        try:
            wait_until(lambda: server.started or serving.done(), "the sandbox does not start")
            yield url
        finally:
            server.should_exit = True
            serving.result(STOP_PATIENCE_S)
