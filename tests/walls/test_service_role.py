"""The wall stands everywhere, and the service stands in front of it, on servers of all kinds."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from headstart.core.access import Principal, Role
from headstart.lab.backstage import scratch_directory
from headstart.lab.row_walls import Asker
from headstart.settings import Settings
from headstart.store.embedded import running
from headstart.store.migrate import MigrationError, check_account, migrate
from headstart.store.postgres import SERVICE_ROLE, connected
from headstart.store.views import ViewStore
from headstart.wiring import records
from tests.conftest import FAST_AND_FORGETFUL, Cast
from tests.walls.asking import asking
from tests.web.conftest import world_on

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

GUARD_THEMSELVES = {"priority_offers", "request_outcomes"}  # and are walked in test_rows
TABLES = """
select relname, relrowsecurity and relforcerowsecurity as walled,
       (select count(*) from pg_policy where polrelid = t.oid) as policies
from pg_class t where relnamespace = 'headstart'::regnamespace and relkind in ('r', 'p')
"""
OURS = """
select oid::regclass::text from pg_class
where relowner = current_user::regrole and relnamespace <> 'pg_toast'::regnamespace
union all
select oid::regprocedure::text from pg_proc where proowner = current_user::regrole
union all
select nspname::text from pg_namespace where nspowner = current_user::regrole
union all
select datname::text from pg_database where datdba = current_user::regrole
"""


async def test_every_table_is_behind_the_wall(pool: "Pool") -> None:
    tables = await pool.fetch(TABLES)
    assert len(tables) > 10
    assert [row["relname"] for row in tables if not row["walled"] or not row["policies"]] == []


async def test_the_service_owns_nothing_and_cannot_pass(pool: "Pool", database: str) -> None:
    assert await pool.fetchval("select current_user") == SERVICE_ROLE
    assert await pool.fetch(OURS) == []
    await check_account(database, role=SERVICE_ROLE)
    for forbidden in (
        "create table headstart.mine (id integer)",
        "alter table headstart.plans disable row level security",
        "drop policy service on headstart.plans",
        "truncate headstart.session_events",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(forbidden)


async def test_views_show_what_their_reader_may_see_and_functions_pin_their_path(
    owner: "Pool",
) -> None:
    views = "select relname, reloptions from pg_class where relkind = 'v' and relnamespace = $1"
    functions = "select proname, proconfig from pg_proc where prosecdef and pronamespace = $1"
    schema = await owner.fetchval("select 'headstart'::regnamespace::oid")
    for row in await owner.fetch(views, schema):
        kept = "barrier" if row["relname"] in GUARD_THEMSELVES else "invoker"
        assert f"security_{kept}=true" in (row["reloptions"] or []), row["relname"]
    definers = await owner.fetch(functions, schema)
    answering = {"offers_to_me", "my_job", "my_offers", "helped_before"}
    assert {row["proname"] for row in definers} == answering
    assert all(row["proconfig"] == ['search_path=""'] for row in definers)
    everybodys = "select from pg_proc where prosecdef and pronamespace = $1 and proacl is null"
    assert await owner.fetch(everybodys, schema) == []


async def test_nobodys_eyes_stay_behind_in_a_pooled_connection(database: str, cast: Cast) -> None:
    """Neither after an answer nor after a refusal."""
    carla = Principal(Role.CUSTOMER, cast.customer)
    async with connected(database, connections_max=1) as one:
        async with ViewStore(one).on_behalf_of(carla) as views:
            assert len(await views.favorites()) == 2
        await _is_the_service_again(one)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with ViewStore(one).on_behalf_of(carla) as views:
                await views.rows("flag_changes", name="A_FLAG", limit=1)
        await _is_the_service_again(one)


async def _is_the_service_again(pool: "Pool") -> None:
    assert await pool.fetchval("select current_user") == SERVICE_ROLE
    assert not await pool.fetchval("select current_setting('request.jwt.claims', true)")


# --- an ordinary PostgreSQL, where we are nobody's superuser --------------------------------------


@pytest.fixture
async def rented() -> AsyncIterator[dict[str, str]]:
    """Addresses on a server of somebody else's: of its administrator, of an account that may create
    roles and owns a database (``landlord``), and of one that may do nothing (``tenant``)."""
    with (
        scratch_directory() as directory,
        running(directory / "postgres", settings=FAST_AND_FORGETFUL) as dsn,
    ):
        admin = await asyncpg.connect(dsn)
        try:
            await admin.execute("create role landlord login createrole")
            await admin.execute("create role tenant login")
            await admin.execute("create database rented owner landlord")
            parts = urlsplit(dsn)
            yield {
                who: urlunsplit(parts._replace(netloc=f"{who}@", path="/rented"))
                for who in (parts.username or "", "landlord", "tenant")
            }
        finally:
            await admin.close()


async def test_without_a_superuser_everything_works_and_the_owner_is_held_back(
    rented: dict[str, str],
) -> None:
    landlord, tenant = rented["landlord"], rented["tenant"]
    await migrate(landlord)
    with pytest.raises(MigrationError, match="grant headstart_service to it"):
        await check_account(tenant, role=SERVICE_ROLE)
    with pytest.raises(MigrationError, match="would not hold back landlord"):
        await check_account(landlord, role=None)
    owner = await asyncpg.connect(landlord)
    try:
        await owner.execute("grant headstart_service to tenant")
        assert await migrate(tenant) == [], "who may not migrate may look whether it is necessary"
        async with world_on(tenant, HEADSTART_OWNER_URL=landlord) as world:
            request = await world.book(preferred_mechanic_id=str(world.cast.favorite))
            offers = {
                mechanic: await world.client.get("/api/v1/offers", headers=world.mechanic(mechanic))
                for mechanic in (world.cast.favorite, *world.cast.others)
            }
            seen = [one for one, answer in offers.items() if request in answer.text]
            assert seen == [world.cast.favorite]
            won = await world.order(request, "acceptance", world.mechanic(world.cast.favorite))
            assert won.status_code == 200, won.text
            [stored] = await world.requests()
            assert (stored["status"], stored["matched_mechanic"]) == ("matched", "Fay")
            path = "/admin/analytics/endings.csv"
            figures = await world.client.get(path, headers=world.operator)
            assert "The favourite accepted,1," in figures.text
            await owner.execute("grant headstart_reporting to tenant")
            async with connected(tenant, connections_max=1, prepared_statements=False) as plain:
                assert await plain.fetchval("select current_user") == "tenant"
                assert await plain.fetchval("select ending from headstart.priority_offers")
                assert await plain.fetchval("select count(*) from headstart.session_requests") == 1
    finally:
        await owner.close()


async def test_a_start_that_would_pass_the_wall_is_refused(database: str) -> None:
    settings: Any = {"HEADSTART_PREPARED_STATEMENTS": False, "_env_file": None}
    with pytest.raises(MigrationError, match="would not hold back headstart"):
        async with records(Settings(**settings), database):
            pass


async def test_accounts_like_those_of_supabase_pass_as_persons_and_as_nothing_more(
    owner: "Pool", cast: Cast
) -> None:
    """Its ``authenticated`` inherits nothing by itself."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("create role authenticated_here nologin noinherit")
        granted = "grant headstart_customer to authenticated_here"
        major = connection.get_server_version().major
        await connection.execute(f"{granted} with inherit true" if major >= 16 else granted)
        claims = f'{{"headstart_role": "customer", "headstart_id": "{cast.customer}"}}'
        await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
        await connection.execute("set local role authenticated_here")
        favorites = await connection.fetch("select mechanic_id from headstart.favorites")
        assert {row["mechanic_id"] for row in favorites} == {cast.favorite, cast.second}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from headstart.feature_flags")


async def test_a_hole_in_the_wall_is_found(owner: "Pool", cast: Cast) -> None:
    """The tests before this one would notice: here it is made on purpose."""
    async with owner.acquire() as connection:
        await connection.execute(
            "create policy hole on headstart.customers to headstart_mechanic using (true)"
        )
        async with asking(connection, Asker.MECHANIC, cast.favorite) as fay:
            assert await fay.column("select id from headstart.customers") == [cast.customer]
