"""Bearer tokens: signed by the configured secret, read strictly (RFC 7519, RFC 8725)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from headstart.app.ports import Credential, Login
from headstart.core.access import Principal, Role

ISSUER = "headstart"
AUDIENCE = "headstart"
ALGORITHM = "HS256"
TOKEN_CHARACTERS_MAX = 4_096
LEEWAY = timedelta(seconds=10)


_NOT_RIGHT = (
    jwt.PyJWTError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
)  # the last two: times no clock can show


class BadToken(Exception):
    """Not a token of ours, or no longer one. Says nothing about why to the bearer."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mints and reads tokens. ``now`` is real time: tokens do not follow the test clock."""

    secret: str
    now: Callable[[], datetime]

    def mint(self, who: Principal, *, lifetime: timedelta) -> str:
        """A token that proves to be ``who`` for a while."""
        now = self.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(who.id),
            "role": who.role.value,
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, self.secret, algorithm=ALGORITHM)

    def read(self, token: str) -> Credential:
        """Who bears this token; BadToken for anything that is not exactly right."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise BadToken
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={
                    "require": ["exp", "iat", "sub", "aud", "iss"],
                    "enforce_minimum_key_length": True,
                },
            )
            person = UUID(claims["sub"])
            return Credential(
                Principal(Role(claims["role"]), person),
                issued_at=datetime.fromtimestamp(claims["iat"], UTC),
                until=datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY,
                login=Login(ISSUER, str(person)),
            )
        except _NOT_RIGHT as error:
            raise BadToken from error
