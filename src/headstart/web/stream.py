"""Server-sent events: the snapshot first, then what was missed, then everything as it happens."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from headstart.app.feed import Frame, ReplayTooLong, Subscription, TooSlow
from headstart.app.ports import Credential, Cursor, Unavailable
from headstart.app.views import Payload
from headstart.core.access import Operation, Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.identity.seals import Seals
from headstart.web.api import offers_snapshot, requests_snapshot
from headstart.web.doors import door
from headstart.web.people import Headstart, Speaking
from headstart.web.problems import Problem, forbidden
from headstart.web.service import Service

HEARTBEAT_S = 10.0
RECONNECT_MS = 1_000
STREAMS_PER_PERSON_MAX = 20
SIGNED_OUT_CODE = 4401  # as the realtime socket says it

router = APIRouter(prefix="/api/v1", tags=["stream"])


@router.get("/stream", response_class=StreamingResponse, dependencies=[door(Operation.STREAM_OPEN)])
async def stream(
    speaker: Speaking,
    service: Headstart,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> StreamingResponse:
    """This person's news. Reconnect with ``Last-Event-ID`` to get what was missed. It ends with the
    sign-in: by expiry, log-out, suspension or disabling.
    """
    if speaker.suspended:
        raise forbidden("Suspended mechanics get no news.")
    who = speaker.credential.who
    if service.feed.streams_of(who) >= STREAMS_PER_PERSON_MAX:
        detail = f"{STREAMS_PER_PERSON_MAX} streams are open already."
        again = {"Retry-After": f"{HEARTBEAT_S:.0f}"}
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too_many_streams", detail, headers=again)
    resume_after = _cursor(service, last_event_id)
    return StreamingResponse(
        _while_signed_in(service, speaker.credential, resume_after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _cursor(service: Service, last_event_id: str | None) -> Cursor | None:
    if not last_event_id:
        return None
    try:
        return Cursor(*service.seals.open(last_event_id))
    except ValueError as error:
        detail = "Last-Event-ID is not one of ours."
        raise Problem(HTTPStatus.BAD_REQUEST, "bad_cursor", detail) from error


async def _while_signed_in(
    service: Service, credential: Credential, resume_after: Cursor | None
) -> AsyncIterator[str]:
    """Nothing leaves once the sign-in has ended, not even what was waiting."""
    await service.feed.started.wait()
    with (
        service.feed.subscribe(credential.who) as subscription,
        service.standing.watch(credential, lambda _: subscription.end()) as watch,
    ):
        async with aclosing(_messages(service, subscription, resume_after)) as messages:
            async for message in messages:
                if watch.ending is not None:
                    break
                yield message
        if watch.ending is not None:
            yield _message("ended", {"code": SIGNED_OUT_CODE, "reason": watch.ending})


async def _messages(
    service: Service, subscription: Subscription, resume_after: Cursor | None
) -> AsyncGenerator[str, None]:
    """Subscribed before reading, so that nothing falls between; drop what was already sent."""
    who = subscription.who
    try:
        try:
            sent = await service.feed.place()
            yield f"retry: {RECONNECT_MS}\n\n"
            yield _message("snapshot", await _snapshot(service, who))
            if resume_after is not None:
                async for frame in service.feed.replay(who, resume_after):
                    sent = max(sent, frame.cursor)
                    yield _frame_message(service.seals, frame)
            yield _message("ready", {}, _sealed(service.seals, max(sent, resume_after or sent)))
            async for message in _live(service.seals, subscription, sent):
                yield message
        except (TooSlow, ReplayTooLong):
            yield _message("resync", {}, _sealed(service.seals, await service.feed.place()))
    except Unavailable:
        return  # the client reconnects, and resumes where it was


async def _live(seals: Seals, subscription: Subscription, sent: Cursor) -> AsyncIterator[str]:
    """Everything after ``sent``; a heartbeat when there is nothing, so that both ends notice a
    connection that is dead."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                frame = await subscription.next()
        except TimeoutError:
            yield _message("heartbeat", {})
            continue
        if frame is None:
            return
        if frame.cursor > sent:
            yield _frame_message(seals, frame)


async def _snapshot(service: Service, who: Principal) -> Payload:
    match who.role:
        case Role.MECHANIC:
            return await offers_snapshot(service, MechanicId(who.id))
        case Role.CUSTOMER:
            return await requests_snapshot(service, CustomerId(who.id))
        case Role.OPERATOR:
            return {"server_now": (await service.requests.clock()).isoformat()}


def _frame_message(seals: Seals, frame: Frame) -> str:
    payload = {"topic": frame.topic, **frame.payload}
    return _message(frame.event, payload, _sealed(seals, frame.cursor))


def _sealed(seals: Seals, cursor: Cursor) -> str:
    return seals.seal(cursor.xid, cursor.id)


def _message(event: str, payload: Payload, event_id: str | None = None) -> str:
    lines = [f"id: {event_id}"] if event_id is not None else []
    lines += [f"event: {event}", f"data: {json.dumps(payload, separators=(',', ':'))}"]
    return "\n".join(lines) + "\n\n"
