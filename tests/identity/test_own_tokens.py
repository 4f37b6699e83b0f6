"""The service's own tokens, minted by ``headstart token`` or by a marketplace with the secret."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import jwt
import pytest

from headstart.app.ports import Login
from headstart.core.access import Principal, Role
from headstart.identity.bearers import BadToken, Bearers, Trusted
from headstart.identity.tokens import AUDIENCE, ISSUER, Tokens, own_issuer
from headstart.store.sign_ins import SignInStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

SECRET = "a secret of more than thirty-two characters"


def real_time() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@pytest.mark.parametrize("role", Role)
async def test_what_is_minted_is_read(pool: "Pool", role: Role) -> None:
    bearers = Bearers([Trusted(own_issuer(SECRET), None)], SignInStore(pool), real_time)
    who = Principal(role, uuid4())
    found = await bearers.read(Tokens(SECRET, real_time).mint(who, lifetime=timedelta(hours=1)))
    assert (found.who, found.login) == (who, Login(ISSUER, str(who.id)))
    assert timedelta() < found.until - real_time() < timedelta(hours=1, minutes=1)


async def test_another_secret_mints_nothing_that_is_read(pool: "Pool") -> None:
    bearers = Bearers([Trusted(own_issuer(SECRET), None)], SignInStore(pool), real_time)
    who = Principal(Role.OPERATOR, uuid4())
    forged = Tokens(SECRET[::-1], real_time).mint(who, lifetime=timedelta(hours=1))
    with pytest.raises(BadToken):
        await bearers.read(forged)
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "operator", "iat": now, "exp": now + 60}
    with pytest.raises(BadToken):
        await bearers.read(jwt.encode({**told, "role": "operator"}, SECRET, algorithm="HS256"))
