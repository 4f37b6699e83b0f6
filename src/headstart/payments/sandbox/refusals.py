"""Stripe's error shape: `{"error": {type, code, message, param}}`."""

from typing import Any, Self


class Refusal(Exception):
    """An error answer on its way to the caller. `kept`: the request was carried out as far as this
    answer, so its idempotency key gets the same one again. What is refused at the door, for its
    parameters, keeps nothing."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        kept: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.kept = status, kept
        self.error = {"type": kind, "code": code, "message": message, "param": param}

    @property
    def payload(self) -> dict[str, Any]:
        """The answer's JSON; absent parts are left out, as Stripe does."""
        return {"error": {key: value for key, value in self.error.items() if value is not None}}

    @classmethod
    def missing(cls, kind: str, identifier: str, param: str = "id") -> Self:
        """There is no such object."""
        message = f"No such {kind}: '{identifier[:100]}'"
        return cls(404, message, code="resource_missing", param=param)

    @classmethod
    def missing_parameter(cls, name: str) -> Self:
        """Something that must be sent was not."""
        message = f"Missing required param: {name}."
        return cls(400, message, code="parameter_missing", param=name)

    @classmethod
    def unknown_parameter(cls, name: str) -> Self:
        """Unknown to Stripe, or to the sandbox only: the caller has to look either way."""
        message = f"Received unknown parameter: {name[:100]} (or the sandbox does not implement it)"
        return cls(400, message, code="parameter_unknown", param=name[:100])

    @classmethod
    def unexpected_state(cls, what: str, status: str, only: str) -> Self:
        """The PaymentIntent is past that, or not there yet."""
        message = (
            f"This PaymentIntent could not be {what} because it has a status of {status}."
            f" Only a PaymentIntent with one of the following statuses may be {what}: {only}."
        )
        return cls(400, message, code="payment_intent_unexpected_state", kept=True)
