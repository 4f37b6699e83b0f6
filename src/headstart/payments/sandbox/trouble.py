"""Calls that go wrong on request: the next few of a kind are refused, get no answer, or are carried
out while the answer gets lost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self

from headstart.payments.sandbox.refusals import Refusal

TIMES_MAX: Final = 10_000
CALLS: Final = frozenset(
    {
        "any",
        "create_session",
        "list_sessions",
        "retrieve_session",
        "expire_session",
        "list_line_items",
        "retrieve_payment_intent",
        "capture",
        "cancel",
        "retrieve_charge",
        "create_refund",
        "list_refunds",
        "retrieve_refund",
        "list_events",
        "retrieve_event",
        "retrieve_account",
    }
)
_REFUSED: Final[Mapping[str, tuple[int, str]]] = {
    "balance_insufficient": (400, "invalid_request_error"),
    "capture_charge_authorization_expired": (400, "invalid_request_error"),
    "card_declined": (402, "card_error"),
    "charge_already_captured": (400, "invalid_request_error"),
    "charge_disputed": (400, "invalid_request_error"),
    "charge_exceeds_source_limit": (400, "invalid_request_error"),
    "charge_exceeds_transaction_limit": (400, "invalid_request_error"),
    "charge_expired_for_capture": (400, "invalid_request_error"),
    "expired_card": (402, "card_error"),
    "payment_intent_unexpected_state": (400, "invalid_request_error"),
}

CODES: Final = frozenset(_REFUSED)


class Fault(StrEnum):
    """What happens to the call. Only the last three have done anything by then."""

    CONFLICT = "409"
    """Something else holds a lock."""
    RATE_LIMIT = "429"
    DOWN = "500"
    """Nothing was begun, so the idempotency key is still free."""
    UNAVAILABLE = "503"
    HANG = "hang"
    """No answer, until the caller hangs up. Nothing was done."""
    REFUSE = "refuse"
    """Refused with `code`, and the answer is kept."""
    KEPT_500 = "kept_500"
    """Nothing was done, yet the key gets this answer from now on, as at Stripe."""
    DONE_500 = "done_500"
    """It was done, and the key gets a 500 all the same."""
    LOST = "lost"
    """It was done and is kept; the connection breaks before the answer."""


_EARLY: Final[Mapping[Fault, tuple[int, str, str]]] = {
    Fault.CONFLICT: (409, "lock_timeout", "invalid_request_error"),
    Fault.RATE_LIMIT: (429, "rate_limit", "invalid_request_error"),
    Fault.DOWN: (500, "", "api_error"),
    Fault.UNAVAILABLE: (503, "", "api_error"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """The next `times` requests to `call` suffer `fault`. The SDK's own retries count, too."""

    call: str
    fault: Fault
    times: int = 1
    code: str | None = None

    @classmethod
    def wished(cls, wishes: Mapping[str, Any]) -> Self:
        """ValueError, in one line, for a wish that is not understood."""
        unknown = wishes.keys() - {"call", "fault", "times", "code"}
        if unknown:
            raise ValueError(f"unknown wish: {min(unknown)}")
        call, times, code = wishes.get("call"), wishes.get("times", 1), wishes.get("code")
        if call not in CALLS:
            raise ValueError(f"call must be one of {', '.join(sorted(CALLS))}")
        if type(times) is not int or not 1 <= times <= TIMES_MAX:
            raise ValueError(f"times must be 1 to {TIMES_MAX}")
        fault = Fault(str(wishes.get("fault")))
        if (code in CODES) != (fault is Fault.REFUSE):
            raise ValueError(f"refuse, and nothing else, has a code: {', '.join(sorted(CODES))}")
        return cls(call, fault, times, code)

    def refuse_early(self) -> None:
        """Raise what is answered before anything is looked at, if that is the fault."""
        if self.fault in _EARLY:
            status, code, kind = _EARLY[self.fault]
            raise Refusal(status, _MESSAGE, code=code or None, kind=kind)

    def refuse_at_work(self) -> None:
        """Raise what is answered instead of the work, and kept, if that is the fault."""
        if self.fault is Fault.KEPT_500:
            raise broken()
        if self.code is not None:
            status, kind = _REFUSED[self.code]
            raise Refusal(status, _MESSAGE, code=self.code, kind=kind, kept=True)


_MESSAGE: Final = "This went wrong because the sandbox was told so."


def broken() -> Refusal:
    """A 500 that is kept."""
    return Refusal(500, _MESSAGE, kind="api_error", kept=True)


class Troubles:
    """What is still to go wrong, in the order in which it was wished for."""

    def __init__(self) -> None:
        self._ahead: list[Trouble] = []

    def expect(self, trouble: Trouble) -> None:
        """Add one."""
        self._ahead.append(trouble)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._ahead.clear()

    def meet(self, call: str) -> Trouble | None:
        """The trouble that this call meets, used up once."""
        assert call in CALLS or not call, call
        for index, trouble in enumerate(self._ahead):
            if trouble.call in (call, "any"):
                left = trouble.times - 1
                fewer = Trouble(trouble.call, trouble.fault, left, trouble.code)
                self._ahead[index : index + 1] = [fewer] if left else []
                return trouble
        return None

    def shown(self) -> list[dict[str, Any]]:
        """For people."""
        return [asdict(trouble) for trouble in self._ahead]
