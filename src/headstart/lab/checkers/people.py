"""What must hold of everybody's answers, payments and news."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from headstart.lab.checkers.history import Finding, Plain
from headstart.lab.checkers.requests import ENDED, EXTENSIONS_MAX
from headstart.lab.checkers.tale import INSTANT_S, Case, Moment, Tale, ever

NOT_TAKEN = "not_taken"  # nobody who decides anything has heard of it

# What must have been so at some time between the call and the answer.
AN_OK_MEANS: Mapping[str, Callable[[Moment, str], bool]] = {
    "AcceptOffer": lambda m, who: m.status == "matched" and m.who == who,
    "DeclineOffer": lambda m, who: who in m.excluded or not m.concerns(who),
    "ReleaseMatch": lambda m, who: who in m.excluded,
    "JoinSession": lambda m, who: m.who == who and m.status != "reserved" and m.due_s is None,
    "CompleteSession": lambda m, who: m.status == "completed",
    "AskEveryone": lambda m, who: m.status == "open",
    "ExtendWindow": lambda m, who: False,  # each one has an effect, or is refused
    "AssignMechanic": lambda m, who: m.status == "matched" and m.who == who,
    "CancelRequest": lambda m, who: m.status == "cancelled",
}
A_REFUSAL_MEANS: Mapping[str, Callable[[Moment, str], bool]] = {
    "reserved": lambda m, who: m.status == "reserved" and m.who != who,
    "already_matched": lambda m, who: m.status == "matched" and m.who != who,
    "gone": lambda m, who: m.status in ENDED,
    "already_declined": lambda m, who: who in m.excluded,
    "not_yours": lambda m, who: not m.is_the_job_of(who),
    "not_matched": lambda m, who: m.status in ("reserved", "open"),
    NOT_TAKEN: lambda m, who: True,
}


def true_answers(case: Case) -> Iterator[Finding]:
    """I2, I5, I6: each answer was true at some time between the call and the answer."""
    for asked in case.history.operations:
        if asked["outcome"] == "unknown":
            continue
        request, who = asked["request"], asked["about"]
        tale = case.tales.get(request, Tale(request, []))
        moments = tale.during(asked["called_s"], asked["answered_s"])
        said = f"{asked['operation']} by {who} at {asked['answered_s']:.3f}: {asked['outcome']}"
        said = f"{said} {asked['detail']}"
        has_effect = (request, asked["key"]) in case.effects
        if asked["outcome"] == "ok":
            means = AN_OK_MEANS[asked["operation"]]
            if not has_effect and not any(means(one, who) for one in moments):
                yield Finding("I2", request, f"{said}, without effect")
        elif has_effect:
            yield Finding("I2", request, f"{said}, and it has an effect")
        elif not _is_true_refusal(case, asked, moments):
            yield Finding("I6", request, f"{said}, which is not true")
        in_the_know = has_effect or asked["detail"] in ("unknown_request", NOT_TAKEN)
        if not in_the_know and _is_secret(case, asked, moments):
            yield Finding("I5", request, f"{said}, about a request they may not know of")


def _is_true_refusal(case: Case, asked: Plain, moments: list[Moment]) -> bool:
    who, from_s, to_s = asked["about"], asked["called_s"], asked["answered_s"]
    match asked["detail"]:
        case "mechanic_not_approved":
            return case.suspended(who, from_s, to_s)
        case "mechanic_busy":
            return case.busy(who, asked["request"], from_s, to_s)
        case "unknown_request":
            if asked["role"] != "mechanic":
                return any(one.status == "none" for one in moments)
            hidden = any(not one.is_visible_to(who) for one in moments)
            return hidden or case.suspended(who, from_s, to_s)
        case "not_reserved":
            over_s = to_s + case.slack_s
            return any(m.status == "open" or _is_over(m, over_s) for m in moments)
        case "window_at_limit":
            end_s = case.windows_end_s(case.tales[asked["request"]]) + INSTANT_S
            longer_s = case.history.terms["extension_s"]
            return any(_is_at_limit(m, end_s - longer_s) for m in moments)
        case detail:
            return any(A_REFUSAL_MEANS[detail](one, who) for one in moments)


def _is_over(moment: Moment, at_s: float) -> bool:
    """A window whose end has come, whether or not anybody has acted on it."""
    return moment.status == "reserved" and moment.due_s is not None and moment.due_s <= at_s


def _is_at_limit(moment: Moment, last_s: float) -> bool:
    """A window that runs, and cannot be longer: ``last_s`` is the latest end that still can."""
    due_s = moment.due_s or 0.0
    used_up = moment.extensions >= EXTENSIONS_MAX
    return moment.status == "reserved" and (used_up or due_s > last_s - 2 * INSTANT_S)


def _is_secret(case: Case, asked: Plain, moments: list[Moment]) -> bool:
    """Who was never asked may not know of it; who is suspended knows of their own job only."""
    who, from_s, to_s = asked["who"], asked["called_s"], asked["answered_s"]
    if asked["role"] != "mechanic" or any(one.is_the_job_of(who) for one in moments):
        return False
    suspended = any(
        start < from_s - INSTANT_S and to_s + INSTANT_S < end
        for _, start, end in case.suspensions[who]
    )
    return suspended or not any(one.is_visible_to(who) for one in moments)


def payments(case: Case) -> Iterator[Finding]:
    """I3, L1: one request for each payment, and none for anything else."""
    made = Counter(
        tale.rows[0]["payload"]["payment"]["checkout_session"] for tale in case.tales.values()
    )
    for payment in case.history.payments:
        checkout = payment["checkout"]
        requests = made.pop(checkout, 0)
        given_up = payment.get("given_up", False)  # then it is for us to find out
        if requests > 1 or (requests == 0 and (payment["acknowledged"] or given_up)):
            yield Finding("I3", "", f"{checkout} was paid and has {requests} requests")
        if not (payment["acknowledged"] or given_up):
            yield Finding("L1", "", f"{checkout} was paid and never acknowledged")
    for checkout in made:
        yield Finding("I3", "", f"nobody paid for {checkout}")


# --- what people are told --------------------------------------------------------------------

NAMES = {
    "request_reserved": "priority_session_request",
    "window_shortened": "priority_window_shortened",
    "window_extended": "priority_window_extended",
    "reservation_ended": "priority_window_ended",
    "request_opened": "new_request",
    "request_matched": "request_accepted",
    "mechanic_joined": "mechanic_joined",
    "match_released": "request_released",
    "session_completed": "session_completed",
    "request_cancelled": "request_cancelled",
    "request_unfilled": "request_unfilled",
}
FOR_CUSTOMERS = NAMES | {"request_reserved": "request_reserved"}
FOR_ONE = {
    *("window_shortened", "window_extended", "reservation_ended", "match_released"),
    "session_completed",
}
EVERYBODY = None


def news(case: Case) -> Iterator[Finding]:
    """I5, L3: what each stream brought, beside what it should have brought."""
    meant = sorted(_meant(case), key=lambda one: one[0]["cursor"])
    for_customers: dict[str, list[tuple[Plain, str]]] = defaultdict(list)
    for row, _, _ in meant:
        if row["kind"] in FOR_CUSTOMERS:
            for_customers[row["customer"]].append((row, FOR_CUSTOMERS[row["kind"]]))
    for stream in case.history.streams:
        who = stream["who"]
        if stream["role"] == "customer":
            yield from _one_stream(case, stream, for_customers[who])
            continue
        told = [
            (row, NAMES[row["kind"]])
            for row, recipients, _ in meant
            if row["kind"] in NAMES and (recipients is EVERYBODY or who in recipients)
        ]
        yield from _one_stream(case, stream, told)
        yield from _secrets(case, stream)


def _meant(case: Case) -> Iterator[tuple[Plain, set[str] | None, Moment]]:
    """Every row with the mechanics it is meant for."""
    for tale in case.tales.values():
        for before, row, after in tale.steps():
            yield row, _mechanics(before, row, after), after


def _mechanics(before: Moment, row: Plain, after: Moment) -> set[str] | None:
    kind, told = row["kind"], row["payload"]
    if kind == "request_opened":
        return set(row["eligible"]) - after.silent - after.excluded
    if kind == "request_reserved" or kind in FOR_ONE:
        return {told["mechanic"]}
    if kind == "request_cancelled" and before.status in ("new", "between"):
        return set()  # nobody was ever asked, or the one who had won it is told of the release
    if kind in ("request_matched", "request_cancelled", "request_unfilled"):
        if before.status == "between":
            return {told["mechanic"]}  # assigned, and nobody else has ever heard of it
        return {str(before.who)} if before.status == "reserved" else EVERYBODY
    return set()


def _one_stream(case: Case, stream: Plain, meant: list[tuple[Plain, str]]) -> Iterator[Finding]:
    who, frames = stream["who"], stream["frames"]
    places = [frame["cursor"] for frame in frames]
    if any(one >= after for one, after in pairwise(places)):
        yield Finding("L3", "", f"{who} is told something twice, or out of order")
    arrived = {frame["cursor"]: frame for frame in frames}
    for row, name in meant:
        frame = arrived.pop(row["cursor"], None)
        if frame is not None:
            wrong = _what_is_wrong(case, who, row, name, frame)
        else:
            awaited = stream["from"] < row["cursor"] <= stream.get("until", row["cursor"])
            due = awaited and not _is_excused(case, stream, row, places)
            wrong = "and never is" if due else ""
        if wrong:
            yield Finding("L3", row["request"], f"{who} should be told {name}, {wrong}")
    for frame in arrived.values():
        yield Finding("L3", frame["request"], f"{who} is told {frame['event']}: not meant for them")


def _what_is_wrong(case: Case, who: str, row: Plain, name: str, frame: Plain) -> str:
    if (frame["event"], frame["version"]) != (name, row["version"]):
        return f"and is told {frame['event']}"
    if frame["at_s"] < row["committed_s"]:
        return "and is before it is committed"
    return "and is too late" if _is_late(case, who, row, frame) else ""


def _is_late(case: Case, who: str, row: Plain, frame: Plain) -> bool:
    """Once nothing breaks any more; who was suspended hears of it when that is over."""
    since_s = max(row["committed_s"], case.history.healed_s + case.soon_s)
    suspended = ever(case.suspensions[who], row["committed_s"], frame["at_s"], case.slack_s)
    return frame["at_s"] > since_s + case.told_s and not suspended


def _is_excused(case: Case, stream: Plain, row: Plain, places: list[tuple[int, int]]) -> bool:
    """Not read yet, or suspended between the commit and the next thing they were told."""
    index = bisect_right(places, row["cursor"])
    ended_s = case.history.ended_s
    told_s = stream["frames"][index]["at_s"] if index < len(places) else ended_s
    suspended = ever(case.suspensions[stream["who"]], row["committed_s"], told_s, case.slack_s)
    return suspended or row["committed_s"] > ended_s - case.told_s


def _secrets(case: Case, stream: Plain) -> Iterator[Finding]:
    for frame in stream["frames"]:
        tale = case.tales.get(frame["request"])
        moments = tale.moments[: frame["version"]] if tale else []
        if not (moments and moments[-1].is_visible_to(stream["who"])):
            sentence = f"{stream['who']} is told {frame['event']} of a request they may not know of"
            yield Finding("I5", frame["request"], sentence)


OF_EVERYBODY = (true_answers, payments, news)
