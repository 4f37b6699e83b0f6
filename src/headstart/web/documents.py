"""The shape of every answer of the API, for its OpenAPI document and for whoever holds us to it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from headstart.core.access import Role
from headstart.core.events import Stage
from headstart.core.request import FallbackReason, RoutingType

Status = Literal["pending", "matched", "unfilled", "cancelled", "completed"]
Money = Literal["none", "held", "paid", "returning", "returned", "released", "needs_help"]


class Document(BaseModel):
    """What is not declared is not there."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Document):
    """One wrong field."""

    field: str
    message: str


class ProblemDocument(Document):
    """RFC 9457. ``code`` is for programs, ``detail`` for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] = []


class Submitted(Document):
    """Where a booking is paid, or, when it is free, where it can be watched."""

    intake_id: UUID
    checkout_url: str
    session_id: UUID | None


class CustomerRequest(Document):
    """A request as its customer and operators see it."""

    session_id: UUID
    version: int
    status: Status
    stage: Stage | None
    due_at: datetime | None
    created_at: datetime
    routing_type: RoutingType
    priority_window_minutes: float | None
    priority_notified_at: datetime | None
    fallback_broadcast_at: datetime | None
    fallback_reason: FallbackReason | None
    broadcast_at: datetime | None
    matched_at: datetime | None
    plan_name: str
    minutes: int
    amount: int
    currency: str
    vehicle: str
    concern: str
    urgent: bool
    asked_mechanic: str | None
    preferred_mechanic: str | None
    matched_mechanic: str | None
    mechanics_asked: int | None
    held_first: bool
    money: Money
    server_now: datetime


class OneCustomerRequest(CustomerRequest):
    """The same, read by itself: how many minutes more the favourite can be given, if any."""

    extension_minutes: float | None


class Card(Document):
    """A request as a mechanic sees it, before the match and after."""

    session_id: UUID
    version: int
    status: Status
    stage: Stage | None
    due_at: datetime | None
    created_at: datetime
    priority: bool
    plan: str
    plan_name: str
    minutes: int
    session_type: str
    pay: int
    currency: str
    customer_first_name: str
    vehicle: str
    concern: str
    urgent: bool
    specialist: bool
    server_now: datetime
    priority_window_minutes: float = 0
    message: str = ""


class MechanicRequest(Card):
    """The same, and whether the match is theirs."""

    matched_mechanic_id: UUID | None


class CustomerRequests(Document):
    """A customer's latest requests."""

    requests: list[CustomerRequest]
    server_now: datetime


class Offers(Document):
    """What a mechanic may accept now, and the job they have."""

    offers: list[Card]
    job: Card | None
    server_now: datetime


class Ordered(Document):
    """Where a request stands after a command; ``changed`` is false when there was nothing to do."""

    session_id: UUID
    status: Status
    version: int
    due_at: datetime | None
    matched_mechanic_id: UUID | None
    changed: bool


class Presence(Document):
    """On duty or not, and until when that is believed."""

    on_duty: bool
    lease_until: datetime
    last_seen: datetime


class MechanicStatus(Document):
    """Whether a mechanic is online; null when nobody can know it now."""

    is_online: bool | None
    last_seen: datetime | None


class Favorite(Document):
    """One favourite."""

    mechanic_id: UUID
    name: str
    rank: int
    since: datetime


class Favorites(Document):
    """A customer's favourites, in order."""

    favorites: list[Favorite]


class Customer(Document):
    """A customer as they are known now."""

    customer_id: UUID
    first_name: str
    last_name: str
    email: str
    phone: str


class Mechanic(Document):
    """A mechanic as they are known now."""

    mechanic_id: UUID
    name: str
    status: Literal["applied", "approved", "suspended"]


class FlagChange(Document):
    """Who switched a flag, when, from what to what."""

    at: datetime
    actor: str
    reason: str | None
    was_enabled: bool | None
    was_rollout_percentage: int | None
    enabled: bool
    rollout_percentage: int


class Flag(Document):
    """A flag and its history, newest first."""

    name: str
    enabled: bool
    rollout_percentage: int
    changes: list[FlagChange]


class Trouble(Document):
    """Money that needs a person."""

    trouble_id: str
    trouble: Literal["refused", "disputed", "captured_in_part", "hold_ends", "quarantined"]
    operation_id: int | None
    kind: str | None
    subject: str
    session_id: UUID | None
    detail: str | None
    since: datetime


class DismissedTrouble(Document):
    """Money that needs nobody any more, and who said so."""

    trouble_id: str
    trouble: str
    subject: str
    detail: str | None
    at: datetime
    actor: str
    reason: str


class Troubles(Document):
    """All of it, newest first, and what was dismissed lately."""

    troubles: list[Trouble]
    dismissed: list[DismissedTrouble]


class TroubleDismissed(Document):
    """A trouble that is shown no more."""

    trouble_id: str
    dismissed_by: str
    reason: str


class OperatorAction(Document):
    """What an operator did that is no event of a request."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    was: dict[str, Any] | None
    became: dict[str, Any] | None
    reason: str


class OperatorActions(Document):
    """All of it, newest first."""

    actions: list[OperatorAction]


class KnownLogin(Document):
    """For whom a login speaks, if we were told."""

    issuer: str
    subject: str
    role: Role | None
    person_id: UUID | None
    disabled: bool
    signed_out_at: datetime | None


class KnownLogins(Document):
    """The logins we know, in the order of issuer and subject."""

    logins: list[KnownLogin]


class OperationDue(Document):
    """An operation that will be tried once more."""

    operation_id: int
    state: Literal["due"]


class Receipt(Document):
    """What became of a payment event."""

    received: bool
    outcome: str
