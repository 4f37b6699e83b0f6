"""The gateway, with the real SDK, over a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.app.ports import CaptureMode, PaymentsRefused, PaymentsUnavailable
from headstart.payments import gateway as gateway_module
from headstart.payments.gateway import StripeGateway

from .stand import Stand, listening, served


async def test_a_checkout_carries_what_was_ordered(stand: Stand) -> None:
    order = stand.order(customer_email="ada@example.org", currency="EUR")
    session = await stand.gateway.create_checkout(order)

    assert session.id.startswith("cs_test_")
    assert session.url == f"{stand.url}/c/pay/{session.id}"
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_total, session.currency) == (4900, "eur")
    assert session.client_reference_id == str(order.intake_id)
    assert session.metadata == {"intake_id": str(order.intake_id), "plan": "video"}
    assert session.payment_intent_id is None
    assert session.livemode is False
    assert session.expires_at == order.expires_at
    assert not session.is_paid


async def test_the_same_order_gets_the_same_page(stand: Stand) -> None:
    order = stand.order()
    sessions = await asyncio.gather(*(stand.gateway.create_checkout(order) for _ in range(20)))
    assert len({session.id for session in sessions}) == 1

    again = await stand.gateway.create_checkout(stand.order(intake_id=order.intake_id, attempt=2))
    assert again.id != sessions[0].id


async def test_another_order_under_the_same_key_is_refused(stand: Stand) -> None:
    order = stand.order()
    await stand.gateway.create_checkout(order)
    with pytest.raises(PaymentsRefused) as refusal:
        await stand.gateway.create_checkout(stand.order(intake_id=order.intake_id, amount=1))
    assert refusal.value.status == 400


async def test_a_paid_checkout_has_its_money_and_its_metadata_twice(stand: Stand) -> None:
    session = await stand.paid()
    assert session.is_paid
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)

    intent = await stand.get(f"/v1/payment_intents/{session.payment_intent_id}")
    assert intent["metadata"] == session.metadata
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 4900)


async def test_a_free_order_needs_no_payment(stand: Stand) -> None:
    session = await stand.paid(amount=0)
    assert session.is_paid
    assert (session.payment_status, session.payment_intent_id) == ("no_payment_required", None)


@pytest.mark.parametrize(
    "identifier",
    ["cs_test_unknown", "", "cs_test_", "../refunds", "cs_test_a/expire", "cs_test_é", "x" * 9000],
)
async def test_an_unknown_checkout_is_none(stand: Stand, identifier: str) -> None:
    assert await stand.gateway.retrieve_checkout(identifier) is None
    assert await stand.gateway.expire_checkout(identifier, idempotency_key="expire:1") is None


async def test_an_expired_checkout_cannot_be_paid(stand: Stand) -> None:
    session = await stand.checkout()
    expired = await stand.gateway.expire_checkout(session.id, idempotency_key="expire:1")
    assert expired is not None
    assert (expired.status, expired.url) == ("expired", None)
    assert await stand.gateway.expire_checkout(session.id, idempotency_key="expire:1") == expired
    assert (await stand.press(session, "pay")).status_code == 410


async def test_expiring_a_checkout_that_was_just_paid_shows_the_payment(stand: Stand) -> None:
    session = await stand.paid()
    assert await stand.gateway.expire_checkout(session.id, idempotency_key="expire:1") == session


async def test_a_refund_moves_the_money_once(stand: Stand) -> None:
    session = await stand.paid()
    intent = session.payment_intent_id
    assert intent is not None

    refunds = [
        await stand.gateway.refund(intent, amount=1900, idempotency_key="refund:a:1")
        for _ in range(3)
    ]
    assert len({refund.id for refund in refunds}) == 1
    assert (refunds[0].amount, refunds[0].status) == (1900, "succeeded")
    assert refunds[0].payment_intent_id == intent

    with pytest.raises(PaymentsRefused):
        await stand.gateway.refund(intent, amount=3001, idempotency_key="refund:a:2")
    await stand.gateway.refund(intent, amount=3000, idempotency_key="refund:a:3")
    with pytest.raises(PaymentsRefused, match="charge_already_refunded"):
        await stand.gateway.refund(intent, amount=1, idempotency_key="refund:a:4")


async def test_a_refusal_names_no_secret(stand: Stand) -> None:
    secret = "sk_live_abcdefghijklmnop"
    stranger = StripeGateway(secret_key=secret, api_base=stand.url)
    with pytest.raises(PaymentsRefused) as refusal:
        await stranger.create_checkout(stand.order(customer_email="ada@example.org"))
    await stranger.close()
    assert refusal.value.status == 401
    assert "abcdef" not in str(refusal.value)
    assert "ada" not in str(refusal.value)


# What the SDK does on the wire, seen from a server of our own


class Wire:
    """Notes what arrives and answers with whatever the test wants."""

    gateway: StripeGateway

    def __init__(self, answer: Callable[[Request, int], Response]) -> None:
        self._answer = answer
        self.seen: list[tuple[dict[str, str], bytes]] = []

    async def _any(self, request: Request) -> Response:
        self.seen.append((dict(request.headers), await request.body()))
        return self._answer(request, len(self.seen))

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{rest:path}", self._any, methods=["GET", "POST"])])


@asynccontextmanager
async def stripe_answering(answer: Callable[[Request, int], Response]) -> AsyncIterator[Wire]:
    wire = Wire(answer)
    bound, url = listening()
    async with served(wire.app(), bound):
        gateway = StripeGateway(secret_key="sk_test_x\n", api_base=url + "/")
        wire.gateway = gateway
        yield wire
        await gateway.close()


@pytest.fixture(autouse=True)
def _no_pause_between_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.0)


async def test_a_retry_is_the_same_request_byte_for_byte(stand: Stand) -> None:
    async with stripe_answering(lambda request, count: Response("{}", 500)) as wire:
        order = stand.order()
        for _ in range(2):
            with pytest.raises(PaymentsUnavailable):
                await wire.gateway.create_checkout(order)
    assert len(wire.seen) == 6
    assert len({body for _, body in wire.seen}) == 1
    keys = {headers["idempotency-key"] for headers, _ in wire.seen}
    assert keys == {f"cs:{order.intake_id}:1"}


async def test_the_request_says_all_that_it_must(stand: Stand) -> None:
    body = '{"error": {"type": "invalid_request_error"}}'
    async with stripe_answering(lambda request, count: Response(body, 400)) as wire:
        order = stand.order()
        with pytest.raises(PaymentsRefused):
            await wire.gateway.create_checkout(order)
    headers, form = wire.seen[0]
    sent = {name: values[0] for name, values in parse_qs(form.decode()).items()}
    assert sent["success_url"].endswith("?lang=en&session_id={CHECKOUT_SESSION_ID}")
    assert sent["metadata[intake_id]"] == sent["payment_intent_data[metadata][intake_id]"]
    assert sent["client_reference_id"] == str(order.intake_id)
    assert sent["adaptive_pricing[enabled]"] == "false"
    assert sent["allowed_payment_method_types[0]"] == "card"
    assert sent["expires_at"] == str(int(order.expires_at.timestamp()))
    assert headers["authorization"] == "Bearer sk_test_x"
    assert "x-stripe-client-telemetry" not in headers


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
async def test_trouble_at_stripe_means_try_again(stand: Stand, status: int) -> None:
    body = '{"error": {"type": "api_error", "message": "busy"}}'
    async with stripe_answering(lambda request, count: Response(body, status)) as wire:
        with pytest.raises(PaymentsUnavailable):
            await wire.gateway.create_checkout(stand.order())


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"object": "checkout.session"}', "null"])
async def test_an_answer_that_is_no_answer_means_try_again(stand: Stand, body: str) -> None:
    async with stripe_answering(lambda request, count: Response(body, 200)) as wire:
        with pytest.raises(PaymentsUnavailable):
            await wire.gateway.create_checkout(stand.order())


async def test_nobody_is_asked_whom_a_redirect_names(stand: Stand) -> None:
    asked: set[str] = set()

    def elsewhere(request: Request, _count: int) -> Response:
        asked.add(request.url.path)
        return Response(status_code=307, headers={"Location": "/elsewhere"})

    async with stripe_answering(elsewhere) as wire:
        with pytest.raises((PaymentsUnavailable, PaymentsRefused)):
            await wire.gateway.create_checkout(stand.order())
    assert asked == {"/v1/checkout/sessions"}


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
async def test_a_no_for_good_is_a_refusal(stand: Stand, status: int) -> None:
    body = '{"error": {"type": "invalid_request_error", "code": "x", "param": "amount"}}'
    async with stripe_answering(lambda request, count: Response(body, status)) as wire:
        with pytest.raises(PaymentsRefused) as refusal:
            await wire.gateway.refund("pi_1", amount=1, idempotency_key="refund:1")
    assert refusal.value.status == status
    assert len(wire.seen) == 1


async def test_nobody_there_means_try_again(stand: Stand) -> None:
    bound, url = listening()
    bound.close()
    gateway = StripeGateway(secret_key="sk_test_x", api_base=url)
    with pytest.raises(PaymentsUnavailable):
        await gateway.retrieve_checkout("cs_test_1")
    await gateway.close()


async def test_silence_means_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "REQUEST_TIMEOUT_S", 0.01)
    bound, url = listening()  # accepts connections, and nobody ever reads them
    gateway = StripeGateway(secret_key="sk_test_x", api_base=url)
    with pytest.raises(PaymentsUnavailable):
        await gateway.retrieve_checkout("cs_test_1")
    await gateway.close()
    bound.close()


def test_the_promise_about_timeouts_and_retries_is_kept() -> None:
    gateway = StripeGateway(secret_key="sk_test_x")
    assert gateway._http._timeout == 8.0
    assert gateway._client._requestor._options.max_network_retries == 2
    assert stripe.enable_telemetry is False


@pytest.mark.parametrize(
    ("capture", "method"), [(CaptureMode.CHARGE, None), (CaptureMode.HOLD, "manual")]
)
async def test_a_hold_is_asked_for_and_a_charge_is_what_happens_anyway(
    stand: Stand, capture: CaptureMode, method: str | None
) -> None:
    body = '{"error": {"type": "invalid_request_error"}}'
    async with stripe_answering(lambda request, count: Response(body, 400)) as wire:
        with pytest.raises(PaymentsRefused):
            await wire.gateway.create_checkout(stand.order(capture=capture))
    sent = {name: values[0] for name, values in parse_qs(wire.seen[0][1].decode()).items()}
    assert sent.get("payment_intent_data[capture_method]") == method
    assert sent["payment_intent_data[metadata][plan]"] == sent["metadata[plan]"] == "video"
    assert sent["allowed_payment_method_types[0]"] == "card"


async def test_changes_carry_their_key_and_are_the_same_byte_for_byte() -> None:
    def calls(gateway: StripeGateway) -> list[Awaitable[object]]:
        return [
            gateway.capture("pi_1", amount=7, idempotency_key="key"),
            gateway.cancel_hold("pi_1", idempotency_key="key"),
            gateway.refund("pi_1", amount=7, idempotency_key="key", metadata={"operation": "1"}),
            gateway.expire_checkout("cs_test_1", idempotency_key="key"),
        ]

    async with stripe_answering(lambda request, count: Response("{}", 503)) as wire:
        for _ in range(2):
            for call in calls(wire.gateway):
                with pytest.raises(PaymentsUnavailable):
                    await call
    assert {headers["idempotency-key"] for headers, _ in wire.seen} == {"key"}
    assert len(wire.seen) == 24
    assert len({body for _, body in wire.seen}) == 4


async def test_a_stored_failure_says_so() -> None:
    stored, body = {"Idempotent-Replayed": "true"}, '{"error": {"type": "api_error"}}'
    async with stripe_answering(lambda request, count: Response(body, 500, stored)) as wire:
        with pytest.raises(PaymentsUnavailable) as trouble:
            await wire.gateway.cancel_hold("pi_1", idempotency_key="cancel:1")
    assert trouble.value.stored is True


async def test_a_page_that_stays_open_is_not_taken_for_closed(stand: Stand) -> None:
    """Refused, for whatever reason, and the page can still be paid."""
    page = await stand.checkout()
    found = await stand.get(f"/v1/checkout/sessions/{page.id}")

    def answer(request: Request, count: int) -> Response:
        if request.method == "POST":
            return Response('{"error": {"type": "invalid_request_error"}}', 400)
        return JSONResponse(found)

    async with stripe_answering(answer) as wire:
        with pytest.raises(PaymentsUnavailable):
            await wire.gateway.expire_checkout(page.id, idempotency_key="expire:1")


@pytest.mark.parametrize("identifier", ["", "pi_", "../refunds", "pi_é", "cs_test_1", "pi_" * 99])
async def test_what_cannot_be_a_payment_is_not_asked_for(identifier: str) -> None:
    async with stripe_answering(lambda request, count: Response("{}", 500)) as wire:
        assert await wire.gateway.retrieve_payment(identifier) is None
    assert wire.seen == []


async def test_a_list_is_read_page_by_page_up_to_its_bound(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await stand.checkout()).id for _ in range(5)]
    since = datetime.now(UTC) - timedelta(minutes=5)
    monkeypatch.setattr(gateway_module, "LIST_PAGE", 2)
    found = [each.id async for each in stand.gateway.recent_checkouts(since)]
    assert found == made[::-1]
    monkeypatch.setattr(gateway_module, "LISTED_MAX", 3)
    found = [each.id async for each in stand.gateway.recent_checkouts(since)]
    assert found == made[:1:-1]


async def test_a_member_that_cannot_be_read_hides_no_other(stand: Stand) -> None:
    page = await stand.checkout()
    listing = await stand.get("/v1/checkout/sessions")
    listing["data"].insert(0, {**listing["data"][0], "amount_total": None, "mode": "setup"})
    async with stripe_answering(lambda request, count: JSONResponse(listing)) as wire:
        since = datetime.now(UTC)
        assert [each.id async for each in wire.gateway.recent_checkouts(since)] == [page.id]
        assert [each async for each in wire.gateway.undelivered_events(since)] == []
