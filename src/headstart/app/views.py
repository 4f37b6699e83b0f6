"""What people may see of a request: the one place where rows become payloads."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from headstart.app.ports import LoggedEvent, Seen
from headstart.core import events as happened
from headstart.core.audience import ItsCustomer, Notice
from headstart.core.commands import ExtendWindow
from headstart.core.decide import decide
from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason

Payload = dict[str, Any]

# What a mechanic may see before the match, and after it still no contact data.
OFFER_FIELDS = (
    "session_id",
    "plan",
    "plan_name",
    "minutes",
    "session_type",
    "pay",
    "currency",
    "customer_first_name",
    "vehicle",
    "concern",
    "urgent",
    "specialist",
    "created_at",
)
_OFFER_STATE_FIELDS = ("version", "status", "stage", "due_at", "priority")

_PERSONAL_REASONS = frozenset(
    {
        FallbackReason.DECLINED,
        FallbackReason.MECHANIC_BUSY,
        FallbackReason.MECHANIC_OFFLINE,
        FallbackReason.MECHANIC_UNAVAILABLE,
    }
)

PAYLOAD_VERSION = 1
"""Of what every message says. Fields may be added to it; whatever else changes, raises it."""

HELPED_BEFORE = "A customer you helped before is requesting you specifically!"
ASKED_BY_NAME = "A customer asked for you by name."


def offer_card(row: Mapping[str, Any], now: datetime) -> Payload:
    """An offer as it stands now."""
    card = {name: row[name] for name in (*OFFER_FIELDS, *_OFFER_STATE_FIELDS)}
    if row["priority"]:
        card["priority_window_minutes"] = row["priority_window_minutes"]
        card["message"] = _message(row)
    return card | {"server_now": now.isoformat()}


def notice_payload(notice: Notice, logged: LoggedEvent) -> Payload:
    """The payload of one frame; with a card it needs no further request to be shown."""
    payload: Payload = {
        "payload_version": PAYLOAD_VERSION,
        "session_id": str(logged.request_id),
        "version": logged.version,
        "at": logged.at.isoformat(),
        "server_now": logged.read_at.isoformat(),
    }
    if notice.card:
        payload |= {name: logged.card[name] for name in OFFER_FIELDS}
    if notice.reason is not None:
        payload["reason"] = notice.reason
    told = _told(logged)
    return payload | (for_customer(told) if isinstance(notice.to, ItsCustomer) else told)


def _message(card: Mapping[str, Any]) -> str:
    return HELPED_BEFORE if card.get("helped_before") else ASKED_BY_NAME


def _told(logged: LoggedEvent) -> Payload:
    """What this kind of event adds."""
    event = logged.event
    match event:
        case happened.RequestReserved():
            minutes = event.window.total_seconds() / 60
            return {
                "mechanic_id": str(event.mechanic),
                "priority_window_minutes": int(minutes) if minutes.is_integer() else minutes,
                "message": _message(logged.card),
                "due_at": event.until.isoformat(),
                "stage": "reserved",
                "status": "pending",
                "priority": True,
            }
        case happened.RequestOpened():
            told: Payload = {
                "due_at": event.until.isoformat(),
                "stage": "open",
                "status": "pending",
                "priority": False,
            }
            return told | ({"fallback_reason": event.fallback} if event.fallback else {})
        case happened.WindowShortened() | happened.WindowExtended():
            return {"due_at": event.until.isoformat(), "stage": "reserved", "status": "pending"}
        case happened.ReservationEnded():
            return {"fallback_reason": event.reason}
        case _:
            return {}


def customer_view(row: Mapping[str, Any], now: datetime) -> Payload:
    """A request as its customer sees it."""
    view = {name: _plain(value) for name, value in row.items() if name != "customer_id"}
    return for_customer(view) | {"server_now": now.isoformat()}


def extension_minutes(seen: Seen) -> float | None:
    """How much more time the favourite can be given now, by the rules themselves; None: none."""
    request = seen.request
    if request is None:
        return None
    answer = decide(request, ExtendWindow(request.id), seen.facts, now=seen.now)
    return None if isinstance(answer, Refusal) else request.policy.extension / timedelta(minutes=1)


def for_customer(payload: Mapping[str, Any]) -> Payload:
    """Why a favourite could not be asked is theirs: customers hear that they are unavailable."""
    told = {name: value for name, value in payload.items() if name != "message"}
    if told.get("fallback_reason") in _PERSONAL_REASONS:
        told["fallback_reason"] = FallbackReason.MECHANIC_UNAVAILABLE
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, str | int | bool):
        return value
    return float(value) if hasattr(value, "as_tuple") else str(value)
