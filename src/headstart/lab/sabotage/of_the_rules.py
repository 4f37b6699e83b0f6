"""Rules that forget, hurry, or give a second chance too many."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from headstart.app import fulfilment
from headstart.app.ports import Seen
from headstart.core import asking, evolve
from headstart.core import decide as rules
from headstart.core import events as happened
from headstart.core.facts import Facts
from headstart.core.refusals import Refusal
from headstart.core.request import Matched, MechanicId, Open, RequestId, Reserved, SessionRequest
from headstart.lab.sabotage.craft import Patches, breaks
from headstart.lab.simulation.store import ModelStore

ONE_SECOND = timedelta(seconds=1)


@breaks("I6")
def second_yes_refused() -> Patches:
    """The winner who accepts again is told that somebody else was faster."""
    accept = rules._match

    def once(request: SessionRequest, *args: Any) -> Any:
        taken = isinstance(request.state, Matched)
        return Refusal.ALREADY_MATCHED if taken else accept(request, *args)

    yield patch.object(rules, "_match", once)


@breaks("I2")
def decline_ignored() -> Patches:
    """A no is acknowledged and forgotten."""
    yield patch.object(rules, "_decline", lambda *_: ())


@breaks("I12")
def excluded_may_accept() -> Patches:
    """Who declined or withdrew may still win."""
    may_not = rules._may_not_accept

    def forgiving(request: SessionRequest, *args: Any) -> Refusal | None:
        return may_not(replace(request, excluded=frozenset()), *args)

    yield patch.object(rules, "_may_not_accept", forgiving)


@breaks("I6")
def silent_favourite_may_not_accept() -> Patches:
    """Who let the window pass is shut out of the broadcast."""
    may_not = rules._may_not_accept

    def strict(request: SessionRequest, *args: Any) -> Refusal | None:
        return may_not(replace(request, excluded=request.excluded | request.silent), *args)

    yield patch.object(rules, "_may_not_accept", strict)


@breaks("I10")
def fallback_twice() -> Patches:
    """Asking everyone opens a request that is open already once more."""
    ask_everyone = rules._ask_everyone

    def again(request: SessionRequest, command: Any, now: datetime) -> Any:
        if not isinstance(request.state, Open):
            return ask_everyone(request, command, now)
        untold = request.silent | request.excluded
        return [happened.RequestOpened(request.state.until, None, untold)]

    yield patch.object(rules, "_ask_everyone", again)


@breaks("I4")
def deadline_obeyed_early() -> Patches:
    """The window ends a second before it should."""
    enforce, due = rules._enforce_deadline, ModelStore._deadlines

    def early(self: ModelStore) -> Iterator[tuple[datetime, RequestId]]:
        yield from ((due_at - ONE_SECOND, one) for due_at, one in due(self))

    def hasty(request: SessionRequest, facts: Facts, now: datetime) -> Any:
        return enforce(request, facts, now + ONE_SECOND)

    yield patch.object(ModelStore, "_deadlines", early)
    yield patch.object(rules, "_enforce_deadline", hasty)


@breaks("L2")
def never_unfilled() -> Patches:
    """A broadcast that nobody takes goes on for ever."""
    yield from _deadline_ignored_in(Open)


@breaks("L2")
def no_show_ignored() -> Patches:
    """A winner who never joins keeps the request."""
    yield from _deadline_ignored_in(Matched)


def _deadline_ignored_in(state: type) -> Patches:
    enforce = rules._enforce_deadline

    def blind(request: SessionRequest, *args: Any) -> Any:
        return () if isinstance(request.state, state) else enforce(request, *args)

    yield patch.object(rules, "_enforce_deadline", blind)


@breaks("I9")
def reason_overwritten() -> Patches:
    """A broadcast that starts anew forgets why the first one began."""
    changes = evolve._changes

    def forgetful(request: SessionRequest, *args: Any) -> evolve.Changes:
        return changes(replace(request, fallback=None), *args)

    yield patch.object(evolve, "_changes", forgetful)


@breaks("I12")
def release_forgets_to_exclude() -> Patches:
    """Who withdrew may come back."""
    changes = evolve._changes

    def forgetful(request: SessionRequest, event: happened.Event, at: datetime) -> evolve.Changes:
        released = isinstance(event, happened.MatchReleased)
        kept = {"excluded": request.excluded} if released else {}
        return changes(request, event, at) | kept

    yield patch.object(evolve, "_changes", forgetful)


@breaks("L3")
def silent_told_when_opened_anew() -> Patches:
    """After a release everybody is asked, and those who had their turn as well."""

    def of(request: SessionRequest, leaving: MechanicId) -> asking.Asking:
        untold = request.excluded | {leaving}
        return asking.Asking(request.chain, request.policy, request.created_at, untold)

    yield patch.object(asking.Asking, "of", of)


@breaks("I4")
def flag_read_late() -> Patches:
    """Switching the flag off ends the windows that are already running."""
    see, is_unfit = ModelStore.see, ModelStore._is_unfit

    async def late(self: ModelStore, *args: Any, **named: Any) -> Sequence[Seen]:
        seen = await see(self, *args, **named)
        swept = not named
        late = swept and not self._database.state.flag.enabled
        return seen if not late else [replace(one, facts=Facts()) for one in seen]

    def unfit(self: ModelStore, request: SessionRequest) -> bool:
        off = isinstance(request.state, Reserved) and not self._database.state.flag.enabled
        return off or is_unfit(self, request)

    yield patch.object(ModelStore, "see", late)
    yield patch.object(ModelStore, "_is_unfit", unfit)


@breaks("I11")
def flag_read_once() -> Patches:
    """A process goes on with the flag it found when it started."""
    ask = fulfilment.Fulfilment._priority_enabled
    answers: dict[int, bool] = {}

    async def remembered(self: fulfilment.Fulfilment, *args: Any) -> bool:
        if id(self._terms) not in answers:
            answers.clear()
            answers[id(self._terms)] = await ask(self, *args)
        return answers[id(self._terms)]

    yield patch.object(fulfilment.Fulfilment, "_priority_enabled", remembered)


@breaks("I11")
def flag_ignored() -> Patches:
    """The favourite is asked first whether the flag is on or off."""
    yield patch.object(rules, "_chain_that_applies", lambda command: command.chain)


@breaks("L1")
def limit_forgotten() -> Patches:
    """A broadcast that starts anew starts its time anew."""
    opened = asking.Asking.open

    def generous(self: asking.Asking, fallback: Any, now: datetime) -> happened.RequestOpened:
        return opened(replace(self, created_at=now), fallback, now)

    yield patch.object(asking.Asking, "open", generous)


@breaks("I4")
def extension_forgets_the_deadline() -> Patches:
    """More time is granted, and the deadline stays where it was."""
    changes = evolve._changes

    def forgetful(request: SessionRequest, event: happened.Event, at: datetime) -> evolve.Changes:
        kept = {"state": request.state} if isinstance(event, happened.WindowExtended) else {}
        return changes(request, event, at) | kept

    yield patch.object(evolve, "_changes", forgetful)


@breaks("I4")
def extension_without_end() -> Patches:
    """Whoever asks for more time gets it, as often as they like."""
    extend = rules._extend

    def generous(request: SessionRequest, now: datetime) -> Any:
        state = request.state
        fresh = replace(state, extensions=0) if isinstance(state, Reserved) else state
        return extend(replace(request, state=fresh), now)

    yield patch.object(rules, "_extend", generous)


@breaks("I4")
def window_cut_to_nothing() -> Patches:
    """A favourite who goes off duty loses the window, where the policy only shortens it."""
    review = rules._review

    def harsh(request: SessionRequest, facts: Facts, now: datetime) -> Any:
        return [
            replace(event, until=now) if isinstance(event, happened.WindowShortened) else event
            for event in review(request, facts, now)
        ]

    yield patch.object(rules, "_review", harsh)
