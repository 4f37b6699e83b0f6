"""The payment service's books of one round, and what the database says of the same payments, as
plain values that a checker can judge. Times are seconds since the beginning of the round."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headstart.lab.checkers import Plain
from headstart.payments.sandbox.ledger import Answer, Ledger

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

PAGES_MAX = 100_000
STATES = {"requires_capture": "held", "succeeded": "taken", "canceled": "cancelled"}
US = "us"  # in a round nobody else moves money

BUYERS = """
select i.checkout_session_id as page, i.customer_id::text as customer, i.capture, m.money as told
from headstart.intakes i
left join headstart.session_requests r on r.checkout_session_id = i.checkout_session_id
left join headstart.request_money m on m.session_id = r.id
where i.checkout_session_id is not null
"""


async def money_of(ledger: Ledger, pool: "Pool", began_s: float) -> list[Plain]:
    """Every payment page: what was paid, taken and returned, and every try at it."""
    buyers = {row["page"]: dict(row) for row in await pool.fetch(BUYERS)}
    pages, _ = ledger.newest(
        "checkout.session", limit=PAGES_MAX, after=None, wanted=lambda page: page["id"] in buyers
    )
    acts = _acts(ledger, began_s)
    return [_page(ledger, page, buyers[page["id"]], acts, began_s) for page in pages]


def _page(
    ledger: Ledger,
    page: Plain,
    buyer: Plain,
    acts: Mapping[str, list[Plain]],
    began_s: float,
) -> Plain:
    intent = ledger.get("payment_intent", page["payment_intent"] or "") or {}
    charge = ledger.get("charge", intent.get("latest_charge") or "") or {}
    returned = charge.get("amount_refunded", 0)
    return {
        "checkout": page["id"],
        "payment": intent.get("id"),
        "customer": buyer["customer"],
        "amount": page["amount_total"],
        "mode": buyer["capture"],
        "told": buyer["told"],
        "opened_s": page["created"] - began_s,
        "paid_s": charge["created"] - began_s if charge else None,
        "money": STATES.get(intent.get("status", ""), "none"),
        "taken": intent.get("amount_received", 0),
        "returned": returned,
        "returned_by_us": returned,
        "came_back": False,
        "disputed": charge.get("disputed", False),
        "acts": [*acts.get(page["id"], ()), *acts.get(intent.get("id", ""), ())],
    }


def _acts(ledger: Ledger, began_s: float) -> Mapping[str, list[Plain]]:
    """What was asked under each key, by the page or the payment that it was asked of."""
    found: dict[str, list[Plain]] = {}
    for key, answer, at_s in ledger.answers():
        for act, subject in _deed(answer):
            outcome = "done" if answer.status == 200 else str(answer.body["error"].get("code"))
            told = {"act": act, "by": US, "at_s": at_s - began_s, "key": key, "outcome": outcome}
            found.setdefault(subject, []).append(told)
    return found


def _deed(answer: Answer) -> Iterator[tuple[str, Any]]:
    """Which act it was, and of what; a refused refund does not say of what."""
    *_, subject, last = answer.path.split("/")
    if last in ("capture", "cancel", "expire"):
        yield last, subject
    elif last == "refunds" and answer.status == 200:
        yield "refund", answer.body["payment_intent"]
