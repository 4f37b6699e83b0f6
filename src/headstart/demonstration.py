"""The demo: the whole shop on one machine, with people to sign in as and a sandbox for payments."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import uvicorn
from rich.console import Console

from headstart.core.request import CustomerId, MechanicId
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app as create_sandbox
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.serving import Server, serve_web
from headstart.settings import Mode, Settings
from headstart.store.migrate import migrate
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.wiring import data_directory, database

HOST = "127.0.0.1"

CUSTOMERS = (
    (UUID("c0000000-0000-4000-8000-000000000001"), "Carla", "Jensen"),
    (UUID("c0000000-0000-4000-8000-000000000002"), "Ben", "Okafor"),
)
MECHANICS = (
    (UUID("a0000000-0000-4000-8000-000000000001"), "Maria Lopez"),
    (UUID("a0000000-0000-4000-8000-000000000002"), "Dmitri Volkov"),
    (UUID("a0000000-0000-4000-8000-000000000003"), "Aisha Rahman"),
)
FAVORITES = ((CUSTOMERS[0][0], MECHANICS[0][0]), (CUSTOMERS[0][0], MECHANICS[1][0]))


def run(*, window_minutes: float, port: int) -> None:
    """Serve the demo until Ctrl-C. What happened is still there at the next start."""
    _require_free(port)
    _require_free(port + 1)
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
    async with _sandbox(settings):
        _greet(settings)
        await serve_web(settings, dsn)


async def introduce_people(people: PeopleStore) -> None:
    """The demo's customers, mechanics and favourites. Harmless when repeated."""
    for customer, first_name, last_name in CUSTOMERS:
        await people.add_customer(CustomerId(customer), first_name, last_name=last_name)
    for mechanic, name in MECHANICS:
        await people.add_mechanic(MechanicId(mechanic), name)
    for customer, mechanic in FAVORITES:
        await people.add_favorite(CustomerId(customer), MechanicId(mechanic))


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
        app, host=HOST, port=settings.port + 1, log_level="warning", access_log=False, ws="none"
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
    console.print(f"\n  [bold]Headstart demo[/bold]   {settings.address}\n")
    console.print("  Open it in three windows: a customer, their favourite, another mechanic.")
    console.print(
        f"  The favourite is asked alone for {settings.priority_window_minutes:g} min."
        " Payments are a sandbox's: no real money."
    )
    console.print("  Ctrl-C stops everything; what happened is kept.\n")
