"""The demo, started as people start it, on a database of its own: for tests and for pictures."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from anyio.from_thread import start_blocking_portal

from headstart.demonstration import PORTS
from headstart.lab.backstage import (
    Server,
    free_port,
    scratch_database,
    scratch_directory,
    server_environment,
)


@contextmanager
def demo(database_url: str | None = None, *, window_minutes: float = 10) -> Iterator[Server]:
    """A running ``headstart demo``, taken down whatever happens.

    The database is embedded, or a new one on the server of ``database_url``. Without another wish
    the window is the plan's.
    """
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        directory = stack.enter_context(scratch_directory())
        dsn = stack.enter_context(scratch_database(portal, directory, database_url))
        port = free_port(neighbours=PORTS - 1)
        settings = {"DATABASE_URL": dsn, "HEADSTART_DATA_DIRECTORY": str(directory)}
        command = ("demo", "--port", str(port), "--window-minutes", str(window_minutes))
        server = Server(server_environment(settings), directory, port, command)
        stack.callback(server.stop)
        server.start()
        yield server
