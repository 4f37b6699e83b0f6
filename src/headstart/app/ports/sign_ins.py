"""Logins and sign-ins: who may speak for whom, and whether they still may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

from headstart.app.ports.audit import By
from headstart.core.access import Principal

SignInKey = NewType("SignInKey", bytes)  # the digest of the secret that a browser holds


@dataclass(frozen=True, slots=True)
class Login:
    """An account at an identity provider. Its subject is nobody's customer or mechanic id."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What proved who somebody is. Times are real ones, not the test clock's.

    ``login`` is None for a persona of the demo, ``sign_in`` is None for a bearer token.
    """

    who: Principal
    issued_at: datetime
    until: datetime
    login: Login | None = None
    sign_in: SignInKey | None = None


class Ending(StrEnum):
    """Why a credential is not good any more."""

    EXPIRED = "expired"
    SIGNED_OUT = "signed_out"
    DISABLED = "disabled"
    REASSIGNED = "reassigned"
    SUSPENDED = "suspended"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class KnownLogin:
    """A login as the table has it. ``who`` is None where its own claims say for whom it speaks."""

    login: Login
    who: Principal | None
    disabled: bool
    signed_out_at: datetime | None


class SignIns(Protocol):
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
        ...

    async def find(self, key: SignInKey, *, idle: timedelta) -> Credential | None:
        """A page session by its key, used once more; ``endings`` tells whether it is good."""
        ...

    async def end(self, key: SignInKey) -> None:
        """This page session is over. Harmless when repeated."""
        ...

    async def sign_out(self, login: Login) -> None:
        """Everything issued to this login until now is over: tokens and page sessions."""
        ...

    async def endings(self, credentials: Sequence[Credential]) -> Sequence[Ending | None]:
        """For each, in order, why it is not good any more; None for what is good."""
        ...

    async def known_login(self, login: Login) -> KnownLogin | None:
        """A login of the table."""
        ...

    async def known_logins(self, after: Login | None, limit: int) -> Sequence[KnownLogin]:
        """A page of the table, in the order of issuer and subject."""
        ...

    async def put_login(
        self, login: Login, who: Principal | None, *, disabled: bool, sign_out: bool, by: By
    ) -> None:
        """Say for whom a login speaks, and whether it may; DoesNotExist for an unknown person.

        ``sign_out`` ends everything issued to it until now.
        """
        ...

    async def forget_ended(self, *, older_than: timedelta) -> None:
        """Drop page sessions that ended long ago."""
        ...
