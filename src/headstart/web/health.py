"""For machines that watch: is the process alive, is it ready, and what does it count."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from headstart.app.ports import Unavailable
from headstart.app.watch import SWEEP_SILENCE_S_MAX
from headstart.core.access import Operation
from headstart.settings import Mode
from headstart.web.doors import admit, open_door
from headstart.web.people import Headstart, Visitor

READY_PATIENCE_S = 2.0

router = APIRouter(include_in_schema=False)


@router.get("/healthz", dependencies=[open_door(Operation.FRONT_READ)])
async def healthz() -> PlainTextResponse:
    """While the process lives."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", dependencies=[open_door(Operation.FRONT_READ)])
async def readyz(service: Headstart) -> JSONResponse:
    """While the database answers and the deadlines are swept."""
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            now = await service.requests.clock()
    except (Unavailable, TimeoutError):
        body: dict[str, object] = {"ready": False, "database": "unreachable"}
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE)
    silence_s = service.deadlines.silence_s
    body = {
        "ready": silence_s < SWEEP_SILENCE_S_MAX,
        "server_now": now.isoformat(),
        "deadlines_swept_s_ago": round(silence_s, 3),
        "feed_held_up_s": round(service.feed.stall_s, 3),
    }
    return JSONResponse(body, 200 if body["ready"] else HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class MetricsDoor:
    """Counters tell of jobs that are not yet open. A demo, on one machine, hides nothing."""

    operation: Operation = Operation.METRICS_READ

    def __call__(self, who: Visitor, service: Headstart) -> None:
        """Return for whoever is let in."""
        if service.settings.mode is Mode.PRODUCTION:
            admit(who, self.operation)


@router.get("/metrics", dependencies=[Depends(MetricsDoor())])
async def metrics() -> Response:
    """What the process counts."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
