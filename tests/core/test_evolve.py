"""The law: replaying the events gives the request, after every single one of them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast, get_args

import pytest

from headstart.core import events as happened
from headstart.core.events import Event
from headstart.core.evolve import evolve
from headstart.core.request import (
    Cancelled,
    Completed,
    Fallback,
    FallbackReason,
    Matched,
    Open,
    RequestId,
    Reserved,
    RoutingType,
    SessionRequest,
    Unfilled,
)
from tests.core.cast import (
    CUSTOMER,
    MATCHED,
    NOTHING_YET,
    OPEN,
    POLICY,
    PREFERRED,
    REQUEST,
    RESERVED,
    RIVAL,
    SHORTEN,
    STRANGER,
    Story,
    accept,
    ask_everyone,
    assign,
    cancel,
    cancelled,
    chain_of,
    complete,
    completed,
    deadline,
    decline,
    declined,
    ended,
    extend,
    extended,
    given,
    join,
    joined,
    matched,
    matched_in_window,
    minute,
    minutes,
    no_show,
    opened,
    release,
    request_session,
    requested,
    reserved,
    review,
    shortened,
    skipped,
    unfilled,
)

NO_RESPONSE = FallbackReason.NO_RESPONSE
AT = minute(5)


def replay(log: tuple[tuple[datetime, Event], ...]) -> SessionRequest | None:
    """Every event by itself, at its own time."""
    request: SessionRequest | None = None
    for at, event in log:
        request = evolve(REQUEST, request, [event], at=at)
    return request


STORIES = {
    "the favourite takes it": NOTHING_YET.when(request_session(PREFERRED))
    .after(3)
    .when(accept(PREFERRED))
    .when(join(PREFERRED))
    .after(48)
    .when(complete(PREFERRED)),
    "two favourites are silent, one withdraws, nobody else comes": NOTHING_YET.when(
        request_session(PREFERRED, RIVAL, policy=SHORTEN)
    )
    .after(10)
    .when(deadline())
    .where(RIVAL, online=False)
    .after(11)
    .when(review())
    .after(13)
    .when(deadline())
    .when(decline(RIVAL))
    .when(accept(STRANGER))
    .after(20)
    .when(release(STRANGER))
    .after(60)
    .when(deadline()),
    "more time, and somebody by name": NOTHING_YET.when(request_session(PREFERRED))
    .when(extend())
    .after(11)
    .when(extend())
    .after(12)
    .when(assign(STRANGER)),
    "a busy favourite, a no-show, a wish": NOTHING_YET.where(PREFERRED, busy=True)
    .when(request_session(PREFERRED, RIVAL))
    .when(ask_everyone())
    .when(accept(STRANGER))
    .after(15)
    .when(deadline())
    .after(16)
    .when(cancel()),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_replaying_gives_the_same_request_after_each_command(story: Story) -> None:
    assert replay(story.log) == story.request
    for so_far in range(1, len(story.log) + 1):
        prefix = story.log[:so_far]
        request = replay(prefix)
        assert request is not None
        assert request.version == so_far


def test_the_stories_together_use_every_event() -> None:
    seen = {type(event) for story in STORIES.values() for event in story.events}
    assert seen == set(get_args(Event))


def test_a_request_begins_with_what_was_asked() -> None:
    begun = evolve(REQUEST, None, [requested(PREFERRED, RIVAL)], at=AT)
    assert begun == SessionRequest(
        id=REQUEST,
        customer=CUSTOMER,
        version=1,
        created_at=AT,
        routing_type=RoutingType.PRIORITY_BROADCAST,
        policy=POLICY,
        chain=chain_of(PREFERRED, RIVAL),
        state=Open(AT),
        preferred=PREFERRED,
    )


@dataclass(frozen=True)
class Change:
    """This event, at minute five, changes these fields and no others."""

    before: Story
    event: Event
    fields: dict[str, Any]


SECOND = reserved(RIVAL, at=5, step=1)
FELL_BACK = Fallback(AT, NO_RESPONSE)
JOINED = given(requested(), opened(), matched(PREFERRED), joined(PREFERRED))

CHANGES = {
    "the first reservation": Change(
        given(requested(PREFERRED)),
        reserved(PREFERRED, at=5),
        {
            "state": Reserved(PREFERRED, 0, minute(15)),
            "priority_window": minutes(10),
            "priority_notified_at": AT,
        },
    ),
    "a second one keeps when the first was told": Change(
        RESERVED,
        SECOND,
        {"state": Reserved(RIVAL, 1, minute(15))},
    ),
    "passing somebody over": Change(OPEN, skipped(PREFERRED, NO_RESPONSE), {}),
    "cutting the window": Change(
        RESERVED,
        shortened(PREFERRED, until=7),
        {"state": Reserved(PREFERRED, 0, minute(7), shortened=True)},
    ),
    "lengthening the window": Change(
        RESERVED,
        extended(PREFERRED, until=15),
        {
            "state": Reserved(PREFERRED, 0, minute(15), extensions=1),
            "priority_window": minutes(15),
        },
    ),
    "silence": Change(RESERVED, ended(PREFERRED, NO_RESPONSE), {"silent": {PREFERRED}}),
    "a favourite's no": Change(
        RESERVED, ended(PREFERRED, FallbackReason.DECLINED), {"excluded": {PREFERRED}}
    ),
    "the fallback": Change(
        RESERVED,
        opened(NO_RESPONSE),
        {"state": Open(minute(60)), "fallback": FELL_BACK, "broadcast_at": AT},
    ),
    "a plain broadcast": Change(
        given(requested()), opened(), {"state": Open(minute(60)), "broadcast_at": AT}
    ),
    "asking everybody again keeps when they were first asked": Change(
        MATCHED, opened(until=70), {"state": Open(minute(70))}
    ),
    "somebody's no": Change(OPEN, declined(STRANGER), {"excluded": {STRANGER}}),
    "a match in the window": Change(
        RESERVED,
        matched_in_window(PREFERRED, at=5),
        {"state": Matched(PREFERRED, AT, minute(20))},
    ),
    "a match": Change(OPEN, matched(STRANGER, at=5), {"state": Matched(STRANGER, AT, minute(20))}),
    "joining": Change(MATCHED, joined(PREFERRED), {"state": Matched(PREFERRED, minute(0), None)}),
    "withdrawing": Change(JOINED, no_show(PREFERRED), {"excluded": {PREFERRED}, "round": 1}),
    "completion": Change(JOINED, completed(PREFERRED), {"state": Completed(PREFERRED, minute(0))}),
    "cancelling": Change(OPEN, cancelled(), {"state": Cancelled()}),
    "cancelling within the window": Change(
        RESERVED, cancelled(asked=PREFERRED), {"state": Cancelled(), "silent": {PREFERRED}}
    ),
    "nobody came": Change(OPEN, unfilled(), {"state": Unfilled()}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_an_event_changes(change: Change) -> None:
    before = change.before.known
    after = evolve(REQUEST, before, [change.event], at=AT)
    assert after == replace(before, version=before.version + 1, **change.fields)


def test_every_event_has_its_line_above() -> None:
    tried = {type(change.event) for change in CHANGES.values()}
    assert tried == set(get_args(Event)) - {happened.SessionRequested}


def test_an_event_from_a_later_release_is_counted_and_otherwise_ignored() -> None:
    class Invented:
        """Something this release has never heard of."""

    before = RESERVED.known
    after = evolve(REQUEST, before, [cast(Event, Invented())], at=AT)
    assert after == replace(before, version=before.version + 1)


def test_a_request_begins_exactly_once() -> None:
    nobody = RequestId(REQUEST)
    with pytest.raises(AssertionError, match="begins with"):
        evolve(nobody, None, [], at=AT)
    with pytest.raises(AssertionError, match="begins with"):
        evolve(nobody, None, [opened()], at=AT)
    with pytest.raises(AssertionError, match="begins once"):
        evolve(nobody, OPEN.known, [requested()], at=AT)


@pytest.mark.parametrize(
    ("event", "alarm"),
    [
        (shortened(PREFERRED, until=5), "only a window can be shortened"),
        (extended(PREFERRED, until=15), "only a window can be shortened or"),
        (joined(PREFERRED), "only a match can be joined"),
        (completed(PREFERRED), "only a match can be completed"),
    ],
)
def test_an_impossible_event_is_an_alarm(event: Event, alarm: str) -> None:
    with pytest.raises(AssertionError, match=alarm):
        evolve(REQUEST, OPEN.known, [event], at=AT)
