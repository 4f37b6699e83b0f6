"""Who may have won a race for a deadline, told from answers and the log alone.

This knows the card of rules and nothing of the service: it imports nothing of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

WON = "won"
TAKEN = "already_matched"
UNKNOWN = "unknown_request"

Event = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one accept was told, and when it was sent and answered, by the database's clock as far
    as we can tell."""

    who: UUID
    said: str
    sent_at: datetime
    heard_at: datetime


@dataclass(slots=True)
class Race:
    """One reservation, and everybody who wanted it."""

    request: UUID
    favorite: UUID
    due_at: datetime
    answers: list[Answer] = field(default_factory=list)

    def of_favorite(self) -> Sequence[Answer]:
        """What the favourite was told."""
        return [answer for answer in self.answers if answer.who == self.favorite]


@dataclass(frozen=True, slots=True)
class Finish:
    """How a race ended: who won, in which stage, and when everybody was asked, if ever."""

    winner: UUID | None
    stage: str | None
    opened_at: datetime | None


def finish(log: Sequence[Event]) -> Finish:
    """What the log says. A second match or broadcast is somebody else's to complain about."""
    matched = next((event for event in log if event["kind"] == "request_matched"), None)
    opened = next((event for event in log if event["kind"] == "request_opened"), None)
    return Finish(
        UUID(matched["payload"]["mechanic"]) if matched else None,
        matched["payload"]["stage"] if matched else None,
        opened["at"] if opened else None,
    )


def judge(race: Race, log: Sequence[Event], row: Row) -> Iterator[str]:
    """Every promise that this race broke, in words."""
    for complaint in (
        *_of_the_log(race, log),
        *_of_the_fallback(race, log),
        *_of_the_row(row, finish(log)),
        *_of_the_answers(race, finish(log)),
        *_of_the_order(race, finish(log)),
    ):
        yield f"{race.request}: {complaint}"


_BEGINS = ["session_requested", "request_reserved"]
_FALLS_BACK = ["reservation_ended", "request_opened"]
_STORIES = (
    [*_BEGINS, "request_matched"],
    [*_BEGINS, *_FALLS_BACK, "request_matched"],
    [*_BEGINS, *_FALLS_BACK],
)


def _of_the_log(race: Race, log: Sequence[Event]) -> Iterator[str]:
    """Exactly one of three stories, in order, and without gaps."""
    kinds, end = [event["kind"] for event in log], finish(log)
    if kinds not in _STORIES:
        yield f"this is no story: {' '.join(kinds)}"
    if [event["version"] for event in log] != list(range(1, len(log) + 1)):
        yield f"versions with gaps: {[event['version'] for event in log]}"
    if any(later["at"] < event["at"] for event, later in pairwise(log)):
        yield "time goes backwards"
    if end.winner and (end.stage == "open") != (end.opened_at is not None):
        yield f"matched in the stage {end.stage}, and opened at {end.opened_at}"
    if end.stage == "reserved" and end.winner != race.favorite:
        yield "a stranger won before the fallback"


def _of_the_fallback(race: Race, log: Sequence[Event]) -> Iterator[str]:
    """It has one reason, and is not early."""
    for event in log:
        if event["kind"] not in _FALLS_BACK:
            continue
        reason = event["payload"]["reason" if event["kind"] == _FALLS_BACK[0] else "fallback"]
        if reason != "no_response":
            yield f"{event['kind']} with the reason {reason}"
        if event["at"] < race.due_at:
            yield f"{event['kind']} {race.due_at - event['at']} before the deadline"


def _of_the_row(row: Row, end: Finish) -> Iterator[str]:
    """The row says what the log says."""
    if row["matched_mechanic_id"] != end.winner:
        yield f"the row names {row['matched_mechanic_id']} and the log {end.winner}"
    if row["fallback_broadcast_at"] != end.opened_at:
        yield f"the row was opened {row['fallback_broadcast_at']} and the log {end.opened_at}"
    if (row["fallback_reason"] == "no_response") != (end.opened_at is not None):
        yield f"the row gives the reason {row['fallback_reason']}"


def _of_the_answers(race: Race, end: Finish) -> Iterator[str]:
    """Acknowledged if and only if matched, and every no is true."""
    winners = {answer.who for answer in race.answers if answer.said == WON}
    if winners - {end.winner}:
        yield f"{len(winners)} were told that they won, and {end.winner} did"
    if end.winner and end.winner not in winners:
        yield "the winner was not told"
    for answer in race.answers:
        if answer.said not in (WON, TAKEN, UNKNOWN):
            yield f"an accept was answered with {answer.said}"
        if answer.said == TAKEN and end.winner in (None, answer.who):
            yield f"taken, said to {answer.who}, and the winner is {end.winner}"
        if answer.said == UNKNOWN and answer.who == race.favorite:
            yield "the favourite was told that there is no such request"
        if answer.said == TAKEN and end.stage == "reserved":
            yield "a stranger learned of a request that was never opened"


def _of_the_order(race: Race, end: Finish) -> Iterator[str]:
    """What real time allows: who was answered before somebody else asked, came first."""
    for answer in race.of_favorite():
        if answer.heard_at < race.due_at and answer.said != WON:
            yield "the favourite's accept was refused before the deadline"
    proofs = [one.heard_at for one in race.answers if one.said in (WON, TAKEN)]
    taken = [one.heard_at for one in race.answers if one.said == TAKEN]
    for answer in race.answers:
        opened = end.opened_at is not None and proofs and answer.sent_at > min(proofs)
        if answer.said == UNKNOWN and opened:
            yield "a stranger was told that there is no such request, after it was open to all"
        if answer.said == WON and taken and answer.sent_at > min(taken):
            yield "somebody won after somebody else was told that it is taken"
