"""Everything the sandbox emits is what the official SDK declares; everything it accepts as a
parameter exists there. Seeded faults show that the check itself can fail."""

import copy
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import stripe
import stripe.params
import stripe.params.checkout

from headstart.app.ports import HEEDED_EVENTS, CaptureMode
from headstart.payments.sandbox import shapes
from headstart.payments.sandbox.forms import Several, Shape
from headstart.payments.sandbox.settings import API_VERSION

from .contract import faults, unwritten
from .stand import Json, Stand, a_stand

UNHEEDED_EVENTS = {
    "charge.failed",
    "charge.pending",
    "charge.succeeded",
    "payment_intent.processing",
}
"""The sandbox tells of these, too, as an endpoint may that is subscribed to everything."""
IN_STRIPES_SHAPE = {f"/_sandbox/{name}" for name in ("dispute", "close_dispute", "warn", "review")}
"""What the API of the sandbox has no call for; the levers answer with it."""
NOT_ALWAYS_THERE = {
    "checkout.session": {"line_items"},
    "charge": {"refunds"},
    "account": {"deleted"},
}
"""Absent at Stripe as well: lists until they are expanded, `deleted` while it is not."""


@pytest.fixture
async def emitted() -> AsyncIterator[list[Json]]:
    """Every kind of answer and webhook, in every state that the sandbox knows."""
    async with a_stand() as stand:
        seen: list[Json] = []

        async def note(response: Any) -> None:
            if "/v1/" in response.url.path or response.url.path in IN_STRIPES_SHAPE:
                await response.aread()
                seen.append(response.json())

        stand.http.event_hooks = {"response": [note]}
        stand.gateway._http._client_async.event_hooks = {"response": [note]}
        await _everything(stand)
        await stand.settled()
        yield seen + [received.event for received in stand.shop.received]


async def _everything(stand: Stand) -> None:
    await _every_payment(stand)
    await _every_hold(stand)
    await _every_slow_payment(stand)
    await _everything_said_against_it(stand)
    for refund in (await stand.get("/v1/refunds", **{"expand[]": "data.charge"}))["data"]:
        await stand.get(f"/v1/refunds/{refund['id']}", **{"expand[0]": "payment_intent"})
    for event in (await stand.get("/v1/events", limit=3))["data"]:
        await stand.get(f"/v1/events/{event['id']}")
    await stand.get("/v1/checkout/sessions", **{"expand[]": "data.payment_intent.latest_charge"})
    await stand.get("/v1/account")


async def _every_payment(stand: Stand) -> None:
    await stand.checkout()
    declined = await stand.checkout(customer_email="ada@example.org")
    await stand.press(declined, "decline")
    await _look_at(stand, declined.id)
    await stand.press(declined, "pay")
    free = await stand.paid(amount=0, plan_name="Hello")
    expired = await stand.checkout()
    await stand.gateway.expire_checkout(expired.id, idempotency_key="expire:1")
    paid = await stand.paid(currency="jpy", metadata={})
    assert paid.payment_intent_id is not None
    for amount in (1000, 3900):
        await stand.gateway.refund(
            paid.payment_intent_id, amount=amount, idempotency_key=f"refund:{amount}"
        )
    for session in (declined.id, free.id, expired.id, paid.id):
        await _look_at(stand, session)


async def _every_hold(stand: Stand) -> None:
    captured, partly, gone = [await stand.held() for _ in range(3)]
    for payment, amount in ((captured, 4900), (partly, 1900)):
        await stand.gateway.capture(payment.id, amount=amount, idempotency_key=payment.id)
    await stand.gateway.cancel_hold(gone.id, idempotency_key=gone.id)
    expired, held = await stand.paid(capture=CaptureMode.HOLD), await stand.held()
    stand.clock.ahead_s = 7 * 86_400 + 1
    await _look_at(stand, expired.id)
    held = await stand.held()
    for payment in (captured, partly, gone, held):
        path = f"/v1/payment_intents/{payment.id}"
        await stand.get(path, **{"expand[0]": "latest_charge"})


