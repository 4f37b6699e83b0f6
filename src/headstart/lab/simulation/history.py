"""What people saw and did, and what the log says, as plain values that a checker can judge."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.lab.simulation.database import EPOCH, State
from headstart.store.rows import event_kind, event_payload

Plain = dict[str, Any]


@dataclass(slots=True)
class History:
    """Times are seconds since the beginning.

    Operations end ``ok``, ``fail`` or ``unknown``; the last is never folded into either.
    """

    operations: list[Plain] = field(default_factory=list)
    frames: list[Plain] = field(default_factory=list)
    payments: list[Plain] = field(default_factory=list)
    log: list[Plain] = field(default_factory=list)
    final: list[Plain] = field(default_factory=list)
    suspensions: list[Plain] = field(default_factory=list)
    flag_off_throughout: bool = False
    healed_at_s: float = 0.0
    ended_at_s: float = 0.0


def plain_log(state: State) -> Sequence[Plain]:
    """The log in the order in which it may be read."""
    ordered = sorted(state.events, key=lambda stored: stored.logged.cursor)
    return [
        {
            "cursor": (stored.xid, stored.id),
            "request": str(stored.logged.request_id),
            "customer": str(stored.logged.customer),
            "version": stored.logged.version,
            "kind": event_kind(type(stored.logged.event)),
            "at_s": (stored.logged.at - EPOCH).total_seconds(),
            "payload": event_payload(stored.logged.event),
            "eligible": sorted(map(str, stored.logged.eligible)),
            "key": stored.command_key,
        }
        for stored in ordered
    ]
