"""Who is speaking on a socket: what a token proved, and until when."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from headstart.app.ports import Credential
from headstart.realtime.reasons import End


class Door(Protocol):
    """Reads tokens, and says when what they prove has ended."""

    async def read(self, token: str) -> Credential | None:
        """Who bears this token; None for one that is not good."""
        ...

    async def is_good(self, credential: Credential) -> bool:
        """Does it still hold, as of now?"""
        ...

    def watch(
        self, credential: Credential, on_end: Callable[[End], None]
    ) -> AbstractContextManager[object]:
        """Be told once when it ends, and why."""
        ...
