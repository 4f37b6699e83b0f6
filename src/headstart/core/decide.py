"""The rules: what a command does to a request, given the facts and the database's clock.

``decide`` answers with events (perhaps none: "the same again", or nothing to do) or with a refusal.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from headstart.core import commands
from headstart.core import events as happened
from headstart.core.asking import Asking, hindrance
from headstart.core.facts import Facts
from headstart.core.policy import EXTENSIONS_MAX, OfflinePolicy
from headstart.core.refusals import Refusal
from headstart.core.request import (
    Cancelled,
    CancelReason,
    ChainStep,
    Completed,
    FallbackReason,
    Matched,
    MechanicId,
    Open,
    Reserved,
    RoutingType,
    SessionRequest,
    Unfilled,
)

Events = Sequence[happened.Event]
NOTHING: Events = ()


def decide(  # noqa: C901, PLR0912 - one line for each command
    request: SessionRequest | None, command: commands.Command, facts: Facts, *, now: datetime
) -> Events | Refusal:
    """Apply the card of rules. ``now`` must not be older than the request it judges."""
    if isinstance(command, commands.RequestSession):
        return NOTHING if request else _request_session(command, facts, now)
    if request is None:
        return Refusal.UNKNOWN_REQUEST
    match command:
        case commands.AcceptOffer() | commands.AssignMechanic():
            return _match(request, command, facts, now)
        case commands.DeclineOffer(mechanic=mechanic):
            return _decline(request, mechanic, facts, now)
        case commands.AskEveryone():
            return _ask_everyone(request, command, now)
        case commands.ExtendWindow():
            return _extend(request, now)
        case commands.CancelRequest():
            return _cancel(request, command.actor)
        case commands.ReleaseMatch(mechanic=mechanic):
            return _release(request, mechanic, now)
        case commands.JoinSession(mechanic=mechanic):
            return _join(request, mechanic)
        case commands.CompleteSession(mechanic=mechanic):
            return _complete(request, mechanic)
        case commands.EnforceDeadline():
            return _enforce_deadline(request, facts, now)
        case commands.ReviewReservation():
            return _review(request, facts, now)
        case _:
            assert_never(command)


def _request_session(command: commands.RequestSession, facts: Facts, now: datetime) -> Events:
    chain = _chain_that_applies(command)
    asking = Asking(chain, command.policy, now, untold=frozenset())
    if command.void:
        return [_requested(command, (), facts), happened.RequestCancelled(None, None, command.void)]
    if not chain:
        return [_requested(command, chain, facts), asking.open(None, now)]
    # The reason counts only if the very first window does not fit, which no policy allows.
    asked = asking.ask_next(0, FallbackReason.ERROR, facts, now)
    return [_requested(command, chain, facts), *asked]


def _chain_that_applies(command: commands.RequestSession) -> tuple[ChainStep, ...]:
    """Flag on, priority asked for and a favourite named: the chain applies. Otherwise broadcast."""
    wanted = command.routing_type is RoutingType.PRIORITY_BROADCAST
    return command.chain if wanted and command.policy.priority_enabled else ()


def _requested(
    command: commands.RequestSession, chain: tuple[ChainStep, ...], facts: Facts
) -> happened.SessionRequested:
    first = chain[0].mechanic if chain else None
    return happened.SessionRequested(
        customer=command.customer,
        intake=command.intake,
        plan=command.plan,
        payment=command.payment,
        routing_type=RoutingType.PRIORITY_BROADCAST if chain else RoutingType.BROADCAST,
        preferred=first if first in facts.mechanics else None,
        chain=chain,
        policy=command.policy,
    )


def _match(
    request: SessionRequest,
    command: commands.AcceptOffer | commands.AssignMechanic,
    facts: Facts,
    now: datetime,
) -> Events | Refusal:
    """First to accept wins. An operator's choice ends another's turn, by the same conditions."""
    state, mechanic = request.state, command.mechanic
    assigned = isinstance(command, commands.AssignMechanic)
    if not isinstance(state, Reserved | Open):
        won = isinstance(state, Matched) and state.mechanic == mechanic
        return NOTHING if won else _too_late(state)
    ended: Events = NOTHING
    if isinstance(state, Reserved) and state.mechanic != mechanic:
        if not assigned:
            return Refusal.RESERVED
        ended = [happened.ReservationEnded(state.mechanic, FallbackReason.OPERATOR)]
    limit = request.policy.join_limit
    join_by = None if limit is None else now + limit
    taken = happened.RequestMatched(mechanic, _stage(state), join_by, assigned)
    return _may_not_accept(request, mechanic, facts) or [*ended, taken]


def _too_late(state: Matched | Completed | Unfilled | Cancelled) -> Refusal:
    return Refusal.ALREADY_MATCHED if isinstance(state, Matched) else Refusal.GONE


def _may_not_accept(request: SessionRequest, mechanic: MechanicId, facts: Facts) -> Refusal | None:
    known = facts.mechanics.get(mechanic)
    if known is None or not known.approved:
        return Refusal.MECHANIC_NOT_APPROVED
    if mechanic in request.excluded:
        return Refusal.ALREADY_DECLINED
    return Refusal.MECHANIC_BUSY if known.busy else None


def _decline(request: SessionRequest, mechanic: MechanicId, facts: Facts, now: datetime) -> Events:
    state = request.state
    if isinstance(state, Reserved) and state.mechanic == mechanic:
        return _end_reservation(request, state, FallbackReason.DECLINED, facts, now)
    if isinstance(state, Open) and mechanic not in request.excluded:
        return [happened.OfferDeclined(mechanic)] if mechanic in facts.mechanics else NOTHING
    return NOTHING


def _ask_everyone(
    request: SessionRequest, command: commands.AskEveryone, now: datetime
) -> Events | Refusal:
    state = request.state
    match state:
        case Reserved():
            by_operator = command.actor.role == "operator"
            reason = FallbackReason.OPERATOR if by_operator else FallbackReason.CUSTOMER_SKIPPED
            return [
                happened.ReservationEnded(state.mechanic, reason),
                Asking.of(request, state.mechanic).open(reason, now),
            ]
        case Open():
            return NOTHING
        case _:
            return _too_late(state)


def _extend(request: SessionRequest, now: datetime) -> Events | Refusal:
    """Only while the window runs, so often, and never into everybody's time."""
    state, policy = request.state, request.policy
    if not isinstance(state, Reserved | Open):
        return _too_late(state)
    if isinstance(state, Open) or now >= state.until:
        return Refusal.NOT_RESERVED
    until = state.until + policy.extension
    if state.extensions >= EXTENSIONS_MAX or until > request.created_at + policy.priority_limit:
        return Refusal.WINDOW_AT_LIMIT
    return [happened.WindowExtended(state.mechanic, until)]


