"""The addresses of the feed as clients write them, and what each of them carries."""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from headstart.app.feed import Frame
from headstart.core.access import Principal, Role
from headstart.core.audience import FEED_TOPIC

PREFIX = "realtime:"
ONLINE_TOPIC = "online_mechanics"
_OF_SOMEBODY = re.compile(
    r"(mechanic|session_request):([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)


class Kind(StrEnum):
    """The closed list of topics."""

    FEED = FEED_TOPIC
    ONLINE = ONLINE_TOPIC
    MECHANIC = "mechanic"
    REQUEST = "session_request"


@dataclass(frozen=True, slots=True)
class Topic:
    """``wire`` is as the client wrote it, and goes back so. ``id`` is None where there is one."""

    wire: str
    kind: Kind
    id: UUID | None = None

    @property
    def name(self) -> str:
        """The same for every spelling."""
        return self.kind.value if self.id is None else f"{self.kind.value}:{self.id}"


def topic_of(wire: str) -> Topic | None:
    """What a client means; None for what does not exist here."""
    name = wire.removeprefix(PREFIX)
    if name == wire:
        return None
    if name in (Kind.FEED, Kind.ONLINE):
        return Topic(wire, Kind(name))
    found = _OF_SOMEBODY.fullmatch(name)
    return Topic(wire, Kind(found[1]), UUID(found[2])) if found else None


def carries(topic: Topic, who: Principal, frame: Frame) -> bool:
    """Does this topic carry a frame that this person is told? Whether they are is not asked here.

    A mechanic's own news are on the feed as well: that is where existing front ends listen.
    """
    match topic.kind:
        case Kind.FEED:
            return who.role is Role.MECHANIC and (frame.personal or frame.topic == FEED_TOPIC)
        case Kind.MECHANIC:
            return frame.personal and who.id == topic.id
        case Kind.REQUEST:
            return frame.payload.get("session_id") == str(topic.id)
        case Kind.ONLINE:
            return False
