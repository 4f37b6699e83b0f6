"""Every message that is told to people, made by ``core.audience`` and ``app.views`` from examples.

What describes the messages is written from these, so that it cannot say anything else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from headstart.app.ports import Cursor, LoggedEvent
from headstart.app.views import Payload, notice_payload
from headstart.core import events as happened
from headstart.core.audience import Notice, audience
from headstart.core.request import CustomerId, FallbackReason, MechanicId, RequestId

REQUEST = RequestId(UUID(int=1))
MECHANIC = MechanicId(UUID(int=2))
CUSTOMER = CustomerId(UUID(int=3))
AT = datetime(2025, 11, 2, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=10)
OPEN, RESERVED = happened.Stage.OPEN, happened.Stage.RESERVED

CARD = {
    "session_id": str(REQUEST),
    "plan": "diagnostic",
    "plan_name": "Diagnostic session",
    "minutes": 60,
    "session_type": "diagnostic",
    "pay": 3499,
    "currency": "cad",
    "customer_first_name": "Carla",
    "vehicle": "2014 Mazda 3",
    "concern": "The brakes squeal",
    "urgent": False,
    "specialist": False,
    "created_at": AT.isoformat(),
}

EXAMPLES: Sequence[tuple[str, happened.Event]] = (
    (
        "a favourite's turn begins",
        happened.RequestReserved(MECHANIC, 0, timedelta(minutes=10), LATER, False),
    ),
    (
        "the favourite went offline and the policy shortens the window",
        happened.WindowShortened(MECHANIC, LATER),
    ),
    ("the favourite is given more time", happened.WindowExtended(MECHANIC, LATER)),
    (
        "a favourite's turn is over without a match",
        happened.ReservationEnded(MECHANIC, FallbackReason.NO_RESPONSE),
    ),
    (
        "everybody is asked after a favourite's turn",
        happened.RequestOpened(LATER, FallbackReason.NO_RESPONSE, frozenset({MECHANIC})),
    ),
    ("everybody is asked at once", happened.RequestOpened(LATER, None, frozenset())),
    ("the favourite accepts within the window", happened.RequestMatched(MECHANIC, RESERVED, None)),
    (
        "somebody accepts an open request, or is named for it",
        happened.RequestMatched(MECHANIC, OPEN, None),
    ),
    (
        "an operator names who comes before everybody was asked",
        happened.RequestMatched(MECHANIC, RESERVED, None, assigned=True),
    ),
    ("the matched mechanic has joined", happened.MechanicJoined(MECHANIC)),
    (
        "a match is undone: released, or nobody joined in time",
        happened.MatchReleased(MECHANIC, happened.UndoReason.RELEASED),
    ),
    ("the session is over", happened.SessionCompleted(MECHANIC)),
    ("a reserved request is cancelled", happened.RequestCancelled(RESERVED, MECHANIC)),
    ("an open request is cancelled", happened.RequestCancelled(OPEN, None)),
    ("nobody accepted before the overall limit", happened.RequestUnfilled()),
)


@dataclass(frozen=True, slots=True)
class Message:
    """``when`` something happens, some people are told this."""

    when: str
    notice: Notice
    payload: Payload


def messages() -> Iterator[Message]:
    """All of them, in the order in which a request lives through them."""
    for when, event in EXAMPLES:
        logged = LoggedEvent(Cursor(), REQUEST, CUSTOMER, 1, AT, AT, event, frozenset(), CARD)
        for notice in audience(REQUEST, event):
            yield Message(when, notice, notice_payload(notice, logged))
