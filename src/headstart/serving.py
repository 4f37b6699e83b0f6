"""Long-running processes: the web server with its loops, and the worker without the web."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from prometheus_client import start_http_server
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from headstart.realtime.socket import socket_class
from headstart.settings import Settings
from headstart.web.app import create_app
from headstart.web.door import SocketGate
from headstart.web.edges.wire import CarefulProtocol
from headstart.web.service import Service
from headstart.wiring import loops, service

GRACE_S = 3  # for answers in progress when the server is asked to stop
CONNECTIONS_MAX = 20_000
COLLECT_AFTER = (100_000, 20, 20)  # objects made; then, younger collections before an older one


class Server(uvicorn.Server):
    """Leaves the signals alone: uvicorn would raise them again, before our own tidying up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


def run_service(program: Coroutine[object, object, None]) -> None:
    """To its end, on uvloop where uvicorn brings it.

    The collector of cycles comes rarely: a broadcast to thousands makes some objects for each, all
    of which go by themselves, and a look at the whole heap in between holds everybody up.
    """
    gc.set_threshold(*COLLECT_AFTER)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(program)


def on_stop_signal(act: Callable[[], None]) -> None:
    """Call this once the process is asked to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, act)


async def serve_web(settings: Settings, dsn: str) -> None:
    """Serve until SIGINT or SIGTERM; open streams end at once, answers in progress are finished."""
    async with service(settings, dsn) as assembled, loops(assembled, dsn, feed=True):
        await serve_all(assembled, [server_of(assembled, create_app(assembled))])


async def serve_all(assembled: Service, servers: Sequence[uvicorn.Server]) -> None:
    """The same for several servers of one service."""

    def stop() -> None:
        assembled.feed.end_streams()
        for server in servers:
            server.should_exit = True

    on_stop_signal(stop)
    await asyncio.gather(*(server.serve() for server in servers))


def server_of(assembled: Service, app: ASGIApp, *, has_socket: bool = True) -> Server:
    """A server for an application on this service, at its address."""
    settings = assembled.settings
    config = uvicorn.Config(
        app,
        http=CarefulProtocol,
        proxy_headers=False,  # whom to believe is a setting of ours
        host=settings.host,
        port=settings.port,
        lifespan="off",
        log_config=None,  # ours, like that of every library
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=GRACE_S,
        ws=socket_class(assembled.hub, SocketGate(settings)) if has_socket else "none",
    )
    return Server(config)


async def serve_worker(settings: Settings, dsn: str) -> None:
    """Enforce deadlines until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    on_stop_signal(stopped.set)
    async with service(settings, dsn) as assembled, loops(assembled, dsn, feed=False):
        if settings.metrics_port is not None:
            start_http_server(settings.metrics_port, settings.host)
        await stopped.wait()
