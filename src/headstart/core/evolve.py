"""The fold: a request after its events. ``replay(events)`` equals the stored row, always."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from headstart.core import events as happened
from headstart.core import request as states
from headstart.core.request import Fallback, FallbackReason, RequestId, SessionRequest

Changes = dict[str, Any]


def evolve(
    request_id: RequestId,
    request: SessionRequest | None,
    events: Iterable[happened.Event],
    *,
    at: datetime,
) -> SessionRequest:
    """Apply events that were decided at ``at``. The first event of a request creates it."""
    for event in events:
        if isinstance(event, happened.SessionRequested):
            assert request is None, "a request begins once"
            request = _begin(request_id, event, at)
        else:
            assert request is not None, "a request begins with SessionRequested"
            changes = _changes(request, event, at) or _conclusion(request, event, at)
            request = replace(request, version=request.version + 1, **changes)
    assert request is not None, "a request begins with SessionRequested"
    return request


def _begin(request_id: RequestId, event: happened.SessionRequested, at: datetime) -> SessionRequest:
    return SessionRequest(
        id=request_id,
        customer=event.customer,
        version=1,
        created_at=at,
        routing_type=event.routing_type,
        policy=event.policy,
        chain=event.chain,
        state=states.Open(at),  # replaced by the event that follows in the same instant
        preferred=event.preferred,
    )


def _changes(request: SessionRequest, event: happened.Event, at: datetime) -> Changes:
    """What an event of the dispatch changes."""
    match event:
        case happened.RequestReserved():
            return {
                "state": states.Reserved(event.mechanic, event.step, event.until, event.shortened),
                "priority_window": event.window,
                "priority_notified_at": request.priority_notified_at or at,
            }
        case happened.WindowShortened() | happened.WindowExtended():
            return _other_window(request, event)
        case happened.ReservationEnded(mechanic=mechanic, reason=FallbackReason.DECLINED):
            return {"excluded": request.excluded | {mechanic}}
        case happened.ReservationEnded(mechanic=mechanic):
            return {"silent": request.silent | {mechanic}}
        case happened.RequestOpened():
            return {
                "state": states.Open(event.until),
                "fallback": Fallback(at, event.fallback) if event.fallback else request.fallback,
                "broadcast_at": request.broadcast_at or at,
            }
        case happened.OfferDeclined(mechanic=mechanic):
            return {"excluded": request.excluded | {mechanic}}
        case happened.MatchReleased(mechanic=mechanic):
            return {"excluded": request.excluded | {mechanic}, "round": request.round + 1}
        case _:
            return {}


def _other_window(
    request: SessionRequest, event: happened.WindowShortened | happened.WindowExtended
) -> Changes:
    """How long a window was promised to be is kept when it is cut; more time is a new promise."""
    state, window = request.state, request.priority_window
    assert isinstance(state, states.Reserved), "only a window can be shortened or extended"
    assert window, "a reservation has a window"
    if isinstance(event, happened.WindowShortened):
        return {"state": replace(state, until=event.until, shortened=True)}
    longer = replace(state, until=event.until, extensions=state.extensions + 1)
    return {"state": longer, "priority_window": window + (event.until - state.until)}


def _conclusion(request: SessionRequest, event: happened.Event, at: datetime) -> Changes:
    """What an event of a match, or of the end, changes; nothing for FavoriteSkipped, and for what
    a later release may have written."""
    match event:
        case happened.RequestMatched(mechanic=mechanic, join_by=join_by):
            return {"state": states.Matched(mechanic, at, join_by)}
        case happened.MechanicJoined():
            assert isinstance(request.state, states.Matched), "only a match can be joined"
            return {"state": replace(request.state, join_by=None)}
        case happened.SessionCompleted(mechanic=mechanic):
            assert isinstance(request.state, states.Matched), "only a match can be completed"
            return {"state": states.Completed(mechanic, request.state.at)}
        case happened.RequestCancelled(asked=asked):
            silent = request.silent | ({asked} if asked else set())
            return {"state": states.Cancelled(), "silent": silent}
        case happened.RequestUnfilled():
            return {"state": states.Unfilled()}
        case _:
            return {}
