"""How soon people know: from a signed webhook to the frame on a stream, over real sockets."""

import asyncio
import json
import time
from collections.abc import Sequence
from uuid import UUID

from bench.figures import Result, Tally, Verdict, percentile
from bench.options import Options
from headstart.lab.stage import Booking, Stage, put_up
from headstart.lab.visitors import Listener, Person
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.outbox import sign

BOOKINGS = 40
WARM_UP = 5
OTHERS = 50  # mechanics who watch, each with a stream of their own
PATIENCE_S = 10.0

FAVOURITE = "reserved: the favourite's stream"
EVERYBODY = f"open: the last of {OTHERS + 1} streams"


async def told(dsn: str, options: Options) -> Result:
    """One server process, one webhook at a time."""
    return await asyncio.to_thread(_told, dsn, options)


def _told(dsn: str, options: Options) -> Result:
    result = Result("told", "A signed webhook is posted: when is the frame on the screen?")
    result.notes.append(
        "answered: the webhook's own answer. decided to told: from the event's time in the log,"
        " which is before its commit"
    )
    tally = Tally()
    with put_up(dsn) as stage:
        stage.http.post(f"{stage.sandbox_url}/_sandbox/switches", json={"drop": True})
        favourite = stage.mechanic("Fay").on_duty()
        listeners = [favourite.listen()]
        listeners += [
            stage.mechanic(f"Otto {number}").on_duty().listen()
            for number in range(min(OTHERS, options.scaled(OTHERS)))
        ]
        for variant in (FAVOURITE, EVERYBODY):
            _figures(stage, variant, favourite, listeners, WARM_UP)
        for _ in range(options.repeat):
            for variant in (FAVOURITE, EVERYBODY):
                number = min(BOOKINGS, options.scaled(BOOKINGS))
                figures = _figures(stage, variant, favourite, listeners, number)
                tally.add("", variant, **figures)
    result.rows = tally.rows()
    result.verdicts = [
        Verdict(f"{variant}: decided to told, p99 ms", tally.figure("", variant, name), 250.0)
        for variant in (FAVOURITE, EVERYBODY)
        for name in ["decided_to_told_p99_ms"]
    ]
    return result


def _figures(
    stage: Stage,
    variant: str,
    favourite: Person,
    listeners: Sequence[Listener],
    number: int,
) -> dict[str, float]:
    """So many bookings, one after another."""
    samples: dict[str, list[float]] = {"answered": [], "webhook_to_told": [], "decided_to_told": []}
    for _ in range(number):
        is_reserved = variant == FAVOURITE
        customer = stage.customer("Carla", favourite)  # nobody has two live requests
        booking = stage.submit(customer, favourite if is_reserved else None)
        stage.pay(booking)
        body = _webhook(stage, booking)
        posted_s = time.monotonic()
        _post(stage, body)
        samples["answered"].append(time.monotonic() - posted_s)
        request = stage.request_of(booking.intake_id)
        event = "priority_session_request" if is_reserved else "new_request"
        ears = listeners[:1] if is_reserved else listeners
        told_s = max(one.wait_for(event, request, within_s=PATIENCE_S).arrived_s for one in ears)
        samples["webhook_to_told"].append(told_s - posted_s)
        samples["decided_to_told"].append(_as_wall_clock(told_s) - _decided_s(stage, request))
    return {
        f"{name}_p{share}_ms": percentile(found, share / 100) * 1e3
        for name, found in samples.items()
        for share in (50, 99)
    }


def _webhook(stage: Stage, booking: Booking) -> bytes:
    """What Stripe would send; the sandbox was told to keep it to itself."""
    events = stage.stripe("/events?type=checkout.session.completed&limit=10")["data"]
    [event] = [one for one in events if one["data"]["object"]["id"] == booking.checkout_session]
    return json.dumps(event, indent=2).encode()


def _post(stage: Stage, body: bytes) -> None:
    signature = sign(body, SANDBOX_WEBHOOK_SECRET, second=int(time.time()))
    answer = stage.http.post(
        f"{stage.server.url}/webhooks/stripe",
        content=body,
        headers={"Stripe-Signature": signature, "Content-Type": "application/json"},
    )
    answer.raise_for_status()
    assert answer.json()["outcome"] == "fulfilled", answer.text


def _as_wall_clock(monotonic_s: float) -> float:
    return time.time() - (time.monotonic() - monotonic_s)


def _decided_s(stage: Stage, request: UUID) -> float:
    """When the offer was decided, by the database's clock on this same machine."""
    at: float = stage.events(request)[-1]["at"].timestamp()
    return at
