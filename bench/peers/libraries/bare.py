"""No library: one small table, a conditional update, and a sweep that sleeps until the next."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bench.peers.libraries import Fired

CLIENTS = 16
POLL_S = 0.5
TABLE = """
create table if not exists public.timers (
    key bigint primary key, due_at timestamptz not null, state text not null default 'armed');
create index if not exists timers_due on public.timers (due_at) where state = 'armed'"""
ARM = "insert into public.timers (key, due_at) values ($1, to_timestamp($2))"
CANCEL = "update public.timers set state = 'cancelled' where key = $1 and state = 'armed'"
SWEEP = """
with due as (
    select key from public.timers
    where state = 'armed' and due_at <= clock_timestamp()
    order by due_at limit 500 for update skip locked)
update public.timers set state = 'fired' from due where timers.key = due.key
returning timers.key"""
NEXT = """
select extract(epoch from min(due_at))::float8 from public.timers where state = 'armed'"""


class _Timers:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def arm(self, key: int, due_s: float) -> None:
        await self._pool.execute(ARM, key, due_s)

    async def cancel(self, key: int) -> None:
        await self._pool.execute(CANCEL, key)


@asynccontextmanager
async def client(address: str, _tuned: bool) -> AsyncIterator[_Timers]:
    async with asyncpg.create_pool(address, max_size=CLIENTS) as pool:
        await pool.execute(TABLE)
        yield _Timers(pool)


async def work(address: str, _tuned: bool, fired: Fired) -> None:
    connection = await asyncpg.connect(address)
    while True:
        while rows := await connection.fetch(SWEEP):
            fired.all(row["key"] for row in rows)
        next_s = await connection.fetchval(NEXT)
        wait_s = POLL_S if next_s is None else min(POLL_S, next_s - time.time())
        await asyncio.sleep(max(0.0, wait_s))
