"""The judge of the races, judged: one true story for each outcome, and each with one lie in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from headstart.lab.races import oracle
from headstart.lab.races.oracle import TAKEN, UNKNOWN, WON, Answer, Race, judge
from tests.habits.source import imports_of, modules

REQUEST, FAVORITE, STRANGER, OTHER = (UUID(int=number) for number in range(1, 5))
DUE = datetime(2025, 11, 2, 12, tzinfo=UTC)

Story = tuple[Race, list[dict[str, Any]], dict[str, Any]]


def at(ms: float) -> datetime:
    """Before or after the deadline."""
    return DUE + timedelta(milliseconds=ms)


def event(kind: str, ms: float, **payload: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at(ms), "payload": payload, "version": 0}


def story(answers: list[Answer], *more: dict[str, Any], **row: Any) -> Story:
    log = [event("session_requested", -200), event("request_reserved", -200), *more]
    numbered = [one | {"version": number} for number, one in enumerate(log, 1)]
    usual = {"matched_mechanic_id": None, "fallback_broadcast_at": None, "fallback_reason": None}
    return Race(REQUEST, FAVORITE, DUE, answers), numbered, usual | row


def said(who: UUID, what: str, sent: float, heard: float) -> Answer:
    return Answer(who, what, at(sent), at(heard))


def in_time() -> Story:
    answers = [said(STRANGER, UNKNOWN, -5, -4), said(FAVORITE, WON, -3, -1)]
    matched = event("request_matched", -2, mechanic=str(FAVORITE), stage="reserved")
    return story(answers, matched, matched_mechanic_id=FAVORITE)


def too_late() -> Story:
    answers = [
        said(OTHER, UNKNOWN, 0, 1),
        said(STRANGER, WON, 3, 5),
        said(FAVORITE, TAKEN, 4, 6),
    ]
    return story(
        answers,
        event("reservation_ended", 2, reason="no_response"),
        event("request_opened", 2, fallback="no_response"),
        event("request_matched", 4, mechanic=str(STRANGER), stage="open"),
        matched_mechanic_id=STRANGER,
        fallback_broadcast_at=at(2),
        fallback_reason="no_response",
    )


@pytest.mark.parametrize("honest", [in_time, too_late])
def test_an_honest_story_is_believed(honest: Callable[[], Story]) -> None:
    assert list(judge(*honest())) == []


def _answer(place: int, **changes: Any) -> Callable[[Story], None]:
    def lie(told: Story) -> None:
        told[0].answers[place] = replace(told[0].answers[place], **changes)

    return lie


def _event(place: int, **changes: Any) -> Callable[[Story], None]:
    def lie(told: Story) -> None:
        told[1][place] |= changes

    return lie


def _row(**changes: Any) -> Callable[[Story], None]:
    return lambda told: told[2].update(changes)


def _forgotten(place: int) -> Callable[[Story], None]:
    return lambda told: told[1].__delitem__(place)


def _early(told: Story) -> None:
    for place in (2, 3):
        told[1][place]["at"] = at(-1)
    told[2]["fallback_broadcast_at"] = at(-1)


BY_STRANGER = {"mechanic": str(STRANGER), "stage": "reserved"}


@pytest.mark.parametrize(
    ("honest", "lie", "complaint"),
    [
        (in_time, _answer(0, said=WON), "2 were told that they won"),
        (in_time, _answer(0, said=TAKEN), "a stranger learned"),
        (in_time, _answer(1, said=UNKNOWN), "the favourite was told that there is no such"),
        (in_time, _answer(1, said=TAKEN), "refused before the deadline"),
        (in_time, _answer(1, said="TimeoutError: "), "an accept was answered with TimeoutError"),
        (in_time, _event(2, payload=BY_STRANGER), "a stranger won before the fallback"),
        (in_time, _row(matched_mechanic_id=None), "the row names None"),
        (in_time, _row(fallback_reason="no_response"), "the row gives the reason"),
        (in_time, _forgotten(2), "1 were told that they won, and None did"),
        (too_late, _early, "before the deadline"),
        (too_late, _answer(1, said=TAKEN), "taken, said to"),
        (too_late, _answer(0, sent_at=at(6)), "after it was open to all"),
        (too_late, _answer(1, sent_at=at(7)), "somebody won after somebody else was told"),
        (too_late, _event(2, payload={"reason": "declined"}), "with the reason declined"),
        (too_late, _event(3, payload={"fallback": "error"}), "with the reason error"),
        (too_late, _event(4, payload=BY_STRANGER), "matched in the stage reserved"),
        (too_late, _event(4, version=6), "versions with gaps"),
        (too_late, _event(4, at=at(1)), "time goes backwards"),
        (too_late, _event(3, kind="offer_declined"), "this is no story"),
        (too_late, _row(fallback_broadcast_at=at(3)), "the row was opened"),
        (too_late, _row(fallback_reason=None), "the row gives the reason None"),
    ],
)
def test_a_lie_is_noticed(
    honest: Callable[[], Story], lie: Callable[[Story], None], complaint: str
) -> None:
    told = honest()
    lie(told)
    assert complaint in "\n".join(judge(*told))


def test_the_judge_knows_nothing_of_the_service() -> None:
    assert not [name for name in imports_of(modules()[oracle.__name__]) if "headstart" in name]
