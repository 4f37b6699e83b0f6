"""Who may open a socket, and what their tokens prove."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from headstart.app.ports import Credential
from headstart.identity.bearers import BadToken, Bearers, UnknownLogin
from headstart.identity.standing import Standing
from headstart.realtime.reasons import End
from headstart.realtime.socket import OriginRule
from headstart.settings import Settings
from headstart.web.edges.origins import Origins


class TokenDoor:
    """Bearer tokens, good for as long as they say and the person's standing lasts."""

    def __init__(self, bearers: Bearers, standing: Standing) -> None:
        self._bearers = bearers
        self._standing = standing

    async def read(self, token: str) -> Credential | None:
        """Who bears this token; None for one that is not good."""
        try:
            return await self._bearers.read(token)
        except (BadToken, UnknownLogin):
            return None

    async def is_good(self, credential: Credential) -> bool:
        """Does it still hold, as of now?"""
        return await self._standing.ending(credential) is None

    def watch(
        self, credential: Credential, on_end: Callable[[End], None]
    ) -> AbstractContextManager[object]:
        """Be told once when it ends, and why."""
        return self._standing.watch(credential, lambda ending: on_end(End.of(ending)))


def may_connect(settings: Settings) -> OriginRule:
    """Programs name no origin. Pages: our own, and those of the sites that are allowed."""
    return Origins.of(settings).admits
