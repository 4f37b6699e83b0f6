"""Fixtures of the payment tests."""

import ssl
from collections.abc import AsyncIterator
from functools import cache

import pytest

from .stand import Stand, a_stand

_tls_context = cache(ssl.create_default_context)


@pytest.fixture(autouse=True)
def _read_the_authorities_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every HTTP client reads all certificate authorities, though loopback needs none of them:
    several hundred clients are made here, and that would be most of the time."""
    monkeypatch.setattr(ssl, "create_default_context", _tls_context)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    """A fresh sandbox with a shop."""
    async with a_stand() as made:
        yield made
