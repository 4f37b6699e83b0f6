"""Page sessions: the browser holds a random secret, the table its digest, the server all else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from headstart.app.ports import Credential, Login, SignInKey, SignIns
from headstart.core.access import Principal

SECRET_BYTES = 32
SECRET_CHARACTERS = 2 * SECRET_BYTES


@dataclass(frozen=True, slots=True)
class Sessions:
    """Begins, finds and ends page sessions. ``new_bytes`` makes secrets."""

    sign_ins: SignIns
    new_bytes: Callable[[int], bytes]
    idle: timedelta
    at_most: timedelta

    async def begin(self, who: Principal, login: Login | None) -> str:
        """The secret for the browser: new every time, so that nobody can plant one beforehand."""
        secret = self.new_bytes(SECRET_BYTES).hex()
        key = key_of(secret)
        await self.sign_ins.begin(key, who, login, idle=self.idle, at_most=self.at_most)
        return secret

    async def find(self, secret: str) -> Credential | None:
        """Whose secret this is, whether or not it is still good; None for one we never gave."""
        if len(secret) != SECRET_CHARACTERS or not secret.isascii():
            return None
        return await self.sign_ins.find(key_of(secret), idle=self.idle)

    async def end(self, secret: str) -> None:
        """Over, at once and everywhere. Harmless when repeated."""
        await self.sign_ins.end(key_of(secret))


def key_of(secret: str) -> SignInKey:
    """What the table knows of a secret: a thief of the table could not sign in with it."""
    return SignInKey(sha256(secret.encode()).digest())
