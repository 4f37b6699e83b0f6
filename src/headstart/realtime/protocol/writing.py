"""From what the server says to text of the wire, one function for each kind of frame."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.realtime.protocol.intents import Address, Json
from headstart.realtime.protocol.reading import ENCODING_JSON, ENCODING_RAW
from headstart.realtime.protocol.versions import Version

KIND_SERVER_BROADCAST = 4
FIELD_BYTES_MAX = 255


def reply(version: Version, at: Address, status: str, response: Mapping[str, Any]) -> str:
    """The answer to a push. ``response`` is an object: some clients drop anything else."""
    payload = {"status": status, "response": response}
    return _frame(version, at.join_ref, at.ref, at.topic, "phx_reply", payload)


def joined(version: Version, at: Address, bindings: Sequence[Json]) -> str:
    """A good join. Each binding comes back as it was asked for, in order, with a number."""
    numbered = [{**binding, "id": number} for number, binding in enumerate(bindings, 1)]
    return reply(version, at, "ok", {"postgres_changes": numbered})


def refusal(version: Version, at: Address, reason: str) -> str:
    """A push that is not done, and why."""
    return reply(version, at, "error", {"reason": reason})


def failure(version: Version, topic: str, join_ref: str | None, code: int, reason: str) -> str:
    """The end of a channel that may come back: clients join again on ``phx_error``, never on
    ``phx_close``. Its ref is the join's."""
    payload = {"code": code, "reason": reason}
    return _frame(version, join_ref, join_ref, topic, "phx_error", payload)


def broadcast(
    version: Version, topic: str, event: str, payload: Json, meta: Json | None = None
) -> str:
    """One event. Without refs, so that one text serves everybody who is told it."""
    content: dict[str, Any] = {"type": "broadcast", "event": event, "payload": payload}
    if meta:
        content["meta"] = meta
    return _frame(version, None, None, topic, "broadcast", content)


def binary_broadcast(topic: str, event: str, meta: Json, payload: bytes | Json) -> bytes:
    """One event of version 2.0.0 in binary, the only kind in which raw bytes travel."""
    raw = isinstance(payload, bytes)
    body = payload if isinstance(payload, bytes) else _text(payload).encode()
    fields = [topic.encode(), event.encode(), _text(meta).encode() if meta else b""]
    if any(len(field) > FIELD_BYTES_MAX for field in fields):
        raise ValueError(f"topic, event and meta have at most {FIELD_BYTES_MAX} bytes each")
    lengths = bytes(len(field) for field in fields)
    encoding = bytes([ENCODING_RAW if raw else ENCODING_JSON])
    return b"".join([bytes([KIND_SERVER_BROADCAST]), lengths, encoding, *fields, body])


def presence_state(version: Version, topic: str, join_ref: str | None, state: Json) -> str:
    """Everybody who is there."""
    return _frame(version, join_ref, None, topic, "presence_state", state)


def presence_diff(version: Version, topic: str, joins: Json, leaves: Json) -> str:
    """Who came and who went."""
    payload = {"joins": joins, "leaves": leaves}
    return _frame(version, None, None, topic, "presence_diff", payload)


def system(version: Version, topic: str, join_ref: str | None, message: str) -> str:
    """A word about the channel. Always ``ok``: clients take an error for the channel's end."""
    payload = {
        "extension": "system",
        "status": "ok",
        "message": message,
        "channel": topic.removeprefix("realtime:"),
    }
    return _frame(version, join_ref, None, topic, "system", payload)


def _frame(
    version: Version, join_ref: str | None, ref: str | None, topic: str, event: str, payload: Json
) -> str:
    if version is Version.V1:  # ref is written even when it is null: clients drop frames without
        return _text({"topic": topic, "event": event, "payload": payload, "ref": ref})
    return _text([join_ref, ref, topic, event, payload])


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
