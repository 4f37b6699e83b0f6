"""The scenarios against Stripe's own test mode, with a key in STRIPE_TEST_KEY.

Nobody presses the buttons of Stripe's hosted page here: a test card pays a PaymentIntent of its
own instead. So what Checkout makes of a payment (its `payment_status` under manual capture, the
order of its webhooks) is not seen; everything after the payment is.
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe

from headstart.app.ports import CheckoutOrder, PaymentIntent
from headstart.payments.gateway import StripeGateway
from tests.conftest import REAL_STRIPE_TESTS_DID_NOT_RUN

from .scenarios import AMOUNT, SCENARIOS, Scenario
from .stand import an_order

KEY = os.environ.get("STRIPE_TEST_KEY", "")

if not KEY:
    pytest.skip(REAL_STRIPE_TESTS_DID_NOT_RUN, allow_module_level=True)
if not KEY.startswith(("sk_test_", "rk_test_")):
    pytest.fail("STRIPE_TEST_KEY must be a key of the test mode: sk_test_ or rk_test_")


class TestMode:
    """Stripe's test mode, where a card pays without a page."""

    __test__ = False

    def __init__(self, gateway: StripeGateway) -> None:
        self.gateway = gateway

    def order(self, **changes: Any) -> CheckoutOrder:
        return an_order(**changes)

    async def charged(self, amount: int = AMOUNT) -> PaymentIntent:
        return await self._paid(amount, "automatic")

    async def held(self, amount: int = AMOUNT) -> PaymentIntent:
        return await self._paid(amount, "manual")

    async def _paid(self, amount: int, capture_method: str) -> PaymentIntent:
        made = await self.gateway._client.v1.payment_intents.create_async(
            {
                "amount": amount,
                "currency": "usd",
                "capture_method": capture_method,
                "confirm": True,
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["card"],
            }
        )
        found = await self.gateway.retrieve_payment(made.id)
        assert found is not None
        return found


@pytest.fixture
async def test_mode() -> AsyncIterator[TestMode]:
    gateway = StripeGateway(secret_key=KEY)
    yield TestMode(gateway)
    await gateway.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_stripe_behaves_like_it(scenario: Scenario, test_mode: TestMode) -> None:
    await scenario(test_mode)


async def test_the_account_speaks_the_version_of_the_pinned_sdk(test_mode: TestMode) -> None:
    account = await test_mode.gateway._client.v1.accounts.retrieve_current_async()
    assert account.last_response is not None
    assert account.last_response.headers["stripe-version"] == stripe.api_version
