"""What people and time may ask of a session request. Commands order."""

from dataclasses import dataclass

from headstart.core import request as requests
from headstart.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a role and, for people, their id. Written on every event."""

    role: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.role}:{self.id}" if self.id else self.role


SYSTEM = Actor("system")
CASHIER = Actor("cashier")


@dataclass(frozen=True, slots=True)
class Payment:
    """Which payment stands behind the request; the ids are None for a free plan.

    ``hold``: the money is not taken yet; a match takes it.
    """

    checkout_session: str | None = None
    payment_intent: str | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class RequestSession:
    """Create the request and decide, in the same instant, whom to ask.

    ``void``: nobody is asked at all, for this reason.
    """

    request_id: requests.RequestId
    customer: requests.CustomerId
    intake: requests.IntakeId
    plan: str
    payment: Payment
    routing_type: requests.RoutingType
    chain: tuple[requests.ChainStep, ...]
    policy: Policy
    void: requests.CancelReason | None = None
    actor: Actor = SYSTEM


@dataclass(frozen=True, slots=True)
class _OnRequest:
    request_id: requests.RequestId
    actor: Actor = SYSTEM


@dataclass(frozen=True, slots=True)
class _ByMechanic:
    request_id: requests.RequestId
    mechanic: requests.MechanicId
    actor: Actor


class AcceptOffer(_ByMechanic):
    """The first to accept wins."""


class DeclineOffer(_ByMechanic):
    """A favourite's no ends their turn at once; anybody's no is remembered."""


class AssignMechanic(_ByMechanic):
    """An operator matches a mechanic who has agreed by other means."""


class JoinSession(_ByMechanic):
    """The matched mechanic has joined the live session, which ends the join deadline."""


@dataclass(frozen=True, slots=True)
class _OnMatch:
    """``mechanic`` is None when an operator says so."""

    request_id: requests.RequestId
    mechanic: requests.MechanicId | None
    actor: Actor


class ReleaseMatch(_OnMatch):
    """The mechanic withdraws: the request is dispatched again and keeps its age."""


class CompleteSession(_OnMatch):
    """The session is over."""


class AskEveryone(_OnRequest):
    """End the priority stage now: the customer's wish, or an operator's."""


class ExtendWindow(_OnRequest):
    """Give the favourite who is being asked more time: the customer's wish, or an operator's."""


class CancelRequest(_OnRequest):
    """Withdraw the request: a customer before anybody is matched, an operator at any time, the
    cashier when the payment cannot be had."""


class EnforceDeadline(_OnRequest):
    """Time is up: act if the deadline has passed. Harmless when it has not."""


class ReviewReservation(_OnRequest):
    """The favourite was suspended, matched elsewhere or went off duty: does the window stand?"""


Command = (
    RequestSession
    | AcceptOffer
    | DeclineOffer
    | AskEveryone
    | ExtendWindow
    | AssignMechanic
    | CancelRequest
    | ReleaseMatch
    | JoinSession
    | CompleteSession
    | EnforceDeadline
    | ReviewReservation
)
