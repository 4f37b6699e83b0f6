"""Ears: whatever any test is answered, and whatever servers log, is searched for canaries."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.core.access import Principal
from headstart.lab.canaries import SURNAME, is_entitled, sightings
from headstart.lab.stage import Stage

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_ON_THIS_MACHINE = ("GET /", SURNAME)  # the demo's front page shows who one can be


class Eavesdropper:
    """Passes everything on, and remembers what should not have been said."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.leaks: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, to its end: an answer, or a stream."""
        said: list[bytes] = []

        async def overhear(message: Message) -> None:
            said.extend(value for _, value in message.get("headers", ()))
            said.append(message.get("body", b""))
            await send(message)

        scope.setdefault("state", {})
        try:
            await self._app(scope, receive, overhear)
        finally:
            if scope["type"] == "http":
                self._judge(scope, b"\n".join(said).decode(errors="replace"))

    def _judge(self, scope: Scope, text: str) -> None:
        """By role: whose it is, is asked by ``tests/walls/test_canaries.py``."""
        route = f"{scope['method']} {_ID.sub('{id}', scope['path'])}"
        who: Principal | None = scope["state"].get("who")
        role = who.role if who else None
        for heard in sightings(text):
            meant = is_entitled(route, role, heard.whose, heard)
            if not meant and (route, heard.what) != _ON_THIS_MACHINE:
                self.leaks.append(f"{route} by {role}: {heard.what}")


@asynccontextmanager
async def overheard(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """AssertionError at the end if anybody was answered what is not meant for them."""
    ear = Eavesdropper(app)
    yield ear
    assert ear.leaks == [], ear.leaks


def require_discreet_logs(stage: Stage) -> None:
    """AssertionError if a server of this stage has logged what is private."""
    logs = [path.read_text(errors="replace") for path in stage.directory.glob("server-*.log")]
    assert sightings("\n".join(logs)) == set()
