"""Money that is left to a person, for both databases: nobody looks at it for ever."""

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headstart.app.ports import Conclusion
from headstart.core import commands
from headstart.core.request import CustomerId, MechanicId
from headstart.lab.simulation.database import ModelDatabase
from tests.conftest import Cast
from tests.store.booking import money
from tests.store.test_money_contract import (
    OPERATOR,
    cancel,
    claimed,
    operations,
    paid_for,
)
from tests.store.worlds import ModelWorld, PostgreSQLWorld, World, accept

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


class Contract:
    """What both promise."""

    @pytest.mark.parametrize("served", [True, False])
    async def test_a_hold_that_a_person_sees_to_is_not_doubtful(
        self, world: World, served: bool
    ) -> None:
        made, now = await paid_for(world, hold=True), await operations(world).clock()
        if served:
            await world.do(accept(made, world.cast.second))
            await world.do(commands.CompleteSession(made.id, None, OPERATOR))
        else:
            await world.do(cancel(made))
        held = money(f"pi_{made.id}", "requires_capture")
        await operations(world).keep_payment(held, None, now)
        assert list(await operations(world).doubtful(10)) == [held.id]
        [owed] = await claimed(world)
        await operations(world).conclude(owed, Conclusion.REFUSED, "card_refused")
        await world.advance(timedelta(minutes=10))
        assert list(await operations(world).doubtful(10)) == []


class TestPostgreSQL(Contract):
    """The original keeps it."""

    @pytest.fixture
    async def world(self, pool: "Pool", cast: Cast) -> World:
        """Everybody approved, nobody on duty."""
        return PostgreSQLWorld(pool, cast)


class TestModel(Contract):
    """The model keeps it, too."""

    @pytest.fixture
    async def world(self) -> World:
        """Everybody approved, nobody on duty."""
        favorite, second, one, other = [MechanicId(uuid4()) for _ in range(4)]
        cast = Cast(CustomerId(uuid4()), favorite, second, (one, other))
        return ModelWorld(ModelDatabase(Random(0)), cast)
