"""The line loses answers to commits, and nothing else."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from headstart.lab.line import Messages, Transaction, line_to

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

HURRY = "update headstart.test_clock set ahead = ahead + $1 * interval '1 s'"
LATE = "select extract(epoch from ahead)::int from headstart.test_clock"
CLOSED = (asyncpg.PostgresConnectionError, ConnectionError)


async def test_a_lost_answer_belongs_to_a_commit_that_happened(database: str, pool: "Pool") -> None:
    async with line_to(database) as line:
        client = await asyncpg.connect(line.dsn)
        await client.execute(HURRY, 1)
        line.lose_next()
        assert await client.fetchval(LATE) == 1, "a look is answered"
        with pytest.raises(CLOSED):
            await client.execute(HURRY, 1)
        assert await pool.fetchval(LATE) == 2
        assert (line.commits, line.lost) == (2, 1)


async def test_what_is_rolled_back_is_answered(database: str) -> None:
    async with line_to(database, chance=1.0) as line:
        client = await asyncpg.connect(line.dsn)
        undone = client.transaction()
        await undone.start()
        await client.execute(HURRY, 1)
        await undone.rollback()
        with pytest.raises(asyncpg.CheckViolationError):
            await client.execute("insert into headstart.test_clock values (false)")
        assert await client.fetchval(LATE) == 0
        assert (line.commits, line.lost) == (0, 0)
        await client.close()


async def test_a_savepoint_that_is_undone_does_not_undo_the_commit(database: str) -> None:
    async with line_to(database) as line:
        client = await asyncpg.connect(line.dsn)
        async with client.transaction():
            await client.execute(HURRY, 1)
            with pytest.raises(asyncpg.UniqueViolationError):
                async with client.transaction():
                    await client.execute("insert into headstart.test_clock values (true)")
        assert line.commits == 1
        await client.close()


async def test_a_commit_in_words_is_a_commit(database: str, pool: "Pool") -> None:
    async with line_to(database, chance=1.0) as line:
        client = await asyncpg.connect(line.dsn)
        transaction = client.transaction()
        await transaction.start()
        await client.execute(HURRY, 1)
        assert await client.fetchval(LATE) == 1, "within it everything is answered"
        with pytest.raises(CLOSED):
            await transaction.commit()
        assert await pool.fetchval(LATE) == 1


async def test_the_one_that_is_wanted_is_lost_and_witnessed(database: str, pool: "Pool") -> None:
    seen = []

    async def look() -> None:
        seen.append(await pool.fetchval(LATE))

    async with line_to(database) as line:
        client = await asyncpg.connect(line.dsn)
        line.lose_next("* interval", look)
        await client.execute("update headstart.test_clock set ahead = '5 s'")
        with pytest.raises(CLOSED):
            await client.execute(HURRY, 1)
        assert (seen, line.lost) == ([6], 1)


async def test_the_share_that_is_lost_is_chosen_by_the_seed(database: str) -> None:
    async def lost(seed: int) -> list[int]:
        found = []
        async with line_to(database, chance=0.3, seed=seed) as line:
            for number in range(20):
                client = await asyncpg.connect(line.dsn)
                try:
                    await client.execute(HURRY, 0)
                    await client.close()
                except CLOSED:
                    found.append(number)
        return found

    assert await lost(1) == await lost(1) != await lost(2)


async def test_everybody_is_cut_off_and_may_call_again(database: str) -> None:
    async with line_to(database) as line:
        clients = [await asyncpg.connect(line.dsn) for _ in range(3)]
        asleep = [asyncio.create_task(one.fetchval("select pg_sleep(60)")) for one in clients]
        await asyncio.sleep(0)
        line.cut()
        ends = await asyncio.gather(*asleep, return_exceptions=True)
        assert all(isinstance(end, CLOSED) for end in ends)
        again = await asyncpg.connect(line.dsn)
        assert await again.fetchval("select 1") == 1
        await again.close()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_messages_are_whole_however_they_arrive(size: int) -> None:
    sent = [b"Z\0\0\0\5I", b"C\0\0\0\x0bINSERT\0", b"D\0\0\0\4", b"Z\0\0\0\5T"]
    stream, messages, found = b"".join(sent), Messages(), []
    for at in range(0, len(stream), size):
        found += messages.feed(stream[at : at + size])
    assert found == [(one[:1], one) for one in sent]


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        (b"/* x */ update headstart.session_requests r\n    set status = 'x'", True),
        (b"INSERT INTO t values (1)", True),
        (b"delete from t", True),
        (b"select id from t for no key update skip locked", False),
        (b"select 'set' from updates", False),
    ],
)
def test_what_writes_is_known_by_its_text(text: bytes, writes: bool) -> None:
    transaction = Transaction()
    transaction.asked(b"Q", b"Q\0\0\0\0" + text)
    assert bool(transaction.writes) is writes
