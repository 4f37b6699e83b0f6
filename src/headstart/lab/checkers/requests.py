"""What must hold of each request, by its log alone."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from headstart.lab.checkers.history import Finding, Plain
from headstart.lab.checkers.tale import INSTANT_S, STEPS, Case, Moment, Tale, throughout

EXTENSIONS_MAX = 2
ENDED = {"completed", "unfilled", "cancelled"}
PRIORITY = {
    *("favorite_skipped", "request_reserved", "window_shortened", "window_extended"),
    "reservation_ended",
}


def one_step_at_a_time(case: Case, tale: Tale) -> Iterator[Finding]:
    """I1, I6, I8: every row is written in a state that allows it, by who it is about."""
    for before, row, _ in tale.steps():
        kind, told = row["kind"], row["payload"]
        who = told.get("mechanic")
        held = before.status in ("reserved", "matched") and "mechanic" in told
        if before.status not in STEPS[kind][0]:
            invariant = "I1" if before.status == kind.removeprefix("request_") else "I8"
            invariant = "I10" if (kind, before.status) == ("request_opened", "open") else invariant
            yield Finding(invariant, tale.request, f"{kind} while {before.status}")
        elif held and who != before.who:
            yield Finding("I6", tale.request, f"{kind} by {who}, held by {before.who}")
        if kind == "request_matched" and not _is_allowed_to_match(before, row):
            yield Finding("I6", tale.request, f"{who} wins by the word of {row['actor']}")
        if kind == "request_matched" and who in before.excluded:
            yield Finding("I12", tale.request, f"{who} wins after having declined or left")
        if kind == "request_reserved" and who in before.silent | before.excluded:
            yield Finding("I12", tale.request, f"{who} is asked a second time")


def _is_allowed_to_match(before: Moment, row: Plain) -> bool:
    """Mechanics accept for themselves; only an operator's choice ends another's turn by a match."""
    told = row["payload"]
    if told.get("assigned"):
        return bool(row["actor"].startswith("operator"))
    return bool(row["actor"] == f"mechanic:{told['mechanic']}" and before.status != "between")


def one_order(case: Case, tale: Tale) -> Iterator[Finding]:
    """I8: versions without gaps, rising in both orders of the log, and time that only rises."""
    for number, row in enumerate(tale.rows, 1):
        if row["version"] != number:
            yield Finding("I8", tale.request, f"version {row['version']} is row {number}")
        if row["at_s"] > row["committed_s"] + INSTANT_S:
            yield Finding("I8", tale.request, f"version {number} was decided after it committed")
    for one, after in pairwise(tale.rows):
        if one["cursor"] >= after["cursor"]:
            yield Finding("I8", tale.request, f"version {after['version']} is read too early")
        judged_s = one["at_s"] if one["at_s"] == after["at_s"] else one["committed_s"]
        if after["at_s"] < judged_s - INSTANT_S:
            sentence = f"version {after['version']} was decided by a clock older than its state"
            yield Finding("I8", tale.request, sentence)


def promised_windows(case: Case, tale: Tale) -> Iterator[Finding]:
    """I4, L1: windows and limits are as long as the terms say, neither more nor less."""
    terms = case.history.terms
    shortest_s = terms["offline_window_s"] if terms["offline"] == "shorten" else terms["window_s"]
    for before, row, after in tale.steps():
        at_s, told = row["at_s"], row["payload"]
        if row["kind"] == "request_reserved":
            promised_s = shortest_s if told["shortened"] else terms["window_s"]
            if abs(told["until_s"] - at_s - promised_s) > INSTANT_S:
                yield Finding("I4", tale.request, f"a window of {told['until_s'] - at_s} s")
        if row["kind"] == "window_shortened" and told["until_s"] < min(
            before.due_s or 0.0, at_s + shortest_s - INSTANT_S
        ):
            yield Finding("I4", tale.request, "a window is cut by too much")
        if row["kind"] == "window_extended":
            yield from _extension(case, tale, before, row)
        if row["kind"] == "request_opened":
            limit_s = tale.rows[0]["at_s"] + terms["overall_limit_s"]
            limit_s = max(limit_s, at_s + terms["broadcast_minimum_s"])
            if abs(told["until_s"] - limit_s) > INSTANT_S:
                yield Finding("L1", tale.request, f"everybody is asked until {after.due_s}")


def _extension(case: Case, tale: Tale, before: Moment, row: Plain) -> Iterator[Finding]:
    """So much, so often, before the deadline, and not into everybody's time."""
    due_s, until_s = before.due_s or 0.0, row["payload"]["until_s"]
    if abs(until_s - due_s - case.history.terms["extension_s"]) > INSTANT_S:
        yield Finding("I4", tale.request, f"a window is lengthened by {until_s - due_s} s")
    if row["at_s"] >= due_s:
        yield Finding("I4", tale.request, "a window is lengthened that was over")
    if before.extensions >= EXTENSIONS_MAX or until_s > case.windows_end_s(tale) + INSTANT_S:
        yield Finding("I4", tale.request, "a window is lengthened too often, or for too long")


