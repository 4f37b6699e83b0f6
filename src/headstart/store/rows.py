"""Between the rules' values and the database's rows. Nothing else knows the columns."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args

from pydantic import TypeAdapter

from headstart.app.ports import Change
from headstart.core import events as happened
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.policy import Policy
from headstart.core.request import (
    Cancelled,
    ChainStep,
    Completed,
    Fallback,
    FallbackReason,
    Matched,
    MechanicId,
    Open,
    Reserved,
    RoutingType,
    SessionRequest,
    State,
    Unfilled,
)

Row = Mapping[str, Any]

_POLICY = TypeAdapter(Policy)


def event_kind(event_type: type[happened.Event]) -> str:
    """How the log calls this type of event."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_type.__name__).lower()


EVENT_TYPES: Mapping[str, type[happened.Event]] = {
    event_kind(event_type): event_type for event_type in get_args(happened.Event)
}
_KINDS: Mapping[type[happened.Event], str] = {kind: name for name, kind in EVENT_TYPES.items()}


_ADAPTERS: Mapping[type[happened.Event], TypeAdapter[happened.Event]] = {
    event_type: TypeAdapter(event_type) for event_type in EVENT_TYPES.values()
}


def event_from(kind: str, payload: Any) -> happened.Event:
    """The event a row of the log reports."""
    return _ADAPTERS[EVENT_TYPES[kind]].validate_python(payload)


def event_payload(event: happened.Event) -> Any:
    """What the log holds of an event, as JSON values."""
    return _ADAPTERS[type(event)].dump_python(event, mode="json")


def event_json(event: happened.Event) -> str:
    """The same as text, which is quicker to make."""
    return _ADAPTERS[type(event)].dump_json(event).decode()


def event_row(change: Change, event: happened.Event) -> dict[str, Any]:
    """What the log holds of an event beside its place."""
    return {
        "kind": _KINDS[type(event)],
        "at": change.at,
        "actor": str(change.actor),
        "payload": event_json(event),
        "command_key": change.command_key,
        "reason": change.reason,
    }


def event_rows(change: Change) -> list[dict[str, Any]]:
    """The rows of the log for one change; the first carries the command key."""
    first_version = change.request.version - len(change.events) + 1
    rows = []
    for offset, event in enumerate(change.events):
        row = event_row(change, event)
        row |= {
            "request_id": change.request.id,
            "version": first_version + offset,
            "round": change.request.round,
        }
        if offset:
            row["command_key"] = None
        rows.append(row)
    return rows


def request_row(request: SessionRequest) -> dict[str, Any]:
    """The columns that change over a request's life."""
    reserved = request.state if isinstance(request.state, Reserved) else None
    matched = request.state if isinstance(request.state, Matched | Completed) else None
    return {
        "id": request.id,
        "status": _status(request.state),
        "stage": _stage(request.state),
        "due_at": request.due_at,
        "chain_step": reserved.step if reserved else None,
        "reserved_for": reserved.mechanic if reserved else None,
        "window_shortened": bool(reserved and reserved.shortened),
        "window_extensions": reserved.extensions if reserved else 0,
        "priority_window_minutes": _minutes(request.priority_window),
        "priority_notified_at": request.priority_notified_at,
        "fallback_broadcast_at": request.fallback.at if request.fallback else None,
        "fallback_reason": request.fallback.reason if request.fallback else None,
        "broadcast_at": request.broadcast_at,
        "matched_mechanic_id": matched.mechanic if matched else None,
        "matched_at": _matched_at(matched),
        "silent_mechanics": _array(request.silent),
        "excluded_mechanics": _array(request.excluded),
        "round": request.round,
        "version": request.version,
    }


def changed_row(change: Change) -> dict[str, Any]:
    """The columns of a request that has changed, and the version that it must still have."""
    row = request_row(change.request)
    row["expected_version"] = change.before.version if change.before else 0
    return row


def columns(rows: Sequence[Row], prefix: str = "") -> dict[str, list[Any]]:
    """Rows, of which there is at least one, turned on their side."""
    return {prefix + name: [row[name] for row in rows] for name in rows[0]}


