"""Is a sign-in still good: asked at once, and told to whoever keeps a connection open."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from headstart.app.ports import By, Credential, Ending, Login, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.core.access import Principal, Role
from headstart.identity import standing as module
from headstart.identity.sessions import Sessions
from headstart.identity.standing import Standing
from headstart.store.people import PeopleStore
from headstart.store.sign_ins import SignInStore
from tests.conftest import Cast

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

HOUR = timedelta(hours=1)
LOGIN = Login("https://id.example", "auth0|7")
OPERATOR = Principal(Role.OPERATOR, UUID(int=7))
BY = By("operator:test", "a test")
PATIENCE_S = 20  # ends a test that would hang


def real_time() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def bearer(who: Principal, *, issued: timedelta = -HOUR, lasts: timedelta = HOUR) -> Credential:
    """A token's credential."""
    return Credential(who, real_time() + issued, real_time() + lasts, LOGIN)


@pytest.fixture
def sign_ins(pool: "Pool") -> SignInStore:
    return SignInStore(pool)


@pytest.fixture
def sessions(sign_ins: SignInStore) -> Sessions:
    return Sessions(sign_ins, token_bytes, idle=HOUR, at_most=12 * HOUR)


@pytest.fixture
def standing(sign_ins: SignInStore, wakeups: Wakeups) -> Standing:
    return Standing(sign_ins, sign_ins, wakeups, real_time)


async def test_a_page_session_is_good_until_it_is_ended(
    sessions: Sessions, standing: Standing, cast: Cast
) -> None:
    secret = await sessions.begin(Principal(Role.CUSTOMER, cast.customer), None)
    found = await sessions.find(secret)
    assert found is not None
    assert found.who == Principal(Role.CUSTOMER, cast.customer)
    assert await standing.ending(found) is None
    await sessions.end(secret)
    assert await standing.ending(found) is Ending.SIGNED_OUT


@pytest.mark.parametrize("secret", ["", "x", "0" * 64, "é" * 64, "0" * 10_000])
async def test_a_secret_we_never_gave_is_nobody(sessions: Sessions, secret: str) -> None:
    assert await sessions.find(secret) is None


async def test_the_table_keeps_no_secret(sessions: Sessions, pool: "Pool") -> None:
    secret = await sessions.begin(OPERATOR, LOGIN)
    row = str(tuple(await pool.fetchrow("select * from headstart.sign_ins") or ()))
    assert secret not in row
    assert str(bytes.fromhex(secret)) not in row


async def test_a_page_session_lapses_when_it_is_not_used_and_ends_in_any_case(
    sessions: Sessions, standing: Standing, owner: "Pool"
) -> None:
    secret = await sessions.begin(OPERATOR, None)
    found = await sessions.find(secret)
    assert found is not None
    later = """
        update headstart.sign_ins
        set lapses_at = clock_timestamp() + $1, ends_at = clock_timestamp() + $2"""
    await owner.execute(later, timedelta(minutes=1), 3 * HOUR)
    await sessions.find(secret)
    lasts = "select lapses_at - clock_timestamp() from headstart.sign_ins"
    assert await owner.fetchval(lasts) > timedelta(minutes=59)
    await owner.execute(later, timedelta(minutes=1), timedelta(minutes=10))
    await sessions.find(secret)
    assert await owner.fetchval(lasts) < timedelta(minutes=11)
    await owner.execute(later, -timedelta(seconds=1), HOUR)
    assert await standing.ending(found) is Ending.EXPIRED
    await sessions.find(secret)
    assert await standing.ending(found) is Ending.EXPIRED, "use does not bring it back"


async def test_a_token_ends_with_its_time(standing: Standing) -> None:
    assert await standing.ending(bearer(OPERATOR)) is None
    assert await standing.ending(bearer(OPERATOR, lasts=-timedelta(seconds=1))) is Ending.EXPIRED


async def test_signing_out_ends_what_was_issued_and_nothing_newer(
    standing: Standing, sign_ins: SignInStore
) -> None:
    await sign_ins.sign_out(LOGIN)
    assert await standing.ending(bearer(OPERATOR)) is Ending.SIGNED_OUT
    assert await standing.ending(bearer(OPERATOR, issued=timedelta(seconds=5))) is None


async def test_a_disabled_login_is_nobody_until_it_is_enabled(
    standing: Standing, sign_ins: SignInStore
) -> None:
    await sign_ins.put_login(LOGIN, None, disabled=True, sign_out=False, by=BY)
    assert await standing.ending(bearer(OPERATOR)) is Ending.DISABLED
    await sign_ins.put_login(LOGIN, None, disabled=False, sign_out=False, by=BY)
    assert await standing.ending(bearer(OPERATOR)) is None


