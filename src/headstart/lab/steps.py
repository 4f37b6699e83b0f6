"""Steps that several scenarios share. Each names the promise that its checks are for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from headstart.lab.cast import Cast
from headstart.lab.checks import Findings
from headstart.lab.stage import WINDOW_MINUTES, Stage
from headstart.lab.visitors import Frame, Person

WINDOW = timedelta(minutes=WINDOW_MINUTES)
JUST_BEFORE = timedelta(seconds=1)  # 9:59
TOLERANCE = timedelta(seconds=5)  # of a slow machine; how late a fallback comes is benched

ASKED = frozenset(
    {"routing_type", "preferred_mechanic_id", "priority_notified_at", "priority_window_minutes"}
)
FELL_BACK = ASKED | {"fallback_broadcast_at", "fallback_reason"}
PRIORITY_PAYLOAD = frozenset(
    {"session_id", "mechanic_id", "priority_window_minutes", "message"}
    | {"due_at", "server_now", "version"}
)

Row = Mapping[str, Any]


def kinds(stage: Stage, request_id: UUID) -> Sequence[str]:
    """What has happened to a request, in order."""
    return [event["kind"] for event in stage.events(request_id)]


# --- the window --------------------------------------------------------------------------------


def only_the_favorite_is_asked(
    cast: Cast, request_id: UUID, holds: Findings, *, told: str, silence: str
) -> Frame:
    """The favourite has the offer by push and in their list; nobody else can learn of it."""
    frame = holds.told(told, cast.ears_of(cast.favorite), "priority_session_request", request_id)
    _priority_payload_holds(cast, request_id, frame, told, holds)
    listed = str(request_id) in cast.favorite.get("/offers").text
    holds(told, "the favourite finds the offer in their list", listed)
    known = cast.others_know(request_id)
    what = "no other mechanic is told it (stream, replay), can list it or look at it"
    holds(silence, what, not known, known)
    answer = cast.others[0].accept(request_id)
    denied = answer.status_code == HTTPStatus.NOT_FOUND
    what = "another mechanic's acceptance is answered as if there were no such request"
    holds(silence, what, denied, answer.text)
    secrets = cast.indiscretions(request_id)
    holds(silence, "no mechanic receives contact or payment data", not secrets, secrets)
    return frame


def _priority_payload_holds(
    cast: Cast, request_id: UUID, frame: Frame, promise: str, holds: Findings
) -> None:
    payload, row = frame.payload, cast.stage.request(request_id)
    missing = PRIORITY_PAYLOAD - payload.keys()
    holds(promise, "its payload has every promised field", not missing, sorted(missing))
    expected = {
        "topic": "session_requests_feed",
        "session_id": str(request_id),
        "mechanic_id": str(cast.favorite.id),
        "priority_window_minutes": WINDOW_MINUTES,
        "due_at": row["due_at"].isoformat(),
        "version": row["version"],
    }
    wrong = {name: payload.get(name) for name in expected if payload.get(name) != expected[name]}
    holds(promise, "and they say what is stored", not wrong, wrong)
    times = len(cast.ears_of(cast.favorite).about(request_id, "priority_session_request"))
    holds(promise, "it is told exactly once", times == 1, times)


def timer_runs(stage: Stage, request_id: UUID, promise: str, holds: Findings) -> datetime:
    """The deadline is stored, ten minutes after the favourite was told."""
    row = stage.request(request_id)
    holds.require(promise, "the request is reserved", row["stage"] == "reserved", row["stage"])
    length = row["due_at"] - row["priority_notified_at"]
    holds(promise, "its deadline is 10 minutes after the notice", length == WINDOW, length)
    due_at: datetime = row["due_at"]
    return due_at


def nothing_happens_before(
    due_at: datetime, cast: Cast, request_id: UUID, promise: str, holds: Findings
) -> None:
    """At 9:59 everything is as it was."""
    cast.stage.advance_to(due_at - JUST_BEFORE)
    known = cast.others_know_before(due_at, request_id)
    holds(promise, "at 9:59 still nobody else has been asked", not known, known)


def fallback_fires(
    due_at: datetime, cast: Cast, request_id: UUID, promise: str, holds: Findings
) -> None:
    """At 10:00 the request is opened, once, for the reason that nobody answered."""
    cast.stage.advance_to(due_at)
    holds.told(promise, cast.ears_of(cast.customer), "new_request", request_id, " at 10:00")
    row = cast.stage.request(request_id)
    holds(promise, "the request is open", row["stage"] == "open", row["stage"])
    reason = row["fallback_reason"]
    holds(promise, "the stored reason is no_response", reason == "no_response", reason)
    times = list(kinds(cast.stage, request_id)).count("request_opened")
    holds(promise, "it was broadcast exactly once", times == 1, times)


def everyone_else_is_told(
    cast: Cast, request_id: UUID, promise: str, holds: Findings
) -> Sequence[Frame]:
    """Each other mechanic gets the whole offer, with the reason, once."""
    expected = {"reason": "priority_timeout", "fallback_reason": "no_response"}
    frames = [
        broadcast_reaches(other, cast, request_id, expected, promise, holds)
        for other in cast.others
    ]
    cast.catch_up()
    again = [frame.event for frame in cast.ears_of(cast.favorite).about(request_id, "new_request")]
    holds(promise, "the favourite is not notified a second time", not again, again)
    secrets = cast.indiscretions(request_id)
    holds(promise, "no mechanic receives contact or payment data", not secrets, secrets)
    return frames


def broadcast_reaches(
    mechanic: Person,
    cast: Cast,
    request_id: UUID,
    expected: Mapping[str, object],
    promise: str,
    holds: Findings,
) -> Frame:
    """One mechanic is told the broadcast, for exactly these reasons, and can list it."""
    frame = holds.told(promise, cast.ears_of(mechanic), "new_request", request_id)
    reasons = {name: frame.payload.get(name) for name in ("reason", "fallback_reason")}
    reasons = {name: reason for name, reason in reasons.items() if reason is not None}
    why = " and ".join(f"{name} {reason}" for name, reason in expected.items())
    holds(promise, f"{mechanic.name} is told why: {why}", reasons == expected, reasons)
    listed = str(request_id) in mechanic.get("/offers").text
    holds(promise, f"{mechanic.name} finds the offer in their list", listed)
    return frame


# --- the match ---------------------------------------------------------------------------------


def first_available_accepts(
    cast: Cast, request_id: UUID, holds: Findings, *, accepts: str, matched: str
) -> None:
    """The first of the others wins, the second is refused by name, the customer is told."""
    first, second = cast.others
    won = first.accept(request_id)
    holds.require(accepts, f"{first.name} accepts and wins", won.is_success, won.text)
    lost = second.accept(request_id)
    refused = lost.status_code == HTTPStatus.CONFLICT
    holds(accepts, f"{second.name}, a moment later, is refused by name", refused, lost.text)
    holds.told(matched, cast.ears_of(cast.customer), "request_accepted", request_id)
    view = cast.customer.see(request_id).json()
    named = view["status"] == "matched" and view["matched_mechanic"] == first.name
    holds(matched, "the customer sees who comes", named, view)


def matched_with(
    stage: Stage, request_id: UUID, winner: Person, holds: Findings, *, status: str, mechanic: str
) -> None:
    """The row says so."""
    row = stage.request(request_id)
    holds(status, "status = 'matched'", row["status"] == "matched", row["status"])
    who = row["matched_mechanic_id"]
    holds(mechanic, f"matched_mechanic_id is {winner.name}'s", who == winner.id, who)


# --- what is stored ----------------------------------------------------------------------------


def metadata_is_exactly(
    stage: Stage, request_id: UUID, keys: frozenset[str], promise: str, holds: Findings
) -> None:
    """These keys and no other, each saying what the typed column beside it says."""
    row = stage.request(request_id)
    metadata = row["metadata"]
    differing = sorted(metadata.keys() ^ keys)
    expected_keys = ", ".join(sorted(keys)) or "nothing"
    holds(promise, f"metadata holds exactly: {expected_keys}", not differing, differing)
    wrong = {name: metadata[name] for name in metadata if not _mirrors(metadata[name], row[name])}
    holds(promise, "every key says what its column says", not wrong, wrong)


def _mirrors(written: object, stored: Any) -> bool:
    if isinstance(stored, datetime):
        apart = abs(datetime.fromisoformat(str(written)) - stored)
        return apart <= timedelta(milliseconds=1)
    return str(written) == str(stored)


def metadata_has(
    stage: Stage, request_id: UUID, key: str, promise: str, holds: Findings, *, present: bool = True
) -> None:
    """One key is there, or is not."""
    metadata = stage.request(request_id)["metadata"]
    verb = "has" if present else "does not have"
    holds(promise, f"metadata {verb} {key}", (key in metadata) is present, metadata)


def fallback_came_in_time(stage: Stage, request_id: UUID, promise: str, holds: Findings) -> None:
    """By the two times in the metadata."""
    metadata = stage.request(request_id)["metadata"]
    told, opened = (
        datetime.fromisoformat(metadata[key])
        for key in ("priority_notified_at", "fallback_broadcast_at")
    )
    # The times in the metadata are cut to milliseconds.
    fits = -timedelta(milliseconds=1) <= opened - told - WINDOW <= TOLERANCE
    what = "fallback_broadcast_at is 10 minutes after priority_notified_at"
    holds(promise, what, fits, opened - told)


def payment_carries(
    stage: Stage,
    checkout_session: str,
    favorite: Person | None,
    promise: str,
    holds: Findings,
) -> None:
    """The favourite (or that there is none) stands on the Checkout Session and the payment."""
    session = stage.stripe(f"/checkout/sessions/{checkout_session}")
    intent = stage.stripe(f"/payment_intents/{session['payment_intent']}")
    expected = {
        "preferred_mechanic_id": str(favorite.id) if favorite else None,
        "routing_type": "priority_broadcast" if favorite else "broadcast",
    }
    for title, found in (("Checkout Session", session), ("PaymentIntent", intent)):
        carried = {name: found["metadata"].get(name) for name in expected}
        what = "carries the favourite" if favorite else "carries no favourite"
        holds(promise, f"the {title}'s metadata {what}", carried == expected, carried)
