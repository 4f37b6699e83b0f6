"""What the application asks of the world. ``store``, ``payments`` and ``reach`` supply it."""

from headstart.app.ports.intakes import Flag, Intake, Intakes, Plan, Switchboard
from headstart.app.ports.log import Cursor, EventLog, LoggedEvent, Views
from headstart.app.ports.operations import (
    Conclusion,
    MoneyTroubles,
    Operation,
    OperationKind,
    Operations,
    PaidRequest,
)
from headstart.app.ports.payments import (
    HEEDED_EVENTS,
    CaptureMode,
    CheckoutOrder,
    CheckoutSession,
    Money,
    PaymentEvent,
    PaymentIntent,
    Payments,
    PaymentsRefused,
    PaymentsUnavailable,
    Refund,
    RefundReason,
    RefusedBecause,
)
from headstart.app.ports.people import People
from headstart.app.ports.requests import (
    Change,
    DoesNotExist,
    NotStorable,
    Requests,
    Seen,
    Unavailable,
)

__all__ = [
    "HEEDED_EVENTS",
    "CaptureMode",
    "Change",
    "CheckoutOrder",
    "CheckoutSession",
    "Conclusion",
    "Cursor",
    "DoesNotExist",
    "EventLog",
    "Flag",
    "Intake",
    "Intakes",
    "LoggedEvent",
    "Money",
    "MoneyTroubles",
    "NotStorable",
    "Operation",
    "OperationKind",
    "Operations",
    "PaidRequest",
    "PaymentEvent",
    "PaymentIntent",
    "Payments",
    "PaymentsRefused",
    "PaymentsUnavailable",
    "People",
    "Plan",
    "Refund",
    "RefundReason",
    "RefusedBecause",
    "Requests",
    "Seen",
    "Switchboard",
    "Unavailable",
    "Views",
]
