"""Long-running processes: the web server with its loops, and the worker without the web."""

import asyncio
import signal
from types import FrameType

import uvicorn
from prometheus_client import start_http_server

from headstart.app.feed import Feed
from headstart.settings import Settings
from headstart.web.app import create_app
from headstart.web.service import Service
from headstart.wiring import loops, service

GRACE_S = 3  # for answers in progress when the server is asked to stop
CONNECTIONS_MAX = 20_000


class _Server(uvicorn.Server):
    """Ends open streams at once when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the middle of anything, hence by way of the loop."""
        self._loop.call_soon_threadsafe(self._feed.end_streams)
        super().handle_exit(sig, frame)


async def serve_web(settings: Settings, dsn: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    async with service(settings, dsn) as assembled, loops(assembled, dsn, feed=True):
        await _Server(_config(assembled), assembled.feed).serve()


def _config(assembled: Service) -> uvicorn.Config:
    settings = assembled.settings
    return uvicorn.Config(
        create_app(assembled),
        host=settings.host,
        port=settings.port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )


async def serve_worker(settings: Settings, dsn: str) -> None:
    """Enforce deadlines until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stopped.set)
    async with service(settings, dsn) as assembled, loops(assembled, dsn, feed=False):
        if settings.metrics_port is not None:
            start_http_server(settings.metrics_port, settings.host)
        await stopped.wait()