async def test_a_login_that_speaks_for_somebody_else_now_is_not_good_for_the_first(
    standing: Standing, sign_ins: SignInStore, cast: Cast
) -> None:
    await sign_ins.put_login(
        LOGIN, Principal(Role.MECHANIC, cast.favorite), disabled=False, sign_out=False, by=BY
    )
    assert await standing.ending(bearer(Principal(Role.MECHANIC, cast.favorite))) is None
    for other in (Principal(Role.MECHANIC, cast.second), Principal(Role.CUSTOMER, cast.customer)):
        assert await standing.ending(bearer(other)) is Ending.REASSIGNED


async def test_a_suspended_mechanic_is_told_so_and_nobody_else_is(
    standing: Standing, people: PeopleStore, cast: Cast
) -> None:
    await people.set_mechanic_status(cast.favorite, "suspended")
    assert (
        await standing.ending(bearer(Principal(Role.MECHANIC, cast.favorite))) is Ending.SUSPENDED
    )
    assert await standing.ending(bearer(Principal(Role.MECHANIC, cast.second))) is None
    assert await standing.ending(bearer(Principal(Role.OPERATOR, cast.favorite))) is None


@asynccontextmanager
async def running(standing: Standing) -> AsyncIterator[None]:
    """The loop, meanwhile."""
    task = asyncio.create_task(standing.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def told(
    standing: Standing, credential: Credential, act: Callable[[], Awaitable[None]]
) -> Ending:
    """What a watcher of this credential hears once this has been done."""
    heard: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    with standing.watch(credential, heard.set_result) as watch:
        await act()
        ending = await heard
        assert watch.ending is ending
        return ending


async def test_a_watcher_is_told_though_every_wake_up_is_lost(
    standing: Standing, sign_ins: SignInStore
) -> None:
    async with running(standing):
        ending = await told(standing, bearer(OPERATOR), lambda: sign_ins.sign_out(LOGIN))
    assert ending is Ending.SIGNED_OUT


async def test_only_the_watchers_of_what_ended_are_told_and_each_once(
    standing: Standing, sign_ins: SignInStore, wakeups: Wakeups
) -> None:
    other = Credential(OPERATOR, real_time(), real_time() + HOUR, Login("https://id.example", "8"))
    heard: list[str] = []
    async with running(standing):
        with (
            standing.watch(other, lambda _: heard.append("other")),
            standing.watch(bearer(OPERATOR), lambda _: heard.append("one")),
        ):
            await told(standing, bearer(OPERATOR), lambda: sign_ins.sign_out(LOGIN))
            await told(standing, bearer(OPERATOR), lambda: sign_ins.sign_out(LOGIN))
    assert heard == ["one"]


async def test_what_had_ended_before_is_told_as_well(
    standing: Standing, sign_ins: SignInStore
) -> None:
    await sign_ins.sign_out(LOGIN)

    async def nothing() -> None:
        return

    async with running(standing):
        assert await told(standing, bearer(OPERATOR), nothing) is Ending.SIGNED_OUT


async def test_nobody_is_trusted_for_long_without_a_database(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        async def unavailable(*_: object) -> None:
            raise Unavailable("nobody is there")

        monkeypatch.setattr(SignInStore, "endings", unavailable)

    monkeypatch.setattr(module, "BLIND_S_MAX", 0.05)
    async with running(standing):
        assert await told(standing, bearer(OPERATOR), away) is Ending.UNVERIFIABLE


async def test_a_token_expires_without_a_database(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise Unavailable("nobody is there")

    async def nothing() -> None:
        return

    monkeypatch.setattr(SignInStore, "endings", unavailable)
    short = bearer(OPERATOR, lasts=timedelta(milliseconds=300))
    async with running(standing):
        assert await told(standing, short, nothing) is Ending.EXPIRED


async def test_what_ended_long_ago_is_forgotten(
    sessions: Sessions, sign_ins: SignInStore, owner: "Pool"
) -> None:
    old, new = [await sessions.begin(OPERATOR, None) for _ in range(2)]
    aged = """
        update headstart.sign_ins set ends_at = clock_timestamp() - $1::interval,
        lapses_at = clock_timestamp() - $1
        where key = (select key from headstart.sign_ins order by key limit 1)"""
    await owner.execute(aged, timedelta(days=31))
    await sign_ins.forget_ended(older_than=timedelta(days=30))
    assert await owner.fetchval("select count(*) from headstart.sign_ins") == 1
    assert [await sessions.find(one) is None for one in (old, new)].count(True) == 1