def new_request_row(change: Change) -> dict[str, Any]:
    """All columns of a request that is being created."""
    requested = change.events[0]
    assert isinstance(requested, happened.SessionRequested), "a request begins so"
    request = change.request
    return request_row(request) | {
        "intake_id": requested.intake,
        "customer_id": request.customer,
        "plan_code": requested.plan,
        "checkout_session_id": requested.payment.checkout_session,
        "payment_intent_id": requested.payment.payment_intent,
        "hold": requested.payment.hold,
        "routing_type": request.routing_type,
        "preferred_mechanic_id": request.preferred,
        "chain": [step.mechanic for step in request.chain],
        "chain_windows_s": [step.window.total_seconds() for step in request.chain],
        "policy": _POLICY.dump_python(request.policy, mode="json"),
        "created_at": request.created_at,
    }


def request_from(row: Row) -> SessionRequest:
    """The request a row holds. The inverse of ``new_request_row`` as far as the rules see it."""
    return SessionRequest(
        id=row["id"],
        customer=row["customer_id"],
        version=row["version"],
        created_at=row["created_at"],
        routing_type=RoutingType(row["routing_type"]),
        policy=_policy(row["policy"]),
        chain=tuple(
            ChainStep(mechanic, timedelta(seconds=window_s))
            for mechanic, window_s in zip(row["chain"], row["chain_windows_s"], strict=True)
        ),
        state=_state(row),
        preferred=row["preferred_mechanic_id"],
        priority_window=_window(row),
        priority_notified_at=row["priority_notified_at"],
        fallback=_fallback(row),
        broadcast_at=row["broadcast_at"],
        silent=frozenset(row["silent_mechanics"]),
        excluded=frozenset(row["excluded_mechanics"]),
        round=row["round"],
    )


def facts_from(known: Sequence[tuple[Any, ...]]) -> Facts:
    """The facts of a query that lists mechanics, each with what ``MechanicFacts`` holds."""
    return Facts({mechanic: MechanicFacts(*facts) for mechanic, *facts in known})


@lru_cache
def _policy(text: str) -> Policy:
    """Many requests share few policies."""
    return _POLICY.validate_json(text)


def _state(row: Row) -> State:
    match row["status"], row["stage"]:
        case "pending", "reserved":
            return Reserved(
                row["reserved_for"],
                row["chain_step"],
                row["due_at"],
                row["window_shortened"],
                row["window_extensions"],
            )
        case "pending", "open":
            return Open(row["due_at"])
        case "matched", None:
            return Matched(row["matched_mechanic_id"], row["matched_at"], row["due_at"])
        case "completed", None:
            return Completed(row["matched_mechanic_id"], row["matched_at"])
        case "unfilled", None:
            return Unfilled()
        case "cancelled", None:
            return Cancelled()
        case unknown:
            raise AssertionError(f"the schema does not allow {unknown}")


_STATUSES: Mapping[type[State], str] = {
    Reserved: "pending",
    Open: "pending",
    Matched: "matched",
    Completed: "completed",
    Unfilled: "unfilled",
    Cancelled: "cancelled",
}


def _status(state: State) -> str:
    return _STATUSES[type(state)]


def _stage(state: State) -> str | None:
    match state:
        case Reserved():
            return "reserved"
        case Open():
            return "open"
        case _:
            return None


def _matched_at(matched: Matched | Completed | None) -> datetime | None:
    match matched:
        case Matched(at=at) | Completed(matched_at=at):
            return at
        case None:
            return None


def _fallback(row: Row) -> Fallback | None:
    if row["fallback_broadcast_at"] is None:
        return None
    return Fallback(row["fallback_broadcast_at"], FallbackReason(row["fallback_reason"]))


def _window(row: Row) -> timedelta | None:
    minutes = row["priority_window_minutes"]
    return None if minutes is None else timedelta(minutes=float(minutes))


def _minutes(window: timedelta | None) -> Decimal | None:
    """As a person wrote it: 0.1 stays 0.1, and is not the nearest binary fraction."""
    if window is None:
        return None
    minutes = window.total_seconds() / 60
    return Decimal(int(minutes)) if minutes.is_integer() else Decimal(repr(minutes))


def _array(mechanics: frozenset[MechanicId]) -> str:
    """As PostgreSQL writes it: arrays of different lengths do not make an array."""
    return "{" + ",".join(sorted(map(str, mechanics))) + "}"