def true_reasons(case: Case, tale: Tale) -> Iterator[Finding]:
    """I4, I10: a turn ends for the reason that is given, and the fallback keeps that reason."""
    last = None
    for before, row, _ in tale.steps():
        told = row["payload"]
        if row["kind"] in ("reservation_ended", "favorite_skipped"):
            last = told["reason"]
            if not _is_true(case, tale, before, row):
                yield Finding("I4", tale.request, f"{row['kind']}: {last} is not true")
        if row["kind"] == "request_opened" and told["fallback"] != last:
            yield Finding("I10", tale.request, f"{told['fallback']} instead of {last}")
        if row["kind"] in ("request_opened", "request_reserved", "request_matched"):
            last = None
    fallbacks = [row for row in tale.rows if row["payload"].get("fallback")]
    if len(fallbacks) > 1:
        yield Finding("I10", tale.request, f"{len(fallbacks)} fallbacks")


def _is_true(case: Case, tale: Tale, before: Moment, row: Plain) -> bool:
    """Whether the reason held in the instant of the decision, and who acted may give it."""
    told, at_s = row["payload"], row["at_s"]
    who = told["mechanic"]
    due = before.due_s is not None and at_s >= before.due_s
    skips = case.history.terms["offline"] == "skip"
    away = case.is_online(who, at_s) is not True
    holds: dict[str, Callable[[], bool]] = {
        "no_response": lambda: (
            due and not (before.shortened and case.is_online(who, at_s) is False)
        ),
        "mechanic_offline": lambda: away and (skips or (before.shortened and due)),
        "mechanic_unavailable": lambda: case.suspended(who, at_s, at_s),
        "mechanic_busy": lambda: case.busy(who, tale.request, at_s, at_s),
        "not_a_favorite": lambda: (tale.customer, who) not in case.history.favorites,
        "declined": lambda: bool(row["actor"] == f"mechanic:{who}"),
        "customer_skipped": lambda: bool(row["actor"] == f"customer:{tale.customer}"),
        "operator": lambda: bool(row["actor"].startswith("operator")),
    }
    return told["reason"] in holds and holds[told["reason"]]()


def fit_people(case: Case, tale: Tale) -> Iterator[Finding]:
    """I7: judged when the statement that decided it looked at the world."""
    for _, row, _ in tale.steps():
        who, stated_s = row["payload"].get("mechanic"), row["stated_s"]
        if row["kind"] == "request_reserved" and case.is_fit(who, row["at_s"]) is False:
            yield Finding("I7", tale.request, f"{who} is asked, suspended or busy")
        if row["kind"] == "request_matched" and throughout(
            case.suspensions[who], stated_s, case.slack_s
        ):
            yield Finding("I7", tale.request, f"{who} wins while suspended")
        if row["kind"] == "request_matched" and throughout(
            [job for job in case.jobs[who] if job[0] != tale.request],
            row["committed_s"],
            case.slack_s,
        ):
            yield Finding("I7", tale.request, f"{who} wins a second job")
        if row["kind"] == "request_opened":
            fit = {one: case.is_fit(one, stated_s) for one in case.history.terms["mechanics"]}
            wrong = [one for one, is_fit in fit.items() if is_fit is (one not in row["eligible"])]
            if wrong:
                yield Finding("I7", tale.request, f"who is eligible is wrong about {wrong}")


