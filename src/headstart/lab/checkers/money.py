"""What must hold of the money, by what the payment service did and what became of the requests.

The ledger is the customers' side of it: what was paid, taken and returned, by whom, and every try.
Where a bank or somebody in the Dashboard has interfered, the ledger says so.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from headstart.lab.checkers.history import Finding, Interval, Plain
from headstart.lab.checkers.requests import ENDED
from headstart.lab.checkers.tale import INSTANT_S, Case, Tale, ever

SERVED = {"matched", "completed"}
LIVE = {"new", "reserved", "open", "matched", "between"}
US = "us"
LETS_GO = ("cancel", "capture")  # a bank says so when it is asked for the money
DEBT_S = 60.0
NOTICED_S = 60.0
REFUSED_FOR_GOOD = ("card_refused", "hold_expired")


def money(case: Case) -> Iterator[Finding]:
    """M1 to M4, L4: each payment, beside the request that came of it."""
    tales = {_checkout(tale): tale for tale in case.tales.values()}
    refused = {debt["key"]: debt for debt in case.history.debts if debt["state"] == "refused"}
    for paid in case.history.money:
        tale = tales.get(paid["checkout"])
        if tale is None or paid["paid_s"] is None:
            continue  # there is a promise of its own about payments that make nothing
        for sentence in (*_not_to_the_cent(paid), *_not_settled(paid, tale, refused)):
            yield Finding("M1", tale.request, sentence)
        for sentence in _done_twice(paid):
            yield Finding("M2", tale.request, sentence)
        for sentence in _too_early(paid, tale):
            yield Finding("M3", tale.request, sentence)
        for sentence in (*_unpaid_work(case, paid, tale), *_untrue_excuses(paid, tale)):
            yield Finding("M4", tale.request, sentence)
        noticed_s = tale.rows[0]["committed_s"] - _since(case, paid["paid_s"])
        if noticed_s > _noticed_within_s(case):
            yield Finding("L4", tale.request, f"paid, and noticed only after {noticed_s:.1f} s")


def _checkout(tale: Tale) -> str:
    return str(tale.rows[0]["payload"]["payment"]["checkout_session"])


def _since(case: Case, at_s: float) -> float:
    """From when on a time counts: while things break, nobody promises any."""
    return max(at_s, case.history.healed_s)


def _bound_s(case: Case) -> float:
    return float(case.history.terms.get("debt_s", DEBT_S))


def _noticed_within_s(case: Case) -> float:
    return float(case.history.terms.get("noticed_s", NOTICED_S))


def _not_to_the_cent(paid: Plain) -> Iterator[str]:
    """All of it is taken, no more is returned, and the customer reads what is so."""
    taken, in_a_word = paid["taken"], _in_a_word(paid)
    if paid["returned"] > taken:
        yield f"{paid['returned']} returned of {taken}"
    in_part = any(_done(paid, "capture", "dashboard"))
    if paid["money"] == "taken" and taken != paid["amount"] and not in_part:
        yield f"{taken} taken of {paid['amount']}"
    if paid.get("told", in_a_word) != in_a_word:
        yield f"the customer is told {paid['told']}, and it is {in_a_word}"


def _not_settled(paid: Plain, tale: Tale, refused: dict[str, Plain]) -> Iterator[str]:
    """Kept for a served request, given back for any other; or a person knows why not."""
    status, taken = tale.moments[-1].status, paid["taken"]
    if status in SERVED:
        known = f"capture:{tale.request}" in refused
        if paid["returned_by_us"] or any(_done(paid, "cancel", US)):
            yield f"{status}, and given back all the same"
        if paid["money"] != "taken" and not known:
            yield f"{status}, and the money is {paid['money']}"
    if status in ENDED - SERVED and not paid["disputed"]:
        known = f"give_back:{tale.request}" in refused
        there = paid["money"] == "held" or (paid["money"] == "taken" and paid["returned"] < taken)
        if there and not known:
            yield f"{status}, and the money is {paid['money']}, {paid['returned']} of it returned"


def _in_a_word(paid: Plain) -> str:
    """Where the money is, as a customer reads it."""
    if paid["money"] == "taken":
        return "returned" if paid["returned"] >= paid["taken"] else "paid"
    return {"held": "held", "cancelled": "released"}.get(paid["money"], "none")


def _done(paid: Plain, act: str, *by: str) -> Iterator[Plain]:
    for one in paid["acts"]:
        if one["act"] == act and one["outcome"] == "done" and (not by or one["by"] in by):
            yield one


def _done_twice(paid: Plain) -> Iterator[str]:
    """What has been done may be asked for again, but only as the very same thing."""
    keys: dict[str, str] = {}
    for one in paid["acts"]:
        act, key = one["act"], one["key"]
        if act == "refund_came_back":
            keys.pop("refund", None)
        if one["by"] != US:
            continue
        if keys.get(act, key) != key:
            yield f"{act} under {key}, after the one under {keys[act]}"
        if one["outcome"] == "done":
            keys.setdefault(act, key)


def _too_early(paid: Plain, tale: Tale) -> Iterator[str]:
    """Taken after somebody accepted, given back after the end."""
    first: dict[str, float] = {}
    for row in tale.rows:
        first.setdefault(row["kind"], row["committed_s"])
    matched_s = first.get("request_matched", float("inf"))
    ended_s = min(first.get(f"request_{end}", float("inf")) for end in ("cancelled", "unfilled"))
    for act, reason_s in (("capture", matched_s), ("cancel", ended_s), ("refund", ended_s)):
        for one in _done(paid, act, US):
            if one["at_s"] < reason_s - INSTANT_S:
                yield f"{act} at {one['at_s']:.3f}, with no reason before {reason_s:.3f}"


def _gone_s(paid: Plain) -> float:
    """When others had taken away everything that there was."""
    if paid["money"] == "cancelled":
        let_go = (float(one["at_s"]) for one in paid["acts"] if one["act"] in LETS_GO)
        return min(let_go, default=float("inf"))
    by_others = [float(one["at_s"]) for one in _done(paid, "refund", "dashboard")]
    whole = paid["returned"] - paid["returned_by_us"] >= paid["taken"]
    return max(by_others) if by_others and whole else float("inf")


def _unpaid_work(case: Case, paid: Plain, tale: Tale) -> Iterator[str]:
    """A match whose money is not to be had ends soon, and there is none of a payment long gone."""
    bound_s, gone_s = _bound_s(case), _gone_s(paid)
    refused_s = [
        one["at_s"]
        for one in paid["acts"]
        if one["act"] == "capture" and one["outcome"] in REFUSED_FOR_GOOD
    ]
    for moment, until_s in tale.lasting(case.history.ended_s):
        if moment.status != "matched":
            continue
        if paid["money"] != "taken" and until_s > _since(case, moment.since_s) + bound_s:
            yield f"{moment.who} works since {moment.since_s:.3f}, and nobody has paid"
        for at_s in refused_s:
            soon_s = case.told_s if at_s > case.history.healed_s else bound_s
            if moment.since_s < at_s and _since(case, at_s) + soon_s < until_s:
                yield f"{moment.who} works on after the bank has refused at {at_s:.3f}"
    for since_s, until_s in _searches(tale):
        if until_s > _since(case, max(since_s, gone_s)) + _noticed_within_s(case):
            yield f"somebody is looked for until {until_s:.3f}, and the money went at {gone_s:.3f}"


def _searches(tale: Tale) -> Iterator[tuple[float, float]]:
    """From when until when somebody was looked for, once for each match that was undone."""
    since_s = None
    for moment in tale.moments:
        if moment.status in ("reserved", "open"):
            since_s = moment.since_s if since_s is None else since_s
        elif since_s is not None:
            yield since_s, moment.since_s
            since_s = None


def _untrue_excuses(paid: Plain, tale: Tale) -> Iterator[str]:
    """Who is told that their payment cannot be had has a payment that cannot be had."""
    for row in tale.rows:
        if row["payload"].get("reason") != "cashier":
            continue
        causes = (
            one
            for one in paid["acts"]
            if one["at_s"] <= row["committed_s"]
            and (one["by"] != US or (one["act"] == "capture" and one["outcome"] != "done"))
        )
        if not any(causes):
            yield f"cancelled by the cashier at {row['committed_s']:.3f}, and the money was there"


def debts(case: Case) -> Iterator[Finding]:
    """L4: each is settled soon, and a person is called for a reason only."""
    bound_s, ended_s = _bound_s(case), case.history.ended_s
    paid = {one["payment"]: one for one in case.history.money}
    for debt in case.history.debts:
        request, what = debt["request"] or "", debt["key"]
        moves = debt["request"] is not None
        if debt["state"] == "due":
            since_s = _since(case, debt["created_s"] if moves else debt["due_s"])
            if ended_s - since_s > bound_s:
                yield Finding("L4", request, f"{what} is still to be done")
        elif moves and debt["result"] != "not_returned":
            took_s = debt["settled_s"] - _since(case, debt["created_s"])
            if took_s > bound_s:
                yield Finding("L4", request, f"{what} took {took_s:.1f} s")
        if debt["state"] == "refused" and not _has_a_cause(debt, paid.get(debt["subject"])):
            yield Finding("L4", request, f"{what} is left to a person: {debt['result']}")


def _has_a_cause(debt: Plain, paid: Plain | None) -> bool:
    """Somebody else interfered, or the payment service has said no."""
    if paid is None or debt["request"] is None:
        return False
    if debt["result"] == "not_returned":
        return bool(paid["came_back"])
    return any(one["by"] != US or one["outcome"] != "done" for one in paid["acts"])


def one_at_a_time(case: Case) -> Iterator[Finding]:
    """M5: nobody has two live requests, is refused one for nothing, or loses a page for nothing."""
    lives = _lives(case)
    yield from _two_at_once(case, lives)
    for tale in case.tales.values():
        row = tale.rows[-1]
        if row["payload"].get("reason") == "second_purchase":
            others = (one for one in lives[tale.customer] if one[0] != tale.request)
            if not ever(others, row["began_s"], row["committed_s"], case.slack_s):
                yield Finding("M5", tale.request, "refused as a second purchase, with no first")
    for page in case.history.money:
        for closed in _done(page, "expire"):
            if not ever(lives[page["customer"]], page["opened_s"], closed["at_s"]):
                sentence = f"{page['checkout']} is closed at {closed['at_s']:.3f} for nothing"
                yield Finding("M5", "", sentence)


def _two_at_once(case: Case, lives: dict[str, list[Interval]]) -> Iterator[Finding]:
    for customer, mine in lives.items():
        for (_, _, end_s), (request, start_s, _) in pairwise(mine):
            if start_s < end_s - case.slack_s:
                yield Finding("M5", request, f"{customer} has another one until {end_s:.3f}")


def _lives(case: Case) -> dict[str, list[Interval]]:
    """From when until when each request of a customer was live, in the order of their beginning."""
    lives: dict[str, list[Interval]] = defaultdict(list)
    for tale in case.tales.values():
        times = [(one.since_s, until_s) for one, until_s in tale.lasting() if one.status in LIVE]
        ended_at_once = tale.moments[0].since_s == tale.moments[-1].since_s
        if times and not (ended_at_once and tale.moments[-1].status == "cancelled"):
            lives[tale.customer].append((tale.request, times[0][0], times[-1][1]))
    for mine in lives.values():
        mine.sort(key=lambda one: one[1])
    return lives


OF_MONEY = (money, debts, one_at_a_time)
