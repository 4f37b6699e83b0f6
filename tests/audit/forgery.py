"""A log in memory, what is altered of it, and how a forger covers that up."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from random import Random
from typing import Any
from uuid import UUID

from headstart.app.audit.canonical import (
    Raw,
    eligible_digest,
    event_hash,
    parsed,
)
from headstart.core.evolve import evolve
from headstart.core.request import RequestId
from headstart.doctor.requests import expected_row
from headstart.identity.keys import Ed25519Keys
from headstart.store.rows import event_from

Row = dict[str, Any]
FORGER = Ed25519Keys(bytes(range(1, 33)))
OF_AN_EVENT = (
    *("id", "xid", "request_id", "version", "kind", "at", "actor", "round", "payload"),
    *("eligible", "eligible_digest", "command_key", "reason", "hash"),
)


@dataclass(slots=True)
class Log:
    """Everything that is in order."""

    rows: dict[UUID, Row]
    events: dict[UUID, list[Row]]
    notes: list[str]
    chains: dict[str, list[Row]]
    keys: Ed25519Keys

    def chains_of_events(self) -> Sequence[list[Row]]:
        """Request by request."""
        return list(self.events.values())

    def next_id(self) -> int:
        """Of an event that nobody has written."""
        newest: int = max(one["id"] for events in self.events.values() for one in events)
        return newest + 1

    @property
    def ids(self) -> Sequence[UUID]:
        """Of requests."""
        return list(self.rows)


@dataclass(slots=True)
class Altered:
    """What is different now; a row that is None is gone."""

    rows: dict[UUID, Row | None] = field(default_factory=dict)
    events: dict[UUID, list[Row]] = field(default_factory=dict)
    notes: list[str] | None = None
    chains: dict[str, list[Row]] = field(default_factory=dict)


class Cover(IntEnum):
    """How far the forger goes."""

    NOTHING = 0
    ONE_HASH = 1
    CHAIN = 2
    ROW_TOO = 3


class Nothing(Exception):
    """This would change nothing at all."""


def rechained(events: Sequence[Row]) -> list[Row]:
    """Every version and every hash as it must be."""
    previous: bytes | None = None
    chained = []
    for version, event in enumerate(events, 1):
        digest = eligible_digest(event["eligible"])
        fresh = {**event, "version": version, "eligible_digest": digest}
        fresh["hash"] = previous = hash_of(fresh, previous)
        chained.append(fresh)
    return chained


def hash_of(event: Row, previous: bytes | None) -> bytes:
    """As the database computes it."""
    return event_hash({**event, "payload": Raw(event["payload"])}, previous)


def row_after(row: Row, events: Sequence[Row]) -> Row:
    """The row that these events make; the same row where they make none."""
    with suppress(AssertionError, KeyError, ValueError):
        happened = [event_from(one["kind"], parsed(one["payload"])) for one in events]
        request = None
        for event, one in zip(happened, events, strict=True):
            request = evolve(RequestId(row["id"]), request, [event], at=one["at"])
        assert request is not None, "there are events"
        made = expected_row(happened[0], request)
        sets = {name: _ids(made[name]) for name in ("silent_mechanics", "excluded_mechanics")}
        policy = {"policy_text": json.dumps(made["policy"], default=str)}
        return {**row, **made, **sets, **policy, "mirrored": True}
    return row


def _ids(array: str) -> list[UUID]:
    inside = array.strip("{}")
    return [UUID(one) for one in inside.split(",")] if inside else []


def another(value: Any, random: Random) -> Any:  # noqa: C901 - one line for each type
    """Something else of the same kind."""
    match value:
        case None:
            return random.choice(("forged", "x"))
        case bool():
            return not value
        case int():
            return value + random.choice((-1, 1, 1000))
        case datetime():
            return value + timedelta(microseconds=random.choice((-1, 1, 10**7)))
        case UUID():
            return UUID(int=value.int ^ 1 << random.randrange(128))
        case bytes():
            place = random.randrange(len(value))
            return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        case list():
            return value[1:] if value else [UUID(int=1)]
        case dict():
            return {**value, "forged": True}
        case str():
            return random.choice((value + "x", value[:-1], value.swapcase() + "."))
        case _:
            return value + 1
