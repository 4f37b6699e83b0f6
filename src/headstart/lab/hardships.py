"""What the plan's success criteria ask for beyond its five scenarios: errors, crashes, silence."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from headstart.lab.cast import Cast
from headstart.lab.checks import Findings, Scenario
from headstart.lab.stage import OVERALL_LIMIT_MINUTES, Stage
from headstart.lab.steps import (
    ASKED,
    FELL_BACK,
    TOLERANCE,
    broadcast_reaches,
    everyone_else_is_told,
    fallback_fires,
    first_available_accepts,
    kinds,
    metadata_is_exactly,
    only_the_favorite_is_asked,
    timer_runs,
)

OVERALL_LIMIT = timedelta(minutes=OVERALL_LIMIT_MINUTES)
OPENED_AT_ONCE = FELL_BACK - {"priority_notified_at", "priority_window_minutes"}
NOBODY = UUID("00000000-0000-4000-8000-00000000dead")
ERRORS_COUNTED = re.compile(r"^headstart_priority_errors_total (\S+)$", re.MULTILINE)


def nobody_accepts(stage: Stage, holds: Findings) -> None:
    """Scenario 6."""
    cast = Cast(stage)
    request_id = stage.book(cast.customer, cast.favorite)
    holds.show("Nobody accepts", request_id)
    due_at = timer_runs(stage, request_id, "S1", holds)
    fallback_fires(due_at, cast, request_id, "S1", holds)
    row = stage.request(request_id)
    ends_at = row["created_at"] + OVERALL_LIMIT
    holds("S1", "the broadcast has a deadline too", row["due_at"] == ends_at, row["due_at"])
    stage.advance_to(ends_at)
    holds.told("S2", cast.ears_of(cast.customer), "request_unfilled", request_id)
    for mechanic in cast.mechanics:
        holds.told("S2", cast.ears_of(mechanic), "request_unfilled", request_id)
    row = stage.request(request_id)
    holds("S2", "status = 'unfilled'", row["status"] == "unfilled", row["status"])
    view = cast.customer.see(request_id).json()
    holds("S2", "the customer sees it", view["status"] == "unfilled", view)
    endless = stage.rows(
        "select id from session_requests where stage is not null and due_at is null"
    )
    holds("S3", "of all requests made so far, none waits without a deadline", not endless, endless)


def server_is_killed(stage: Stage, holds: Findings) -> None:
    """Scenario 7."""
    cast = Cast(stage)
    request_id = stage.book(cast.customer, cast.favorite)
    holds.show("The server is killed within the window", request_id)
    only_the_favorite_is_asked(cast, request_id, holds, told="S1", silence="S1")
    due_at = timer_runs(stage, request_id, "S1", holds)
    stage.advance(5)
    stage.server.kill()
    try:
        stage.advance_to(due_at)
        waits = kinds(stage, request_id)[-1] == "request_reserved"
        holds("S1", "nobody acts while no process runs", waits, kinds(stage, request_id))
    finally:
        stage.server.start()
    back_at = stage.now()
    fallback_fires(due_at, cast, request_id, "S2", holds)
    opened_at = stage.request(request_id)["fallback_broadcast_at"]
    in_time = due_at <= opened_at <= back_at + TOLERANCE
    holds("S2", "it does so as soon as it is back", in_time, opened_at)
    everyone_else_is_told(cast, request_id, "S3", holds)
    for person in (*cast.others, cast.customer):
        events = [frame.event for frame in cast.ears_of(person).about(request_id, "new_request")]
        once = len(events) == 1
        holds("S3", f"{person.name}, who had to reconnect, is told exactly once", once, events)
    metadata_is_exactly(stage, request_id, FELL_BACK, "S4", holds)
    first_available_accepts(cast, request_id, holds, accepts="S4", matched="S4")


def priority_path_fails(stage: Stage, holds: Findings) -> None:
    """Scenario 8."""
    cast = Cast(stage)
    counted = _errors_counted(stage)
    with _out_of_reach(stage, "favorites"):
        request_id = stage.book(cast.customer, cast.favorite)
    holds.show("The favourites cannot be read", request_id)
    _is_opened_at_once(cast, request_id, "error", "S1", holds)
    metadata_is_exactly(stage, request_id, OPENED_AT_ONCE - {_PREFERRED}, "S2", holds)
    counted_now = _errors_counted(stage)
    holds("S3", "the error is counted for operators", counted_now == counted + 1, counted_now)
    first_available_accepts(cast, request_id, holds, accepts="S1", matched="S1")
    _make_room(cast, request_id)

    with _out_of_reach(stage, "feature_flags"):
        unflagged = stage.book(cast.customer, cast.favorite)
    holds.show("The flag cannot be read", unflagged)
    broadcast_reaches(cast.favorite, cast, unflagged, {"reason": "standard"}, "S4", holds)
    metadata_is_exactly(stage, unflagged, frozenset(), "S4", holds)
    _make_room(cast, unflagged)

    healthy = stage.book(cast.customer, cast.favorite)
    holds.told("S5", cast.ears_of(cast.favorite), "priority_session_request", healthy)
    metadata_is_exactly(stage, healthy, ASKED, "S5", holds)


_PREFERRED = "preferred_mechanic_id"  # who that is could not be looked up


@contextmanager
def _out_of_reach(stage: Stage, table: str) -> Iterator[None]:
    """A real error, in the server's own statements, for as long as the block lasts."""
    stage.execute(f"alter table {table} rename to {table}_away")
    try:
        yield
    finally:
        stage.execute(f"alter table {table}_away rename to {table}")


