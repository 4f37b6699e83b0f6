"""The fixed cast of the stories, and the words in which they are told.

    given(requested(PREFERRED), reserved(PREFERRED))
        .after(10).when(deadline())
        .then(ended(PREFERRED, NO_RESPONSE), opened(NO_RESPONSE, untold=[PREFERRED]))

All times are minutes since the request was made.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from headstart.core import commands
from headstart.core import events as happened
from headstart.core.commands import Actor, Payment
from headstart.core.decide import decide
from headstart.core.events import Stage, UndoReason
from headstart.core.evolve import evolve
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.refusals import Refusal
from headstart.core.request import (
    ChainStep,
    CustomerId,
    FallbackReason,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
    SessionRequest,
)

CUSTOMER = CustomerId(UUID(int=1))
PREFERRED = MechanicId(UUID(int=2))  # the customer's first favourite
RIVAL = MechanicId(UUID(int=3))  # the customer's second favourite
STRANGER = MechanicId(UUID(int=4))  # never met this customer
OPERATOR = UUID(int=5)
MECHANICS = (PREFERRED, RIVAL, STRANGER)

THE_CUSTOMER = Actor("customer", str(CUSTOMER))
THE_OPERATOR = Actor("operator", str(OPERATOR))

REQUEST = RequestId(UUID(int=6))
INTAKE = IntakeId(UUID(int=7))
PAYMENT = Payment("cs_test_1", "pi_test_1")

START = datetime(2025, 11, 2, 12, 0, tzinfo=UTC)


def minutes(length: float) -> timedelta:
    """A length of time."""
    return timedelta(minutes=length)


def minute(count: float) -> datetime:
    """A moment: so many minutes after the request was made."""
    return START + minutes(count)


WINDOW = 10
SHORT_WINDOW = 2
LIMIT = 60
BROADCAST_MINIMUM = 20
JOIN_LIMIT = 15

POLICY = Policy(
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=minutes(SHORT_WINDOW),
    overall_limit=minutes(LIMIT),
    broadcast_minimum=minutes(BROADCAST_MINIMUM),
    join_limit=minutes(JOIN_LIMIT),
)
SHORTEN = replace(POLICY, offline=OfflinePolicy.SHORTEN)
SKIP = replace(POLICY, offline=OfflinePolicy.SKIP)
FLAG_OFF = replace(POLICY, priority_enabled=False)

FAVORITE = MechanicFacts(approved=True, busy=False, online=True, favorite=True)
NO_FAVORITE = replace(FAVORITE, favorite=False)
WORLD = Facts({PREFERRED: FAVORITE, RIVAL: FAVORITE, STRANGER: NO_FAVORITE})
UNREADABLE = Facts(failed=True)


@dataclass(frozen=True, slots=True)
class Story:
    """A request with its whole history, the world around it and the time."""

    log: tuple[tuple[datetime, happened.Event], ...] = ()
    request: SessionRequest | None = None
    world: Facts = WORLD
    now: datetime = START
    outcome: Sequence[happened.Event] | Refusal = ()

    def after(self, count: float) -> "Story":
        """It is now so many minutes after the request was made."""
        return replace(self, now=minute(count))

    def where(
        self,
        mechanic: MechanicId,
        *,
        approved: bool = True,
        busy: bool = False,
        online: bool = True,
        favorite: bool = True,
    ) -> "Story":
        """From now on this is true of the mechanic."""
        known = MechanicFacts(approved, busy, online, favorite)
        return replace(self, world=Facts({**self.world.mechanics, mechanic: known}))

    def without(self, mechanic: MechanicId) -> "Story":
        """There is no such mechanic."""
        others = {id: known for id, known in self.world.mechanics.items() if id != mechanic}
        return replace(self, world=Facts(others))

    def blind(self) -> "Story":
        """The facts cannot be read."""
        return replace(self, world=UNREADABLE)

    def when(self, command: commands.Command) -> "Story":
        """Somebody orders something now."""
        outcome = decide(self.request, command, self.world, now=self.now)
        events = () if isinstance(outcome, Refusal) else tuple(outcome)
        return replace(self._and_then(events), outcome=outcome)

    def then(self, *events: happened.Event) -> "Story":
        """Exactly these events were the answer."""
        assert not isinstance(self.outcome, Refusal), f"refused: {self.outcome}"
        assert list(self.outcome) == list(events)
        return self

    def then_nothing(self) -> "Story":
        """It was the same again, or there was nothing to do."""
        return self.then()

    def refused(self, refusal: Refusal) -> "Story":
        """The answer was this polite no."""
        assert self.outcome == refusal
        assert isinstance(self.outcome, Refusal)
        return self

    def _and_then(self, events: Sequence[happened.Event]) -> "Story":
        if not events:
            return self
        log = (*self.log, *((self.now, event) for event in events))
        request = evolve(REQUEST, self.request, events, at=self.now)
        return replace(self, log=log, request=request)

    @property
    def events(self) -> list[happened.Event]:
        """Everything that has happened."""
        return [event for _, event in self.log]

    @property
    def known(self) -> SessionRequest:
        """The request, which exists by now."""
        assert self.request is not None
        return self.request


NOTHING_YET = Story()


def given(*events: happened.Event) -> Story:
    """All of this happened in the minute the request was made."""
    return NOTHING_YET._and_then(events)


# What may be ordered ------------------------------------------------------------------------


def chain_of(*favorites: MechanicId, window: float = WINDOW) -> tuple[ChainStep, ...]:
    """These favourites in this order, each with the same window."""
    return tuple(ChainStep(mechanic, minutes(window)) for mechanic in favorites)


def request_session(
    *favorites: MechanicId,
    policy: Policy = POLICY,
    routing_type: RoutingType = RoutingType.PRIORITY_BROADCAST,
    window: float = WINDOW,
) -> commands.RequestSession:
    return commands.RequestSession(
        request_id=REQUEST,
        customer=CUSTOMER,
        intake=INTAKE,
        plan="standard",
        payment=PAYMENT,
        routing_type=routing_type,
        chain=chain_of(*favorites, window=window),
        policy=policy,
    )


def by(mechanic: MechanicId) -> Actor:
    """This mechanic, as the one who acts."""
    return Actor("mechanic", str(mechanic))


def accept(mechanic: MechanicId) -> commands.AcceptOffer:
    return commands.AcceptOffer(REQUEST, mechanic, by(mechanic))


def decline(mechanic: MechanicId) -> commands.DeclineOffer:
    return commands.DeclineOffer(REQUEST, mechanic, by(mechanic))


def release(mechanic: MechanicId) -> commands.ReleaseMatch:
    return commands.ReleaseMatch(REQUEST, mechanic, by(mechanic))


def join(mechanic: MechanicId) -> commands.JoinSession:
    return commands.JoinSession(REQUEST, mechanic, by(mechanic))


def complete(mechanic: MechanicId | None) -> commands.CompleteSession:
    return commands.CompleteSession(REQUEST, mechanic, by(mechanic) if mechanic else THE_OPERATOR)


def ask_everyone(actor: Actor = THE_CUSTOMER) -> commands.AskEveryone:
    return commands.AskEveryone(REQUEST, actor)


def extend(actor: Actor = THE_CUSTOMER) -> commands.ExtendWindow:
    return commands.ExtendWindow(REQUEST, actor)


def assign(mechanic: MechanicId) -> commands.AssignMechanic:
    return commands.AssignMechanic(REQUEST, mechanic, THE_OPERATOR)


def cancel(actor: Actor = THE_CUSTOMER) -> commands.CancelRequest:
    return commands.CancelRequest(REQUEST, actor)


def deadline() -> commands.EnforceDeadline:
    return commands.EnforceDeadline(REQUEST)


def review() -> commands.ReviewReservation:
    return commands.ReviewReservation(REQUEST)


# What may happen ----------------------------------------------------------------------------


def requested(
    *favorites: MechanicId,
    policy: Policy = POLICY,
    window: float = WINDOW,
    preferred: MechanicId | None = None,
) -> happened.SessionRequested:
    """``preferred`` is the first favourite, unless the story says that nobody is."""
    return happened.SessionRequested(
        customer=CUSTOMER,
        intake=INTAKE,
        plan="standard",
        payment=PAYMENT,
        routing_type=RoutingType.PRIORITY_BROADCAST if favorites else RoutingType.BROADCAST,
        preferred=preferred or (favorites[0] if favorites else None),
        chain=chain_of(*favorites, window=window),
        policy=policy,
    )


def reserved(
    mechanic: MechanicId,
    *,
    at: float = 0,
    window: float = WINDOW,
    step: int = 0,
    shortened: bool = False,
) -> happened.RequestReserved:
    return happened.RequestReserved(mechanic, step, minutes(window), minute(at + window), shortened)


def skipped(mechanic: MechanicId, reason: FallbackReason) -> happened.FavoriteSkipped:
    return happened.FavoriteSkipped(mechanic, reason)


def shortened(mechanic: MechanicId, *, until: float) -> happened.WindowShortened:
    return happened.WindowShortened(mechanic, minute(until))


def extended(mechanic: MechanicId, *, until: float) -> happened.WindowExtended:
    return happened.WindowExtended(mechanic, minute(until))


def ended(mechanic: MechanicId, reason: FallbackReason) -> happened.ReservationEnded:
    return happened.ReservationEnded(mechanic, reason)


def opened(
    reason: FallbackReason | None = None,
    *,
    untold: Collection[MechanicId] = (),
    until: float = LIMIT,
) -> happened.RequestOpened:
    return happened.RequestOpened(minute(until), reason, frozenset(untold))


def declined(mechanic: MechanicId) -> happened.OfferDeclined:
    return happened.OfferDeclined(mechanic)


def matched(
    mechanic: MechanicId, *, at: float = 0, stage: Stage = Stage.OPEN
) -> happened.RequestMatched:
    return happened.RequestMatched(mechanic, stage, minute(at + JOIN_LIMIT))


def assigned(
    mechanic: MechanicId, *, at: float = 0, stage: Stage = Stage.OPEN
) -> happened.RequestMatched:
    return replace(matched(mechanic, at=at, stage=stage), assigned=True)


def matched_in_window(mechanic: MechanicId, *, at: float = 0) -> happened.RequestMatched:
    return matched(mechanic, at=at, stage=Stage.RESERVED)


def joined(mechanic: MechanicId) -> happened.MechanicJoined:
    return happened.MechanicJoined(mechanic)


def released(mechanic: MechanicId) -> happened.MatchReleased:
    return happened.MatchReleased(mechanic, UndoReason.RELEASED)


def no_show(mechanic: MechanicId) -> happened.MatchReleased:
    return happened.MatchReleased(mechanic, UndoReason.NO_SHOW)


def completed(mechanic: MechanicId) -> happened.SessionCompleted:
    return happened.SessionCompleted(mechanic)


def cancelled(*, asked: MechanicId | None = None) -> happened.RequestCancelled:
    return happened.RequestCancelled(Stage.RESERVED if asked else Stage.OPEN, asked)


def unfilled() -> happened.RequestUnfilled:
    return happened.RequestUnfilled()


# Where the stories begin --------------------------------------------------------------------

RESERVED = given(requested(PREFERRED), reserved(PREFERRED))
OPEN = given(requested(), opened())
MATCHED = given(requested(), opened(), matched(PREFERRED)).where(PREFERRED, busy=True)
COMPLETED = given(requested(), opened(), matched(PREFERRED), completed(PREFERRED))
UNFILLED = given(requested(), opened(), unfilled())
CANCELLED = given(requested(), opened(), cancelled())
