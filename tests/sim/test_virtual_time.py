"""Time that is a number: naps end when they should, or at once."""

import asyncio

import pytest

from headstart.lab.simulation.virtual_time import Deadlock, napping, run_in_virtual_time


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_nap_ends_in_its_turn_beside_everything_else_that_waits() -> None:
    async def story() -> None:
        woken = []

        async def rest(name: str, seconds: float, *, nap: bool) -> None:
            await (napping() if nap else asyncio.sleep)(seconds)
            woken.append((name, now_s()))

        await asyncio.gather(
            rest("fourth", 3.0, nap=False),
            rest("third", 2.0, nap=True),
            rest("first", 1.0, nap=True),
            rest("second", 1.0, nap=True),
        )
        assert woken == [("first", 1.0), ("second", 1.0), ("third", 2.0), ("fourth", 3.0)]

    run_in_virtual_time(story())


def test_a_nap_may_end_with_an_error() -> None:
    async def story() -> None:
        with pytest.raises(ZeroDivisionError):
            await napping()(3.0, ZeroDivisionError())
        assert now_s() == 3.0

    run_in_virtual_time(story())


def test_who_is_killed_in_a_nap_is_dead_at_once_and_only_once() -> None:
    async def story() -> None:
        ends = []

        async def life() -> None:
            try:
                await napping()(100.0)
            finally:
                ends.append(now_s())
                await asyncio.sleep(5.0)
                ends.append(now_s())

        task = asyncio.create_task(life())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(200.0)
        assert ends == [1.0, 6.0]

    run_in_virtual_time(story())


def test_a_nap_that_takes_too_long_is_cut_short() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await napping()(100.0)
        await napping()(1.0)
        assert now_s() == 3.0

    run_in_virtual_time(story())


def test_whoever_waits_for_nothing_is_found_out() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_in_virtual_time(story())
