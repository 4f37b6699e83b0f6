"""Direct SQL as a role of the database, and what it says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from headstart.lab.row_walls import Answer, Asker

if TYPE_CHECKING:
    from headstart.store.postgres import Connection as Own

    Connection = Own | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

STRANGER = "somebody_else"
_NO = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a view that nobody can write through
)


@asynccontextmanager
async def asking(
    owner: "Connection", asker: Asker, person: UUID | None = None, *, claims_of: str | None = None
) -> AsyncIterator["Asked"]:
    """Somebody's own transaction, of which nothing stays."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        role = asker.role
        if asker is Asker.STRANGER:
            role = STRANGER
            await owner.execute(f"create role {STRANGER}")
        claims = claims_of or role.removeprefix("headstart_")
        said = {"headstart_role": claims, "headstart_id": str(person)} if person else {}
        await owner.execute(
            "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role,
            json.dumps(said),
        )
        yield Asked(owner)
    finally:
        await transaction.rollback()


class Asked:
    """A connection that has become somebody."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    async def column(self, sql: str) -> list[Any] | None:
        """The first column of every row; None when it is refused."""
        try:
            async with self._connection.transaction():
                return [row[0] for row in await self._connection.fetch(sql)]
        except _NO:
            return None

    async def may(self, sql: str) -> Answer:
        """Whether a statement that touches no row is carried out."""
        return Answer.REFUSED if await self.column(sql) is None else Answer.DONE
