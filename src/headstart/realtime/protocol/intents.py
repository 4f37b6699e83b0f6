"""What a client may want, whatever version of the protocol it speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message belongs. Refs are the client's own and come back as they are."""

    topic: str
    ref: str | None
    join_ref: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a client asks to hear again: from ``since_ms`` (Unix), the newest ``limit`` of it."""

    since_ms: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class JoinConfig:
    """How a client wants its channel. ``bad_replay``: it asked for a replay in an unknown way."""

    ack: bool = False
    echo: bool = False
    replay: Replay | None = None
    bad_replay: bool = False
    presence: bool = True
    bindings: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Are you there?"""

    at: Address


@dataclass(frozen=True, slots=True)
class Join:
    """Begin a channel. ``version`` names the client's release where it says so."""

    at: Address
    config: JoinConfig
    token: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Leave:
    """End a channel for good."""

    at: Address


@dataclass(frozen=True, slots=True)
class Renew:
    """A new token for a channel; None for one that says nothing (null, or a project's key)."""

    at: Address
    token: str | None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """An event the client sends. ``payload`` is bytes when it is not JSON."""

    at: Address
    event: str
    payload: object


@dataclass(frozen=True, slots=True)
class Track:
    """Appear on the topic with this."""

    at: Address
    meta: Json


@dataclass(frozen=True, slots=True)
class Untrack:
    """Disappear from the topic."""

    at: Address


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed message that means nothing here."""

    at: Address
    event: str


Intent = Heartbeat | Join | Leave | Renew | Broadcast | Track | Untrack | Unknown
