"""A dump restored into a new server, which counts its transactions from the beginning."""

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.core.request import CustomerId
from headstart.store.audit import AuditStore
from headstart.store.embedded import running
from headstart.store.embedded.binaries import bindir, server_account
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.migrate import migrate
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore
from tests.conftest import FAST_AND_FORGETFUL, Cast, memory, with_database
from tests.store.booking import book

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

BURNT = "do $$ begin for n in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$"


@pytest.fixture
def new_server() -> Iterator[str]:
    """Another PostgreSQL, with the roles that a dump names."""
    with tempfile.TemporaryDirectory(prefix="hs-", dir=memory()) as made:
        Path(made).chmod(0o711)
        with running(Path(made) / "postgres", settings=FAST_AND_FORGETFUL) as dsn:
            yield dsn


def restored(old: str, new_server: str) -> str:
    """The address of what was dumped there and restored here."""
    new, programs = with_database(new_server, "restored"), bindir(server_account()).directory
    psql = (str(programs / "psql"), "--quiet", "--set=ON_ERROR_STOP=1")
    asyncio.run(migrate(new_server))  # makes the roles
    _done(*psql, with_database(new_server, "postgres"), "--command=create database restored")
    _done(*psql, new, given=_done(str(programs / "pg_dump"), old))
    return new


def _done(*command: str, given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


async def test_the_news_goes_on_where_the_log_ends(
    database: str,
    owner: "Pool",
    cast: Cast,
    dispatcher: Dispatcher,
    intakes: IntakeStore,
    event_log: EventLogStore,
    new_server: str,
) -> None:
    await owner.execute(BURNT)
    await book(dispatcher, intakes, cast.customer)
    told = await event_log.end()
    assert await event_log.count_on() is None, "nothing was restored here"
    new = await asyncio.to_thread(restored, database, new_server)
    async with connected(new, connections_max=5) as pool:
        log, audit = EventLogStore(pool), AuditStore(pool)
        assert await audit.log_is_ahead()
        assert await log.count_on()
        assert await log.count_on() is None, "once is enough"
        assert not await audit.log_is_ahead()
        assert await log.end() == told, "whoever knew all still does"
        someone = CustomerId(uuid4())
        await PeopleStore(pool).add_customer(someone, "Cara")
        await book(Dispatcher(RequestStore(pool), lambda: None), IntakeStore(pool), someone)
        news = await log.after(told, 10)
        assert [one.customer for one in news] == [someone, someone], "requested, and opened"
        assert await log.end() == news[-1].cursor
        assert await log.stall_s() == 0
