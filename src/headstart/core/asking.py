"""Whom to ask next: the chain of favourites in order, then everybody."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headstart.core import events as happened
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import ChainStep, FallbackReason, MechanicId, SessionRequest


def hindrance(known: MechanicFacts | None, offline: OfflinePolicy) -> FallbackReason | None:
    """Why a request cannot be, or stay, reserved for this mechanic."""
    if known is None or not known.approved:
        return FallbackReason.MECHANIC_UNAVAILABLE
    if known.busy:
        return FallbackReason.MECHANIC_BUSY
    skip = offline is OfflinePolicy.SKIP and not known.online
    return FallbackReason.MECHANIC_OFFLINE if skip else None


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask next. ``untold`` have had their turn: nobody gets a second one."""

    chain: tuple[ChainStep, ...]
    policy: Policy
    created_at: datetime
    untold: frozenset[MechanicId]

    @classmethod
    def of(cls, request: SessionRequest, leaving: MechanicId) -> "Asking":
        untold = request.silent | request.excluded | {leaving}
        return cls(request.chain, request.policy, request.created_at, untold)

    def ask_next(
        self, start: int, reason: FallbackReason, facts: Facts, now: datetime
    ) -> list[happened.Event]:
        """Reserve for the first favourite from ``start`` who can be asked, else open."""
        skipped: list[happened.Event] = []
        for index, step in enumerate(self.chain[start:], start):
            if step.mechanic in self.untold:
                continue
            if facts.failed:
                return [self.open(FallbackReason.ERROR, now)]
            window = self._window(step, facts)
            if now + window > self.created_at + self.policy.priority_limit:
                break
            unfit = self._cannot_be_asked(step.mechanic, facts)
            if unfit is None:
                return [*skipped, _reserve(index, step, window, now)]
            skipped.append(happened.FavoriteSkipped(step.mechanic, unfit))
            reason = unfit
        return [*skipped, self.open(reason, now)]

    def open(self, fallback: FallbackReason | None, now: datetime) -> happened.RequestOpened:
        """Ask everybody until the overall limit, and never for less than the broadcast minimum."""
        limit = self.created_at + self.policy.overall_limit
        until = max(limit, now + self.policy.broadcast_minimum)
        return happened.RequestOpened(until, fallback, self.untold)

    def _window(self, step: ChainStep, facts: Facts) -> timedelta:
        if self.policy.offline is not OfflinePolicy.SHORTEN or facts.is_online(step.mechanic):
            return step.window
        return min(step.window, self.policy.offline_window)

    def _cannot_be_asked(self, mechanic: MechanicId, facts: Facts) -> FallbackReason | None:
        known = facts.mechanics.get(mechanic)
        if known is None or not known.favorite:
            return FallbackReason.NOT_A_FAVORITE
        return hindrance(known, self.policy.offline)


def _reserve(
    index: int, step: ChainStep, window: timedelta, now: datetime
) -> happened.RequestReserved:
    shortened = window < step.window
    return happened.RequestReserved(step.mechanic, index, window, now + window, shortened)
