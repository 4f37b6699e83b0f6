"""Which messages an event becomes in a foreign project, and to which private topics they go."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from headstart.app.ports import LoggedEvent
from headstart.app.views import Payload, notice_payload
from headstart.core.audience import (
    EligibleMechanics,
    EveryMechanic,
    ItsCustomer,
    Notice,
    OneMechanic,
    audience,
    mechanic_topic,
)
from headstart.core.events import Event, RequestReserved
from headstart.core.request import MechanicId


@dataclass(frozen=True, slots=True)
class Message:
    """``id`` names the event: whoever hears it twice can tell. ``listeners``: how many are meant at
    the most, as far as that is known."""

    topic: str
    event: str
    payload: Payload
    id: UUID
    is_priority: bool = False
    listeners: int = 1


def messages_of(
    logged: LoggedEvent, approved: Collection[MechanicId], id: UUID, crowd: int
) -> Iterator[Message]:
    """Everything that is to be published of one event; of an offer whose time is over, nothing.
    ``crowd``: how many may listen to the feed."""
    for notice in audience(logged.request_id, logged.event):
        payload = notice_payload(notice, logged)
        priority = isinstance(logged.event, RequestReserved) and isinstance(notice.to, OneMechanic)
        if priority and datetime.fromisoformat(payload["due_at"]) <= logged.read_at:
            continue
        for topic in _topics(notice, logged, approved):
            listeners = crowd if isinstance(notice.to, EveryMechanic) else 1
            yield Message(topic, notice.event, payload, id, priority, listeners)


def _topics(notice: Notice, logged: LoggedEvent, approved: Collection[MechanicId]) -> list[str]:
    """Never the feed for what is one mechanic's: there nobody would filter."""
    match notice.to:
        case OneMechanic(mechanic=mechanic):
            return [mechanic_topic(mechanic)] if mechanic in approved else []
        case EligibleMechanics(untold=untold):
            told = sorted((logged.eligible - untold) & set(approved))
            return [mechanic_topic(mechanic) for mechanic in told]
        case EveryMechanic() | ItsCustomer():
            return [notice.topic]


def mechanics_in(logged: LoggedEvent) -> Iterator[MechanicId]:
    """Whoever may have to be told of an event by name."""
    yield from logged.eligible
    yield from _named(logged.event)


def _named(event: Event) -> Iterator[MechanicId]:
    for name in ("mechanic", "asked"):
        mechanic = getattr(event, name, None)
        if mechanic is not None:
            yield mechanic
