"""What the application asks of the world. ``store``, ``payments`` and ``reach`` supply it."""

from headstart.app.ports.intakes import Flag, Intake, Intakes, Plan, Switchboard
from headstart.app.ports.log import Cursor, EventLog, LoggedEvent, Views
from headstart.app.ports.payments import (
    CheckoutOrder,
    CheckoutSession,
    PaymentEvent,
    Payments,
    PaymentsRefused,
    PaymentsUnavailable,
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
    "Change",
    "CheckoutOrder",
    "CheckoutSession",
    "Cursor",
    "DoesNotExist",
    "EventLog",
    "Flag",
    "Intake",
    "Intakes",
    "LoggedEvent",
    "NotStorable",
    "PaymentEvent",
    "Payments",
    "PaymentsRefused",
    "PaymentsUnavailable",
    "People",
    "Plan",
    "Requests",
    "Seen",
    "Switchboard",
    "Unavailable",
    "Views",
]
