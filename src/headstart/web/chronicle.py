"""One request, for an operator who is asked why: every step, who could accept and who not, and what
the log says of any one mechanic. Nothing is told that was not recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from headstart.app.chronicle import REASONS, actor_of, lengths, mechanics_of, sentence_of
from headstart.app.ports import PersonalViews
from headstart.core.request import MechanicId, RequestId
from headstart.web.rendering import clock_time, instant

NAMED_MAX = 40  # of those who could accept; beyond it they are counted
_TOLD_ALREADY = frozenset({"policy", "chain", "mechanic", "reason", "until", "untold", "fallback"})

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who could accept when everybody was asked, as the event recorded it."""

    total: int
    could: Sequence[str]
    not_again: Sequence[str]  # they had their turn: they could accept and were not told again
    barred: Sequence[str]  # they had said no, or had left the request, before


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. ``since_before_s`` is the time since the one before it."""

    version: int
    at: datetime
    since_before_s: float
    sentence: str
    by: str
    reason: str | None
    known: Mapping[str, Any]
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the log says of one mechanic at one moment at which somebody was asked."""

    at: datetime
    said: str
    other: RequestId | None = None  # what they were at work on


@dataclass(frozen=True, slots=True)
class Note:
    """What was said about an offer and moved nothing."""

    at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Chronicle:
    """The whole of it."""

    began: datetime
    entries: Sequence[Entry]
    notes: Sequence[Note]
    answers: Sequence[Answer]


async def chronicle(
    views: PersonalViews, request_id: RequestId, mechanic: MechanicId | None
) -> Chronicle:
    """From the log, with an operator's eyes. ``mechanic``: of whom one wants to know."""
    history = await views.history(request_id)
    reasons = await views.reasons(request_id)
    eligible = await views.board.eligible(request_id)
    names = await _names(views, history, eligible)
    since_s = lengths([event["at"] for event in history])
    barred = list(_barred(history))
    asked = [
        _asked(event, eligible.get(event["version"]), barred[place], names)
        for place, event in enumerate(history)
    ]
    entries = [
        Entry(
            version=event["version"],
            at=event["at"],
            since_before_s=since_s[place],
            sentence=_sentence(event, asked[place], names),
            by=actor_of(event["actor"], name=_named(names)),
            reason=reasons.get(event["version"]),
            known=_known(event["payload"]),
            asked=asked[place],
        )
        for place, event in enumerate(history)
    ]
    notes = [Note(one["at"], _said(one)) for one in await views.offer_notes(request_id)]
    answers = await _answers(views, request_id, history, eligible, mechanic) if mechanic else ()
    return Chronicle(history[0]["at"], entries, notes, answers)


def _said(note: Event) -> str:
    if note["author"] == "system":
        return f"The system set {note['name']} off duty, for offers missed one after another."
    return f"{note['name']}, on why they declined: {str(note['note']).replace('_', ' ')}."


async def _names(
    views: PersonalViews, history: Sequence[Event], eligible: Mapping[int, Sequence[UUID]]
) -> Mapping[str, str]:
    wanted = {UUID(one) for event in history for one in mechanics_of(event["payload"])}
    acted = [event["actor"].partition(":") for event in history]
    wanted |= {UUID(who) for role, _, who in acted if role == "mechanic"}
    named_max = NAMED_MAX + len(wanted)  # whoever could not any more is among those, too
    wanted |= {one for some in eligible.values() for one in some[:named_max]}
    found = await views.names_of([MechanicId(one) for one in wanted])
    return {str(mechanic): name for mechanic, name in found.items()}


def _named(names: Mapping[str, str]) -> Any:
    """An id that is nobody's name stays an id."""
    return lambda mechanic: names.get(mechanic, mechanic)


def _sentence(event: Event, asked: Asked | None, names: Mapping[str, str]) -> str:
    could = asked.total if asked else event["eligible"]
    told = sentence_of(event["kind"], event["payload"], could, name=_named(names), time=clock_time)
    return told[0].upper() + told[1:]


