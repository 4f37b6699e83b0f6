"""Our own bearer tokens, for programs and for a marketplace that signs its people in itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from pydantic import SecretStr

from headstart.core.access import Principal
from headstart.identity.issuers import Issuer

ISSUER = "headstart"
AUDIENCE = "headstart"
ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mints tokens. ``now`` is real time: tokens do not follow the test clock."""

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


def own_issuer(secret: str) -> Issuer:
    """Ourselves, as one of those whose tokens are believed: the subject is the person's own id."""
    return Issuer(
        issuer=ISSUER,
        audience=AUDIENCE,
        algorithms=(ALGORITHM,),
        secret=SecretStr(secret),
        person_claim="sub",
    )