def the_flag(case: Case, tale: Tale) -> Iterator[Finding]:
    """I11: the answer was the flag's at the time, and without it there is nothing of priority."""
    row = tale.rows[0]
    enabled = row["payload"]["policy"]["priority_enabled"]
    if enabled not in set(_answers(case, row["began_s"], row["at_s"])):
        yield Finding("I11", tale.request, f"the flag was never {enabled} when it was asked")
    of_priority = [one["kind"] for one in tale.rows if one["kind"] in PRIORITY]
    if tale.moments[-1].fallback or row["payload"]["routing_type"] == "priority_broadcast":
        of_priority.append("a fallback, or priority routing")
    if of_priority and not enabled:
        yield Finding("I11", tale.request, f"without the flag: {of_priority}")


def _answers(case: Case, from_s: float, to_s: float) -> Iterator[bool]:
    for (since_s, enabled), (until_s, _) in pairwise([*case.history.flags, (float("inf"), False)]):
        if since_s <= to_s and until_s >= from_s:
            yield enabled


def prompt_deadlines(case: Case, tale: Tale) -> Iterator[Finding]:
    """L2: after the healing nobody waits for a deadline, or for a favourite who cannot come."""
    healed_s, offline = case.history.healed_s, case.history.terms["offline"]
    for moment, until_s in tale.lasting(case.history.ended_s):
        if moment.due_s is not None and until_s > max(moment.due_s, healed_s) + case.soon_s:
            yield Finding("L2", tale.request, f"due at {moment.due_s}, acted on at {until_s}")
        if moment.status == "reserved":
            who, since_s = str(moment.who), max(moment.since_s, healed_s)
            unfit = [*case.suspensions[who], *case.jobs[who]]
            if offline == "skip" or (offline == "shorten" and not moment.shortened):
                unfit += _gaps(case, who)
            for _, from_s, to_s in unfit:
                if min(to_s, until_s) - max(from_s, since_s) > case.soon_s:
                    yield Finding("L2", tale.request, f"{who} holds it without being able to come")


def _gaps(case: Case, who: str) -> Iterator[tuple[str, float, float]]:
    """When this mechanic was offline."""
    known = [(who, 0.0, 0.0), *case.presence[who], (who, float("inf"), 0.0)]
    for (_, _, left_s), (_, came_s, _) in pairwise(known):
        yield who, left_s, came_s


def the_row(case: Case, final: Plain) -> Iterator[Finding]:
    """I9, L1: the row equals both folds, and nothing is left waiting."""
    request = final["request"]
    last = case.tales[request].moments[-1]
    for column in ("version", "status", "who", "due_s", "fallback", "silent", "excluded"):
        folded, stored = getattr(last, column), final[column]
        if column == "who" and last.status not in ("reserved", "matched", "completed"):
            continue
        if folded != stored:
            yield Finding("I9", request, f"{column} is {stored}, the log says {folded}")
    if not final["replays"]:
        yield Finding("I9", request, "the service's own fold of the log is not the row")
    if last.due_s is None and last.status not in {*ENDED, "matched"}:
        yield Finding("L1", request, f"{last.status} without a deadline at the end")


OF_EACH_REQUEST = (
    one_step_at_a_time,
    one_order,
    promised_windows,
    true_reasons,
    fit_people,
    the_flag,
    prompt_deadlines,
)
