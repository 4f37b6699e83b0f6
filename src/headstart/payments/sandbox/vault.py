"""What becomes of money that a customer has put down: a hold is captured, cancelled, or let go by
the bank; a slow payment is settled. Every step changes the objects and records Stripe's events.

The callers open the transaction; nothing in here waits.
"""

from collections.abc import Mapping
from typing import Any, Final

from headstart.payments.sandbox import objects
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.objects import Attempt, Json
from headstart.payments.sandbox.outbox import Cause, Outbox
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import SandboxSettings

_SETTLED: Final = {
    Attempt.PAID: (
        "payment_intent.succeeded",
        "charge.succeeded",
        "checkout.session.async_payment_succeeded",
    ),
    Attempt.DECLINED: (
        "payment_intent.payment_failed",
        "charge.failed",
        "checkout.session.async_payment_failed",
    ),
}


class Vault:
    """The sandbox's rules for PaymentIntents, on its ledger."""

    def __init__(self, settings: SandboxSettings, ledger: Ledger, outbox: Outbox) -> None:
        self._settings, self._ledger, self._outbox = settings, ledger, outbox

    def capture(self, intent_id: str, params: Mapping[str, Any], cause: Cause) -> Json:
        """Take what is held, or the part that is asked for; the rest is let go."""
        intent = self._held(intent_id, "captured")
        held = intent["amount_capturable"]
        amount = params.get("amount_to_capture", held)
        if amount < 1:
            message = "This value must be greater than or equal to 1."
            code = "parameter_invalid_integer"
            raise Refusal(400, message, code=code, param="amount_to_capture")
        if amount > held:
            message = f"The amount to capture ({amount}) is greater than what is held ({held})."
            code = "amount_too_large"
            raise Refusal(400, message, code=code, param="amount_to_capture", kept=True)
        charge = self._ledger.need("charge", intent["latest_charge"])
        intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
        charge |= {"captured": True, "amount_captured": amount}
        self._put_checkout(intent_id, {"payment_status": "paid"})
        self._record(intent, "payment_intent.succeeded", charge, "charge.captured", cause)
        return intent

    def cancel(self, intent_id: str, params: Mapping[str, Any], cause: Cause) -> Json:
        """Let go of what is held, at the shop's wish. No refund comes of it."""
        intent = self._held(intent_id, "canceled")
        intent |= self._canceled(params.get("cancellation_reason"))
        self._ledger.put("payment_intent", intent_id, intent)
        self._ledger.forget_ending(intent_id)
        self._outbox.record("payment_intent.canceled", intent, cause)
        return intent

    def expire(self, intent_id: str) -> Json:
        """The bank lets go of what is held."""
        intent = self._held(intent_id, "canceled") | self._canceled("expired")
        charge = self._ledger.need("charge", intent["latest_charge"])
        self._record(intent, "payment_intent.canceled", charge, "charge.expired", Cause())
        return intent

    def settle(self, intent_id: str, *, paid: bool) -> Json:
        """The bank account pays after all, or does not."""
        intent = self._ledger.need("payment_intent", intent_id)
        if intent["status"] != "processing":
            raise Refusal.unexpected_state("settled", intent["status"], "processing")
        attempt = Attempt.PAID if paid else Attempt.DECLINED
        charge = self._ledger.need("charge", intent["latest_charge"])
        intent |= objects.attempted(intent, charge["id"], attempt)
        charge |= objects.charged(charge["amount"], attempt)
        of_intent, of_charge, of_checkout = _SETTLED[attempt]
        self._record(intent, of_intent, charge, of_charge, Cause())
        session = self._put_checkout(intent_id, {"payment_status": "paid"} if paid else {})
        self._outbox.record(of_checkout, session, Cause())
        return intent

    def _held(self, intent_id: str, what: str) -> Json:
        """The PaymentIntent, if it holds money. One that Checkout made and nobody has paid cannot
        be cancelled either: its Session has to be expired."""
        intent = self._ledger.need("payment_intent", intent_id, "intent")
        if intent["status"] != "requires_capture":
            raise Refusal.unexpected_state(what, intent["status"], "requires_capture")
        return intent

    def _canceled(self, reason: str | None) -> Json:
        return {
            "status": "canceled",
            "amount_capturable": 0,
            "canceled_at": int(self._settings.clock()),
            "cancellation_reason": reason,
        }

    def _record(
        self, intent: Json, of_intent: str, charge: Json, of_charge: str, cause: Cause
    ) -> None:
        """Write both down and tell of them. Nothing is waited for any more."""
        self._ledger.put("payment_intent", intent["id"], intent)
        self._ledger.put("charge", charge["id"], charge)
        self._ledger.forget_ending(intent["id"])
        self._outbox.record(of_intent, intent, cause)
        self._outbox.record(of_charge, charge, cause)

    def _put_checkout(self, intent_id: str, changes: Json) -> Json:
        """Change the Session that made the PaymentIntent: here, one always did."""
        session_id = self._ledger.need("origin", intent_id)["session"]
        session = self._ledger.need("checkout.session", session_id) | changes
        self._ledger.put("checkout.session", session_id, session)
        return session
