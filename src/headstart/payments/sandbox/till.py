"""The payment page's part: a Session is opened, paid, declined, expired. Every step changes the
objects and records the events that Stripe would send.

The callers open the transaction; nothing in here waits.
"""

from collections.abc import Mapping
from typing import Any, Final

from headstart.payments.sandbox import objects
from headstart.payments.sandbox.checks import EXPIRY_S_MAX, check_order
from headstart.payments.sandbox.ids import fresh_id
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.objects import Attempt, Json
from headstart.payments.sandbox.outbox import Cause, Outbox
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import SandboxSettings

HOLD_S: Final = 7 * 24 * 3600
"""How long a bank holds money for an online payment with the customer present."""

_TOLD: Final = {
    Attempt.PAID: ("payment_intent.succeeded", "charge.succeeded"),
    Attempt.HELD: ("payment_intent.amount_capturable_updated", "charge.succeeded"),
    Attempt.PENDING: ("payment_intent.processing", "charge.pending"),
    Attempt.DECLINED: ("payment_intent.payment_failed", "charge.failed"),
}


class Till:
    """The sandbox's rules, on its ledger."""

    def __init__(self, settings: SandboxSettings, ledger: Ledger, outbox: Outbox) -> None:
        self._settings, self._ledger, self._outbox = settings, ledger, outbox

    def open_session(self, params: Json) -> Json:
        """Make a Checkout Session for what was ordered. No event: Stripe has none for it."""
        now = int(self._settings.clock())
        params = {**params, "expires_at": params.get("expires_at", now + EXPIRY_S_MAX)}
        check_order(params, now)
        session_id = fresh_id("cs_test_")
        items = [_line_item(sent, now) for sent in params["line_items"]]
        session = objects.checkout_session(
            id=session_id,
            created=now,
            url=f"{self._settings.public_url.rstrip('/')}/c/pay/{session_id}",
            params=params,
            amount=sum(item["amount_total"] for item in items),
            currency=items[0]["currency"],
        )
        wished = params.get("payment_intent_data", {})
        order = {
            "items": items,
            "metadata": wished.get("metadata", {}),
            "capture_method": wished.get("capture_method", "automatic"),
        }
        self._ledger.put("checkout.session", session_id, session)
        self._ledger.put("order", session_id, order)
        self._ledger.expect_ending(session_id, params["expires_at"])
        return session

    def session(self, session_id: str) -> Json:
        """The Session as it is; a Refusal when there is none."""
        return self._ledger.need("checkout.session", session_id, "session")

    def line_items(self, session_id: str) -> list[Json]:
        """What was ordered with it."""
        return list(self._order(session_id)["items"])

    def pay(self, session_id: str, cause: Cause) -> Json:
        """The customer pays by card, and the bank agrees: the money moves, or is only held if the
        shop wished so. A Session that is no longer open stays as it is, so paying twice charges
        once."""
        held = self._order(session_id).get("capture_method") == "manual"
        return self._complete(session_id, Attempt.HELD if held else Attempt.PAID, cause)

    def pay_slowly(self, session_id: str, cause: Cause) -> Json:
        """The customer names a bank account; whether it pays is settled later. That works here even
        if the shop asked for cards only, where the page does not offer it. Such methods know no
        holds: there the Session stays as it is."""
        if self._order(session_id).get("capture_method") == "manual":
            return self.session(session_id)
        return self._complete(session_id, Attempt.PENDING, cause)

    def decline(self, session_id: str, cause: Cause) -> Json:
        """The customer tries to pay, and the bank refuses. The Session stays open."""
        session = self.session(session_id)
        if session["status"] == "open" and session["amount_total"]:
            intent = self._attempt(session, Attempt.DECLINED, cause)
            session |= {"payment_intent": intent["id"]}
            self._ledger.put("checkout.session", session_id, session)
        return session

    def expire(self, session_id: str, cause: Cause) -> Json:
        """Close an open Session for good; a Refusal when it is not open any more."""
        session = self.session(session_id)
        if session["status"] != "open":
            raise Refusal(
                400,
                'Only Checkout Sessions with a status in ["open"] can be expired.'
                f" This Checkout Session has a status of {session['status']}.",
                kept=True,
            )
        session |= {"status": "expired", "url": None}
        self._close(session, "checkout.session.expired", cause)
        return session

    def _complete(self, session_id: str, attempt: Attempt, cause: Cause) -> Json:
        session = self.session(session_id)
        if session["status"] != "open":
            return session
        if session["amount_total"]:
            intent = self._attempt(session, attempt, cause)
            session |= {"payment_intent": intent["id"]}
            session |= {"payment_status": "paid" if attempt is Attempt.PAID else "unpaid"}
        details = objects.customer_details(session["customer_email"])
        session |= {"status": "complete", "url": None, "customer_details": details}
        self._close(session, "checkout.session.completed", cause)
        return session

    def _close(self, session: Json, type: str, cause: Cause) -> None:
        self._ledger.put("checkout.session", session["id"], session)
        self._ledger.forget_ending(session["id"])
        self._outbox.record(type, session, cause)

    def _attempt(self, session: Json, attempt: Attempt, cause: Cause) -> Json:
        """One attempt on the Session's PaymentIntent, which the first attempt makes."""
        now = int(self._settings.clock())
        intent = self._intent_of(session) | {"payment_method": fresh_id("pm_")}
        held_until = now + HOLD_S if attempt is Attempt.HELD else None
        charge = objects.charge(
            id=fresh_id("ch_"),
            created=now,
            intent=intent,
            attempt=attempt,
            email=session["customer_email"],
            capture_before=held_until,
        )
        intent |= objects.attempted(intent, charge["id"], attempt)
        if held_until is not None:
            self._ledger.expect_ending(intent["id"], held_until)
        self._ledger.put("charge", charge["id"], charge)
        self._ledger.put("payment_intent", intent["id"], intent)
        self._ledger.put("origin", intent["id"], {"session": session["id"]})
        of_intent, of_charge = _TOLD[attempt]
        self._outbox.record(of_intent, intent, cause)
        self._outbox.record(of_charge, charge, cause)
        return intent

    def _intent_of(self, session: Json) -> Json:
        made = self._ledger.get("payment_intent", session["payment_intent"] or "")
        return made or objects.payment_intent(
            id=fresh_id("pi_"),
            created=int(self._settings.clock()),
            session=session,
            order=self._order(session["id"]),
        )

    def _order(self, session_id: str) -> Json:
        """What was ordered, and how it is to be paid."""
        self.session(session_id)
        order = self._ledger.get("order", session_id)
        assert order is not None, "every Session is stored with its order"
        return order


def _line_item(sent: Mapping[str, Any], now: int) -> Json:
    return objects.line_item(
        id=fresh_id("li_"),
        price_id=fresh_id("price_"),
        product_id=fresh_id("prod_"),
        created=now,
        sent=sent,
    )
