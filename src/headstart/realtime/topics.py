"""The addresses of the feed as clients write them, and what each of them carries."""

import re
from collections.abc import Callable
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


def carries(topic: Topic, who: Principal) -> Callable[[Frame], bool]:
    """Which frames that this person is told come on this topic. Whether they are told is not asked
    here.

    A mechanic's own news are on the feed as well: that is where existing front ends listen.
    """
    match topic.kind:
        case Kind.FEED if who.role is Role.MECHANIC:
            return _is_on_the_feed
        case Kind.MECHANIC if who.id == topic.id:
            return _is_personal
        case Kind.REQUEST:
            request = str(topic.id)
            return lambda frame: bool(frame.payload.get("session_id") == request)
        case _:
            return _is_never


def _is_on_the_feed(frame: Frame) -> bool:
    return frame.personal or frame.topic == FEED_TOPIC


def _is_personal(frame: Frame) -> bool:
    return frame.personal


def _is_never(_: Frame) -> bool:
    return False
