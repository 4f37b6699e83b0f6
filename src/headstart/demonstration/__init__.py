"""The demo: the whole shop on one machine, with people to be and a sandbox for payments.

A stage shows three of them side by side. What can be done here can be done nowhere else: no other
room knows this one.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import uvicorn
from rich.console import Console

from headstart.demonstration import stage
from headstart.demonstration.director import Director
from headstart.demonstration.framing import Opened, showing, shown_by
from headstart.demonstration.people import PARTS, introduce_people
from headstart.demonstration.screens import Screen, service_at
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app as create_sandbox
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.serving import Server, serve_all, server_of
from headstart.settings import Mode, Settings
from headstart.store.migrate import migrate
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.web.app import create_app
from headstart.web.service import Service
from headstart.wiring import data_directory, database, loops, service

HOST = "127.0.0.1"
PORTS = 2 + len(PARTS)  # the pages, the payment page, and a screen for each part
PAYMENT_PATIENCE_S = 15.0


def run(*, window_minutes: float, port: int) -> None:
    """Serve the demo until Ctrl-C. What happened is still there at the next start."""
    for one in range(port, port + PORTS):
        _require_free(one)
    settings = _settings(window_minutes, port)
    with database(settings) as dsn:
        asyncio.run(_serve(settings, dsn))


def _settings(window_minutes: float, port: int) -> Settings:
    return Settings(
        HEADSTART_MODE=Mode.DEMO,
        HEADSTART_HOST=HOST,
        HEADSTART_PORT=port,
        HEADSTART_STRIPE_API_BASE=f"http://{HOST}:{port + 1}",
        STRIPE_SECRET_KEY=SANDBOX_SECRET_KEY,
        STRIPE_WEBHOOK_SECRET=SANDBOX_WEBHOOK_SECRET,
        ENABLE_FAVORITES_PRIORITY=True,
        PRIORITY_WINDOW_MINUTES=window_minutes,
    )


async def _serve(settings: Settings, dsn: str) -> None:
    await migrate(settings.owner_url or dsn)
    async with connected(dsn, connections_max=2) as pool:
        await introduce_people(PeopleStore(pool))
    async with (
        _sandbox(settings),
        service(settings, dsn) as assembled,
        loops(assembled, dsn, feed=True),
        httpx.AsyncClient(trust_env=False, timeout=PAYMENT_PATIENCE_S) as http,
    ):
        servers = _servers(assembled, http)
        _greet(settings)
        await serve_all(assembled, servers)


def _servers(assembled: Service, http: httpx.AsyncClient) -> Sequence[Server]:
    """The demo's own pages with the stage on them, and a screen for each part."""
    screens, servers = [], []
    for number, part in enumerate(PARTS, start=PORTS - len(PARTS)):
        own = service_at(assembled, assembled.settings.port + number)
        screen = Screen(create_app(own), own, part)
        opened = Opened(screen, shown_by(_stage_origins(assembled.settings)))
        servers.append(server_of(own, opened, has_socket=False))
        screens.append(screen)
    director = Director(assembled, http, screens)
    shown = [screen.address for screen in screens] + [assembled.settings.stripe_api_base or ""]
    pages = Opened(stage.directed_by(director, assembled), showing(shown), stage.PAGE)
    return [*servers, server_of(assembled, pages)]  # who finds the pages finds the screens


def _stage_origins(settings: Settings) -> Sequence[str]:
    """Under either name of this machine."""
    return [f"http://{name}:{settings.port}" for name in (HOST, "localhost")]


@asynccontextmanager
async def _sandbox(settings: Settings) -> AsyncIterator[None]:
    """The payment sandbox, remembering its payments over a restart."""
    url = settings.stripe_api_base or ""
    state = data_directory(settings) / "sandbox.sqlite3"
    app = create_sandbox(
        SandboxSettings(
            public_url=url,
            webhook_url=f"{settings.address}/webhooks/stripe",
            webhook_secret=SANDBOX_WEBHOOK_SECRET,
            state_path=state,
        )
    )
    config = uvicorn.Config(
        Opened(app, shown_by(_stage_origins(settings))),
        host=HOST,
        port=settings.port + 1,
        log_level="warning",
        access_log=False,
        ws="none",
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _require_free(port: int) -> None:
    """ValueError, with the way out, when somebody listens there already."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise ValueError(f"port {port} is in use: choose another with --port")


def _greet(settings: Settings) -> None:
    console = Console()
    console.print(f"\n  [bold]Headstart demo[/bold]   {settings.address}{stage.PAGE}\n")
    console.print("  Three screens side by side: a customer, their favourite, another mechanic.")
    console.print(f"  To be anybody, in a window of your own: {settings.address}")
    console.print(
        f"  The favourite is asked alone for {settings.priority_window_minutes:g} min."
        " Payments are a sandbox's: no real money."
    )
    console.print("  Ctrl-C stops everything; what happened is kept.\n")
