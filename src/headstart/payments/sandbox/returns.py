"""Money on its way back: refunds, and what banks and card networks say against a payment. Every
step changes the objects and records Stripe's events.

The callers open the transaction; nothing in here waits.
"""

from collections.abc import Mapping
from typing import Any, Final

from headstart.payments.sandbox import disputes, objects
from headstart.payments.sandbox.ids import fresh_id
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.outbox import Cause, Outbox
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import SandboxSettings

_UNSETTLED: Final = "pending"
_LOST: Final = "failed"


class Returns:
    """The sandbox's rules for money that does not stay, on its ledger."""

    def __init__(self, settings: SandboxSettings, ledger: Ledger, outbox: Outbox) -> None:
        self._settings, self._ledger, self._outbox = settings, ledger, outbox

    def refund(self, params: Mapping[str, Any], cause: Cause) -> Json:
        """Send money back: `amount`, or all that is left. Never more than is left. It counts at
        once, even if it is still pending."""
        charge = self._charge_to_refund(params)
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = params.get("amount", left)
        self._check(charge, amount, left)
        refund = objects.refund(
            id=fresh_id("re_"),
            created=self._now,
            charge=charge,
            amount=amount,
            params=params,
            status=_UNSETTLED if self._outbox.switches.slow_refunds else "succeeded",
        )
        self._ledger.put("refund", refund["id"], refund)
        self._outbox.record("refund.created", refund, cause)
        before = self._count(charge, amount)
        self._outbox.record("charge.refunded", charge, cause, before=before)
        return refund

    def settle(self, refund_id: str, *, arrived: bool) -> Json:
        """A refund arrives, or comes back: the latter may happen to one that had succeeded."""
        refund = self._ledger.need("refund", refund_id)
        if refund["status"] not in ((_UNSETTLED,) if arrived else (_UNSETTLED, "succeeded")):
            raise Refusal(400, f"This refund has a status of {refund['status']}.")
        before = {"status": refund["status"], "failure_reason": refund["failure_reason"]}
        refund |= {"status": "succeeded" if arrived else _LOST}
        if not arrived:
            refund |= {"failure_reason": "lost_or_stolen_card"}
            self._count(self._ledger.need("charge", refund["charge"]), -refund["amount"])
        self._ledger.put("refund", refund_id, refund)
        self._outbox.record("refund.updated", refund, Cause(), before=before)
        if not arrived:
            self._outbox.record("refund.failed", refund, Cause())
        return refund

    def dispute(self, intent_id: str) -> Json:
        """The customer's bank takes the money back and asks questions."""
        charge = self._charge_of(intent_id)
        if not charge["captured"] or charge["disputed"]:
            raise Refusal(400, "Only a captured charge can be disputed, and only once.")
        charge |= {"disputed": True}
        dispute = disputes.dispute(id=fresh_id("du_"), created=self._now, charge=charge)
        self._ledger.put("charge", charge["id"], charge)
        self._ledger.put("dispute", dispute["id"], dispute)
        self._outbox.record("charge.dispute.created", dispute, Cause())
        return dispute

    def close_dispute(self, dispute_id: str, *, won: bool) -> Json:
        """The bank decides. Either way the charge has been disputed, and says so for ever."""
        dispute = self._ledger.need("dispute", dispute_id)
        if dispute["status"] != disputes.OPEN:
            raise Refusal(400, f"This dispute has a status of {dispute['status']}.")
        before = {"status": dispute["status"]}
        dispute |= {"status": "won" if won else "lost"}
        self._ledger.put("dispute", dispute_id, dispute)
        self._outbox.record("charge.dispute.closed", dispute, Cause(), before=before)
        return dispute

    def warn(self, intent_id: str) -> Json:
        """The card network suspects fraud."""
        charge = self._charge_of(intent_id)
        warning = disputes.warning(id=fresh_id("issfr_"), created=self._now, charge=charge)
        self._ledger.put(warning["object"], warning["id"], warning)
        self._outbox.record("radar.early_fraud_warning.created", warning, Cause())
        return warning

    def review(self, intent_id: str) -> Json:
        """A person is to look at the payment, and later has looked."""
        charge = self._charge_of(intent_id)
        review = disputes.review(id=fresh_id("prv_"), created=self._now, charge=charge)
        self._outbox.record("review.opened", review, Cause())
        review |= {"open": False, "reason": "approved", "closed_reason": "approved"}
        self._outbox.record("review.closed", review, Cause())
        return review

    @property
    def _now(self) -> int:
        return int(self._settings.clock())

    def _count(self, charge: Json, amount: int) -> Json:
        """Count it as sent back, or, below zero, as come back. Returns what was so before."""
        before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
        charge |= {"amount_refunded": charge["amount_refunded"] + amount}
        charge |= {"refunded": charge["amount_refunded"] == charge["amount_captured"]}
        self._ledger.put("charge", charge["id"], charge)
        return before

    def _charge_of(self, intent_id: str) -> Json:
        """A PaymentIntent is made by its first charge."""
        intent = self._ledger.need("payment_intent", intent_id, "payment_intent")
        return self._ledger.need("charge", intent["latest_charge"])

    def _charge_to_refund(self, params: Mapping[str, Any]) -> Json:
        if ("charge" in params) == ("payment_intent" in params):
            raise Refusal(400, "One of charge or payment_intent must be given.", param="charge")
        if "charge" in params:
            return self._ledger.need("charge", params["charge"], "charge")
        return self._charge_of(params["payment_intent"])

    def _check(self, charge: Mapping[str, Any], amount: int, left: int) -> None:
        if not charge["paid"]:
            message = "This charge failed or is pending and cannot be refunded."
            raise Refusal(400, message, param="charge", kept=True)
        if not charge["captured"]:
            message = "This charge was not captured: cancel its PaymentIntent instead."
            raise Refusal(400, message, code="charge_not_refundable", param="charge", kept=True)
        if charge["disputed"] and not self._won(charge["id"]):
            message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
            raise Refusal(400, message, code="charge_disputed", kept=True)
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise Refusal(400, message, code="charge_already_refunded", kept=True)
        if not 1 <= amount <= left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount ({left})"
            raise Refusal(400, message, param="amount", kept=True)

    def _won(self, charge_id: str) -> bool:
        found, _ = self._ledger.newest(
            "dispute", limit=1, after=None, wanted=lambda each: each["charge"] == charge_id
        )
        return any(each["status"] == "won" for each in found)
