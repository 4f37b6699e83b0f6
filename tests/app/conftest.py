"""The application's parts, put together on a real database."""

from typing import TYPE_CHECKING

import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.app.wakeups import Wakeups
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.people import PeopleStore
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


@pytest.fixture
def requests(pool: "Pool") -> RequestStore:
    """Session requests."""
    return RequestStore(pool)


@pytest.fixture
def intakes(pool: "Pool") -> IntakeStore:
    """Intakes."""
    return IntakeStore(pool)


@pytest.fixture
def people(pool: "Pool") -> PeopleStore:
    """People, and the test clock."""
    return PeopleStore(pool)


@pytest.fixture
def event_log(pool: "Pool") -> EventLogStore:
    """The log."""
    return EventLogStore(pool)


@pytest.fixture
def wakeups() -> Wakeups:
    """Hints within this process."""
    return Wakeups()


@pytest.fixture
def dispatcher(requests: RequestStore, wakeups: Wakeups) -> Dispatcher:
    """The write path."""
    return Dispatcher(requests, wakeups.announce)