def _errors_counted(stage: Stage) -> float:
    found = ERRORS_COUNTED.search(stage.metrics())
    return float(found[1]) if found else 0.0


def favorite_cannot_be_asked(stage: Stage, holds: Findings) -> None:
    """Scenario 9."""
    cast = Cast(stage)
    stranger = stage.book(cast.customer, cast.others[0])
    holds.show("The mechanic is not a favourite of this customer", stranger)
    _is_opened_at_once(cast, stranger, "not_a_favorite", "S1", holds)
    metadata_is_exactly(stage, stranger, OPENED_AT_ONCE, "S1", holds)
    _make_room(cast, stranger)

    ghost = stage.book(cast.customer, replace(cast.favorite, id=NOBODY))
    holds.show("There is no such mechanic", ghost)
    _is_opened_at_once(cast, ghost, "not_a_favorite", "S2", holds)
    metadata_is_exactly(stage, ghost, OPENED_AT_ONCE - {_PREFERRED}, "S2", holds)
    _make_room(cast, ghost)

    booking = stage.submit(cast.customer, cast.favorite)
    stage.execute(f"update mechanics set status = 'suspended' where id = '{cast.favorite.id}'")
    stage.pay(booking)
    suspended = stage.request_of(booking.intake_id)
    holds.show("The favourite was suspended before the payment", suspended)
    _is_opened_at_once(cast, suspended, "mechanic_unavailable", "S3", holds)
    metadata_is_exactly(stage, suspended, OPENED_AT_ONCE, "S3", holds)
    told = [frame.event for frame in cast.ears_of(cast.favorite).about(suspended)]
    holds("S3", "the suspended mechanic is told nothing", not told, told)


def _make_room(cast: Cast, request_id: UUID) -> None:
    """A customer has one live request at a time: the next one needs this one to be over."""
    answer = cast.operator.post(f"/session-requests/{request_id}/cancellation")
    answer.raise_for_status()


def _is_opened_at_once(
    cast: Cast, request_id: UUID, reason: str, promise: str, holds: Findings
) -> None:
    """Everybody is asked in the instant of the payment, with the reason, and nobody before."""
    expected: Mapping[str, object] = {"reason": "standard", "fallback_reason": reason}
    for other in cast.others:
        broadcast_reaches(other, cast, request_id, expected, promise, holds)
    row = cast.stage.request(request_id)
    stored = row["fallback_reason"]
    holds(promise, f"the stored reason is {reason}", stored == reason, stored)
    at_once = row["fallback_broadcast_at"] == row["created_at"]
    holds(promise, "in the instant it was created", at_once, row["fallback_broadcast_at"])


