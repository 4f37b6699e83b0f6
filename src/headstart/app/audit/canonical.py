"""The canonical form of every entry of the trail, and its hash: the same as in the database.

A JSON array as PostgreSQL writes json: elements parted by ", ", text in UTF-8 with nothing escaped
that need not be, and objects as jsonb has them: shorter keys first, keys of one length in the order
of their bytes, numbers with the digits they were given.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from struct import pack
from typing import Any
from uuid import UUID

Row = Mapping[str, Any]
Hash = Callable[[Row, bytes | None], bytes]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPE_UUID = 2950  # among PostgreSQL's types
_LENGTH_OF_AN_ID = pack(">i", 16)

_text = partial(json.dumps, ensure_ascii=False)


class Raw(str):
    """JSON as the database wrote it."""

    __slots__ = ()


def canonical(value: Any) -> str:
    """One value, as it stands in a canonical form."""
    match value:
        case Raw():
            return value
        case Decimal():
            return format(value, "f")
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            inside = ", ".join(f"{_text(key)}: {canonical(value[key])}" for key in keys)
            return "{" + inside + "}"
        case list() | tuple():
            return "[" + ", ".join(map(canonical, value)) + "]"
        case _:
            return _text(value)


def parsed(written: str) -> Any:
    """JSON whose numbers keep their digits."""
    return json.loads(written, parse_float=Decimal)


def event_hash(event: Row, previous: bytes | None) -> bytes:
    """Of an event of a session request. Its payload may be a value, or ``Raw``. Whom everybody was
    is told by a digest, which is computed here, whatever the event says."""
    return _hash(
        previous,
        event["id"],
        str(event["xid"]),
        str(event["request_id"]),
        event["version"],
        event["kind"],
        _microseconds(event["at"]),
        event["actor"],
        event["round"],
        event["payload"],
        digest.hex() if (digest := eligible_digest(event["eligible"])) else None,
        event["command_key"],
        event["reason"],
    )


def operator_action_hash(action: Row, previous: bytes | None) -> bytes:
    """Of what an operator did."""
    return _hash(
        previous,
        action["id"],
        _microseconds(action["at"]),
        action["actor"],
        action["action"],
        action["subject"],
        action["was"],
        action["became"],
        action["reason"],
    )


def flag_change_hash(change: Row, previous: bytes | None) -> bytes:
    """Of a change of a switch."""
    return _hash(
        previous,
        change["id"],
        _microseconds(change["at"]),
        change["actor"],
        change["name"],
        change["was_enabled"],
        change["was_rollout_percentage"],
        change["enabled"],
        change["rollout_percentage"],
        change["reason"],
    )


def _hash(previous: bytes | None, *fields: Any) -> bytes:
    return sha256(canonical([previous.hex() if previous else None, *fields]).encode()).digest()


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def eligible_digest(eligible: Sequence[UUID] | bytes | None) -> bytes | None:
    """Of whom everybody was: ids, or those as PostgreSQL sends them."""
    match eligible:
        case None:
            return None
        case bytes():
            return sha256(eligible).digest()
        case _:
            lengths = pack(">ii", len(eligible), 1) if eligible else b""
            ids = b"".join(_LENGTH_OF_AN_ID + one.bytes for one in eligible)
            return sha256(pack(">iii", bool(eligible), 0, _TYPE_UUID) + lengths + ids).digest()
