"""The one write path: see, decide, evolve, write. Every change of a request goes through here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from headstart.app.ports import Change, Requests, Seen, Unavailable
from headstart.core import commands
from headstart.core import events as happened
from headstart.core.access import ORDERED_BY, Principal, may, relation
from headstart.core.decide import decide
from headstart.core.evolve import evolve
from headstart.core.facts import Facts
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId, SessionRequest
from headstart.telemetry import (
    CONFLICTS,
    DEADLINE_ERRORS,
    DEADLINE_LAG_S,
    FALLBACKS,
    MATCHES,
    PRIORITY_ERRORS,
)

CONFLICTS_MAX = 50

log = structlog.get_logger()


class Contended(Exception):
    """The request kept changing under the command: nothing was done, try again."""


@dataclass(frozen=True, slots=True)
class Done:
    """The request as the command left it; ``changed`` is False for "the same again"."""

    request: SessionRequest
    changed: bool


class Dispatcher:
    """Executes commands. ``announce`` is called after each commit that people should hear of."""

    def __init__(self, requests: Requests, announce: Callable[[], None]) -> None:
        self._requests = requests
        self.announce = announce

    async def execute(
        self,
        command: commands.Command,
        *,
        who: Principal | None = None,
        command_key: str | None = None,
        reason: str | None = None,
    ) -> Done | Refusal:
        """Carry out a command on an existing request.

        Without ``who`` it is the system's own. For somebody who may not order this of the request
        it does not exist. A command key makes a repeat harmless even after the request has moved
        on. An operator's reason is kept on the events. Raises Contended after CONFLICTS_MAX lost
        races.
        """
        for _ in range(CONFLICTS_MAX):
            outcome = await self._attempt(command, who, command_key, reason)
            if outcome is not None:
                return outcome
            CONFLICTS.inc()
        raise Contended(str(command.request_id))

    async def _attempt(
        self,
        command: commands.Command,
        who: Principal | None,
        command_key: str | None,
        reason: str | None,
    ) -> Done | Refusal | None:
        """None when somebody else changed the request in between."""
        async with self._requests.connection() as requests:
            found = await requests.see(
                [command.request_id], concerned=_concerned(command), command_key=command_key
            )
            judged = _judge_for(who, found, command, command_key)
            if not isinstance(judged, Change):
                return judged
            if reason is not None:
                judged = replace(judged, reason=reason)
            if not await requests.write([judged]):
                return None
        _count([judged])
        self.announce()
        return Done(judged.request, changed=True)

    async def request_session(
        self, command: commands.RequestSession, requests: Requests
    ) -> SessionRequest:
        """Create the request within the caller's transaction, or find the one that exists.

        The caller announces after its commit. An error in the priority path opens the request to
        everybody instead of losing it.
        """
        change, failed = await self._judge_new(command, requests)
        if await requests.create(change):
            PRIORITY_ERRORS.inc(failed)
            _count([change])
            return change.request
        [existing] = await requests.see([command.request_id])
        assert existing.request, "a request that cannot be created exists"
        return existing.request

    async def _judge_new(
        self, command: commands.RequestSession, requests: Requests
    ) -> tuple[Change, bool]:
        """The change, and whether the priority path failed."""
        try:
            async with requests.transaction() as attempt:
                mechanics = [step.mechanic for step in command.chain]
                seen = await attempt.see_facts(command.customer, mechanics)
            return _judge_creation(seen, command), False
        except Unavailable:
            raise
        except Exception:
            log.exception("priority_path_failed", request_id=str(command.request_id))
            failed = Seen(None, Facts(failed=True), await requests.clock())
            return _judge_creation(failed, command), True

    async def enforce_due(self, limit: int) -> int:
        """Act on up to ``limit`` requests whose deadline has passed; answers how many."""
        return await self._enforce(commands.EnforceDeadline, limit)

    async def review_unfit(self, limit: int) -> int:
        """Act on up to ``limit`` reservations whose mechanic can no longer take them."""
        return await self._enforce(commands.ReviewReservation, limit)

    async def _enforce(self, order: "type[_Timed]", limit: int) -> int:
        """Claim and act in one transaction, so that a crash leaves everything due."""
        ids: Sequence[RequestId] = ()
        try:
            async with self._requests.transaction() as tx:
                claim = tx.claim_due if order is commands.EnforceDeadline else tx.claim_unfit
                ids = await claim(limit)
                changes = _judge_all(await tx.see(ids) if ids else (), order)
                if changes:
                    await tx.write(changes)
        except Unavailable:
            raise
        except Exception:
            log.exception("batch_failed", claimed=len(ids))
            return await self._enforce_one_by_one(ids, order)
        if changes:
            _count(changes)
            self.announce()
        return len(changes)

    async def _enforce_one_by_one(self, ids: Sequence[RequestId], order: "type[_Timed]") -> int:
        """One request that cannot be handled must not hold up the others."""
        changed = 0
        for request_id in ids:
            try:
                outcome = await self.execute(order(request_id))
                changed += isinstance(outcome, Done) and outcome.changed
            except Unavailable:
                raise
            except Exception:
                DEADLINE_ERRORS.inc()
                log.exception("deadline_failed", request_id=str(request_id))
        return changed


_Timed = commands.EnforceDeadline | commands.ReviewReservation


def _concerned(command: commands.Command) -> Sequence[MechanicId]:
    mechanic = getattr(command, "mechanic", None)
    return [] if mechanic is None else [mechanic]


def _judge_for(
    who: Principal | None,
    found: Sequence[Seen],
    command: commands.Command,
    command_key: str | None,
) -> Change | Done | Refusal:
    """What somebody's command does to what was found, if they may know of it at all."""
    request = found[0].request if found else None
    if request is None:
        return Refusal.UNKNOWN_REQUEST
    seen = found[0]
    if seen.done_before:  # a key is its owner's: they may know what they did, whatever became
        return Done(request, changed=False)
    operation = ORDERED_BY.get(type(command))
    if who and not may(who, operation, relation(who, request, seen.facts)):
        return Refusal.UNKNOWN_REQUEST
    return _judge(seen, command, command_key)


