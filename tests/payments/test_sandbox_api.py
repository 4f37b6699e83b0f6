"""The sandbox's API: what it refuses, what it repeats, what it lists."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
import stripe

from headstart.payments.sandbox.settings import API_VERSION

from .stand import Json, Stand, until

SESSIONS = "/v1/checkout/sessions"
ORDER = {
    "mode": "payment",
    "success_url": "https://shop.test/paid",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "4900",
    "line_items[0][price_data][product_data][name]": "Video session",
}


async def post(stand: Stand, form: dict[str, str], *, path: str = SESSIONS, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stand.http.post(path, data=form, headers=named)


def error(response: httpx.Response, status: int) -> Json:
    assert response.status_code == status, response.text
    assert response.headers["request-id"].startswith("req_")
    found: Json = response.json()["error"]
    return found


# Who may ask


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer sk_live_abc",
        "Bearer rk_live_abc",
        "Bearer abc",
        "Basic !",
        "Digest x",
    ],
)
async def test_only_test_keys_work(stand: Stand, authorization: str) -> None:
    response = await stand.http.get("/v1/account", headers={"Authorization": authorization})
    assert "abc" not in error(response, 401)["message"]


async def test_a_key_may_come_as_curl_sends_it(stand: Stand) -> None:
    basic = "Basic " + base64.b64encode(b"rk_test_abc:").decode()
    response = await stand.http.get("/v1/account", headers={"Authorization": basic})
    assert response.status_code == 200
    assert response.headers["stripe-version"] == API_VERSION


async def test_another_api_version_is_refused(stand: Stand) -> None:
    error(await post(stand, ORDER, stripe_version="2020-08-27"), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/customers"),
        ("POST", "/v1/payment_intents"),
        ("DELETE", "/v1/checkout/sessions/cs_test_1"),
        ("GET", "/v1/"),
    ],
)
async def test_the_rest_of_stripe_is_not_there(stand: Stand, method: str, path: str) -> None:
    found = error(await stand.http.request(method, path), 404)
    assert "does not implement" in found["message"]
    assert found["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "path", [f"{SESSIONS}/x", f"{SESSIONS}/x/line_items", "/v1/payment_intents/x", "/v1/charges/x",
             "/v1/refunds/x", "/v1/events/x"]
)  # fmt: skip
async def test_an_unknown_id_is_missing(stand: Stand, path: str) -> None:
    assert error(await stand.http.get(path), 404)["code"] == "resource_missing"


# What is refused in an order


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"payment_method_types[0]": "card"}, "payment_method_types", "parameter_unknown"),
        ({"line_items[0][price]": "price_1"}, "line_items[0][price]", "parameter_unknown"),
        ({"a]b[": "1"}, "a]b[", "parameter_unknown"),
        ({"mode": "subscription"}, "mode", None),
        ({"mode": None}, "mode", "parameter_missing"),
        ({"success_url": None}, "success_url", "parameter_missing"),
        ({"success_url": "shop.test/paid"}, "success_url", "url_invalid"),
        ({"cancel_url": "javascript:alert(1)"}, "cancel_url", "url_invalid"),
        ({"customer_email": "ada"}, "customer_email", "email_invalid"),
        ({"client_reference_id": "x" * 201}, "client_reference_id", None),
        ({"expires_at": "1"}, "expires_at", None),
        ({"expires_at": "soon"}, "expires_at", "parameter_invalid_integer"),
        ({"expires_at": "9" * 4000}, "expires_at", "parameter_invalid_integer"),
        ({"adaptive_pricing[enabled]": "no"}, "adaptive_pricing[enabled]", None),
        ({"adaptive_pricing": "no"}, "adaptive_pricing", None),
        ({"allowed_payment_method_types[0]": "klarna"}, "allowed_payment_method_types[0]", None),
        ({"allowed_payment_method_types[1]": "card"}, "allowed_payment_method_types", None),
        ({"payment_intent_data[capture_method]": "later"},
         "payment_intent_data[capture_method]", None),
        ({"line_items[0][price_data][unit_amount]": "-1"},
         "line_items[0][price_data][unit_amount]", None),
        ({"line_items[0][price_data][unit_amount]": "49.00"},
         "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
        ({"line_items[0][price_data][unit_amount]": None},
         "line_items[0][price_data][unit_amount]", "parameter_missing"),
        ({"line_items[0][price_data][currency]": "dollars"},
         "line_items[0][price_data][currency]", None),
        ({"line_items[0][quantity]": "0"}, "line_items[0][quantity]", None),
        ({"metadata": "x"}, "metadata", None),
        ({"metadata[a][b]": "x"}, "metadata[a]", None),
        ({f"metadata[{'k' * 41}]": "x"}, "metadata", None),
        ({"metadata[key]": "v" * 501}, "metadata[key]", None),
        ({f"metadata[{number}]": "x" for number in range(51)}, "metadata", None),
        ({"expand[0]": "customer"}, "expand", None),
        ({"expand[0]": "a.b.c.d.e"}, "expand", None),
        ({"mode[0]": "payment"}, "mode[0]", None),
    ],
)  # fmt: skip
async def test_a_bad_order_is_refused_by_name(
    stand: Stand, change: dict[str, str | None], param: str, code: str | None
) -> None:
    form = {name: value for name, value in {**ORDER, **change}.items() if value is not None}
    found = error(await post(stand, form), 400)
    assert (found["type"], found["param"]) == ("invalid_request_error", param)
    assert found.get("code") == code
    assert (await stand.get(SESSIONS))["data"] == []


@pytest.mark.parametrize("body", [b"\xff=1", b"%ff=1", b"&".join([b"a=1"] * 1001), b"[]=1", b"[a]"])
async def test_a_form_that_is_none_is_refused(stand: Stand, body: bytes) -> None:
    error(await stand.http.post(SESSIONS, content=body), 400)


async def test_an_endless_form_is_refused(stand: Stand) -> None:
    error(await stand.http.post(SESSIONS, content=b"a" * 300_000), 413)


async def test_metadata_at_its_limits_are_kept(stand: Stand) -> None:
    metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    form = {f"metadata[{key}]": value for key, value in metadata.items()}
    response = await post(stand, {**ORDER, **form, "metadata[empty]": ""})
    error(response, 400)  # the 51st, although it is empty
    response = await post(stand, {**ORDER, **form})
    assert response.json()["metadata"] == metadata


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"payment_intent": "pi_1", "charge": "ch_1"}, 400),
        ({"payment_intent": "pi_1"}, 404),
        ({"charge": "ch_1"}, 404),
        ({"payment_intent": "pi_1", "amount": "x"}, 400),
        ({"payment_intent": "pi_1", "reason": "because"}, 400),
    ],
)
async def test_a_bad_refund_is_refused(stand: Stand, form: dict[str, str], status: int) -> None:
    error(await post(stand, form, path="/v1/refunds"), status)


async def test_a_failed_charge_cannot_be_refunded(stand: Stand) -> None:
    session = await stand.checkout()
    await stand.press(session, "decline")
    found = await stand.gateway.retrieve_checkout(session.id)
    assert found is not None
    assert found.payment_intent_id is not None
    error(await post(stand, {"payment_intent": found.payment_intent_id}, path="/v1/refunds"), 400)


async def test_a_refund_by_charge_takes_all_that_is_left(stand: Stand) -> None:
    session = await stand.paid()
    intent = await stand.get(f"/v1/payment_intents/{session.payment_intent_id}")
    form = {"charge": intent["latest_charge"]}
    response = await post(stand, {**form, "amount": "900"}, path="/v1/refunds")
    assert response.json()["amount"] == 900
    response = await post(stand, form, path="/v1/refunds")
    assert response.json()["amount"] == 4000
    charge = await stand.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (4900, True)


# Once only


async def test_a_repeated_request_gets_the_stored_answer(stand: Stand) -> None:
    first = await post(stand, ORDER, idempotency_key="k")
    await stand.http.post(f"/c/pay/{first.json()['id']}", data={"action": "pay"})
    again = await post(stand, ORDER, idempotency_key="k")
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await stand.get(SESSIONS))["data"]) == 1


async def test_a_key_belongs_to_one_request(stand: Stand) -> None:
    await post(stand, ORDER, idempotency_key="k")
    other = {**ORDER, "cancel_url": "https://shop.test/"}
    assert error(await post(stand, other, idempotency_key="k"), 400)["type"] == "idempotency_error"
    elsewhere = await post(stand, ORDER, path="/v1/refunds", idempotency_key="k")
    assert error(elsewhere, 400)["type"] == "idempotency_error"
    error(await post(stand, ORDER, idempotency_key="k" * 256), 400)


async def test_a_refused_request_does_not_use_up_its_key(stand: Stand) -> None:
    error(await post(stand, {**ORDER, "mode": "x"}, idempotency_key="k"), 400)
    assert (await post(stand, ORDER, idempotency_key="k")).status_code == 200


async def test_a_key_is_free_again_after_a_day(stand: Stand) -> None:
    first = await post(stand, ORDER, idempotency_key="k")
    stand.clock.ahead_s = 24 * 3600 + 1
    assert (await post(stand, ORDER, idempotency_key="k")).json()["id"] != first.json()["id"]


async def test_a_request_still_at_work_is_a_conflict(stand: Stand) -> None:
    await stand.switch(before_api_response=True)
    stand.shop.gate.clear()
    working = asyncio.create_task(post(stand, ORDER, idempotency_key="k"))
    await until(lambda: stand.shop.waiting == 1)
    found = error(await post(stand, ORDER, idempotency_key="k"), 409)
    assert found["code"] == "idempotency_key_in_use"
    stand.shop.gate.set()
    assert (await working).status_code == 200
    assert len((await stand.get(SESSIONS))["data"]) == 1


# Lists, with the SDK


async def test_lists_are_paged_and_filtered(stand: Stand) -> None:
    made = [(await stand.checkout()).id for _ in range(5)]
    paid = await stand.paid()
    sessions = stand.gateway._client.v1.checkout.sessions

    page = await sessions.list_async({"limit": 2})
    found = [each.id async for each in page.auto_paging_iter()]
    assert found == [paid.id, *reversed(made)]
    assert page.has_more is True

    assert paid.payment_intent_id is not None
    by_intent = await sessions.list_async({"payment_intent": paid.payment_intent_id})
    assert [each.id for each in by_intent.data] == [paid.id]
    still_open = await sessions.list_async({"status": "open", "limit": 100})
    assert len(still_open.data) == 5
    now = int(stand.clock())
    later = await sessions.list_async({"created": {"gt": now + 10}})
    assert later.data == []
    since = await sessions.list_async({"created": {"gte": now - 60, "lt": now + 60}})
    assert len(since.data) == 6


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "starting_after=cs_1", "created[near]=1", "foo=1"]
)
async def test_a_bad_list_query_is_refused(stand: Stand, query: str) -> None:
    response = await stand.http.get(f"{SESSIONS}?{query}")
    assert response.status_code in (400, 404)


async def test_events_can_be_found_by_type_and_delivery(stand: Stand) -> None:
    await stand.switch(drop=True)
    lost = await stand.paid()
    await stand.switch(drop=False)
    seen = await stand.paid()
    await stand.settled()
    kind = "checkout.session.completed"
    both = await stand.get("/v1/events", type=kind)
    assert [each["data"]["object"]["id"] for each in both["data"]] == [seen.id, lost.id]
    query = {"types[0]": kind, "delivery_success": "false"}
    assert [
        (each["data"]["object"]["id"], each["pending_webhooks"])
        for each in (await stand.get("/v1/events", **query))["data"]
    ] == [(lost.id, 1)]


async def test_line_items_are_the_order(stand: Stand) -> None:
    session = await stand.checkout()
    items = await stand.gateway._client.v1.checkout.sessions.line_items.list_async(session.id)
    (item,) = items.data
    assert (item.description, item.quantity, item.amount_total) == ("Video session", 1, 4900)
    plain = await stand.get(f"{SESSIONS}/{session.id}")
    assert "line_items" not in plain
    full = await stand.get(f"{SESSIONS}/{session.id}", **{"expand[]": "line_items"})
    assert full["line_items"] == (await stand.get(f"{SESSIONS}/{session.id}/line_items"))


async def test_a_session_ends_by_itself(stand: Stand) -> None:
    session = await stand.checkout()
    stand.clock.ahead_s = 3601
    await stand.http.post("/_sandbox/wake")
    await until(lambda: stand.shop.types() == ["checkout.session.expired"])
    found = await stand.gateway.retrieve_checkout(session.id)
    assert found is not None
    assert found.status == "expired"


async def test_a_session_that_is_over_cannot_be_paid_even_before_anybody_noticed(
    stand: Stand,
) -> None:
    session = await stand.checkout()
    stand.clock.ahead_s = 3601
    assert (await stand.press(session, "pay")).status_code == 410


async def test_stripe_objects_are_no_dictionaries(stand: Stand) -> None:
    """The trap that the gateway exists for: if this ever changes, its conversion may go."""
    session = await stand.checkout()
    found = await stand.gateway._client.v1.checkout.sessions.retrieve_async(session.id)
    assert isinstance(found, stripe.checkout.Session)
    assert not isinstance(found, dict)
