"""Who is told about what: and that nobody is told too early."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import get_args

import pytest
from hypothesis import given as any_story
from hypothesis import settings
from hypothesis import strategies as st

from headstart.core import commands
from headstart.core.audience import (
    FEED_TOPIC,
    BroadcastReason,
    EligibleMechanics,
    EveryMechanic,
    ItsCustomer,
    Notice,
    OneMechanic,
    Recipients,
    audience,
    mechanic_topic,
    request_topic,
)
from headstart.core.events import Event, RequestOpened, RequestReserved
from headstart.core.policy import OfflinePolicy
from headstart.core.request import FallbackReason, MechanicId
from tests.core.cast import (
    MECHANICS,
    NOTHING_YET,
    POLICY,
    PREFERRED,
    REQUEST,
    RIVAL,
    STRANGER,
    Story,
    accept,
    ask_everyone,
    cancel,
    cancelled,
    completed,
    deadline,
    decline,
    declined,
    ended,
    extended,
    join,
    joined,
    matched,
    matched_in_window,
    no_show,
    opened,
    release,
    released,
    request_session,
    requested,
    reserved,
    review,
    shortened,
    skipped,
    unfilled,
)

PRIORITY = "priority_session_request"
NO_RESPONSE = FallbackReason.NO_RESPONSE
THE_REQUEST = request_topic(REQUEST)


def customer(event: str) -> Notice:
    return Notice(THE_REQUEST, event, ItsCustomer())


def on_the_feed(event: str, *, card: bool = False) -> Notice:
    """To the favourite alone, although the topic is everybody's."""
    return Notice(FEED_TOPIC, event, OneMechanic(PREFERRED), card=card)


def in_person(event: str) -> Notice:
    """To the favourite, on their own topic."""
    return Notice(mechanic_topic(PREFERRED), event, OneMechanic(PREFERRED))


def everybody(event: str) -> Notice:
    return Notice(FEED_TOPIC, event, EveryMechanic())


def broadcast(reason: BroadcastReason, *untold: MechanicId) -> Notice:
    told = EligibleMechanics(frozenset(untold))
    return Notice(FEED_TOPIC, "new_request", told, reason, card=True)


# Every event has its line here; one without fails the test below.
TOLD: list[tuple[Event, Sequence[Notice]]] = [
    (requested(PREFERRED), []),
    (skipped(PREFERRED, NO_RESPONSE), []),
    (declined(STRANGER), []),
    (
        reserved(PREFERRED),
        [customer("request_reserved"), on_the_feed(PRIORITY, card=True)],
    ),
    (
        shortened(PREFERRED, until=5),
        [customer("priority_window_shortened"), in_person("priority_window_shortened")],
    ),
    (
        extended(PREFERRED, until=15),
        [customer("priority_window_extended"), in_person("priority_window_extended")],
    ),
    (
        ended(PREFERRED, NO_RESPONSE),
        [customer("priority_window_ended"), in_person("priority_window_ended")],
    ),
    (opened(), [customer("new_request"), broadcast(BroadcastReason.STANDARD)]),
    (
        opened(NO_RESPONSE, untold=[PREFERRED]),
        [customer("new_request"), broadcast(BroadcastReason.PRIORITY_TIMEOUT, PREFERRED)],
    ),
    (
        opened(FallbackReason.DECLINED, untold=[PREFERRED, RIVAL]),
        [customer("new_request"), broadcast(BroadcastReason.STANDARD, PREFERRED, RIVAL)],
    ),
    (matched(STRANGER), [customer("request_accepted"), everybody("request_accepted")]),
    (
        matched_in_window(PREFERRED),
        [customer("request_accepted"), on_the_feed("request_accepted")],
    ),
    (joined(PREFERRED), [customer("mechanic_joined")]),
    (released(PREFERRED), [customer("request_released"), in_person("request_released")]),
    (no_show(PREFERRED), [customer("request_released"), in_person("request_released")]),
    (completed(PREFERRED), [customer("session_completed"), in_person("session_completed")]),
    (cancelled(), [customer("request_cancelled"), everybody("request_cancelled")]),
    (
        cancelled(asked=PREFERRED),
        [customer("request_cancelled"), on_the_feed("request_cancelled")],
    ),
    (unfilled(), [customer("request_unfilled"), everybody("request_unfilled")]),
]


@pytest.mark.parametrize(("event", "told"), TOLD, ids=[type(event).__name__ for event, _ in TOLD])
def test_who_is_told(event: Event, told: Sequence[Notice]) -> None:
    assert list(audience(REQUEST, event)) == told


def test_nobody_forgot_to_decide_who_is_told_of_a_new_event() -> None:
    assert {type(event) for event, _ in TOLD} == set(get_args(Event))


@pytest.mark.parametrize("reason", FallbackReason)
def test_only_silence_is_called_a_timeout(reason: FallbackReason) -> None:
    [notice] = [n for n in audience(REQUEST, opened(reason)) if n.topic == FEED_TOPIC]
    expected = "priority_timeout" if reason is NO_RESPONSE else "standard"
    assert notice.reason == expected


# Secrecy ------------------------------------------------------------------------------------

ORDERS: list[commands.Command] = [
    *(order(who) for order in (accept, decline, release, join) for who in MECHANICS),
    *(ask_everyone(), cancel(), deadline(), review()),
]
CONDITIONS = [{}, {"online": False}, {"busy": True}, {"approved": False}, {"favorite": False}]


@st.composite
def walks(draw: st.DrawFn) -> Story:
    """A request for one to three favourites, and whatever people and time make of it."""
    favorites = draw(st.permutations(MECHANICS))[: draw(st.integers(1, 3))]
    policy = replace(POLICY, offline=draw(st.sampled_from(OfflinePolicy)))
    story = NOTHING_YET.when(request_session(*favorites, policy=policy))
    for order in draw(st.lists(st.sampled_from(ORDERS), max_size=6)):
        mechanic = draw(st.sampled_from(MECHANICS))
        story = story.where(mechanic, **draw(st.sampled_from(CONDITIONS)))
        story = story.after(draw(st.integers(0, 30))).when(order)
    return story


def until_everybody_is_asked(events: Sequence[Event]) -> Iterator[Event]:
    return takewhile(lambda event: not isinstance(event, RequestOpened), events)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@any_story(walks())
def test_before_the_broadcast_nobody_is_told_but_the_customer_and_whose_turn_it_was(
    story: Story,
) -> None:
    allowed: set[Recipients] = {ItsCustomer()}
    for event in until_everybody_is_asked(story.events):
        if isinstance(event, RequestReserved):
            allowed.add(OneMechanic(event.mechanic))
        assert {notice.to for notice in audience(REQUEST, event)} <= allowed


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@any_story(walks())
def test_each_topic_is_heard_by_its_owner_only(story: Story) -> None:
    for notice in (notice for event in story.events for notice in audience(REQUEST, event)):
        if notice.event == PRIORITY:
            assert isinstance(notice.to, OneMechanic)
        assert (notice.topic == THE_REQUEST) == isinstance(notice.to, ItsCustomer)
        if notice.topic.startswith("mechanic:"):
            assert isinstance(notice.to, OneMechanic)
            assert notice.topic == mechanic_topic(notice.to.mechanic)
