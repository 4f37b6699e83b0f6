"""The card of rules, cell by cell: what every command does to a request in every state."""

from collections.abc import Sequence
from typing import NamedTuple, get_args

import pytest

from headstart.core import commands
from headstart.core.events import Event, Stage
from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason
from tests.core import cast
from tests.core.cast import PREFERRED, STRANGER, Story

STATES = {
    "none": cast.NOTHING_YET,
    "reserved": cast.RESERVED,
    "open": cast.OPEN,
    "matched": cast.MATCHED,
    "completed": cast.COMPLETED,
    "unfilled": cast.UNFILLED,
    "cancelled": cast.CANCELLED,
}
NOW = 5  # inside the window
OVERDUE = 90  # later than any deadline of a request that was just made
REOPENED_UNTIL = OVERDUE + cast.BROADCAST_MINIMUM

Answer = Sequence[Event] | Refusal
NOTHING: Answer = ()
UNKNOWN, GONE = Refusal.UNKNOWN_REQUEST, Refusal.GONE
NOT_YOURS, NOT_MATCHED = Refusal.NOT_YOURS, Refusal.NOT_MATCHED
TAKEN, ALONE = Refusal.ALREADY_MATCHED, Refusal.NOT_RESERVED


class Case(NamedTuple):
    """In this state, this command, at this minute, is answered with these events or this no."""

    state: str
    command: commands.Command
    answer: Answer
    at: float

    def told(self) -> Story:
        return STATES[self.state].after(self.at).when(self.command)


def row(command: commands.Command, *answers: Answer, at: float = NOW) -> list[Case]:
    """One command in all the states, in the order of ``STATES``."""
    cells = zip(STATES, answers, strict=True)
    return [Case(state, command, answer, at) for state, answer in cells]


