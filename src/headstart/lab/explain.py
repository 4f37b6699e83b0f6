"""The story of one request, from its log, in plain sentences."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from headstart.app.chronicle import sentence_of
from headstart.app.ports import Views
from headstart.core.access import Principal, Role

READER = Principal(Role.OPERATOR, UUID(int=0))  # whoever has a shell on the machine


async def story(views: Views, request_id: UUID) -> str:
    """One line for each event: when, since when, what, by whom. LookupError when unknown."""
    async with views.on_behalf_of(READER) as seen:
        stored = await seen.stored_request(request_id)
        history, reasons = await seen.history(request_id), await seen.reasons(request_id)
    if stored is None:
        raise LookupError(f"there is no session request {request_id}")
    began: datetime = history[0]["at"]
    lines = [f"Session request {request_id}", f"  status: {_status(stored)}", ""]
    for event in history:
        since_s = (event["at"] - began).total_seconds()
        sentence = sentence_of(event["kind"], event["payload"], event["eligible"])
        why = reasons.get(event["version"])
        by = event["actor"] + (f": {why}" if why else "")
        lines.append(f"  {event['at']:%H:%M:%S}  +{since_s:8.3f} s  {sentence}  [{by}]")
    lines += ["", f"  metadata: {stored['metadata']}"]
    return "\n".join(lines)


def _status(stored: Mapping[str, Any]) -> str:
    stage = f", {stored['stage']}" if stored["stage"] else ""
    due = f", due {stored['due_at']:%Y-%m-%d %H:%M:%S} UTC" if stored["due_at"] else ""
    winner = stored["matched_mechanic_id"]
    return f"{stored['status']}{stage}{due}" + (f", by {winner}" if winner else "")
