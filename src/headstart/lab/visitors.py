"""People at the stage: they speak HTTP with a token of their own, and listen to their stream."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

import httpx
from anyio.from_thread import BlockingPortal

from headstart.core.access import Role

PATIENCE_S = 5.0  # for what ought to happen at once; it ends a test that would hang
RECONNECT_S = 0.02
STREAM = "/api/v1/stream"

Json = dict[str, Any]


class NotTold(AssertionError):
    """A stream did not bring, in time, what it had to bring."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream. ``arrived_s`` is this process's monotonic clock."""

    event: str
    id: str
    text: str
    arrived_s: float

    @property
    def payload(self) -> Json:
        """What the message says."""
        said: Json = json.loads(self.text) if self.text else {}
        return said

    def mentions(self, request_id: UUID) -> bool:
        """In any field at all."""
        return str(request_id) in self.text


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in. ``at`` another server they are the same person."""

    role: Role
    id: UUID
    name: str
    token: str
    base: str
    http: httpx.Client
    open_stream: "Callable[[Person, str], Listener]"

    @property
    def headers(self) -> dict[str, str]:
        """What proves who they are."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> httpx.Response:
        """A GET below ``/api/v1``."""
        return self.ask("GET", path)

    def post(self, path: str, body: Json | None = None) -> httpx.Response:
        """A POST below ``/api/v1``."""
        return self.ask("POST", path, body)

    def put(self, path: str, body: Json | None = None) -> httpx.Response:
        """A PUT below ``/api/v1``."""
        return self.ask("PUT", path, body)

    def ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        """Any request below ``/api/v1``; whatever the answer."""
        if self.role is Role.OPERATOR and method != "GET":
            body = {"reason": "a rehearsal", **(body or {})}
        address = f"{self.base}/api/v1{path}"
        return self.http.request(method, address, json=body, headers=self.headers)

    def accept(self, request_id: UUID) -> httpx.Response:
        """Try to get the job."""
        return self.post(f"/session-requests/{request_id}/acceptance")

    def see(self, request_id: UUID) -> httpx.Response:
        """Try to look at a request."""
        return self.get(f"/session-requests/{request_id}")

    def on_duty(self) -> Self:
        """A mechanic's heartbeat."""
        self.put("/presence", {"on_duty": True}).raise_for_status()
        return self

    def off_duty(self) -> Self:
        """A mechanic goes."""
        self.put("/presence", {"on_duty": False}).raise_for_status()
        return self

    def listen(self, *, after: str = "") -> "Listener":
        """Open the stream, as a browser does, after a cursor; returns when it is ready."""
        return self.open_stream(self, after)

    def at(self, base: str) -> Self:
        """The same person at another server."""
        return replace(self, base=base)


class Listener:
    """Everything one stream brought, in order. Like a browser it reconnects where it was."""

    def __init__(
        self, portal: BlockingPortal, http: httpx.AsyncClient, who: Person, after: str
    ) -> None:
        self.who = who
        self.cursor = after
        self._http = http
        self._frames: list[Frame] = []
        self._arrived = threading.Condition()
        self._following: Future[None] = portal.start_task_soon(self._follow)

    @property
    def frames(self) -> Sequence[Frame]:
        """All that came so far, snapshots included."""
        with self._arrived:
            return tuple(self._frames)

    def about(self, request_id: UUID, event: str | None = None) -> Sequence[Frame]:
        """Frames that mention a request anywhere, snapshots included."""
        return [
            frame
            for frame in self.frames
            if frame.mentions(request_id) and event in (None, frame.event)
        ]

    def wait_for(
        self, event: str, request_id: UUID | None = None, *, within_s: float = PATIENCE_S
    ) -> Frame:
        """The first such frame, old or new; NotTold when it does not come in time."""

        def found() -> Frame | None:
            return next(
                (
                    frame
                    for frame in self._frames
                    if frame.event == event and (request_id is None or frame.mentions(request_id))
                ),
                None,
            )

        with self._arrived:
            self._arrived.wait_for(lambda: found() or self._following.done(), within_s)
            frame = found()
        if frame is not None:
            return frame
        if self._following.done():
            self._following.result()
        raise NotTold(f"{self.who.name} was not told {event} within {within_s:g} s")

    def close(self) -> None:
        """Leave. The cursor says where to go on."""
        self._following.cancel()

    async def _follow(self) -> None:
        while True:
            with suppress(httpx.TransportError):
                await self._listen_once()
            await asyncio.sleep(RECONNECT_S)

    async def _listen_once(self) -> None:
        headers = self.who.headers | ({"Last-Event-ID": self.cursor} if self.cursor else {})
        address = self.who.base + STREAM
        async with self._http.stream("GET", address, headers=headers) as answer:
            answer.raise_for_status()
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                else:
                    self._take(fields)
                    fields = {}

    def _take(self, fields: dict[str, str]) -> None:
        """Comments and hints have no event."""
        if "event" not in fields:
            return
        frame = Frame(
            fields["event"], fields.get("id", ""), fields.get("data", ""), time.monotonic()
        )
        with self._arrived:
            self.cursor = frame.id or self.cursor
            self._frames.append(frame)
            self._arrived.notify_all()
