"""What happened to a request, in plain sentences for whoever has to explain it: on the page of an
operator and in a terminal alike. It tells what the log records and nothing else."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from headstart.core.request import FallbackReason

Payload = Mapping[str, Any]
Name = Callable[[str], str]

REASONS: Mapping[str, str] = {
    FallbackReason.NO_RESPONSE: "they did not answer in time",
    FallbackReason.DECLINED: "they declined",
    FallbackReason.MECHANIC_OFFLINE: "they were offline",
    FallbackReason.MECHANIC_UNAVAILABLE: "they are not approved (any more)",
    FallbackReason.MECHANIC_BUSY: "they have another job",
    FallbackReason.NOT_A_FAVORITE: "they are not this customer's favourite",
    FallbackReason.CUSTOMER_SKIPPED: "the customer asked everyone",
    FallbackReason.OPERATOR: "an operator did not wait",
    FallbackReason.ERROR: "an internal error",
}
_UNDONE = {
    "released": "released",
    "no_show": "they did not come",
    "cancelled": "the request was cancelled",
}
_CANCELLED = {
    "customer": "cancelled by the customer",
    "operator": "cancelled by an operator",
    "cashier": "cancelled: the payment could not be had, or was taken back",
    "second_purchase": "cancelled: the customer had another request already",
}


def sentence_of(  # noqa: C901 - one line for each kind of event
    kind: str,
    payload: Payload,
    eligible: int | None,
    *,
    name: Name = str,
    time: Callable[[str], str] = str,
) -> str:
    """What an event means. ``name`` is given ids of mechanics, and ``time`` what an event says of
    a moment."""
    mechanic = name(payload["mechanic"]) if payload.get("mechanic") else None
    reason = REASONS.get(str(payload.get("reason") or payload.get("fallback")))
    match kind:
        case "session_requested":
            return f"requested: plan {payload['plan']}, {payload['routing_type']}"
        case "request_reserved":
            return f"reserved for {mechanic} until {time(payload['until'])}"
        case "favorite_skipped":
            return f"favourite {mechanic} not asked: {reason}"
        case "window_shortened":
            return f"window of {mechanic} shortened to {time(payload['until'])}: they went offline"
        case "window_extended":
            return f"window of {mechanic} lengthened to {time(payload['until'])}"
        case "reservation_ended":
            return f"the turn of {mechanic} ended: {reason}"
        case "request_opened":
            why = f" because {reason}" if reason else ""
            until = time(payload["until"])
            return f"opened to everybody{why}; {eligible} could accept; until {until}"
        case "offer_declined":
            return f"declined by {mechanic}"
        case "request_matched":
            how = "assigned" if payload.get("assigned") else "who accepted"
            return f"matched with {mechanic}, {how} while it was {payload['stage']}"
        case "match_released":
            return f"match with {mechanic} undone: {_UNDONE[payload['reason']]}"
        case "request_cancelled":
            return _CANCELLED.get(payload.get("reason", ""), "cancelled")
        case _:
            return kind.replace("_", " ") + (f" by {mechanic}" if mechanic else "")


def mechanics_of(payload: Payload) -> Iterator[str]:
    """The ids of everybody an event names."""
    named = [payload.get("mechanic"), payload.get("asked"), payload.get("preferred")]
    yield from (one for one in (*named, *(payload.get("untold") or ())) if one)
    yield from (step["mechanic"] for step in payload.get("chain") or ())


def actor_of(actor: str, *, name: Name = str) -> str:
    """Who acted, as an event has it."""
    role, _, who = actor.partition(":")
    match role:
        case "system":
            return "the clock and the rules"
        case "cashier":
            return "the cashier"
        case "import":
            return "an older system"
        case "mechanic" if who:
            return f"mechanic {name(who)}"
        case "customer":
            return "the customer"
        case _:
            return f"{role} {who}".strip()


def lengths(moments: list[datetime]) -> list[float]:
    """Seconds since the one before, for each."""
    before = [moments[0], *moments[:-1]] if moments else []
    return [(now - then).total_seconds() for now, then in zip(moments, before, strict=True)]
