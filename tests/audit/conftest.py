"""A trail with keys of its own."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headstart.app.audit.checkpoints import Checkpoints
from headstart.identity.keys import Ed25519Keys
from headstart.store.audit import AuditStore
from headstart.store.outside import CheckpointFile
from headstart.store.postgres import connected

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


@pytest.fixture
def keys() -> Ed25519Keys:
    """The service's."""
    return Ed25519Keys(bytes(range(32)))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where checkpoints go."""
    return tmp_path / "checkpoints"


@pytest.fixture
async def pool(database: str) -> "AsyncIterator[Pool]":
    """Whoever tampers owns the tables."""
    async with connected(database, connections_max=20, role=None) as pool:
        yield pool


@pytest.fixture
def trail(pool: "Pool") -> AuditStore:
    """The trail."""
    return AuditStore(pool)


@pytest.fixture
def checkpoints(trail: AuditStore, keys: Ed25519Keys, copy: Path) -> Checkpoints:
    """What signs it."""
    return Checkpoints(trail, keys, CheckpointFile(copy))