def _known(payload: Event) -> Mapping[str, Any]:
    """What the sentence does not say."""
    return {
        name: value
        for name, value in payload.items()
        if value not in (None, [], {}, False) and name not in _TOLD_ALREADY
    }


def _barred(history: Sequence[Event]) -> Iterator[frozenset[str]]:
    """For each event: who had said no before it, or had left."""
    out: frozenset[str] = frozenset()
    for event in history:
        yield out
        left = event["kind"] in ("offer_declined", "match_released")
        if left or event["payload"].get("reason") == "declined":
            out |= {event["payload"]["mechanic"]}


def _asked(
    event: Event,
    eligible: Sequence[UUID] | None,
    barred: frozenset[str],
    names: Mapping[str, str],
) -> Asked | None:
    if event["kind"] != "request_opened" or eligible is None:
        return None
    could = [str(one) for one in eligible if str(one) not in barred]
    untold = set(event["payload"].get("untold") or ()) - barred
    return Asked(
        total=len(could),
        could=sorted(names.get(one, one) for one in could[:NAMED_MAX]),
        not_again=sorted(names.get(one, one) for one in untold if one in could),
        barred=sorted(names.get(one, one) for one in barred),
    )


async def _answers(
    views: PersonalViews,
    request_id: RequestId,
    history: Sequence[Event],
    eligible: Mapping[int, Sequence[UUID]],
    mechanic: MechanicId,
) -> Sequence[Answer]:
    """For every moment at which somebody was asked: were they, and what does the log say why."""
    found = []
    for place, (event, barred) in enumerate(zip(history, _barred(history), strict=True)):
        said: str | None = None
        if event["kind"] == "request_opened":
            found.append(await _of_everybody(views, event, barred, eligible, mechanic))
            continue
        if event["kind"] == "request_reserved":
            said = await _of_one(views, event, _end_of_turn(history[place:]), mechanic)
        elif event["kind"] == "favorite_skipped" and event["payload"]["mechanic"] == str(mechanic):
            said = (
                f"Would have been next, and was not asked: {REASONS[event['payload']['reason']]}."
            )
        if said:
            found.append(Answer(event["at"], said))
    return found


def _end_of_turn(later: Sequence[Event]) -> datetime:
    """When the turn ended that begins with the first of these events, or would end."""
    ends = (one["at"] for one in later if one["kind"] in _ENDS_A_TURN)
    return next(ends, instant(later[0]["payload"]["until"]))


_ENDS_A_TURN = frozenset({"reservation_ended", "request_matched", "request_cancelled"})


async def _of_one(views: PersonalViews, event: Event, end: datetime, mechanic: MechanicId) -> str:
    if event["payload"]["mechanic"] != str(mechanic):
        return "Was not asked: it was held for another mechanic alone."
    there = await views.board.was_there(mechanic, event["at"], end)
    signs = {True: ", and was there", False: ", and gave no sign of life", None: ""}[there]
    return f"Was asked alone, until {clock_time(end)}{signs}."


async def _of_everybody(
    views: PersonalViews,
    event: Event,
    barred: frozenset[str],
    eligible: Mapping[int, Sequence[UUID]],
    mechanic: MechanicId,
) -> Answer:
    at: datetime = event["at"]
    if str(mechanic) in barred:
        return Answer(at, "Could not accept: they had said no to this request, or left it, before.")
    if mechanic in eligible.get(event["version"], ()):
        if str(mechanic) in (event["payload"].get("untold") or ()):
            return Answer(at, "Could accept. They had had their turn, so they were not told again.")
        return Answer(at, "Could accept, and was told.")
    job = await views.board.job_at(mechanic, at)
    if job is not None:
        return Answer(at, "Could not accept: they were at work on another request.", job)
    return Answer(
        at,
        "Is not in the recorded list of those who could accept. The log shows no job of theirs at"
        " that moment; beside being free, the rule asks for being approved. What operators changed"
        " about mechanics is on the board.",
    )
