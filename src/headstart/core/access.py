"""Who may do what: roles, and whose request it is. Deny by default."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from headstart.core import commands
from headstart.core.facts import Facts
from headstart.core.request import Completed, Matched, MechanicId, Reserved, SessionRequest


class Role(StrEnum):
    """Everybody who can be signed in."""

    CUSTOMER = "customer"
    MECHANIC = "mechanic"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proved who they are. ``id`` is the customer's or mechanic's own id."""

    role: Role
    id: UUID

    @property
    def actor(self) -> commands.Actor:
        """How this person is named on the events they cause."""
        return commands.Actor(self.role.value, str(self.id))


def may_see(who: Principal, request: SessionRequest, facts: Facts) -> bool:
    """May this person learn that the request exists? If not, it is answered as unknown.

    ``facts`` must know the mechanic who asks: one who is not approved sees only their own job.
    """
    if who.role is Role.OPERATOR:
        return True
    if who.role is Role.CUSTOMER:
        return request.customer == who.id
    mechanic, state = MechanicId(who.id), request.state
    if isinstance(state, Matched | Completed) and state.mechanic == mechanic:
        return True
    known = facts.mechanics.get(mechanic)
    approved = known is not None and known.approved
    return approved and (request.broadcast_at is not None or _was_asked(mechanic, request))


def _was_asked(mechanic: MechanicId, request: SessionRequest) -> bool:
    """A favourite whose turn it is, or was."""
    state = request.state
    asked_now = isinstance(state, Reserved) and state.mechanic == mechanic
    return asked_now or mechanic in request.silent | request.excluded


ALLOWED: dict[type[commands.Command], frozenset[Role]] = {
    commands.AcceptOffer: frozenset({Role.MECHANIC}),
    commands.DeclineOffer: frozenset({Role.MECHANIC}),
    commands.ReleaseMatch: frozenset({Role.MECHANIC, Role.OPERATOR}),
    commands.JoinSession: frozenset({Role.MECHANIC}),
    commands.CompleteSession: frozenset({Role.MECHANIC, Role.OPERATOR}),
    commands.AskEveryone: frozenset({Role.CUSTOMER, Role.OPERATOR}),
    commands.CancelRequest: frozenset({Role.CUSTOMER, Role.OPERATOR}),
}


def may_order(who: Principal, command: type[commands.Command]) -> bool:
    """May this role give this command at all? What is not in the table, nobody may."""
    return who.role in ALLOWED.get(command, frozenset())
