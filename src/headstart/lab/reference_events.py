"""Every message that is told to people: its name, who gets it, on which topic, with which fields.

The rows are made by ``core.audience`` and ``app.views`` from one example of each event.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from headstart.app.ports import Cursor, LoggedEvent
from headstart.app.views import OFFER_FIELDS, notice_payload
from headstart.core import events as happened
from headstart.core.audience import (
    EligibleMechanics,
    EveryMechanic,
    ItsCustomer,
    Notice,
    OneMechanic,
    audience,
)
from headstart.core.request import CustomerId, FallbackReason, MechanicId, RequestId

REQUEST = RequestId(UUID(int=1))
MECHANIC = MechanicId(UUID(int=2))
AT = datetime(2025, 11, 2, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=10)
OPEN, RESERVED = happened.Stage.OPEN, happened.Stage.RESERVED

EXAMPLES: Sequence[tuple[str, happened.Event]] = (
    (
        "a favourite's turn begins",
        happened.RequestReserved(MECHANIC, 0, timedelta(minutes=10), LATER, False),
    ),
    (
        "the favourite went offline and the policy shortens the window",
        happened.WindowShortened(MECHANIC, LATER),
    ),
    (
        "a favourite's turn is over without a match",
        happened.ReservationEnded(MECHANIC, FallbackReason.NO_RESPONSE),
    ),
    (
        "everybody is asked",
        happened.RequestOpened(LATER, FallbackReason.NO_RESPONSE, frozenset({MECHANIC})),
    ),
    ("the favourite accepts within the window", happened.RequestMatched(MECHANIC, RESERVED, None)),
    ("somebody accepts an open request", happened.RequestMatched(MECHANIC, OPEN, None)),
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


def events_part() -> str:
    """One heading for each message, and below it who gets it when."""
    sections: dict[str, list[str]] = {}
    for when, event in EXAMPLES:
        for notice in audience(REQUEST, event):
            sections.setdefault(notice.event, []).append(_line(when, notice, event))
    return "\n\n".join(f"### `{name}`\n\n" + "\n".join(lines) for name, lines in sections.items())


def _line(when: str, notice: Notice, event: happened.Event) -> str:
    topic = notice.topic.replace(str(REQUEST), "{id}").replace(str(MECHANIC), "{id}")
    fields = ", ".join(_fields(notice, event)) or "nothing more"
    return f"- {when} → **{_told(notice)}**, on `{topic}`: {fields}"


def _told(notice: Notice) -> str:
    match notice.to:
        case OneMechanic():
            return "that mechanic alone"
        case EligibleMechanics():
            return "the mechanics who can accept, except those who had their turn"
        case EveryMechanic():
            return "all approved mechanics"
        case ItsCustomer():
            return "its customer, and operators"


def _fields(notice: Notice, event: happened.Event) -> Iterator[str]:
    """What this frame has beside the fields of every frame."""
    card = dict.fromkeys(OFFER_FIELDS)
    customer = CustomerId(UUID(int=3))
    logged = LoggedEvent(Cursor(), REQUEST, customer, 1, AT, AT, event, frozenset(), card)
    if notice.card:
        yield "the card"
    known = {"session_id", "version", "at", "server_now", *(OFFER_FIELDS if notice.card else ())}
    yield from (f"`{name}`" for name in notice_payload(notice, logged) if name not in known)
