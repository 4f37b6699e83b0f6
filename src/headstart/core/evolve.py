"""The fold: a request after its events. ``replay(events)`` equals the stored row, always."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from headstart.core import events as happened
from headstart.core.request import (
    Cancelled,
    Completed,
    Fallback,
    FallbackReason,
    Matched,
    Open,
    RequestId,
    Reserved,
    SessionRequest,
    Unfilled,
)


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
            request = _after(request, event, at)
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
        state=Open(at),  # replaced by the event that follows in the same instant
        preferred=event.preferred,
    )


def _next(request: SessionRequest, **changes: Any) -> SessionRequest:
    """What an event makes of a request: its version counts the events."""
    return replace(request, version=request.version + 1, **changes)


def _after(request: SessionRequest, event: happened.Event, at: datetime) -> SessionRequest:
    match event:
        case happened.RequestReserved():
            return _reserved(request, event, at)
        case happened.WindowShortened(until=until):
            assert isinstance(request.state, Reserved), "only a window can be shortened"
            return _next(request, state=replace(request.state, until=until, shortened=True))
        case happened.ReservationEnded(mechanic=mechanic, reason=reason):
            if reason is FallbackReason.DECLINED:
                return _next(request, excluded=request.excluded | {mechanic})
            return _next(request, silent=request.silent | {mechanic})
        case happened.RequestOpened():
            return _opened(request, event, at)
        case happened.OfferDeclined(mechanic=mechanic):
            return _next(request, excluded=request.excluded | {mechanic})
        case happened.MatchReleased(mechanic=mechanic):
            excluded = request.excluded | {mechanic}
            return _next(request, excluded=excluded, round=request.round + 1)
        case _:
            return _concluded(request, event, at)


def _concluded(request: SessionRequest, event: happened.Event, at: datetime) -> SessionRequest:
    match event:
        case happened.RequestMatched(mechanic=mechanic, join_by=join_by):
            return _next(request, state=Matched(mechanic, at, join_by))
        case happened.MechanicJoined():
            assert isinstance(request.state, Matched), "only a match can be joined"
            return _next(request, state=replace(request.state, join_by=None))
        case happened.SessionCompleted(mechanic=mechanic):
            assert isinstance(request.state, Matched), "only a match can be completed"
            return _next(request, state=Completed(mechanic, request.state.at))
        case happened.RequestCancelled(asked=asked):
            silent = request.silent | {asked} if asked else request.silent
            return _next(request, state=Cancelled(), silent=silent)
        case happened.RequestUnfilled():
            return _next(request, state=Unfilled())
        case _:
            return _next(request)  # FavoriteSkipped, and what a later release may have written


def _reserved(
    request: SessionRequest, event: happened.RequestReserved, at: datetime
) -> SessionRequest:
    return _next(
        request,
        state=Reserved(event.mechanic, event.step, event.until, event.shortened),
        priority_window=event.window,
        priority_notified_at=request.priority_notified_at or at,
    )


def _opened(request: SessionRequest, event: happened.RequestOpened, at: datetime) -> SessionRequest:
    fell_back = Fallback(at, event.fallback) if event.fallback else request.fallback
    return _next(
        request,
        state=Open(event.until),
        fallback=fell_back,
        broadcast_at=request.broadcast_at or at,
    )
