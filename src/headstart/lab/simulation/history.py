"""What people saw and did, and what the log says, as plain values that a checker can judge."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from headstart.core.evolve import evolve
from headstart.core.request import RequestId, SessionRequest
from headstart.lab.checkers import Plain
from headstart.lab.simulation.database import State, StoredEvent, seconds
from headstart.store.rows import event_kind, event_payload


def plain_log(state: State) -> list[Plain]:
    """The log in the order in which it was committed."""
    return [_plain(stored) for stored in state.commits]


def _plain(stored: StoredEvent) -> Plain:
    logged = stored.logged
    return {
        "cursor": (logged.cursor.xid, logged.cursor.id),
        "request": str(logged.request_id),
        "customer": str(logged.customer),
        "version": logged.version,
        "kind": event_kind(type(logged.event)),
        "actor": stored.actor,
        "at_s": seconds(logged.at),
        "began_s": stored.began_s,
        "stated_s": stored.stated_s,
        "committed_s": stored.committed_s,
        "payload": event_payload(logged.event) | _times(logged.event),
        "eligible": sorted(map(str, logged.eligible)),
        "key": stored.command_key,
    }


def _times(event: Any) -> Plain:
    times = {name: getattr(event, name, None) for name in ("until", "join_by")}
    return {f"{name}_s": _seconds(at) for name, at in times.items()}


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else seconds(at)


def plain_rows(state: State) -> list[Plain]:
    """Every request as it stands, and whether its log replays to exactly that."""
    stories: dict[RequestId, list[StoredEvent]] = defaultdict(list)
    for stored in state.commits:
        stories[stored.logged.request_id].append(stored)
    return [_row(request, stories[request.id]) for request in state.requests.values()]


def _row(request: SessionRequest, story: Sequence[StoredEvent]) -> Plain:
    who = getattr(request.state, "mechanic", None)
    return {
        "request": str(request.id),
        "version": request.version,
        "status": type(request.state).__name__.lower(),
        "who": str(who) if who else None,
        "due_s": _seconds(request.due_at),
        "fallback": request.fallback.reason.value if request.fallback else None,
        "silent": set(map(str, request.silent)),
        "excluded": set(map(str, request.excluded)),
        "replays": _replayed(story) == request,
    }


def plain_debts(state: State) -> list[Plain]:
    """What was to be done at the payment service, and what came of it."""
    return [
        {
            "key": debt.key,
            "kind": debt.kind.value,
            "subject": debt.subject,
            "request": str(debt.request) if debt.request else None,
            "state": debt.state,
            "result": debt.result,
            "attempts": debt.attempts,
            "created_s": seconds(debt.created_at),
            "due_s": _seconds(debt.due_at),
            "settled_s": _seconds(debt.settled_at),
        }
        for debt in state.books.debts.values()
    ]


def _replayed(story: Iterable[StoredEvent]) -> SessionRequest | None:
    request = None
    for stored in story:
        told = stored.logged
        try:
            request = evolve(told.request_id, request, [told.event], at=told.at)
        except AssertionError:
            return None
    return request
