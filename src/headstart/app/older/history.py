"""The events behind a request that an older system has ended: what its row proves, and no more.

They are folded by ``core.evolve`` like any others: the row that is written is what they add up to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

from headstart.app.older.priority import Asked
from headstart.app.ports import Past
from headstart.core import events as happened
from headstart.core.asking import Asking
from headstart.core.commands import Payment
from headstart.core.evolve import evolve
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
    SessionRequest,
)

POLICY = Policy(  # the older system's: a window of ten minutes inside a life of fifteen
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=timedelta(minutes=10),
    overall_limit=timedelta(minutes=15),
    broadcast_minimum=timedelta(minutes=5),
    join_limit=None,
)
_INTAKES = UUID("c1f2a7de-2b0a-5f8d-8d7f-3a1c5be0a6d4")

Timed = tuple[datetime, happened.Event]


class Ending(Enum):
    """How a request ended there."""

    SERVED = "served"
    UNFILLED = "unfilled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OlderRequest:
    """Everything that was readable. ``mechanic`` and ``matched_at`` come together."""

    id: RequestId
    customer: CustomerId
    plan: str
    created_at: datetime
    ending: Ending
    mechanic: MechanicId | None
    matched_at: datetime | None
    ended_at: datetime | None
    asked: Asked | None
    metadata: Mapping[str, Any]

    @property
    def reserved_for(self) -> MechanicId | None:
        """Whom it was held for when it ended, as far as anybody noted."""
        asked = self.asked
        if asked is None or asked.notified_at is None or asked.fell_back_at is not None:
            return None
        return asked.preferred if self.mechanic in (None, asked.preferred) else None


def past_of(older: OlderRequest) -> Past:
    """The request as its history leaves it."""
    history: list[tuple[datetime, happened.Event, SessionRequest]] = []
    request: SessionRequest | None = None
    for at, event in _events(older):
        request = evolve(older.id, request, [event], at=at)
        history.append((at, event, request))
    return Past(history[-1][2], history, older.metadata)


def _events(older: OlderRequest) -> Iterator[Timed]:
    last = older.created_at
    for at, event in (*_asking(older), *_matching(older)):
        last = max(last, at)
        yield at, event
    yield from ((max(last, older.ended_at or last), event) for event in _ending(older))


def _asking(older: OlderRequest) -> Iterator[Timed]:
    asked = older.asked
    chain = (ChainStep(asked.preferred, asked.window),) if asked and asked.preferred else ()
    yield (
        older.created_at,
        happened.SessionRequested(
            customer=older.customer,
            intake=IntakeId(uuid5(_INTAKES, str(older.id))),
            plan=older.plan,
            payment=Payment(),
            routing_type=RoutingType.PRIORITY_BROADCAST if asked else RoutingType.BROADCAST,
            preferred=asked.preferred if asked and asked.exists else None,
            chain=chain,
            policy=POLICY,
        ),
    )
    asking = Asking(chain, POLICY, older.created_at, frozenset())
    if asked is None or asked.notified_at is None or asked.preferred is None:
        at = (asked.fell_back_at if asked else None) or older.created_at
        yield at, asking.open(asked.reason if asked else None, at)
        return
    until = asked.notified_at + asked.window
    reserved = happened.RequestReserved(asked.preferred, 0, asked.window, until, shortened=False)
    yield asked.notified_at, reserved
    if asked.fell_back_at and asked.reason:
        ended = happened.ReservationEnded(asked.preferred, asked.reason)
        yield asked.fell_back_at, ended
        everybody = Asking(chain, POLICY, older.created_at, frozenset({asked.preferred}))
        yield asked.fell_back_at, everybody.open(asked.reason, asked.fell_back_at)


def _matching(older: OlderRequest) -> Iterator[Timed]:
    if older.mechanic is not None and older.matched_at is not None:
        stage = happened.Stage.RESERVED if older.reserved_for else happened.Stage.OPEN
        yield older.matched_at, happened.RequestMatched(older.mechanic, stage, None)


def _ending(older: OlderRequest) -> Iterator[happened.Event]:
    mechanic = older.mechanic
    if older.ending is Ending.UNFILLED:
        yield happened.RequestUnfilled()
    elif mechanic is None:
        held = older.reserved_for
        stage = happened.Stage.RESERVED if held else happened.Stage.OPEN
        yield happened.RequestCancelled(stage, held)
    elif older.ending is Ending.SERVED:
        yield happened.SessionCompleted(mechanic)
    else:
        yield happened.MatchReleased(mechanic, happened.UndoReason.CANCELLED)
        yield happened.RequestCancelled(None, None)
