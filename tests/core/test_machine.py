"""Anything may happen in any order: a machine plays people and time against the rules.

It knows who may win from a model of its own, ``may_win``, which shares no line with ``decide``.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headstart.core import commands
from headstart.core import events as happened
from headstart.core.events import Event
from headstart.core.policy import OfflinePolicy
from headstart.core.request import (
    Cancelled,
    Completed,
    FallbackReason,
    Matched,
    MechanicId,
    Open,
    Reserved,
    RoutingType,
    Unfilled,
)
from tests.core import cast
from tests.core.cast import MECHANICS, NOTHING_YET, POLICY, minutes
from tests.core.test_evolve import replay

MAY_BECOME: dict[type, set[type]] = {
    Reserved: {Reserved, Open, Matched, Cancelled},
    Open: {Open, Matched, Unfilled, Cancelled},
    Matched: {Matched, Open, Completed},
    Completed: {Completed},
    Unfilled: {Unfilled},
    Cancelled: {Cancelled},
}
PRIORITY_EVENTS = (
    happened.RequestReserved,
    happened.FavoriteSkipped,
    happened.WindowShortened,
    happened.WindowExtended,
    happened.ReservationEnded,
)
ENDINGS = (happened.SessionCompleted, happened.RequestCancelled, happened.RequestUnfilled)
STEPPING_IN = [
    *(cast.ask_everyone(), cast.ask_everyone(cast.THE_OPERATOR)),
    *(cast.cancel(), cast.complete(None)),
]
MORE_TIME = [cast.extend(), cast.extend(cast.THE_OPERATOR)]
ONLY_AT_THE_DEADLINE = {FallbackReason.NO_RESPONSE}
DEADLINES_MAX = 8  # three windows, a join and the broadcasts between them need fewer

mechanics = st.sampled_from(MECHANICS)
seldom = st.sampled_from([False] * 3 + [True])
hardly_ever = st.sampled_from([False] * 15 + [True])  # what ends a story would end most too soon
circumstances = st.sampled_from(
    [{}, {"online": False}, {"busy": True}, {"approved": False}, {"favorite": False}]
)


class Marketplace(RuleBasedStateMachine):
    """One request, three mechanics whose circumstances change, and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.story = NOTHING_YET
        self.plain = False
        self.held_for: MechanicId | None = None
        self.held_until: datetime | None = None
        self.taken_by: MechanicId | None = None
        self.over = False
        self.extensions = 0
        self.fallbacks = 0
        self.said_no: set[MechanicId] = set()
        self.had_a_turn: set[MechanicId] = set()

    def may_win(self, mechanic: MechanicId) -> bool:
        known = self.story.world.mechanics[mechanic]
        fit = known.approved and not known.busy
        theirs = self.held_for in (None, mechanic)
        available = self.taken_by is None and not self.over
        return fit and theirs and available and mechanic not in self.said_no

    # What people and time do ----------------------------------------------------------------

    @initialize(
        favorites=st.permutations(MECHANICS),
        count=st.sampled_from([2, 3, 1, 2, 3, 1, 0]),
        routing_type=st.sampled_from([RoutingType.PRIORITY_BROADCAST] * 7 + [*RoutingType]),
        flag_off=hardly_ever,
        offline=st.sampled_from([OfflinePolicy.SHORTEN, *OfflinePolicy]),
        join_limit=st.sampled_from([None, minutes(cast.JOIN_LIMIT)]),
        window=st.sampled_from([1, 10, 20]),
        blind=hardly_ever,
    )
    def ask(
        self,
        favorites: list[MechanicId],
        count: int,
        routing_type: RoutingType,
        flag_off: bool,
        offline: OfflinePolicy,
        join_limit: timedelta | None,
        window: float,
        blind: bool,
    ) -> None:
        policy = replace(
            POLICY, priority_enabled=not flag_off, offline=offline, join_limit=join_limit
        )
        wants_priority = routing_type is RoutingType.PRIORITY_BROADCAST
        self.plain = flag_off or not (wants_priority and count)
        self.order(
            cast.request_session(
                *favorites[:count], policy=policy, routing_type=routing_type, window=window
            ),
            blind=blind,
        )

    @rule(mechanic=mechanics, now=circumstances)
    def accept(self, mechanic: MechanicId, now: dict[str, bool]) -> None:
        self.story = self.story.where(mechanic, **now)
        wins = self.may_win(mechanic) or (self.taken_by == mechanic and not self.over)
        self.order(cast.accept(mechanic))
        assert wins == (self.taken_by == mechanic and not self.over)

    def may_be_assigned(self, mechanic: MechanicId) -> bool:
        """Whoever could win if nobody else were asked first."""
        held_for, self.held_for = self.held_for, None
        may, self.held_for = self.may_win(mechanic), held_for
        return may

    @rule(mechanic=mechanics, now=circumstances, wanted=seldom)
    def assign(self, mechanic: MechanicId, now: dict[str, bool], wanted: bool) -> None:
        if not wanted:
            return
        self.story = self.story.where(mechanic, **now)
        wins = self.may_be_assigned(mechanic) or (self.taken_by == mechanic and not self.over)
        self.order(cast.assign(mechanic))
        assert wins == (self.taken_by == mechanic and not self.over)

    @rule(order=st.sampled_from(MORE_TIME))
    def give_more_time(self, order: commands.Command) -> None:
        """Granted exactly where two are not used up, and everybody keeps their time."""
        limit = cast.START + POLICY.overall_limit - POLICY.broadcast_minimum
        until, now = self.held_until, self.story.now
        runs = until is not None and now < until and until + POLICY.extension <= limit
        granted = runs and self.extensions < 2 and not self.over
        self.order(order)
        longer = until + POLICY.extension if until and granted else until
        assert self.held_until == longer

    @rule(mechanic=mechanics)
    def decline(self, mechanic: MechanicId) -> None:
        heard = self.held_for in (None, mechanic) and self.taken_by is None and not self.over
        before = self.story.log
        self.order(cast.decline(mechanic))
        assert heard or self.story.log == before
        if heard:
            self.said_no.add(mechanic)

    @rule(mechanic=mechanics, order=st.sampled_from([cast.release, cast.join, cast.complete]))
    def the_match_goes_on(
        self, mechanic: MechanicId, order: Callable[[MechanicId], commands.Command]
    ) -> None:
        self.order(order(mechanic))

    @rule(order=st.sampled_from(STEPPING_IN), wanted=seldom)
    def somebody_steps_in(self, order: commands.Command, wanted: bool) -> None:
        if wanted:
            self.order(order)

    @rule(mechanic=mechanics, now=circumstances, blind=seldom)
    def circumstances_change(self, mechanic: MechanicId, now: dict[str, bool], blind: bool) -> None:
        self.story = self.story.where(mechanic, **now)
        self.order(cast.review(), blind=blind)

    @rule(length=st.sampled_from([0.5, 1, 2, 5, 10, 25]), blind=seldom)
    def time_passes(self, length: float, blind: bool) -> None:
        self.story = replace(self.story, now=self.story.now + minutes(length))
        self.order(cast.deadline(), blind=blind)

    @rule(early=st.sampled_from([0, 0.01, 0]), blind=seldom)
    def it_is_due(self, early: float, blind: bool) -> None:
        due_at = self.story.known.due_at
        if due_at is not None:
            self.story = replace(self.story, now=max(due_at - minutes(early), self.story.now))
        self.order(cast.deadline(), blind=blind)

    def teardown(self) -> None:
        """Nobody acts any more: deadlines alone must bring the request to its end."""
        for _ in range(DEADLINES_MAX):
            if self.story.request is None or self.story.request.due_at is None:
                return
            self.it_is_due(early=0, blind=False)
        raise AssertionError(f"still waiting: {self.story.request}")

    # What is watched ------------------------------------------------------------------------

    def order(self, command: commands.Command, *, blind: bool = False) -> None:
        before = self.story
        told = (before.blind() if blind else before).when(command)
        self.story = replace(told, world=before.world)
        for event in self.story.events[len(before.events) :]:
            self.watch(event)
        if before.request:
            became = type(self.story.known.state)
            assert became in MAY_BECOME[type(before.request.state)]

    def watch(self, event: Event) -> None:
        match event:
            case happened.RequestReserved(mechanic=mechanic, until=until):
                assert mechanic not in self.had_a_turn, "a second turn"
                self.held_for, self.held_until = mechanic, until
                self.had_a_turn.add(mechanic)
                self.extensions = 0
            case happened.WindowExtended(until=until):
                self.held_until = until
                self.extensions += 1
            case happened.WindowShortened(until=until):
                assert self.held_until is not None
                assert until <= self.held_until, "a window was prolonged"
                self.held_until = until
            case happened.ReservationEnded(mechanic=mechanic, reason=reason):
                assert mechanic == self.held_for
                assert self.held_until is not None
                overdue = self.story.now >= self.held_until
                assert overdue or reason not in ONLY_AT_THE_DEADLINE, "a broken promise"
                self.held_for = self.held_until = None
            case happened.RequestMatched(mechanic=mechanic):
                assert self.taken_by is None, "two winners"
                self.taken_by = mechanic
                self.held_for = self.held_until = None
            case happened.MatchReleased(mechanic=mechanic):
                assert mechanic == self.taken_by
                self.taken_by = None
                self.said_no.add(mechanic)
            case happened.RequestOpened():
                self.watch_the_broadcast(event)
            case _:
                self.over |= isinstance(event, ENDINGS)
                self.held_for = None if self.over else self.held_for

    def watch_the_broadcast(self, event: happened.RequestOpened) -> None:
        self.fallbacks += event.fallback is not None
        assert self.fallbacks <= 1, "a second fallback"
        assert event.untold >= self.had_a_turn, "told twice"
        assert event.until >= self.story.now + POLICY.broadcast_minimum
        assert event.until >= cast.START + POLICY.overall_limit

    @invariant()
    def whatever_is_pending_has_a_deadline(self) -> None:
        state = self.story.known.state
        if isinstance(state, Reserved | Open):
            assert self.story.known.due_at is not None
        elif not isinstance(state, Matched):
            assert self.story.known.due_at is None

    @invariant()
    def a_window_lasts_as_long_as_promised(self) -> None:
        held = isinstance(self.story.known.state, Reserved)
        assert held == (self.held_for is not None)
        assert not held or self.story.known.due_at == self.held_until

    @invariant()
    def the_log_replays_to_the_request(self) -> None:
        assert replay(self.story.log) == self.story.request
        assert self.story.known.version == len(self.story.log)

    @invariant()
    def a_plain_request_knows_nothing_of_priority(self) -> None:
        if self.plain:
            request = self.story.known
            assert not any(isinstance(event, PRIORITY_EVENTS) for event in self.story.events)
            assert (request.preferred, request.priority_notified_at) == (None, None)
            assert request.fallback is None


TestMarketplace = Marketplace.TestCase
TestMarketplace.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, derandomize=True, database=None
)


def test_the_oracle_knows_the_plain_cases() -> None:
    """A model that allowed everything, or nothing, would agree with too many mistakes."""
    market = Marketplace()
    market.order(cast.request_session(cast.PREFERRED))
    assert [market.may_win(mechanic) for mechanic in MECHANICS] == [True, False, False]
    market.order(cast.decline(cast.PREFERRED))
    market.said_no.add(cast.PREFERRED)
    assert [market.may_win(mechanic) for mechanic in MECHANICS] == [False, True, True]
    market.order(cast.accept(cast.RIVAL))
    assert not any(market.may_win(mechanic) for mechanic in MECHANICS)