def _cancel(request: SessionRequest, actor: commands.Actor) -> Events | Refusal:
    if actor.role not in tuple(CancelReason):
        return Refusal.NOT_YOURS
    state, reason = request.state, CancelReason(actor.role)
    match state:
        case Reserved():
            return [happened.RequestCancelled(happened.Stage.RESERVED, state.mechanic, reason)]
        case Open():
            return [happened.RequestCancelled(happened.Stage.OPEN, None, reason)]
        case Matched() if reason is not CancelReason.CUSTOMER:
            undone = happened.MatchReleased(state.mechanic, happened.UndoReason.CANCELLED)
            return [undone, happened.RequestCancelled(None, None, reason)]
        case Cancelled():
            return NOTHING
        case _:
            return _too_late(state)


def _release(
    request: SessionRequest, mechanic: MechanicId | None, now: datetime
) -> Events | Refusal:
    state = request.state
    if isinstance(state, Matched) and mechanic in (None, state.mechanic):
        return _undo_match(request, state.mechanic, happened.UndoReason.RELEASED, now)
    if isinstance(state, Completed | Unfilled | Cancelled):
        return Refusal.GONE
    if mechanic is None:
        return Refusal.NOT_MATCHED
    return NOTHING if mechanic in request.excluded else Refusal.NOT_YOURS


def _join(request: SessionRequest, mechanic: MechanicId) -> Events | Refusal:
    state = request.state
    if not (isinstance(state, Matched | Completed) and state.mechanic == mechanic):
        return Refusal.NOT_YOURS
    waited_for = isinstance(state, Matched) and state.join_by is not None
    return [happened.MechanicJoined(mechanic)] if waited_for else NOTHING


def _complete(request: SessionRequest, mechanic: MechanicId | None) -> Events | Refusal:
    state = request.state
    if not isinstance(state, Matched | Completed):
        return Refusal.NOT_MATCHED if isinstance(state, Reserved | Open) else Refusal.GONE
    if mechanic not in (None, state.mechanic):
        return Refusal.NOT_YOURS
    return [happened.SessionCompleted(state.mechanic)] if isinstance(state, Matched) else NOTHING


def _enforce_deadline(request: SessionRequest, facts: Facts, now: datetime) -> Events:
    if request.due_at is None or now < request.due_at:
        return NOTHING
    state = request.state
    match state:
        case Reserved():
            absent = state.shortened and not facts.is_online(state.mechanic)
            reason = FallbackReason.MECHANIC_OFFLINE if absent else FallbackReason.NO_RESPONSE
            return _end_reservation(request, state, reason, facts, now)
        case Open():
            return [happened.RequestUnfilled()]
        case Matched():
            return _undo_match(request, state.mechanic, happened.UndoReason.NO_SHOW, now)
        case _:
            return NOTHING


def _review(request: SessionRequest, facts: Facts, now: datetime) -> Events:
    """Suspended or busy ends the window at once; offline gets the policy, from this moment."""
    state = request.state
    if facts.failed or not isinstance(state, Reserved):
        return NOTHING
    offline = request.policy.offline
    reason = hindrance(facts.mechanics.get(state.mechanic), offline)
    if reason:
        return _end_reservation(request, state, reason, facts, now)
    shorten = offline is OfflinePolicy.SHORTEN and not state.shortened
    if shorten and not facts.is_online(state.mechanic):
        # Written even when nothing is left to cut: it says that the policy has been applied.
        until = min(state.until, now + request.policy.offline_window)
        return [happened.WindowShortened(state.mechanic, until)]
    return NOTHING


def _end_reservation(
    request: SessionRequest, state: Reserved, reason: FallbackReason, facts: Facts, now: datetime
) -> Events:
    """The next favourite of the chain who can be asked, else everybody."""
    asking = Asking.of(request, state.mechanic)
    ended = happened.ReservationEnded(state.mechanic, reason)
    return [ended, *asking.ask_next(state.step + 1, reason, facts, now)]


def _undo_match(
    request: SessionRequest, mechanic: MechanicId, reason: happened.UndoReason, now: datetime
) -> Events:
    reopened = Asking.of(request, mechanic).open(None, now)
    return [happened.MatchReleased(mechanic, reason), reopened]


def _stage(state: Reserved | Open) -> happened.Stage:
    return happened.Stage.RESERVED if isinstance(state, Reserved) else happened.Stage.OPEN
