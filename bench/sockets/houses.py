"""Who serves in the line ``sockets``: ours on its stage, and the others as programs."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from uuid import UUID, uuid4

from bench.peers import environment
from bench.peers.redis import AS_IT_COMES, PROGRAM, is_there, redis
from headstart.core.access import Principal, Role
from headstart.lab.backstage import HOST, free_port, wait_until
from headstart.lab.stage import TOKEN_LIFETIME, Stage, put_up
from headstart.realtime.limits import SOCKET_PATH

FEED = "realtime:session_requests_feed"
START_PATIENCE_S = 20.0
ENGINE_PATH = "/socket.io/?EIO=4&transport=websocket"

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A server that runs. ``tell`` has everybody told, and says when that began (Unix, seconds)."""

    port: int
    path: str
    pid: int
    hellos: Sequence[str]
    ready: str
    tell: Callable[[], float]
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class House:
    """One of the others: how its program is called, and what clients say to it."""

    name: str
    program: Sequence[str]
    path: str = "/"
    hello: str = ""
    ready: str = ""
    needs_redis: bool = False

    @property
    def missing(self) -> str | None:
        """What it needs and is not there."""
        if self.needs_redis and not is_there():
            return PROGRAM
        return "Node with npm" if self.is_on_node and not environment.node_is_there() else None

    @property
    def is_on_node(self) -> bool:
        """Instead of Python."""
        return self.program[0] == "node"

    @contextmanager
    def open(self, payload: Payload, number: int) -> Iterator[Standing]:
        """For so many; what is told is always this."""
        port, body = free_port(), json.dumps(payload).encode()
        with self._running(port) as process:

            def is_open() -> bool:
                assert process.poll() is None, f"{self.name} ended by itself"
                with socket.socket() as knocking:
                    return knocking.connect_ex((HOST, port)) == 0

            wait_until(is_open, f"{self.name} is not open", START_PATIENCE_S)
            hellos = [self.hello] * number
            yield Standing(
                port, self.path, process.pid, hellos, self.ready, lambda: _posted(port, body)
            )

    @contextmanager
    def _running(self, port: int) -> "Iterator[subprocess.Popen[bytes]]":
        folder = environment.NODE_PLACE if self.is_on_node else environment.ROOT
        with ExitStack() as stack:
            more = [stack.enter_context(redis(AS_IT_COMES))] if self.needs_redis else []
            program = [*self.program, str(port), *more]
            process = stack.enter_context(subprocess.Popen(program, cwd=folder))
            stack.callback(process.kill)
            yield process


def _posted(port: int, body: bytes) -> float:
    with closing(HTTPConnection(HOST, port)) as posting:
        posting.request("POST", "/broadcast", body)
        began_s: float = json.loads(posting.getresponse().read())["began_s"]
    return began_s


def _python(name: str) -> Sequence[str]:
    return (str(environment.PYTHON), "-m", f"bench.sockets.servers.{name}")


BARE = House("bare sockets, one loop", (sys.executable, "-m", "bench.sockets.servers.bare"))
PYTHON = House("python-socketio", _python("socketio_python"), ENGINE_PATH, "40", '40{"sid"')
DJANGO = House("Django Channels, Redis", _python("django_channels"), needs_redis=True)
NODE = House("Socket.IO on Node", ("node", "socketio_node.mjs"), ENGINE_PATH, "40", '40{"sid"')
OTHERS = (PYTHON, DJANGO, NODE)


@contextmanager
def ours(dsn: str, number: int) -> Iterator[Standing]:
    """The service on a database of its own, and so many mechanics, each with a token and a
    connection; what is told is a booking, from the row of the log on."""
    with put_up(dsn) as stage:
        mechanics = [uuid4() for _ in range(number)]
        stage.portal.call(
            stage.pool.execute,
            "insert into mechanics (id, name, status) select unnest($1::uuid[]), 'Mo', 'approved'",
            mechanics,
        )
        hellos = [_join(stage, one) for one in mechanics]
        port = int(stage.server.url.rpartition(":")[2])
        path = f"{SOCKET_PATH}?vsn=2.0.0"
        yield Standing(
            port, path, stage.server.pid, hellos, '"status":"ok"', lambda: _booked(stage), stage
        )


def _join(stage: Stage, mechanic: UUID) -> str:
    token = stage.tokens.mint(Principal(Role.MECHANIC, mechanic), lifetime=TOKEN_LIFETIME)
    config = {"broadcast": {"ack": False, "self": False}, "presence": {"enabled": False}}
    join = {"config": {**config, "private": True}, "access_token": token}
    return json.dumps(["1", "1", FEED, "phx_join", join])


def _booked(stage: Stage) -> float:
    """When it was decided, by the database's clock on this same machine: before its commit."""
    booking = stage.submit(stage.customer("Carla"), plan="free")
    at: float = stage.events(stage.request_of(booking.intake_id))[-1]["at"].timestamp()
    return at