def _judge(
    seen: Seen, command: commands.Command, command_key: str | None = None
) -> Change | Done | Refusal:
    """Decide, and evolve the request by what was decided."""
    events = decide(seen.request, command, seen.facts, now=seen.now)
    if isinstance(events, Refusal):
        return events
    if not events:
        assert seen.request, "a command on nothing is refused"
        return Done(seen.request, changed=False)
    after = evolve(command.request_id, seen.request, events, at=seen.now)
    version = seen.request.version if seen.request else 0
    assert after.version == version + len(events), "the version counts the events"
    return Change(seen.request, after, events, seen.now, command.actor, command_key)


def _judge_creation(seen: Seen, command: commands.RequestSession) -> Change:
    change = _judge(seen, command)
    assert isinstance(change, Change), "a request that does not exist can always be created"
    return change


def _judge_all(seen: Sequence[Seen], order: type[_Timed]) -> Sequence[Change]:
    judged = [_judge(one, order(one.request.id)) for one in seen if one.request]
    return [change for change in judged if isinstance(change, Change)]


def _count(changes: Sequence[Change]) -> None:
    for change in changes:
        timed = change.before and change.before.due_at and change.actor == commands.SYSTEM
        if timed and change.before and change.before.due_at:
            DEADLINE_LAG_S.observe(max(0.0, (change.at - change.before.due_at).total_seconds()))
        for event in change.events:
            if isinstance(event, happened.RequestOpened) and event.fallback:
                FALLBACKS.labels(event.fallback).inc()
            elif isinstance(event, happened.RequestMatched):
                MATCHES.labels(event.stage).inc()
