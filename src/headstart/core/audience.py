"""Who is told about an event, on which topic and under which name. The only place that knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from headstart.core import events as happened
from headstart.core.request import FallbackReason, MechanicId, RequestId

FEED_TOPIC = "session_requests_feed"


@dataclass(frozen=True, slots=True)
class OneMechanic:
    """This mechanic's connections and nobody else's."""

    mechanic: MechanicId


@dataclass(frozen=True, slots=True)
class EligibleMechanics:
    """Those recorded as eligible when the event was committed, less ``untold``."""

    untold: frozenset[MechanicId]


@dataclass(frozen=True, slots=True)
class EveryMechanic:
    """All approved mechanics: the frame says only that a request they could see has ended."""


@dataclass(frozen=True, slots=True)
class ItsCustomer:
    """The customer of the request, and operators."""


Recipients = OneMechanic | EligibleMechanics | EveryMechanic | ItsCustomer


class BroadcastReason(StrEnum):
    """The plan's two reasons for a broadcast; the exact fallback reason travels beside it."""

    STANDARD = "standard"
    PRIORITY_TIMEOUT = "priority_timeout"


@dataclass(frozen=True, slots=True)
class Notice:
    """One event, told to some people on one topic. ``reason`` and ``card`` shape the payload."""

    topic: str
    event: str
    to: Recipients
    reason: BroadcastReason | None = None
    card: bool = False  # carries the whole offer, so that nobody has to fetch it first


def audience(request_id: RequestId, event: happened.Event) -> Sequence[Notice]:
    """Everybody who is told about this event. Nobody else ever is."""
    name = EVENT_NAMES.get(type(event))
    if name is None:
        return ()
    customer = Notice(request_topic(request_id), _customers_name(event, name), ItsCustomer())
    return (customer, *_mechanics_told(event, name))


def _mechanics_told(event: happened.Event, name: str) -> Sequence[Notice]:
    match event:
        case happened.RequestReserved(mechanic=mechanic):
            return (Notice(FEED_TOPIC, name, OneMechanic(mechanic), card=True),)
        case happened.RequestOpened(untold=untold):
            told = EligibleMechanics(untold)
            return (Notice(FEED_TOPIC, name, told, _broadcast_reason(event), card=True),)
        case happened.RequestMatched(mechanic=mechanic, stage=happened.Stage.RESERVED):
            return (Notice(FEED_TOPIC, name, OneMechanic(mechanic)),)
        case happened.RequestCancelled(asked=mechanic) if mechanic is not None:
            return (Notice(FEED_TOPIC, name, OneMechanic(mechanic)),)
        case happened.RequestCancelled(stage=None):
            return ()
        case happened.RequestMatched() | happened.RequestCancelled() | happened.RequestUnfilled():
            return (Notice(FEED_TOPIC, name, EveryMechanic()),)
        case (
            happened.WindowShortened(mechanic=mechanic)
            | happened.WindowExtended(mechanic=mechanic)
            | happened.ReservationEnded(mechanic=mechanic)
            | happened.MatchReleased(mechanic=mechanic)
            | happened.SessionCompleted(mechanic=mechanic)
        ):
            return (Notice(mechanic_topic(mechanic), name, OneMechanic(mechanic)),)
        case _:
            return ()


def _customers_name(event: happened.Event, name: str) -> str:
    """Only the preferred mechanic ever receives an event called ``priority_session_request``."""
    return "request_reserved" if isinstance(event, happened.RequestReserved) else name


def _broadcast_reason(event: happened.RequestOpened) -> BroadcastReason:
    lapsed = event.fallback is FallbackReason.NO_RESPONSE
    return BroadcastReason.PRIORITY_TIMEOUT if lapsed else BroadcastReason.STANDARD


def request_topic(request_id: RequestId) -> str:
    """The address of one request's own news."""
    return f"session_request:{request_id}"


def mechanic_topic(mechanic: MechanicId) -> str:
    """The address of one mechanic's own news."""
    return f"mechanic:{mechanic}"


EVENT_NAMES: dict[type[happened.Event], str] = {
    happened.RequestReserved: "priority_session_request",
    happened.WindowShortened: "priority_window_shortened",
    happened.WindowExtended: "priority_window_extended",
    happened.ReservationEnded: "priority_window_ended",
    happened.RequestOpened: "new_request",
    happened.RequestMatched: "request_accepted",
    happened.MechanicJoined: "mechanic_joined",
    happened.MatchReleased: "request_released",
    happened.SessionCompleted: "session_completed",
    happened.RequestCancelled: "request_cancelled",
    happened.RequestUnfilled: "request_unfilled",
}
