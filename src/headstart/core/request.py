"""A session request and the states it can be in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

from headstart.core.policy import Policy

RequestId = NewType("RequestId", UUID)
IntakeId = NewType("IntakeId", UUID)
CustomerId = NewType("CustomerId", UUID)
MechanicId = NewType("MechanicId", UUID)


class RoutingType(StrEnum):
    """How a request asks to be dispatched."""

    BROADCAST = "broadcast"
    PRIORITY_BROADCAST = "priority_broadcast"


class FallbackReason(StrEnum):
    """Why a favourite's reservation ended, or never began. A closed list."""

    NO_RESPONSE = "no_response"
    DECLINED = "declined"
    MECHANIC_OFFLINE = "mechanic_offline"
    MECHANIC_UNAVAILABLE = "mechanic_unavailable"
    MECHANIC_BUSY = "mechanic_busy"
    NOT_A_FAVORITE = "not_a_favorite"
    CUSTOMER_SKIPPED = "customer_skipped"
    OPERATOR = "operator"
    ERROR = "error"


class CancelReason(StrEnum):
    """By whom a request was withdrawn, or why. The cashier does it when the money cannot be had, or
    was taken back."""

    CUSTOMER = "customer"
    OPERATOR = "operator"
    CASHIER = "cashier"
    SECOND_PURCHASE = "second_purchase"


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One favourite, and how long the request is theirs alone."""

    mechanic: MechanicId
    window: timedelta


@dataclass(frozen=True, slots=True)
class Reserved:
    """Pending, and held for one mechanic until a time."""

    mechanic: MechanicId
    step: int
    until: datetime
    shortened: bool = False  # the window was cut because the mechanic was offline
    extensions: int = 0  # how often it was lengthened


@dataclass(frozen=True, slots=True)
class Open:
    """Pending, and every eligible mechanic may accept."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Matched:
    """Exactly one mechanic won."""

    mechanic: MechanicId
    at: datetime
    join_by: datetime | None


@dataclass(frozen=True, slots=True)
class Completed:
    """The session took place."""

    mechanic: MechanicId
    matched_at: datetime


@dataclass(frozen=True, slots=True)
class Unfilled:
    """Nobody accepted before the overall limit."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The customer or an operator withdrew it."""


State = Reserved | Open | Matched | Completed | Unfilled | Cancelled


@dataclass(frozen=True, slots=True)
class Fallback:
    """The change from the priority stage to the broadcast stage."""

    at: datetime
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """One paid (or free) request of one customer, as ``decide`` sees it.

    ``version`` counts its events. ``silent`` mechanics had their window and are not told again but
    may still accept; ``excluded`` ones declined, withdrew or did not join, and may not. ``round``
    counts the matches that were undone.
    """

    id: RequestId
    customer: CustomerId
    version: int
    created_at: datetime
    routing_type: RoutingType
    policy: Policy
    chain: tuple[ChainStep, ...]
    state: State
    preferred: MechanicId | None = None
    priority_window: timedelta | None = None
    priority_notified_at: datetime | None = None
    fallback: Fallback | None = None
    broadcast_at: datetime | None = None
    silent: frozenset[MechanicId] = frozenset()
    excluded: frozenset[MechanicId] = frozenset()
    round: int = 0

    @property
    def due_at(self) -> datetime | None:
        """The moment at which the system acts if nobody else did."""
        match self.state:
            case Reserved(until=due_at) | Open(until=due_at) | Matched(join_by=due_at):
                return due_at
            case Completed() | Unfilled() | Cancelled():
                return None
