"""The plan's five scenarios, in its words: every expectation and every verification has a check.

People do everything over HTTP; the plan's real ten minutes pass by the test clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.lab.cast import Cast
from headstart.lab.checks import Findings, Scenario
from headstart.lab.stage import WINDOW_MINUTES, Stage
from headstart.lab.steps import (
    ASKED,
    FELL_BACK,
    WINDOW,
    broadcast_reaches,
    everyone_else_is_told,
    fallback_came_in_time,
    fallback_fires,
    first_available_accepts,
    kinds,
    matched_with,
    metadata_has,
    metadata_is_exactly,
    nothing_happens_before,
    only_the_favorite_is_asked,
    payment_carries,
    timer_runs,
)
from headstart.lab.visitors import Person

STANDARD = {"reason": "standard"}


def favorite_accepts(stage: Stage, holds: Findings) -> None:
    """Scenario 1."""
    cast = Cast(stage)
    booking = stage.submit(cast.customer, cast.favorite)
    stage.pay(booking)
    request_id = stage.request_of(booking.intake_id)
    holds.show("The favourite accepts", request_id)
    payment_carries(stage, booking.checkout_session, cast.favorite, "H1", holds)
    only_the_favorite_is_asked(cast, request_id, holds, told="E2", silence="E1")

    accepted = cast.favorite.accept(request_id)
    holds.require("E3", "the acceptance is answered with 200", accepted.is_success, accepted.text)
    holds.told("E4", cast.ears_of(cast.customer), "request_accepted", request_id)
    row = stage.request(request_id)
    in_time = row["matched_at"] < row["priority_notified_at"] + WINDOW
    holds("E4", "matched within the window", in_time, row["matched_at"])
    holds("E5", "no deadline is left", row["due_at"] is None, row["due_at"])
    before = kinds(stage, request_id)
    stage.advance(2 * WINDOW_MINUTES)
    known = cast.others_know(request_id)
    holds("E5", "20 minutes later nothing more has happened", kinds(stage, request_id) == before)
    holds("E6", "nothing was broadcast", "request_opened" not in before, before)
    holds("E6", "20 minutes later still no other mechanic knows of it", not known, known)

    metadata_has(stage, request_id, "priority_notified_at", "V1", holds)
    metadata_has(stage, request_id, "fallback_broadcast_at", "V2", holds, present=False)
    metadata_is_exactly(stage, request_id, ASKED, "H2", holds)
    matched_with(stage, request_id, cast.favorite, holds, status="V3", mechanic="V4")
    _paying_twice_is_paying_once(stage, cast, booking.checkout_session, holds)


def _paying_twice_is_paying_once(
    stage: Stage, cast: Cast, checkout_session: str, holds: Findings
) -> None:
    """The same event again, long after the match."""
    requests = "select id, version, metadata from session_requests where customer_id = $1"
    before = stage.rows(requests, cast.customer.id)
    events = stage.stripe("/events?type=checkout.session.completed&limit=100")["data"]
    [event] = [one for one in events if one["data"]["object"]["id"] == checkout_session]
    status = stage.resend(event["id"])
    holds("H3", "the event sent again is answered with 200", status == 200, status)
    after = stage.rows(requests, cast.customer.id)
    holds("H3", "there is still one request, and it is unchanged", after == before, after)


def favorite_ignores(stage: Stage, holds: Findings) -> None:
    """Scenario 2."""
    cast = Cast(stage)
    request_id = stage.book(cast.customer, cast.favorite)
    holds.show("The favourite does not answer", request_id)
    asked = only_the_favorite_is_asked(cast, request_id, holds, told="E1", silence="E1")
    due_at = timer_runs(stage, request_id, "E2", holds)
    nothing_happens_before(due_at, cast, request_id, "E3", holds)
    fallback_fires(due_at, cast, request_id, "E3", holds)
    told = everyone_else_is_told(cast, request_id, "E4", holds)
    first = all(asked.arrived_s < frame.arrived_s for frame in told)
    holds("E1", "the favourite was told before everybody else", first)
    first_available_accepts(cast, request_id, holds, accepts="E5", matched="E6")

    metadata_has(stage, request_id, "priority_notified_at", "V1", holds)
    metadata_has(stage, request_id, "fallback_broadcast_at", "V2", holds)
    metadata_is_exactly(stage, request_id, FELL_BACK, "H1", holds)
    fallback_came_in_time(stage, request_id, "V2", holds)
    matched_with(stage, request_id, cast.others[0], holds, status="V3", mechanic="V4")


def favorite_is_offline(stage: Stage, holds: Findings) -> None:
    """Scenario 3."""
    cast = Cast(stage, favorite_online=False)
    cast.ears_of(cast.favorite).close()  # the app is shut
    status = cast.customer.get(f"/mechanics/{cast.favorite.id}/status").json()
    holds("E1", "the favourite is offline", status["is_online"] is False, status)
    request_id = stage.book(cast.customer, cast.favorite)
    holds.show("The favourite is offline", request_id)
    holds.told("E1", cast.ears_of(cast.customer), "request_reserved", request_id)
    cast.come_back(cast.favorite)
    only_the_favorite_is_asked(cast, request_id, holds, told="E1", silence="E1")
    due_at = timer_runs(stage, request_id, "E2", holds)
    nothing_happens_before(due_at, cast, request_id, "E3", holds)
    fallback_fires(due_at, cast, request_id, "E3", holds)
    everyone_else_is_told(cast, request_id, "E4", holds)
    first_available_accepts(cast, request_id, holds, accepts="E5", matched="E5")

    metadata_has(stage, request_id, "priority_notified_at", "V1", holds)
    metadata_has(stage, request_id, "fallback_broadcast_at", "V2", holds)
    metadata_is_exactly(stage, request_id, FELL_BACK, "H1", holds)
    fallback_came_in_time(stage, request_id, "V2", holds)
    matched_with(stage, request_id, cast.others[0], holds, status="V3", mechanic="V3")


def no_favorite(stage: Stage, holds: Findings) -> None:
    """Scenario 4."""
    cast = Cast(stage)
    booking = stage.submit(cast.customer)
    stage.pay(booking)
    request_id = stage.request_of(booking.intake_id)
    holds.show("No favourite was chosen", request_id)
    payment_carries(stage, booking.checkout_session, None, "H1", holds)
    _everybody_is_asked_at_once(cast, request_id, "E1", holds)
    _nobody_is_given_priority(cast, request_id, "E2", holds)

    before = kinds(stage, request_id)
    stage.advance(WINDOW_MINUTES)
    cast.catch_up()
    holds("E3", "10 minutes later nothing more has happened", kinds(stage, request_id) == before)
    row = stage.request(request_id)
    columns = ("reserved_for", "chain_step", "priority_notified_at", "priority_window_minutes")
    timed = {name: row[name] for name in columns if row[name] is not None}
    holds("E3", "no column of the priority stage is set", not timed, timed)
    first_available_accepts(cast, request_id, holds, accepts="E4", matched="E4")

    metadata_has(stage, request_id, "preferred_mechanic_id", "V1", holds, present=False)
    metadata_has(stage, request_id, "priority_notified_at", "V2", holds, present=False)
    metadata_is_exactly(stage, request_id, frozenset(), "V3", holds)
    plain = ["session_requested", "request_opened", "request_matched"]
    happened = kinds(stage, request_id)
    holds("V3", "it was requested, opened, matched, and nothing else", happened == plain, happened)


def flag_off(stage: Stage, holds: Findings) -> None:
    """Scenario 5."""
    cast = Cast(stage)
    process = stage.server.pid
    with _flag_switched_off(cast.operator):
        holds("E1", "switched off without a restart", stage.server.pid == process)
        booking = stage.submit(cast.customer, cast.favorite)
        stage.pay(booking)
        payment_carries(stage, booking.checkout_session, cast.favorite, "H1", holds)
        request_id = stage.request_of(booking.intake_id)
        holds.show("The flag is off, a favourite was chosen", request_id)
        _everybody_is_asked_at_once(cast, request_id, "E2", holds)
        _nobody_is_given_priority(cast, request_id, "E3", holds)
        twin = Cast(stage)
        twin_id = stage.book(twin.customer)
        holds.show("The flag is off, no favourite was chosen", twin_id)
        _everybody_is_asked_at_once(twin, twin_id, "V1", holds)
        row = stage.request(request_id)
        on = row["policy"]["priority_enabled"]
        holds("E1", "the request carries that the flag was off", on is False, row["policy"])
        broadcast = row["routing_type"] == "broadcast"
        holds("E1", "its routing type is broadcast", broadcast, row["routing_type"])
        first_available_accepts(cast, request_id, holds, accepts="V3", matched="V3")
        first_available_accepts(twin, twin_id, holds, accepts="E4", matched="E4")
        _differ_in_nothing(cast, request_id, twin, twin_id, holds)
        metadata_is_exactly(stage, request_id, frozenset(), "V2", holds)
        matched_with(stage, request_id, cast.others[0], holds, status="V3", mechanic="V3")


@contextmanager
def _flag_switched_off(operator: Person) -> Iterator[None]:
    path = f"/flags/{FAVORITES_PRIORITY}"
    operator.put(path, {"enabled": False}).raise_for_status()
    try:
        yield
    finally:
        operator.put(path, {"enabled": True}).raise_for_status()


def _everybody_is_asked_at_once(
    cast: Cast, request_id: UUID, promise: str, holds: Findings
) -> None:
    for mechanic in cast.mechanics:
        broadcast_reaches(mechanic, cast, request_id, STANDARD, promise, holds)
    row = cast.stage.request(request_id)
    at_once = row["broadcast_at"] == row["created_at"]
    holds(promise, "in the instant it was created", at_once, row["broadcast_at"])
    secrets = cast.indiscretions(request_id)
    holds(promise, "no mechanic receives contact or payment data", not secrets, secrets)


def _nobody_is_given_priority(cast: Cast, request_id: UUID, promise: str, holds: Findings) -> None:
    cast.catch_up()
    told = [
        frame.event
        for person in (*cast.mechanics, cast.customer, cast.operator)
        for frame in cast.ears_of(person).about(request_id)
        if "priority" in frame.event or frame.event == "request_reserved"
    ]
    holds(promise, "nobody is told anything of priority", not told, told)
    happened = kinds(cast.stage, request_id)
    holds(promise, "nothing was reserved", "request_reserved" not in happened, happened)


def _differ_in_nothing(
    cast: Cast, request_id: UUID, twin: Cast, twin_id: UUID, holds: Findings
) -> None:
    """Same events, same columns set, same frames for each mechanic, as without a favourite."""
    stage = cast.stage
    same = kinds(stage, request_id) == kinds(stage, twin_id)
    holds("E4", "the same events as of a booking without favourite", same)
    rows = [
        {name for name, value in stage.request(one).items() if value not in (None, [], {})}
        for one in (request_id, twin_id)
    ]
    holds("E4", "the same columns are set", rows[0] == rows[1], rows[0] ^ rows[1])
    cast.catch_up()
    twin.catch_up()
    told = [_told(*one) for one in ((cast, request_id), (twin, twin_id))]
    holds("E4", "each mechanic is told the same", told[0] == told[1], told)


def _told(cast: Cast, request_id: UUID) -> list[list[tuple[str, list[str]]]]:
    """Each mechanic's frames: names, and fields."""
    return [
        [(frame.event, sorted(frame.payload)) for frame in cast.ears_of(one).about(request_id)]
        for one in cast.mechanics
    ]


