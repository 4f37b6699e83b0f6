"""Who may do what, and with what: the one table. What is not in it, nobody may."""

from dataclasses import dataclass
from enum import Enum, Flag, StrEnum, auto
from typing import Any
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


class Relation(Flag):
    """What somebody is to what they ask for."""

    OWN = auto()  # it is theirs
    MATCHED = auto()  # they won the request
    ASKED = auto()  # it was held for them, or they have said no to it
    OFFERED = auto()  # it is, or was, open to everybody
    OTHER = auto()  # nothing at all


NO, ANY = Relation(0), ~Relation(0)
OWN, KNOWN = Relation.OWN, Relation.MATCHED | Relation.ASKED | Relation.OFFERED


class Operation(Enum):
    """Everything that can be done, and what one has to be to do it.

    Where a command stands, it carries the operation out; what it then does is ``core.decide``.
    """

    # fmt: off
    #                                       nobody customer mechanic operator
    INTAKE_CREATE     = "intake.create",     NO,    OWN,     NO,      NO
    INTAKE_SETTLE     = "intake.settle",     NO,    OWN,     NO,      NO
    REQUEST_LIST      = "request.list",      NO,    OWN,     NO,      NO
    REQUEST_READ      = "request.read",      NO,    OWN,     KNOWN,   ANY
    REQUEST_AUDIT     = "request.audit",     NO,    NO,      NO,      ANY
    REQUEST_BROADCAST = "request.broadcast", NO,    OWN,     NO,      ANY,  commands.AskEveryone
    REQUEST_EXTEND    = "request.extend",    NO,    OWN,     NO,      ANY,  commands.ExtendWindow
    REQUEST_ASSIGN    = "request.assign",    NO,    NO,      NO,      ANY,  commands.AssignMechanic
    REQUEST_CANCEL    = "request.cancel",    NO,    OWN,     NO,      ANY,  commands.CancelRequest
    OFFER_LIST        = "offer.list",        NO,    NO,      KNOWN,   NO
    OFFER_ACCEPT      = "offer.accept",      NO,    NO,      KNOWN,   NO,   commands.AcceptOffer
    OFFER_DECLINE     = "offer.decline",     NO,    NO,      KNOWN,   NO,   commands.DeclineOffer
    MATCH_JOIN        = "match.join",        NO,    NO,      KNOWN,   NO,   commands.JoinSession
    MATCH_RELEASE     = "match.release",     NO,    NO,      KNOWN,   ANY,  commands.ReleaseMatch
    MATCH_COMPLETE    = "match.complete",    NO,    NO,      KNOWN,   ANY,  commands.CompleteSession
    FAVORITE_READ     = "favorite.read",     NO,    OWN,     NO,      NO
    FAVORITE_WRITE    = "favorite.write",    NO,    OWN,     NO,      NO
    PRESENCE_READ     = "presence.read",     NO,    ANY,     ANY,     ANY
    PRESENCE_WRITE    = "presence.write",    NO,    NO,      OWN,     NO
    CUSTOMER_WRITE    = "customer.write",    NO,    NO,      NO,      ANY
    MECHANIC_WRITE    = "mechanic.write",    NO,    NO,      NO,      ANY
    CONSOLE_READ      = "console.read",      NO,    NO,      NO,      ANY
    FLAG_READ         = "flag.read",         NO,    NO,      NO,      ANY
    FLAG_WRITE        = "flag.write",        NO,    NO,      NO,      ANY
    MONEY_READ        = "money.read",        NO,    NO,      NO,      ANY
    MONEY_RETRY       = "money.retry",       NO,    NO,      NO,      ANY
    MONEY_DISMISS     = "money.dismiss",     NO,    NO,      NO,      ANY
    AUDIT_READ        = "audit.read",        NO,    NO,      NO,      ANY
    METRICS_READ      = "metrics.read",      NO,    NO,      NO,      ANY
    LOGIN_READ        = "login.read",        NO,    NO,      NO,      ANY
    LOGIN_WRITE       = "login.write",       NO,    NO,      NO,      ANY
    SIGN_OUT          = "sign.out",          NO,    OWN,     OWN,     OWN
    SIGN_IN           = "sign.in",           ANY,   ANY,     ANY,     ANY
    STREAM_OPEN       = "stream.open",       NO,    OWN,     KNOWN,   ANY
    PAYMENT_NOTIFY    = "payment.notify",    ANY,   ANY,     ANY,     ANY  # if Stripe signed it
    DEMO_USE          = "demo.use",          ANY,   ANY,     ANY,     ANY  # never in production
    FRONT_READ        = "front.read",        ANY,   ANY,     ANY,     ANY
    # fmt: on

    def __init__(self, label: str, *row: Any) -> None:
        self.label, self.command = label, row[-1] if isinstance(row[-1], type) else None
        self.allowed: dict[Role | None, Relation] = dict(zip((None, *Role), row, strict=False))


ORDERED_BY = {one.command: one for one in Operation if one.command}


def may(who: Principal | None, operation: Operation | None, being: Relation = ANY) -> bool:
    """May they do this, to something to which they are ``being``? Without it: may they at all?

    Where they may not be ``being``, the thing is to be answered for as unknown.
    """
    return bool(operation and operation.allowed[who.role if who else None] & being)


def owning(who: Principal, customer: UUID) -> Relation:
    """What somebody is to what is this customer's."""
    owns = who.role is Role.CUSTOMER and who.id == customer
    return Relation.OWN if owns else Relation.OTHER


def relation(who: Principal, request: SessionRequest, facts: Facts) -> Relation:
    """What somebody is to a request: the first that applies.

    ``facts`` must know the mechanic who asks: one who is not approved knows only their own job.
    """
    if who.role is not Role.MECHANIC:
        return owning(who, request.customer)
    mechanic, state = MechanicId(who.id), request.state
    if isinstance(state, Matched | Completed) and state.mechanic == mechanic:
        return Relation.MATCHED
    known = facts.mechanics.get(mechanic)
    if known is None or not known.approved:
        return Relation.OTHER
    asked_now = isinstance(state, Reserved) and state.mechanic == mechanic
    if asked_now or mechanic in request.silent | request.excluded:
        return Relation.ASKED
    return Relation.OTHER if request.broadcast_at is None else Relation.OFFERED