def existing_flows(stage: Stage, holds: Findings) -> None:
    """Scenario 10."""
    cast = Cast(stage)
    answer = cast.customer.post("/intakes", {"plan": "standard"})
    holds.require("S1", "an intake with a plan only is taken", answer.is_success, answer.text)
    old = {"plan": "quick", "use_credits": "false", "slot_id": "7", "vehicle_id": "9"}
    answer = cast.customer.post("/intakes", old)
    holds("S1", "parameters of other features do no harm", answer.is_success, answer.text)
    paid = stage.book(cast.customer)
    holds.show("A plain booking", paid)
    first_available_accepts(cast, paid, holds, accepts="S2", matched="S2")
    winner = cast.others[0]
    done = winner.post(f"/session-requests/{paid}/completion")
    completed = done.is_success and done.json()["status"] == "completed"
    holds("S2", "the winner completes it", completed, done.text)

    free = cast.customer.post("/intakes", {"plan": "free"}).json()
    request_id = UUID(free["session_id"])
    holds.show("A free plan", request_id)
    leads = free["checkout_url"].endswith(f"/requests/{request_id}")
    holds("S3", "a free plan needs no payment page", leads, free)
    for mechanic in cast.mechanics:
        broadcast_reaches(mechanic, cast, request_id, {"reason": "standard"}, "S3", holds)
    first_available_accepts(cast, request_id, holds, accepts="S3", matched="S3")
    _make_room(cast, request_id)

    withdrawn = stage.book(cast.customer)
    answer = cast.customer.post(f"/session-requests/{withdrawn}/cancellation")
    holds("S4", "a request can be withdrawn", answer.is_success, answer.text)
    for mechanic in cast.mechanics:
        holds.told("S4", cast.ears_of(mechanic), "request_cancelled", withdrawn)


HARDSHIPS = (
    Scenario(
        "6",
        "Nobody accepts",
        ("Customer books with favorite", "No mechanic answers, before or after the fallback"),
        {
            "S1": "Both stages have a deadline",
            "S2": "At the overall limit the request ends, and everybody concerned is told",
            "S3": "Nothing waits without a deadline",
        },
        nobody_accepts,
    ),
    Scenario(
        "7",
        "The server is killed within the window",
        (
            "Customer books with favorite",
            "`kill -9` after five minutes; the window ends while nothing runs; then a restart",
        ),
        {
            "S1": "The deadline is stored, not remembered",
            "S2": "After the restart the fallback broadcast fires",
            "S3": "Everybody is told exactly once, over the interruption",
            "S4": "The session is matched and the metadata is complete",
        },
        server_is_killed,
    ),
    Scenario(
        "8",
        "An error in the priority path",
        ("The favourites, then the flag, cannot be read while a paid booking arrives",),
        {
            "S1": "The paid booking is broadcast at once, with the reason `error`",
            "S2": "The metadata says so",
            "S3": "The error is loud",
            "S4": "A flag that cannot be read is off",
            "S5": "Afterwards favourites are asked first again",
        },
        priority_path_fails,
    ),
    Scenario(
        "9",
        "A favourite who cannot be asked",
        ("The mechanic named is a stranger, or does not exist, or has been suspended",),
        {
            "S1": "Not this customer's favourite: broadcast at once, with the reason",
            "S2": "No such mechanic: likewise, and the paid job is not lost",
            "S3": "Suspended: likewise",
        },
        favorite_cannot_be_asked,
    ),
    Scenario(
        "10",
        "Existing flows",
        ("Clients that know nothing of favourites",),
        {
            "S1": "Intakes without the new parameters are taken as before",
            "S2": "Booking, match and completion as before",
            "S3": "Free plans as before",
            "S4": "Cancellation as before",
        },
        existing_flows,
    ),
)