# fmt: off
ROWS = {
    "request_session": row(
        cast.request_session(PREFERRED),
        [cast.requested(PREFERRED), cast.reserved(PREFERRED, at=NOW)],
        NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING,
    ),
    "accept_by_preferred": row(
        cast.accept(PREFERRED),
        UNKNOWN,
        [cast.matched_in_window(PREFERRED, at=NOW)],
        [cast.matched(PREFERRED, at=NOW)],
        NOTHING, GONE, GONE, GONE,
    ),
    "accept_by_another": row(
        cast.accept(STRANGER),
        UNKNOWN, Refusal.RESERVED, [cast.matched(STRANGER, at=NOW)], TAKEN, GONE, GONE, GONE,
    ),
    "decline_by_preferred": row(
        cast.decline(PREFERRED),
        UNKNOWN,
        [
            cast.ended(PREFERRED, FallbackReason.DECLINED),
            cast.opened(FallbackReason.DECLINED, untold=[PREFERRED]),
        ],
        [cast.declined(PREFERRED)],
        NOTHING, NOTHING, NOTHING, NOTHING,
    ),
    "decline_by_another": row(
        cast.decline(STRANGER),
        UNKNOWN, NOTHING, [cast.declined(STRANGER)], NOTHING, NOTHING, NOTHING, NOTHING,
    ),
    "ask_everyone": row(
        cast.ask_everyone(),
        UNKNOWN,
        [
            cast.ended(PREFERRED, FallbackReason.CUSTOMER_SKIPPED),
            cast.opened(FallbackReason.CUSTOMER_SKIPPED, untold=[PREFERRED]),
        ],
        NOTHING, TAKEN, GONE, GONE, GONE,
    ),
    "extend": row(
        cast.extend(),
        UNKNOWN, [cast.extended(PREFERRED, until=15)], ALONE, TAKEN, GONE, GONE, GONE,
    ),
    "assign_preferred": row(
        cast.assign(PREFERRED),
        UNKNOWN,
        [cast.assigned(PREFERRED, at=NOW, stage=Stage.RESERVED)],
        [cast.assigned(PREFERRED, at=NOW)],
        NOTHING, GONE, GONE, GONE,
    ),
    "assign_another": row(
        cast.assign(STRANGER),
        UNKNOWN,
        [
            cast.ended(PREFERRED, FallbackReason.OPERATOR),
            cast.assigned(STRANGER, at=NOW, stage=Stage.RESERVED),
        ],
        [cast.assigned(STRANGER, at=NOW)],
        TAKEN, GONE, GONE, GONE,
    ),
    "cancel": row(
        cast.cancel(),
        UNKNOWN, [cast.cancelled(asked=PREFERRED)], [cast.cancelled()], TAKEN, GONE, GONE, NOTHING,
    ),
    "cancel_by_winner": row(
        cast.cancel(cast.by(PREFERRED)),
        UNKNOWN, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS,
    ),
    "cancel_by_the_system": row(
        cast.cancel(commands.SYSTEM),
        UNKNOWN, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS,
    ),
    "release_by_winner": row(
        cast.release(PREFERRED),
        UNKNOWN, NOT_YOURS, NOT_YOURS,
        [cast.released(PREFERRED), cast.opened(untold=[PREFERRED])],
        GONE, GONE, GONE,
    ),
    "release_by_another": row(
        cast.release(STRANGER),
        UNKNOWN, NOT_YOURS, NOT_YOURS, NOT_YOURS, GONE, GONE, GONE,
    ),
    "join_by_winner": row(
        cast.join(PREFERRED),
        UNKNOWN, NOT_YOURS, NOT_YOURS, [cast.joined(PREFERRED)], NOTHING, NOT_YOURS, NOT_YOURS,
    ),
    "join_by_another": row(
        cast.join(STRANGER),
        UNKNOWN, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS, NOT_YOURS,
    ),
    "complete_by_winner": row(
        cast.complete(PREFERRED),
        UNKNOWN, NOT_MATCHED, NOT_MATCHED, [cast.completed(PREFERRED)], NOTHING, GONE, GONE,
    ),
    "complete_by_another": row(
        cast.complete(STRANGER),
        UNKNOWN, NOT_MATCHED, NOT_MATCHED, NOT_YOURS, NOT_YOURS, GONE, GONE,
    ),
    "complete_by_operator": row(
        cast.complete(None),
        UNKNOWN, NOT_MATCHED, NOT_MATCHED, [cast.completed(PREFERRED)], NOTHING, GONE, GONE,
    ),
    "deadline_not_yet": row(
        cast.deadline(),
        UNKNOWN, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING,
    ),
    "deadline_due": row(
        cast.deadline(),
        UNKNOWN,
        [
            cast.ended(PREFERRED, FallbackReason.NO_RESPONSE),
            cast.opened(FallbackReason.NO_RESPONSE, untold=[PREFERRED], until=REOPENED_UNTIL),
        ],
        [cast.unfilled()],
        [cast.no_show(PREFERRED), cast.opened(untold=[PREFERRED], until=REOPENED_UNTIL)],
        NOTHING, NOTHING, NOTHING,
        at=OVERDUE,
    ),
    "review_finds_nothing": row(
        cast.review(),
        UNKNOWN, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING,
    ),
}
# fmt: on
CELLS = [
    pytest.param(case, id=f"{name}-{case.state}") for name, cases in ROWS.items() for case in cases
]


@pytest.mark.parametrize("case", CELLS)
def test_cell(case: Case) -> None:
    story = case.told()
    if isinstance(case.answer, Refusal):
        story.refused(case.answer)
    else:
        story.then(*case.answer)


@pytest.mark.parametrize("case", CELLS)
def test_repeating_a_command_changes_nothing_more(case: Case) -> None:
    """More time is more time, each time: there a key says that it is the same wish."""
    story = case.told()
    if isinstance(case.command, commands.ExtendWindow) and not isinstance(case.answer, Refusal):
        return
    assert story.when(case.command).request == story.request


def test_every_command_is_tried_in_every_state() -> None:
    tried = {(case.state, type(case.command)) for cases in ROWS.values() for case in cases}
    assert tried == {(state, order) for state in STATES for order in get_args(commands.Command)}
