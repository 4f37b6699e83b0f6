"""What the gateway must find true of any Stripe: played against the sandbox in every run, and
against Stripe's own test mode when there is a key. Nothing in here knows which of the two it is."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import pytest

from headstart.app.ports import (
    CaptureMode,
    CheckoutOrder,
    PaymentIntent,
    PaymentsRefused,
    RefusedBecause,
)
from headstart.payments.gateway import StripeGateway

AMOUNT = 4900
_PAST_HOLDING = {RefusedBecause.UNEXPECTED_STATE, RefusedBecause.ALREADY_CAPTURED}


class Venue(Protocol):
    """A Stripe to play in, with a way to pay there."""

    @property
    def gateway(self) -> StripeGateway: ...

    def order(self, **changes: Any) -> CheckoutOrder:
        """Something to be paid for."""
        ...

    async def charged(self, amount: int = AMOUNT) -> PaymentIntent:
        """Somebody has paid."""
        ...

    async def held(self, amount: int = AMOUNT) -> PaymentIntent:
        """Somebody has paid, and the money is only held."""
        ...


Scenario = Callable[[Venue], Awaitable[None]]


def key() -> str:
    """A key that nobody has used, in this run or in any other."""
    return f"test:{uuid4()}"


async def _refused(call: Awaitable[object]) -> RefusedBecause:
    with pytest.raises(PaymentsRefused) as refusal:
        await call
    return refusal.value.because


async def _now(venue: Venue, payment: PaymentIntent) -> PaymentIntent:
    found = await venue.gateway.retrieve_payment(payment.id)
    assert found is not None
    return found


async def a_page_is_opened_once(venue: Venue) -> None:
    order = venue.order()
    first = await venue.gateway.create_checkout(order)
    assert first.url is not None
    assert (first.status, first.payment_status, first.is_paid) == ("open", "unpaid", False)
    assert (first.amount_total, first.currency, first.payment) == (AMOUNT, "usd", None)
    assert first.client_reference_id == first.metadata["intake_id"] == str(order.intake_id)
    assert first.expires_at == order.expires_at
    assert first.livemode is False
    again = await venue.gateway.create_checkout(order)
    assert again.id == first.id
    assert await venue.gateway.retrieve_checkout(first.id) == first


async def a_key_belongs_to_one_order(venue: Venue) -> None:
    order = venue.order()
    await venue.gateway.create_checkout(order)
    other = venue.gateway.create_checkout(replace(order, amount=AMOUNT + 1))
    assert await _refused(other) is RefusedBecause.KEY_REUSED


async def a_page_for_a_hold_is_opened(venue: Venue) -> None:
    opened = await venue.gateway.create_checkout(venue.order(capture=CaptureMode.HOLD))
    assert (opened.status, opened.amount_total) == ("open", AMOUNT)


async def a_page_is_closed_once(venue: Venue) -> None:
    opened = await venue.gateway.create_checkout(venue.order())
    keys = [key(), key()]
    closed = [
        await venue.gateway.expire_checkout(opened.id, idempotency_key=each)
        for each in (keys[0], keys[0], keys[1])
    ]
    assert [(each.status, each.url) for each in closed if each] == [("expired", None)] * 3


async def what_is_unknown_is_none(venue: Venue) -> None:
    assert await venue.gateway.retrieve_checkout("cs_test_unknown") is None
    assert await venue.gateway.expire_checkout("cs_test_unknown", idempotency_key=key()) is None
    assert await venue.gateway.retrieve_payment("pi_unknown") is None
    capture = venue.gateway.capture("pi_unknown", amount=1, idempotency_key=key())
    assert await _refused(capture) is RefusedBecause.UNKNOWN_OBJECT


async def a_hold_is_captured_once(venue: Venue) -> None:
    held = await venue.held()
    assert (held.is_held, held.is_captured, held.capture) == (True, False, CaptureMode.HOLD)
    assert (held.amount, held.amount_capturable, held.amount_received) == (AMOUNT, AMOUNT, 0)
    assert held.capture_before is not None
    assert held.capture_before > datetime.now(UTC) + timedelta(days=4)
    once = key()
    first, done = [
        await venue.gateway.capture(held.id, amount=AMOUNT, idempotency_key=once) for _ in range(2)
    ]
    assert first == done
    assert (done.is_captured, done.amount_received, done.amount_kept) == (True, AMOUNT, AMOUNT)
    assert (done.amount_capturable, done.canceled_at) == (0, None)
    assert await _now(venue, held) == done
    again = venue.gateway.capture(held.id, amount=AMOUNT, idempotency_key=key())
    assert await _refused(again) in _PAST_HOLDING
    late = venue.gateway.cancel_hold(held.id, idempotency_key=key())
    assert await _refused(late) is RefusedBecause.UNEXPECTED_STATE
    assert await _now(venue, held) == done


async def a_hold_is_captured_in_part(venue: Venue) -> None:
    held = await venue.held()
    done = await venue.gateway.capture(held.id, amount=1900, idempotency_key=key())
    assert (done.amount, done.amount_received, done.amount_capturable) == (AMOUNT, 1900, 0)
    assert done.amount_kept == 1900
    refund = venue.gateway.refund(held.id, amount=1901, idempotency_key=key())
    assert await _refused(refund) is RefusedBecause.OTHER


async def more_than_is_held_is_not_captured(venue: Venue) -> None:
    held = await venue.held()
    too_much = venue.gateway.capture(held.id, amount=AMOUNT + 1, idempotency_key=key())
    assert await _refused(too_much) is RefusedBecause.OTHER
    assert (await _now(venue, held)).amount_capturable == AMOUNT


async def a_hold_is_let_go_once(venue: Venue) -> None:
    held = await venue.held()
    once = key()
    first, gone = [await venue.gateway.cancel_hold(held.id, idempotency_key=once) for _ in range(2)]
    assert first == gone
    assert (gone.is_canceled, gone.cancellation_reason) == (True, "abandoned")
    assert (gone.amount_capturable, gone.amount_received, gone.amount_refunded) == (0, 0, 0)
    assert gone.canceled_at is not None
    late = venue.gateway.capture(held.id, amount=AMOUNT, idempotency_key=key())
    assert await _refused(late) is RefusedBecause.UNEXPECTED_STATE
    again = venue.gateway.cancel_hold(held.id, idempotency_key=key())
    assert await _refused(again) is RefusedBecause.UNEXPECTED_STATE
    assert await venue.gateway.refunds(held.id) == []
    assert await _now(venue, held) == gone


async def a_charge_is_returned_in_parts(venue: Venue) -> None:
    paid = await venue.charged()
    assert (paid.is_captured, paid.capture) == (True, CaptureMode.CHARGE)
    assert (paid.amount_received, paid.amount_refunded) == (AMOUNT, 0)
    once = key()
    first, same = [
        await venue.gateway.refund(
            paid.id,
            amount=1900,
            idempotency_key=once,
            reason="requested_by_customer",
            metadata={"operation": "1"},
        )
        for _ in range(2)
    ]
    assert first == same
    assert (first.amount, first.payment_intent_id) == (1900, paid.id)
    assert (first.metadata, first.failure_reason) == ({"operation": "1"}, None)
    too_much = venue.gateway.refund(paid.id, amount=AMOUNT, idempotency_key=key())
    assert await _refused(too_much) is RefusedBecause.OTHER
    second = await venue.gateway.refund(paid.id, amount=3000, idempotency_key=key())
    one_more = venue.gateway.refund(paid.id, amount=1, idempotency_key=key())
    assert await _refused(one_more) is RefusedBecause.ALREADY_REFUNDED
    assert [each.id for each in await venue.gateway.refunds(paid.id)] == [second.id, first.id]
    now = await _now(venue, paid)
    assert (now.is_captured, now.amount_refunded, now.amount_kept) == (True, AMOUNT, 0)


async def what_was_charged_is_not_let_go(venue: Venue) -> None:
    paid = await venue.charged()
    cancel = venue.gateway.cancel_hold(paid.id, idempotency_key=key())
    assert await _refused(cancel) is RefusedBecause.UNEXPECTED_STATE
    assert (await _now(venue, paid)).amount_kept == AMOUNT


async def what_is_held_is_not_refunded(venue: Venue) -> None:
    held = await venue.held()
    with pytest.raises(PaymentsRefused):
        await venue.gateway.refund(held.id, amount=AMOUNT, idempotency_key=key())
    assert (await _now(venue, held)).amount_capturable == AMOUNT


async def recent_pages_are_found(venue: Venue) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    opened = await venue.gateway.create_checkout(venue.order())
    listed = [each.id async for each in venue.gateway.recent_checkouts(since)]
    assert opened.id in listed
    future = datetime.now(UTC) + timedelta(days=1)
    assert [each async for each in venue.gateway.recent_checkouts(future)] == []


async def lost_events_can_be_asked_for(venue: Venue) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    lost = [each async for each in venue.gateway.undelivered_events(since)]
    assert all(each.livemode is False for each in lost)


SCENARIOS: list[Scenario] = [
    a_page_is_opened_once,
    a_key_belongs_to_one_order,
    a_page_for_a_hold_is_opened,
    a_page_is_closed_once,
    what_is_unknown_is_none,
    a_hold_is_captured_once,
    a_hold_is_captured_in_part,
    more_than_is_held_is_not_captured,
    a_hold_is_let_go_once,
    a_charge_is_returned_in_parts,
    what_was_charged_is_not_let_go,
    what_is_held_is_not_refunded,
    recent_pages_are_found,
    lost_events_can_be_asked_for,
]
