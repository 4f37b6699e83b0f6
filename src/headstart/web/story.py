"""The story of a request in plain sentences, for the customer who waits.

It says why the search widened, but never makes a no personal: whoever declined is "not available".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headstart.core.request import CancelReason, FallbackReason
from headstart.web.rendering import first_name, money

Event = Mapping[str, Any]
Payload = Mapping[str, Any]

SOMEBODY = "your favourite"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline."""

    at: datetime
    sentence: str


def steps(view: Payload, history: Sequence[Event], names: Mapping[str, str]) -> Sequence[Step]:
    """What has happened, oldest first."""
    sentences = [(event["at"], _tell(view, event, names)) for event in history]
    told = [Step(at, sentence) for at, sentence in sentences if sentence]
    return [Step(history[0]["at"], _beginning(view)), *told]


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing the customer was told, and about which of their requests."""

    at: datetime
    sentence: str
    request: Payload


def letters(
    told: Sequence[Event], requests: Mapping[str, Payload], names: Mapping[str, str]
) -> Sequence[Letter]:
    """What a customer was told of all their requests, in the order of ``told``. An end says, too,
    where the money is by now."""
    written = []
    for event in told:
        request = requests.get(str(event["request_id"]))
        sentence = _tell(request, event, names) if request else None
        if request is None or sentence is None:
            continue
        ended = event["kind"] in ("request_unfilled", "request_cancelled")
        money_said = where_the_money_is(request) if ended else ""
        written.append(Letter(event["at"], f"{sentence} {money_said}".strip(), request))
    return written


def mechanics_named(history: Sequence[Event]) -> Sequence[str]:
    """The ids of everybody the story names. A stranger's id must not become a name."""
    named = [event["payload"].get("mechanic") for event in history if _names_somebody(event)]
    return [mechanic for mechanic in dict.fromkeys(named) if mechanic]


def can_accept(history: Sequence[Event]) -> int:
    """How many could accept when everybody was asked last: free, approved, and not decided."""
    opened = [index for index, one in enumerate(history) if one["kind"] == "request_opened"]
    if not opened:
        return 0
    before = history[: opened[-1]]
    out = {one["payload"]["mechanic"] for one in before if _is_out(one)}
    return max(0, (history[opened[-1]]["eligible"] or 0) - len(out))


def _is_out(event: Event) -> bool:
    if event["kind"] == "reservation_ended":
        return bool(event["payload"]["reason"] == FallbackReason.DECLINED)
    return event["kind"] in ("offer_declined", "match_released")


def _names_somebody(event: Event) -> bool:
    stranger = event["payload"].get("reason") == FallbackReason.NOT_A_FAVORITE
    return event["kind"] in _TELLERS and not stranger


def _beginning(view: Payload) -> str:
    booked = f"You booked {view['plan_name']}"
    if not view["amount"]:
        return f"{booked}."
    amount = money(view["amount"], view["currency"])
    if view["held_first"]:
        return f"{booked}, and {amount} was held on your card."
    return f"{booked} and paid {amount}."


def where_the_money_is(view: Payload) -> str:
    """One sentence; nothing when there is no money, or the story says it already."""
    owed = view["money"] == "held" and view["status"] in ("matched", "completed")
    tell = _BEING_TAKEN if owed else _MONEY.get(view["money"], "")
    return tell.format(money(view["amount"], view["currency"]))


_BEING_TAKEN = "{} was held on your card, and is being taken now."
_MONEY = {
    "held": "{} is held on your card. It is taken when a mechanic accepts, and not before.",
    "returning": "We are sending your {} back.",
    "returned": "Your {} is on its way back. Banks need up to ten days to show it.",
    "released": "Nothing was charged: the bank lets go of the {} it held.",
    "needs_help": "We could not settle your payment of {} by ourselves. Our team looks after it.",
}


def _tell(view: Payload, event: Event, names: Mapping[str, str]) -> str | None:
    tell = _TELLERS.get(event["kind"])
    if tell is None:
        return None
    payload = event["payload"]
    if payload.get("reason") == CancelReason.CASHIER:
        return _without_money(view)
    full_name = names.get(payload.get("mechanic") or "")
    sentence = tell(payload, first_name(full_name) if full_name else SOMEBODY)
    return sentence[0].upper() + sentence[1:]


def _reserved(payload: Payload, name: str) -> str:
    order = "first" if payload["step"] == 0 else "next"
    return f"We asked {name} {order}, and nobody else."


def _extended(_payload: Payload, name: str) -> str:
    return f"{name} was given more time to answer."


def _matched(payload: Payload, name: str) -> str:
    return f"Our team found {name} for you." if payload.get("assigned") else f"{name} accepted."


def _ended(payload: Payload, name: str) -> str:
    match payload["reason"]:
        case FallbackReason.NO_RESPONSE:
            return f"{name} did not answer in time."
        case FallbackReason.CUSTOMER_SKIPPED:
            return "You chose not to wait any longer."
        case FallbackReason.OPERATOR:
            return "Our team chose not to wait any longer."
        case _:
            return f"{name} is not available right now."


def _skipped(payload: Payload, name: str) -> str:
    if payload["reason"] == FallbackReason.NOT_A_FAVORITE:
        return "The mechanic you named is not one of your favourites, so nobody was asked first."
    return f"{name} is not available right now."


def _undone(payload: Payload, name: str) -> str:
    if payload["reason"] == "cancelled":
        return f"{name} was told not to come."
    came = "did not come" if payload["reason"] == "no_show" else "had to withdraw"
    return f"{name} {came}. We are looking for somebody else."


def _without_money(view: Payload) -> str:
    """A charge was there, and somebody returned it; a hold may be gone, or refused by the bank."""
    returned = view["money"] == "returned" or not view["held_first"]
    what = "was given back" if returned else "could not be taken"
    return f"Your payment {what}, so the request was cancelled."


def _cancelled(payload: Payload, _name: str) -> str:
    return {
        "operator": "Our team cancelled the request.",
        "second_purchase": "You had another request already, so nobody was asked for this one.",
    }.get(payload.get("reason", ""), "The request was cancelled.")


_TELLERS: Mapping[str, Callable[[Payload, str], str]] = {
    "request_reserved": _reserved,
    "favorite_skipped": _skipped,
    "window_shortened": lambda _, name: f"{name} went offline, so we shortened the wait.",
    "window_extended": _extended,
    "reservation_ended": _ended,
    "request_opened": lambda _payload, _name: "We asked everyone.",
    "request_matched": _matched,
    "mechanic_joined": lambda _, name: f"{name} joined the session.",
    "match_released": _undone,
    "session_completed": lambda _payload, _name: "The session is over.",
    "request_cancelled": _cancelled,
    "request_unfilled": lambda _payload, _name: "Nobody accepted in time.",
}
