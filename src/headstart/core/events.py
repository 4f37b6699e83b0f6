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
class _OfMechanic:
    mechanic: requests.MechanicId


@dataclass(frozen=True, slots=True)
class RequestReserved(_OfMechanic):
    """``mechanic`` alone may see and accept the request until ``until``."""

    step: int
    window: timedelta
    until: datetime
    shortened: bool


@dataclass(frozen=True, slots=True)
class _WithReason(_OfMechanic):
    reason: requests.FallbackReason


class FavoriteSkipped(_WithReason):
    """A favourite of the chain was not asked, and why."""


class ReservationEnded(_WithReason):
    """The favourite's turn is over without a match."""


@dataclass(frozen=True, slots=True)
class _Until(_OfMechanic):
    until: datetime


class WindowShortened(_Until):
    """The favourite went offline, and the policy shortens the window for that."""


class WindowExtended(_Until):
    """The favourite has more time to answer: ``until`` is later than it was."""


@dataclass(frozen=True, slots=True)
class RequestOpened:
    """Everybody is asked. ``fallback`` is None for a plain broadcast.

    ``untold`` have had their turn: they are not notified again.
    """

    until: datetime
    fallback: requests.FallbackReason | None
    untold: frozenset[requests.MechanicId]


class OfferDeclined(_OfMechanic):
    """One of everybody said no."""


@dataclass(frozen=True, slots=True)
class RequestMatched(_OfMechanic):
    """The first to accept has won, or was ``assigned`` by an operator; ``join_by`` is None where
    nobody watches whether they come."""

    stage: Stage
    join_by: datetime | None
    assigned: bool = False


class MechanicJoined(_OfMechanic):
    """Whoever won has come."""


@dataclass(frozen=True, slots=True)
class MatchReleased(_OfMechanic):
    """The match is undone, and why."""

    reason: UndoReason


class SessionCompleted(_OfMechanic):
    """Whoever won has done the job."""


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
    | WindowExtended
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