async def _every_slow_payment(stand: Stand) -> None:
    for outcome in (None, "succeeded", "failed"):
        session = await stand.checkout()
        await stand.press(session, "pay_slowly")
        if outcome is not None:
            await stand.pull("settle", id=session.id, outcome=outcome)
        await _look_at(stand, session.id)
        if outcome == "succeeded":
            payment = (await stand.get(f"/v1/checkout/sessions/{session.id}"))["payment_intent"]
            await stand.gateway.refund(payment, amount=1, idempotency_key="refund:slow")


async def _everything_said_against_it(stand: Stand) -> None:
    await stand.switch(slow_refunds=True)
    paid = await stand.charged()
    for number, outcome in enumerate(("succeeded", "failed")):
        refund = await stand.gateway.refund(paid.id, amount=1, idempotency_key=f"refund:{number}")
        await stand.pull("settle", id=refund.id, outcome=outcome)
    await stand.switch(slow_refunds=False)
    await stand.pull("warn", payment_intent=paid.id)
    await stand.pull("review", payment_intent=paid.id)
    for outcome in ("won", "lost"):
        paid = await stand.charged()
        dispute = await stand.pull("dispute", payment_intent=paid.id)
        await stand.pull("close_dispute", id=dispute["id"], outcome=outcome)
        await stand.get(f"/v1/charges/{paid.charge_id}")
    await stand.switch(livemode=True, account="acct_x", api_version="2020-08-27")
    await stand.held()
    await stand.switch(livemode=False, account=None, api_version=None)


async def _look_at(stand: Stand, session_id: str) -> None:
    path = f"/v1/checkout/sessions/{session_id}"
    await stand.get(path)
    await stand.get(path + "/line_items")
    expand = {"expand[0]": "line_items", "expand[1]": "payment_intent.latest_charge"}
    full = await stand.get(path, **expand)
    if full["payment_intent"] is not None:
        await stand.get(f"/v1/payment_intents/{full['payment_intent']['id']}")
        charge_id = full["payment_intent"]["latest_charge"]["id"]
        await stand.get(f"/v1/charges/{charge_id}", **{"expand[0]": "payment_intent"})


async def test_the_sdk_finds_nothing_wrong_with_anything_emitted(emitted: list[Json]) -> None:
    kinds = {each["object"] for each in emitted}
    assert kinds == {
        "account", "charge", "checkout.session", "dispute", "event", "list", "payment_intent",
        "radar.early_fraud_warning", "refund", "review",
    }  # fmt: skip
    types = {each["type"] for each in emitted if each["object"] == "event"}
    assert types == {*HEEDED_EVENTS, *UNHEEDED_EVENTS}
    assert len(emitted) > 150
    assert [fault for each in emitted for fault in faults(each)] == []


async def test_optional_fields_are_there_as_null(emitted: list[Json]) -> None:
    for each in emitted:
        if each["object"] != "list":
            assert unwritten(each) <= NOT_ALWAYS_THERE.get(each["object"], set())


# Seeded faults


def _with(path: str, value: Any) -> Callable[[Json], None]:
    """Put a value at a path such as `data.object.amount_total`."""

    def change(tree: Any) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in parents:
            tree = tree[part]
        tree[last] = value

    return change


def _without(name: str) -> Callable[[Json], None]:
    return lambda tree: tree.pop(name)


