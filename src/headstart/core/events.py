"""What has happened to a session request. Events report; they are stored and never change."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headstart.core import request as requests
from headstart.core.commands import Payment
from headstart.core.policy import Policy


class Stage(StrEnum):
    """The stage a pending request was in when an event ended it: it says who could see it."""

    RESERVED = "reserved"
    OPEN = "open"


class UndoReason(StrEnum):
    """Why a match was undone."""

    RELEASED = "released"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SessionRequested:
    """``preferred`` is None unless the priority path applies and that mechanic exists."""

    customer: requests.CustomerId
    intake: requests.IntakeId
    plan: str
    payment: Payment
    routing_type: requests.RoutingType
    preferred: requests.MechanicId | None
    chain: tuple[requests.ChainStep, ...]
    policy: Policy


@dataclass(frozen=True, slots=True)
class RequestReserved:
    """``mechanic`` alone may see and accept the request until ``until``."""

    mechanic: requests.MechanicId
    step: int
    window: timedelta
    until: datetime
    shortened: bool


@dataclass(frozen=True, slots=True)
class FavoriteSkipped:
    """A favourite of the chain was not asked, and why."""

    mechanic: requests.MechanicId
    reason: requests.FallbackReason


@dataclass(frozen=True, slots=True)
class WindowShortened:
    """The favourite went offline, and the policy shortens the window for that."""

    mechanic: requests.MechanicId
    until: datetime


@dataclass(frozen=True, slots=True)
class ReservationEnded:
    """The favourite's turn is over without a match."""

    mechanic: requests.MechanicId
    reason: requests.FallbackReason


@dataclass(frozen=True, slots=True)
class RequestOpened:
    """Everybody is asked. ``fallback`` is None for a plain broadcast.

    ``untold`` have had their turn: they are not notified again.
    """

    until: datetime
    fallback: requests.FallbackReason | None
    untold: frozenset[requests.MechanicId]


@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """One of everybody said no."""

    mechanic: requests.MechanicId


@dataclass(frozen=True, slots=True)
class RequestMatched:
    mechanic: requests.MechanicId
    stage: Stage
    join_by: datetime | None


@dataclass(frozen=True, slots=True)
class MechanicJoined:
    mechanic: requests.MechanicId


@dataclass(frozen=True, slots=True)
class MatchReleased:
    mechanic: requests.MechanicId
    reason: UndoReason


@dataclass(frozen=True, slots=True)
class SessionCompleted:
    mechanic: requests.MechanicId


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """``asked`` is the mechanic whose reservation this ends, if there was one; ``stage`` is None
    for a request that was matched, or never offered to anybody."""

    stage: Stage | None
    asked: requests.MechanicId | None
    reason: requests.CancelReason = requests.CancelReason.CUSTOMER


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
