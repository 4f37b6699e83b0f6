"""Logs as a release writes them, kept to be read by every later one.

``python -m tests.store.recording NAME STORY...`` writes ``recorded/NAME.json`` with what today's
release makes of these stories, or of all of them. A file is never written again: what it says has
happened.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from headstart.core import commands
from headstart.core.commands import Actor, Payment
from headstart.core.events import Event
from headstart.core.evolve import evolve
from headstart.core.request import CancelReason, RequestId, SessionRequest
from headstart.store.rows import event_from, event_kind, event_payload, request_row
from tests.core.cast import (
    NOTHING_YET,
    POLICY,
    PREFERRED,
    REQUEST,
    RIVAL,
    SHORTEN,
    SKIP,
    STRANGER,
    THE_OPERATOR,
    Story,
    accept,
    ask_everyone,
    assign,
    cancel,
    complete,
    deadline,
    decline,
    extend,
    join,
    minutes,
    release,
    request_session,
    review,
)

RECORDED = Path(__file__).parent / "recorded"
CASHIER = Actor("cashier")

both = NOTHING_YET.when(request_session(PREFERRED, RIVAL))
one = NOTHING_YET.when(request_session(PREFERRED, window=2.5))
plain = NOTHING_YET.when(request_session())

STORIES: dict[str, Story] = {
    "the favourite accepts, joins and completes": both.after(3)
    .when(accept(PREFERRED))
    .after(5)
    .when(join(PREFERRED))
    .after(50)
    .when(complete(PREFERRED)),
    "the favourites are silent, and a stranger accepts": both.after(10)
    .when(deadline())
    .after(20)
    .when(deadline())
    .after(21.5)
    .when(accept(STRANGER)),
    "declined, declined again, released, and accepted by another": both.after(1)
    .when(decline(PREFERRED))
    .after(2)
    .when(ask_everyone())
    .when(decline(RIVAL))
    .after(4)
    .when(accept(STRANGER))
    .after(6)
    .when(release(STRANGER))
    .after(7)
    .when(accept(PREFERRED)),
    "nobody joins, and nobody comes": one.after(2.5)
    .when(deadline())
    .after(4)
    .when(accept(STRANGER))
    .after(19)
    .when(deadline())
    .after(60)
    .when(deadline()),
    "an operator asks everyone, and an operator cancels the match": one.after(1)
    .when(ask_everyone(THE_OPERATOR))
    .after(2)
    .when(accept(STRANGER))
    .after(3)
    .when(commands.CancelRequest(REQUEST, THE_OPERATOR)),
    "the customer cancels while it is reserved": both.after(2).when(cancel()),
    "the cashier cancels while it is open": plain.after(2).when(
        commands.CancelRequest(REQUEST, CASHIER)
    ),
    "the first favourite is busy, the second is no favourite": NOTHING_YET.where(
        PREFERRED, busy=True
    )
    .where(RIVAL, favorite=False)
    .when(request_session(PREFERRED, RIVAL)),
    "the favourite is not known at all": NOTHING_YET.without(PREFERRED).when(
        request_session(PREFERRED)
    ),
    "the favourite is suspended during the window": one.where(PREFERRED, approved=False)
    .after(1)
    .when(review()),
    "the favourite goes offline, and the window is shortened": NOTHING_YET.when(
        request_session(PREFERRED, policy=SHORTEN)
    )
    .where(PREFERRED, online=False)
    .after(1)
    .when(review())
    .after(3)
    .when(deadline()),
    "an offline favourite is skipped": NOTHING_YET.where(PREFERRED, online=False).when(
        request_session(PREFERRED, policy=SKIP)
    ),
    "the favourite is given more time, twice, and is silent": one.when(extend())
    .after(7)
    .when(extend(THE_OPERATOR))
    .after(12.5)
    .when(deadline()),
    "an operator names who comes": both.after(4).when(assign(STRANGER)),
    "nothing could be known": NOTHING_YET.blind().when(request_session(PREFERRED)),
    "a second purchase is never offered": NOTHING_YET.when(
        replace(request_session(PREFERRED), void=CancelReason.SECOND_PURCHASE)
    ),
    "free, with a join limit of its own": NOTHING_YET.when(
        replace(
            request_session(policy=replace(POLICY, join_limit=minutes(0.1))),
            payment=Payment(hold=True),
        )
    )
    .after(0.05)
    .when(accept(PREFERRED)),
}

Entry = dict[str, Any]


def folded(log: list[Entry]) -> Iterator[SessionRequest]:
    """The request after each entry of a recorded log, as the release of today understands it."""
    request = None
    for entry in log:
        event = event_from(entry["kind"], entry["payload"])
        at = datetime.fromisoformat(entry["at"])
        request = evolve(RequestId(REQUEST), request, [event], at=at)
        yield request


def row_of(request: SessionRequest) -> Entry:
    """The columns of the request, as JSON holds them."""
    row: Entry = json.loads(json.dumps(request_row(request), default=str))
    return row


def recorded(names: Sequence[str]) -> dict[str, list[Entry]]:
    """These stories, or all, each event with the row that it leaves."""
    return {name: list(_entries(STORIES[name].log)) for name in names or STORIES}


def _entries(log: tuple[tuple[datetime, Event], ...]) -> Iterator[Entry]:
    told = [
        {"kind": event_kind(type(event)), "at": at.isoformat(), "payload": event_payload(event)}
        for at, event in log
    ]
    for entry, request in zip(told, folded(told), strict=True):
        yield entry | {"row": row_of(request)}


def main(name: str, *stories: str) -> None:
    """Keep what the release of today writes."""
    RECORDED.mkdir(exist_ok=True)
    with (RECORDED / f"{name}.json").open("x", encoding="utf-8") as kept:
        json.dump(recorded(stories), kept, indent=1)
        kept.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
