"""What every test may ask for: a real PostgreSQL, a fresh migrated database, and people in it."""

import asyncio
import gc
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.app.wakeups import Wakeups
from headstart.core.request import CustomerId, MechanicId
from headstart.lab.canaries import account_of
from headstart.store.embedded import running
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.migrate import migrate
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

MEMORY, ROOM_BYTES = "/dev/shm", 2 * 2**30
FAST_AND_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
BROWSER_TESTS_DID_NOT_RUN = "!!! BROWSER TESTS DID NOT RUN"
CLIENTS_DID_NOT_RUN = "!!! REALTIME CLIENTS DID NOT RUN"
ACCESSIBILITY_WAS_NOT_JUDGED = "!!! ACCESSIBILITY WAS NOT JUDGED"
PEERS_DID_NOT_RUN = "!!! PEERS DID NOT RUN"
REAL_STRIPE_TESTS_DID_NOT_RUN = "!!! TESTS AGAINST THE REAL STRIPE DID NOT RUN"
_numbers = count()


DID_NOT_RUN = {
    BROWSER_TESTS_DID_NOT_RUN: "They need Chromium: install it, or set CHROMIUM to the executable."
    " REQUIRE_BROWSER=1 makes this a failure.",
    CLIENTS_DID_NOT_RUN: "They need Node 20 or newer with npm, and what pip and npm install into"
    " build/clients. CI=true makes this a failure.",
    ACCESSIBILITY_WAS_NOT_JUDGED: "It needs Node 20 or newer with npm, which installs axe-core into"
    " build/clients. CI=true makes this a failure.",
    PEERS_DID_NOT_RUN: "The benchmark beside other libraries needs them: ./dev bench peers installs"
    " them.",
    REAL_STRIPE_TESTS_DID_NOT_RUN: "They need STRIPE_TEST_KEY, a secret key of Stripe's test mode."
    " The same scenarios did run, against the sandbox.",
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Nobody must take a skipped test for a passed one."""
    skipped = terminalreporter.stats.get("skipped", ())
    for banner, remedy in DID_NOT_RUN.items():
        missed = [one for one in skipped if banner in str(one.longrepr)]
        if missed:
            terminalreporter.section(banner, sep="!", red=True, bold=True)
            terminalreporter.write_line(f"Skipped: {len(missed)}. {remedy}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: nobody looks for garbage in it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


_tls_context = cache(ssl.create_default_context)


@pytest.fixture(scope="session", autouse=True)
def _read_the_authorities_once() -> Iterator[None]:
    """Every HTTP client reads all certificate authorities, though loopback needs none of them:
    thousands of clients are made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", _tls_context)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real server whose database ``headstart`` is migrated, as a template."""
    with tempfile.TemporaryDirectory(prefix="hs-", dir=memory()) as made:
        os.chmod(made, 0o711)  # so that the server's own account can reach it, as root
        settings = {**FAST_AND_FORGETFUL, "max_connections": "200"}
        with running(Path(made) / "postgres", settings=settings) as dsn:
            asyncio.run(migrate(dsn))
            yield dsn


def memory() -> str | None:
    """A file system in memory with room for hundreds of databases; None where there is none."""
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free > ROOM_BYTES else None
    except OSError:
        return None


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database that this test has to itself."""
    async with fresh_database(postgres) as dsn:
        yield dsn


@asynccontextmanager
async def fresh_database(postgres: str) -> AsyncIterator[str]:
    """A migrated database, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(with_database(postgres, "postgres"))
    try:
        # Copied as files: through the write-ahead log it would be written twice.
        await admin.execute(f"create database {name} template headstart strategy file_copy")
        yield with_database(postgres, name)
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    """Connections as the service makes them."""
    async with connected(database, connections_max=20) as pool:
        yield pool


@pytest.fixture
async def owner(database: str) -> AsyncIterator["Pool"]:
    """Connections of the owner of the tables, for what no service may do."""
    async with connected(database, connections_max=2, role=None) as pool:
        yield pool


@pytest.fixture
def requests(pool: "Pool") -> RequestStore:
    """Session requests."""
    return RequestStore(pool)


@pytest.fixture
def intakes(pool: "Pool") -> IntakeStore:
    """Intakes."""
    return IntakeStore(pool)


@pytest.fixture
def people(pool: "Pool") -> PeopleStore:
    """People, and the test clock."""
    return PeopleStore(pool)


@pytest.fixture
def event_log(pool: "Pool") -> EventLogStore:
    """The log."""
    return EventLogStore(pool)


@pytest.fixture
def wakeups() -> Wakeups:
    """Hints within this process."""
    return Wakeups()


@pytest.fixture
def dispatcher(requests: RequestStore, wakeups: Wakeups) -> Dispatcher:
    """The write path."""
    return Dispatcher(requests, wakeups.announce)


@dataclass(frozen=True, slots=True)
class Cast:
    """A customer with two favourites, in order, and two mechanics they do not know."""

    customer: CustomerId
    favorite: MechanicId
    second: MechanicId
    others: tuple[MechanicId, MechanicId]


@pytest.fixture
async def cast(pool: "Pool") -> Cast:
    """The cast, stored: everybody approved and on duty."""
    return await store_cast(PeopleStore(pool))


async def store_cast(people: PeopleStore) -> Cast:
    """Put the cast into a database."""
    mechanics = [MechanicId(uuid4()) for _ in range(4)]
    cast = Cast(CustomerId(uuid4()), mechanics[0], mechanics[1], (mechanics[2], mechanics[3]))
    carla = account_of("carla")
    await people.add_customer(
        cast.customer, "Carla", last_name=carla["last_name"], email=carla["email"]
    )
    for mechanic, name in zip(mechanics, ("Fay", "Sam", "Otto", "Olga"), strict=True):
        await people.add_mechanic(mechanic, name)
    await people.add_favorite(cast.customer, cast.favorite)
    await people.add_favorite(cast.customer, cast.second)
    return cast


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
