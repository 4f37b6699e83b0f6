"""The stage on the tests' own PostgreSQL, so that no other has to be started."""

from collections.abc import Iterator

import pytest

from headstart.lab.stage import Stage, put_up
from tests.conftest import with_database
from tests.eavesdropping import require_discreet_logs


@pytest.fixture(scope="session")
def database_server(postgres: str) -> str:
    """A server on which scratch databases may be made."""
    return with_database(postgres, "postgres")


@pytest.fixture(scope="module")
def stage(database_server: str) -> Iterator[Stage]:
    """Server, sandbox and scratch database, for all tests of a module."""
    with put_up(database_server) as stage:
        yield stage
        require_discreet_logs(stage)
