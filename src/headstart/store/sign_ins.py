"""Logins and sign-ins in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headstart.app.ports import By, Credential, Ending, KnownLogin, Login, SignInKey
from headstart.core.access import Principal, Role
from headstart.store.postgres import Postgres

if TYPE_CHECKING:
    import asyncpg

NOTED_EVERY = timedelta(minutes=1)  # a page in use must not cost a write per request
FORGOTTEN_AT_ONCE_MAX = 1_000


class SignInStore(Postgres):
    """Logins, the page sessions they began, and what has become of them."""

    async def begin(
        self,
        key: SignInKey,
        who: Principal,
        login: Login | None,
        *,
        idle: timedelta,
        at_most: timedelta,
    ) -> None:
        """A page session: it lapses when unused for ``idle``, and ends after ``at_most``."""
        await self.rows(
            "begin_sign_in",
            key=key,
            role=who.role.value,
            person_id=who.id,
            issuer=login.issuer if login else None,
            subject=login.subject if login else None,
            idle=idle,
            at_most=at_most,
        )

    async def find(self, key: SignInKey, *, idle: timedelta) -> Credential | None:
        """A page session by its key, used once more; ``endings`` tells whether it is good."""
        row = await self.row("sign_in", key=key, idle=idle, noted_every=NOTED_EVERY)
        if row is None:
            return None
        if row["to_be_noted"]:
            await self.rows("note_use", key=key, idle=idle)
        login = Login(row["issuer"], row["subject"]) if row["issuer"] is not None else None
        who = Principal(Role(row["role"]), row["person_id"])
        return Credential(who, row["began_at"], row["ends_at"], login, key)

    async def end(self, key: SignInKey) -> None:
        """This page session is over. Harmless when repeated."""
        await self.rows("end_sign_in", key=key)

    async def sign_out(self, login: Login) -> None:
        """Everything issued to this login until now is over: tokens and page sessions."""
        await self.rows("sign_out_login", issuer=login.issuer, subject=login.subject)

    async def endings(self, credentials: Sequence[Credential]) -> Sequence[Ending | None]:
        """For each, in order, why it is not good any more; None for what is good."""
        logins = [one.login for one in credentials]
        rows = await self.rows(
            "endings",
            sign_ins=[one.sign_in for one in credentials],
            issuers=[login.issuer if login else None for login in logins],
            subjects=[login.subject if login else None for login in logins],
            roles=[one.who.role.value for one in credentials],
            people=[one.who.id for one in credentials],
            issued=[one.issued_at for one in credentials],
        )
        found: list[Ending | None] = [None] * len(credentials)
        for row in rows:
            found[row["place"] - 1] = Ending(row["ending"])
        return found

    async def known_login(self, login: Login) -> KnownLogin | None:
        """A login of the table."""
        row = await self.row("known_login", issuer=login.issuer, subject=login.subject)
        return _known(row) if row else None

    async def known_logins(self, after: Login | None, limit: int) -> Sequence[KnownLogin]:
        """A page of the table, in the order of issuer and subject."""
        place = after or Login("", "")
        rows = await self.rows(
            "known_logins", issuer=place.issuer, subject=place.subject, limit=limit
        )
        return [_known(row) for row in rows]

    async def put_login(
        self, login: Login, who: Principal | None, *, disabled: bool, sign_out: bool, by: By
    ) -> None:
        """Say for whom a login speaks, and whether it may; DoesNotExist for an unknown person."""
        await self.rows(
            "put_login",
            issuer=login.issuer,
            subject=login.subject,
            role=who.role.value if who else None,
            person_id=who.id if who else None,
            disabled=disabled,
            sign_out=sign_out,
            actor=by.actor,
            reason=by.reason,
        )

    async def forget_ended(self, *, older_than: timedelta) -> None:
        """Drop page sessions that ended long ago, a bounded number of them."""
        await self.rows("forget_ended_sign_ins", older_than=older_than, limit=FORGOTTEN_AT_ONCE_MAX)


def _known(row: "asyncpg.Record") -> KnownLogin:
    values: dict[str, Any] = dict(row)
    role, person = values["role"], values["person_id"]
    return KnownLogin(
        Login(values["issuer"], values["subject"]),
        Principal(Role(role), person) if role is not None else None,
        values["disabled"],
        values["signed_out_at"],
    )