SEEDED: list[tuple[str, str, Callable[[Json], None]]] = [
    ("checkout.session", "unknown key", _with("payment_states", "paid")),
    ("checkout.session", "missing field", _without("expires_at")),
    ("checkout.session", "wrong type", _with("amount_total", "4900")),
    ("checkout.session", "flag for number", _with("created", True)),
    ("checkout.session", "outside the enum", _with("payment_status", "payed")),
    ("checkout.session", "null where nothing is optional", _with("mode", None)),
    ("checkout.session", "metadata that is no text", _with("metadata.plan", 7)),
    ("checkout.session", "metadata that is null", _with("metadata.plan", None)),
    ("checkout.session", "nested wrong type", _with("total_details.amount_tax", 1.5)),
    ("checkout.session", "nested unknown key", _with("custom_text.footer", None)),
    ("checkout.session", "list with a hole", lambda tree: tree["line_items"].pop("has_more")),
    ("checkout.session", "item of a list", _with("line_items.data.0.quantity", "1")),
    ("checkout.session", "deep", _with("line_items.data.0.price.unit_amount_decimal", 4900)),
    ("checkout.session", "deeper", _with("payment_intent.latest_charge.status", "ok")),
    ("payment_intent", "outside the enum", _with("capture_method", "auto")),
    ("payment_intent", "array of texts", _with("payment_method_types", ["card", 7])),
    ("charge", "nested missing", lambda tree: tree["outcome"].pop("type")),
    ("charge", "wrong object", _with("object", "charges")),
    ("refund", "missing field", _without("amount")),
    ("refund", "metadata that is no text", _with("metadata", {"operation": 7})),
    ("dispute", "missing in the evidence", lambda tree: tree["evidence"].pop("enhanced_evidence")),
    ("dispute", "deep unknown key", _with("payment_method_details.card.bank", "b")),
    ("dispute", "outside the enum", _with("status", "open")),
    ("radar.early_fraud_warning", "missing field", _without("fraud_type")),
    ("review", "wrong type", _with("open", "yes")),
    ("review", "outside the enum", _with("closed_reason", "forgotten")),
    ("event", "unknown type", _with("type", "checkout.session.paid")),
    ("event", "missing data", _without("data")),
    ("event", "wrong object inside", _with("data.object.livemode", "false")),
    ("account", "wrong type", _with("charges_enabled", "yes")),
]


async def test_every_seeded_fault_is_found(emitted: list[Json]) -> None:
    for kind, name, change in SEEDED:
        sound = max(
            (each for each in emitted if each["object"] == kind), key=lambda each: len(str(each))
        )
        broken = copy.deepcopy(sound)
        change(broken)
        found = list(faults(broken))
        assert len(found) == 1, f"{kind}, {name}: {found}"


# The request side


@pytest.mark.parametrize(
    ("accepted", "declared"),
    [
        (shapes.SESSION_CREATE, stripe.params.checkout.SessionCreateParams),
        (shapes.SESSION_LIST, stripe.params.checkout.SessionListParams),
        (shapes.LINE_ITEM_LIST, stripe.params.checkout.SessionLineItemListParams),
        (shapes.CAPTURE, stripe.params.PaymentIntentCaptureParams),
        (shapes.CANCEL, stripe.params.PaymentIntentCancelParams),
        (shapes.REFUND_CREATE, stripe.params.RefundCreateParams),
        (shapes.REFUND_LIST, stripe.params.RefundListParams),
        (shapes.EVENT_LIST, stripe.params.EventListParams),
    ],
)
def test_every_parameter_of_the_sandbox_exists_at_stripe(accepted: Shape, declared: type) -> None:
    assert _invented(accepted, declared) == []


def test_an_invented_parameter_would_be_noticed() -> None:
    invented = Shape({**shapes.SESSION_CREATE.readers, "payment_method_types": str})
    declared = stripe.params.checkout.SessionCreateParams
    assert _invented(invented, declared) == ["payment_method_types"]


ONLY_FOR_TYPE_CHECKERS = {"StripeContext": object, "Mapping": Mapping}
"""Names that the SDK's dictionaries inherit without importing them."""


def _invented(accepted: Shape, declared: type) -> list[str]:
    """Parameters that the SDK's dictionary does not have, nested ones included."""
    known, found = get_type_hints(declared, localns=ONLY_FOR_TYPE_CHECKERS), []
    for name, reader in accepted.readers.items():
        inner = reader.reader if isinstance(reader, Several) else reader
        if name not in known:
            found.append(name)
        elif isinstance(inner, Shape):
            (nested,) = [each for each in _members(known[name]) if hasattr(each, "__total__")]
            found += [f"{name}.{each}" for each in _invented(inner, nested)]
    return found


def _members(declared: Any) -> list[Any]:
    """The types inside unions and lists."""
    if get_origin(declared) is None:
        return [declared]
    return [member for each in get_args(declared) for member in _members(each)]


def test_the_sandbox_speaks_the_version_of_the_pinned_sdk() -> None:
    assert stripe.api_version == API_VERSION
