"""What the model of the database keeps about money: debts, payments as seen, purchases."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from headstart.app.ports import OperationKind, PaymentIntent
from headstart.core.commands import Payment
from headstart.core.request import IntakeId, RequestId


@dataclass(frozen=True, slots=True)
class Debt:
    """A row of ``stripe_operations``."""

    id: int
    key: str
    kind: OperationKind
    subject: str
    request: RequestId | None
    created_at: datetime
    due_at: datetime | None
    state: str = "due"
    attempts: int = 0
    nudges: int = 0
    key_number: int = 1
    amount: int | None = None
    result: str | None = None
    settled_at: datetime | None = None

    def settled(self, state: str, at: datetime, **columns: Any) -> "Debt":
        """It waits no longer."""
        return replace(self, state=state, due_at=None, settled_at=at, **columns)


@dataclass(frozen=True, slots=True)
class Sight:
    """A row of ``payments``."""

    payment: PaymentIntent
    seen_at: datetime


@dataclass(slots=True)
class Books:
    """Everything about money that is committed; or what one transaction adds to it."""

    debts: dict[str, Debt] = field(default_factory=dict)  # by key
    sights: dict[str, Sight] = field(default_factory=dict)  # by payment
    behind: dict[RequestId, Payment] = field(default_factory=dict)
    whose: dict[str, RequestId] = field(default_factory=dict)  # by payment
    booked_at: dict[IntakeId, datetime] = field(default_factory=dict)
    last_id: int = 0

    @property
    def are_owing(self) -> bool:
        """Whether anything waits to be done. A look is no debt: some things are looked at again
        and again, until a person has seen to them."""
        debts = (one for one in self.debts.values() if one.kind is not OperationKind.LOOK)
        return any(debt.state == "due" for debt in debts)

    def add(self, news: "Books") -> None:
        """Commit what a transaction has written."""
        self.debts |= news.debts
        self.sights |= news.sights
        self.behind |= news.behind
        self.whose |= news.whose
        self.booked_at |= news.booked_at

    def copy(self) -> "Books":
        """As it is now."""
        copied = Books()
        copied.add(self)
        return copied

    def next_id(self) -> int:
        """Given out for good, committed or not."""
        self.last_id += 1
        return self.last_id