SCENARIOS = (
    Scenario(
        "1",
        "Priority flow: the mechanic accepts",
        (
            "`ENABLE_FAVORITES_PRIORITY=true`",
            "Customer books with favorite (mechanic online)",
            "Mechanic accepts within 10 minutes",
        ),
        {
            "E1": "Only preferred mechanic notified",
            "E2": "Mechanic receives `priority_session_request` event",
            "E3": "Mechanic accepts session",
            "E4": "Session matched immediately",
            "E5": "Fallback timer cancelled (session already matched)",
            "E6": "No broadcast to other mechanics",
            "V1": "`session_requests.metadata` has `priority_notified_at`",
            "V2": "`session_requests.metadata` does NOT have `fallback_broadcast_at`",
            "V3": "`session_requests.status = 'matched'`",
            "V4": "`session_requests.matched_mechanic_id = preferred_mechanic_id`",
            "H1": "The favourite travels with the payment",
            "H2": "The metadata has what happened and nothing else",
            "H3": "A repeated payment event makes nothing new",
        },
        favorite_accepts,
    ),
    Scenario(
        "2",
        "Priority flow: the mechanic ignores (timeout)",
        (
            "`ENABLE_FAVORITES_PRIORITY=true`",
            "Customer books with favorite (mechanic online)",
            "Mechanic does NOT respond within 10 minutes",
        ),
        {
            "E1": "Preferred mechanic notified first",
            "E2": "10-minute timer starts",
            "E3": "After 10 minutes, fallback broadcast fires",
            "E4": "All other mechanics notified",
            "E5": "First available mechanic accepts",
            "E6": "Session matched",
            "V1": "`session_requests.metadata` has `priority_notified_at`",
            "V2": "`session_requests.metadata` has `fallback_broadcast_at` (10 min later)",
            "V3": "`session_requests.status = 'matched'`",
            "V4": "`session_requests.matched_mechanic_id` may NOT be preferred mechanic",
            "H1": "The metadata has what happened and nothing else",
        },
        favorite_ignores,
    ),
    Scenario(
        "3",
        "Priority flow: the mechanic is offline",
        (
            "`ENABLE_FAVORITES_PRIORITY=true`",
            "Customer books with favorite (mechanic OFFLINE)",
            "Preferred mechanic not available",
        ),
        {
            "E1": "Priority notification sent (even if offline)",
            "E2": "10-minute timer starts",
            "E3": "After 10 minutes, fallback broadcast fires",
            "E4": "Other mechanics notified",
            "E5": "Session matched with available mechanic",
            "V1": "`session_requests.metadata` has `priority_notified_at`",
            "V2": "`session_requests.metadata` has `fallback_broadcast_at`",
            "V3": "Session matched with different mechanic",
            "H1": "The metadata has what happened and nothing else",
        },
        favorite_is_offline,
    ),
    Scenario(
        "4",
        "Standard broadcast (no favorite)",
        (
            "`ENABLE_FAVORITES_PRIORITY=true`",
            "Customer books WITHOUT selecting favorite",
            "`routing_type` NOT set to `priority_broadcast`",
        ),
        {
            "E1": "Standard broadcast to all mechanics",
            "E2": "No priority notification",
            "E3": "No timer set",
            "E4": "First available mechanic accepts",
            "V1": "`session_requests.metadata` does NOT have `preferred_mechanic_id`",
            "V2": "`session_requests.metadata` does NOT have `priority_notified_at`",
            "V3": "Standard broadcast behavior (unchanged)",
            "H1": "The payment names no favourite",
        },
        no_favorite,
    ),
    Scenario(
        "5",
        "Feature flag OFF",
        (
            "`ENABLE_FAVORITES_PRIORITY=false`",
            "Customer books with favorite context in URL",
            "Metadata includes `preferred_mechanic_id`",
        ),
        {
            "E1": "Priority logic skipped (feature flag OFF)",
            "E2": "Standard broadcast to all mechanics",
            "E3": "No priority notification",
            "E4": "System behaves as if favorite not selected",
            "V1": "Standard broadcast fires",
            "V2": "NO priority-specific metadata added",
            "V3": "Session matched normally",
            "H1": "The payment's metadata includes `preferred_mechanic_id`",
        },
        flag_off,
    ),
)
