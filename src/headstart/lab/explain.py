"""The story of one request, from its log, in plain sentences."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from headstart.app.ports import Views
from headstart.core.access import Principal, Role
from headstart.core.request import FallbackReason

READER = Principal(Role.OPERATOR, UUID(int=0))  # whoever has a shell on the machine

_REASONS: Mapping[str, str] = {
    FallbackReason.NO_RESPONSE: "they did not answer in time",
    FallbackReason.DECLINED: "they declined",
    FallbackReason.MECHANIC_OFFLINE: "they were offline",
    FallbackReason.MECHANIC_UNAVAILABLE: "they are not approved (any more)",
    FallbackReason.MECHANIC_BUSY: "they have another job",
    FallbackReason.NOT_A_FAVORITE: "they are not this customer's favourite",
    FallbackReason.CUSTOMER_SKIPPED: "the customer asked everyone",
    FallbackReason.OPERATOR: "an operator asked everyone",
    FallbackReason.ERROR: "an internal error",
}


async def story(views: Views, request_id: UUID) -> str:
    """One line for each event: when, since when, what, by whom. LookupError when unknown."""
    async with views.on_behalf_of(READER) as seen:
        stored = await seen.stored_request(request_id)
        history, reasons = await seen.history(request_id), await seen.reasons(request_id)
    if stored is None:
        raise LookupError(f"there is no session request {request_id}")
    began: datetime = history[0]["at"]
    lines = [f"Session request {request_id}", f"  status: {_status(stored)}", ""]
    for event in history:
        since_s = (event["at"] - began).total_seconds()
        sentence = sentence_of(event["kind"], event["payload"], event["eligible"])
        why = reasons.get(event["version"])
        by = event["actor"] + (f": {why}" if why else "")
        lines.append(f"  {event['at']:%H:%M:%S}  +{since_s:8.3f} s  {sentence}  [{by}]")
    lines += ["", f"  metadata: {stored['metadata']}"]
    return "\n".join(lines)


def _status(stored: Mapping[str, Any]) -> str:
    stage = f", {stored['stage']}" if stored["stage"] else ""
    due = f", due {stored['due_at']:%Y-%m-%d %H:%M:%S} UTC" if stored["due_at"] else ""
    winner = stored["matched_mechanic_id"]
    return f"{stored['status']}{stage}{due}" + (f", by {winner}" if winner else "")


def sentence_of(  # noqa: C901 - one line for each kind of event
    kind: str, payload: Mapping[str, Any], eligible: int | None
) -> str:
    """What an event means, for a person."""
    mechanic = payload.get("mechanic")
    reason = _REASONS.get(str(payload.get("reason") or payload.get("fallback")))
    match kind:
        case "session_requested":
            return f"requested: plan {payload['plan']}, {payload['routing_type']}"
        case "request_reserved":
            return f"reserved for {mechanic} until {payload['until']}"
        case "favorite_skipped":
            return f"favourite {mechanic} not asked: {reason}"
        case "window_shortened":
            return f"window of {mechanic} shortened to {payload['until']}: they went offline"
        case "window_extended":
            return f"window of {mechanic} lengthened to {payload['until']}"
        case "reservation_ended":
            return f"the turn of {mechanic} ended: {reason}"
        case "request_opened":
            why = f" because {reason}" if reason else ""
            return f"opened to everybody{why}; {eligible} could accept; until {payload['until']}"
        case "offer_declined":
            return f"declined by {mechanic}"
        case "request_matched" if payload.get("assigned"):
            return f"matched with {mechanic}, assigned while it was {payload['stage']}"
        case "request_matched":
            return f"matched with {mechanic}, who accepted while it was {payload['stage']}"
        case "match_released":
            return f"match with {mechanic} undone: {payload['reason']}"
        case _:
            return kind.replace("_", " ") + (f" by {mechanic}" if mechanic else "")
