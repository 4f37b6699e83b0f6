"""The town stands for a whole module, a world for one test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import fresh_database
from tests.walls.town import Town, town_on
from tests.web.conftest import World, world_on


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(postgres: str) -> AsyncIterator[Town]:
    """On a database of its own."""
    async with fresh_database(postgres) as database, town_on(database) as made:
        yield made


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """The application with the flag on."""
    async with world_on(database) as made:
        yield made
