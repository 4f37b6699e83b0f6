"""Fixtures of the payment tests."""

from collections.abc import AsyncIterator

import pytest

from .stand import Stand, a_stand


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    """A fresh sandbox with a shop."""
    async with a_stand() as made:
        yield made
