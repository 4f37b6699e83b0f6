"""What has happened to a session request. Events report; they are stored and never change."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headstart.core.commands import Payment
from headstart.core.policy import Policy
from headstart.core.request import (
    ChainStep,
    CustomerId,
    FallbackReason,
    IntakeId,
    MechanicId,
    RoutingType,
)


class Stage(StrEnum):
    """The stage a pending request was in when an event ended it: it says who could see it."""

    RESERVED = "reserved"
    OPEN = "open"


class UndoReason(StrEnum):
    """Why a match was undone."""

    RELEASED = "released"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class SessionRequested:
    """``preferred`` is None unless the priority path applies and that mechanic exists."""

    customer: CustomerId
    intake: IntakeId
    plan: str
    payment: Payment
    routing_type: RoutingType
    preferred: MechanicId | None
    chain: tuple[ChainStep, ...]
    policy: Policy


@dataclass(frozen=True, slots=True)
class RequestReserved:
    """``mechanic`` alone may see and accept the request until ``until``."""

    mechanic: MechanicId
    step: int
    window: timedelta
    until: datetime
    shortened: bool


@dataclass(frozen=True, slots=True)
class FavoriteSkipped:
    """A favourite of the chain was not asked, and why."""

    mechanic: MechanicId
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class WindowShortened:
    """The favourite went offline, and the policy shortens the window for that."""

    mechanic: MechanicId
    until: datetime


@dataclass(frozen=True, slots=True)
class ReservationEnded:
    """The favourite's turn is over without a match."""

    mechanic: MechanicId
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class RequestOpened:
    """Everybody is asked. ``fallback`` is None for a plain broadcast.

    ``untold`` have had their turn: they are not notified again.
    """

    until: datetime
    fallback: FallbackReason | None
    untold: frozenset[MechanicId]


@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """One of everybody said no."""

    mechanic: MechanicId


@dataclass(frozen=True, slots=True)
class RequestMatched:
    mechanic: MechanicId
    stage: Stage
    join_by: datetime | None


@dataclass(frozen=True, slots=True)
class MechanicJoined:
    mechanic: MechanicId


@dataclass(frozen=True, slots=True)
class MatchReleased:
    mechanic: MechanicId
    reason: UndoReason


@dataclass(frozen=True, slots=True)
class SessionCompleted:
    mechanic: MechanicId


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """``asked`` is the mechanic whose reservation this ends, if there was one."""

    stage: Stage
    asked: MechanicId | None


@dataclass(frozen=True, slots=True)
class RequestUnfilled:
    """The overall limit has passed and nobody accepted."""


Event = (
    SessionRequested
    | RequestReserved
    | FavoriteSkipped
    | WindowShortened
    | ReservationEnded
    | RequestOpened
    | OfferDeclined
    | RequestMatched
    | MechanicJoined
    | MatchReleased
    | SessionCompleted
    | RequestCancelled
    | RequestUnfilled
)
