"""The people of the town, on the socket: what they are answered, and what they hear."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from websockets.asyncio.client import connect

from headstart.core.access import Principal
from headstart.core.audience import EVENT_NAMES
from headstart.lab.socket_walls import WORDS
from headstart.lab.walls import TOLD
from headstart.realtime.limits import SOCKET_PATH
from tests.realtime.conftest import FEED, Talker
from tests.walls.town import Story, Town

EVERYTHING = {"broadcast": {"replay": {"since": 1}, "ack": True}}
WORD_OF_REASON = {str(reason): word for word, reason in WORDS.items() if reason}
WORD_OF_EVENT = {event: word for word, event in TOLD.items()}
PUSHES: Sequence[tuple[str, str, dict[str, Any]]] = (
    *(
        (name, "broadcast", {"event": name, "payload": {"session_id": str(uuid4())}})
        for name in ("offer_seen", *EVENT_NAMES.values(), "request_reserved", "resync_required")
    ),
    ("track", "presence", {"event": "track", "payload": {"status": "available"}}),
    ("untrack", "presence", {"event": "untrack"}),
    ("presence_diff", "presence_diff", {"joins": {}, "leaves": {}}),
    ("phx_error", "phx_error", {}),
)


@dataclass(frozen=True, slots=True)
class OnSocket:
    """One person of a story, on a connection of their own."""

    town: Town
    story: Story
    who: Principal | None
    talker: Talker

    def address(self, topic: str) -> str:
        """A topic of the tables, for this person."""
        own = self.who.id if self.who else UUID(int=1)
        known = {
            "feed": FEED,
            "own": f"realtime:mechanic:{own}",
            "another": f"realtime:mechanic:{self.story.people['decliner'].id}",
            "online": "realtime:online_mechanics",
            "request": f"realtime:session_request:{self.story.id}",
        }
        return known[topic]

    async def joins(self, topic: str) -> str:
        """The word for the answer. They ask for all that they were ever meant to hear."""
        tokens, token = self.town.world.service.tokens, None
        if self.who is not None:
            token = tokens.mint(self.who, lifetime=timedelta(hours=1))
        answer = await self.talker.join(self.address(topic), token, **EVERYTHING)
        if answer["status"] == "ok":
            await self.talker.until("presence_state")  # behind everything that is told again
            return "joins"
        return WORD_OF_REASON[answer["response"]["reason"]]

    def heard(self, topic: str) -> str:
        """What was told of the story's request on a topic, each event once, in order."""
        told = {
            frame[4]["meta"]["id"]: WORD_OF_EVENT[frame[4]["event"]]
            for frame in self.talker.frames
            if frame[2] == self.address(topic)
            and frame[3] == "broadcast"
            and frame[4]["payload"]["session_id"] == self.story.id
        }
        return "+".join(told.values()) or "no"

    async def may_say(self, topic: str) -> frozenset[str]:
        """Which of all pushes are not refused on a topic that they have joined."""
        done = set()
        for name, event, payload in PUSHES:
            ref = await self.talker.say(self.address(topic), event, payload)
            if (await self.talker.answer(ref))["status"] == "ok":
                done.add(name)
        return frozenset(done)


@asynccontextmanager
async def on_the_socket(town: Town, story: Story, person: str) -> AsyncIterator[OnSocket]:
    """Connected."""
    address = str(town.world.client.base_url).replace("http", "ws", 1).rstrip("/") + SOCKET_PATH
    async with connect(f"{address}?vsn=2.0.0", proxy=None) as socket, asyncio.timeout(20):
        yield OnSocket(town, story, story.people.get(person), Talker(socket))
