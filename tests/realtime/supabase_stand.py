"""A project of Supabase as far as its HTTP surface for broadcasts goes, as the reference has it.

What clients would hear is kept in ``heard``: a message that a policy refuses is accepted in a batch
and dropped, and refused by name when it comes alone.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.payments.stand import listening, served

Json = dict[str, Any]
KEY = "sb_secret_of_a_stand"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that a subscriber of the topic was sent."""

    topic: str
    event: str
    payload: Json
    id: str | None


@dataclass
class Stand:
    """``fails``: the statuses of the next answers, before anything is looked at. ``rate``: how many
    messages one batch may hold. ``may_write``: what the policies say. ``limit``: of a payload."""

    url: str = ""
    key: str = KEY
    rate: int = 100
    limit: int = 100_000
    single: bool = True
    may_write: Callable[[str], bool] = lambda topic: True
    fails: deque[int] = field(default_factory=deque)
    heard: list[Heard] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def of(self, topic: str) -> list[str]:
        """What was told on a topic, each event once, in order."""
        told = {
            (one.payload["version"], one.event): one.event
            for one in self.heard
            if one.topic == topic
        }
        return list(told.values())

    async def batch(self, request: Request) -> Response:
        """All of them or none."""
        if (answer := self._refused(request)) is not None:
            return self._said(answer)
        messages: list[Json] = (await request.json())["messages"]
        if any(not self._fits(one) for one in messages):
            return self._said(JSONResponse({"errors": {"payload": ["does not fit"]}}, 422))
        if len(messages) > self.rate:
            sentence = "Too many messages to broadcast, please reduce the batch size"
            return self._said(JSONResponse({"message": sentence}, 429))
        for one in messages:
            if one["private"] and self.may_write(one["topic"]):
                heard = Heard(one["topic"], one["event"], one["payload"], one["id"])
                self.heard.append(heard)
        return self._said(Response(status_code=202))

    async def alone(self, request: Request) -> Response:
        """One, with an answer that counts."""
        if not self.single:
            return self._said(Response(status_code=404))
        if (answer := self._refused(request)) is not None:
            return self._said(answer)
        topic, event = request.path_params["topic"], request.path_params["event"]
        assert request.query_params["private"] == "true"
        if not self.may_write(topic):
            return self._said(JSONResponse({"message": "Unauthorized"}, 403))
        self.heard.append(Heard(topic, event, await request.json(), None))
        return self._said(Response(status_code=202))

    def _refused(self, request: Request) -> Response | None:
        if self.fails:
            return Response(status_code=self.fails.popleft())
        assert "authorization" not in request.headers  # a key of this kind is no token
        if request.headers["apikey"] != self.key:
            return JSONResponse({"message": "Unauthorized"}, 401)
        return None

    def _fits(self, message: Json) -> bool:
        return isinstance(message["payload"], dict) and len(str(message["payload"])) <= self.limit

    def _said(self, answer: Response) -> Response:
        self.answers.append(answer.status_code)
        return answer


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """On loopback."""
    bound, url = listening()
    made = Stand(url)
    base = "/realtime/v1/api/broadcast"
    routes = [
        Route(base, made.batch, methods=["POST"]),
        Route(f"{base}/{{topic}}/events/{{event}}", made.alone, methods=["POST"]),
    ]
    async with served(Starlette(routes=routes), bound):
        yield made
