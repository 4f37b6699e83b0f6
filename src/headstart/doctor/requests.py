"""One request: its chain of events, and its row, which must be what the events make of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from headstart.app.audit.canonical import Raw, eligible_digest, event_hash, parsed
from headstart.app.ports import Change
from headstart.core.commands import Actor
from headstart.core.events import Event, SessionRequested
from headstart.core.evolve import evolve
from headstart.core.request import RequestId, SessionRequest
from headstart.store.rows import event_from, new_request_row

Row = Mapping[str, Any]

_SETS = ("silent_mechanics", "excluded_mechanics")
_NOBODY = Actor("doctor")


class RequestAudit:
    """Events come in order, then the row. Holds one request, however many events it has."""

    def __init__(self, request_id: UUID) -> None:
        self._id = RequestId(request_id)
        self._version = 0
        self._hash: bytes | None = None
        self._first: SessionRequested | None = None
        self._request: SessionRequest | None = None
        self._folds = True

    def event(self, event: Row) -> Iterator[str]:
        """What is wrong with the next event."""
        if event["version"] != self._version + 1:
            yield f"{self._id}: event {event['version']} follows event {self._version}"
        content = {**event, "payload": Raw(event["payload"])}
        if event["hash"] != event_hash(content, self._hash):
            yield f"{self._id}: event {event['version']} does not fit its hash"
        if event["eligible_digest"] != eligible_digest(event["eligible"]):
            yield f"{self._id}: event {event['version']} does not fit the digest of who was asked"
        self._version, self._hash = event["version"], event["hash"]
        if self._folds:
            yield from self._fold(event)

    def _fold(self, event: Row) -> Iterator[str]:
        try:
            happened = event_from(event["kind"], parsed(event["payload"]))
            self._apply(happened, event["at"])
        except (AssertionError, KeyError, ValueError, ValidationError) as error:
            self._folds = False
            why = type(error).__name__
            yield f"{self._id}: event {event['version']} cannot have happened ({why})"

    def _apply(self, event: Event, at: datetime) -> None:
        if isinstance(event, SessionRequested):
            self._first = event
        self._request = evolve(self._id, self._request, [event], at=at)

    def row(self, row: Row | None) -> Iterator[str]:
        """What is wrong with the row, after all events."""
        if row is None:
            yield f"{self._id}: there are events of a request that does not exist"
        elif self._first is None or self._request is None:
            yield f"{self._id}: the request has no event that it begins with"
        elif self._folds:
            for name, expected in expected_row(self._first, self._request).items():
                if _stored(row, name) != expected:
                    yield f"{self._id}: {name} is not what the events say"
            if not row["mirrored"]:
                yield f"{self._id}: metadata does not mirror the columns"


def expected_row(first: Event, request: SessionRequest) -> Row:
    """The columns of a request that began so and became that."""
    return new_request_row(Change(None, request, [first], request.created_at, _NOBODY))


def _stored(row: Row, name: str) -> Any:
    """A column as ``new_request_row`` makes it."""
    if name == "policy":
        return parsed(row["policy_text"])
    if name in _SETS:
        return "{" + ",".join(map(str, sorted(row[name], key=str))) + "}"
    return row[name]
