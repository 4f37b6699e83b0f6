"""From a message of the wire to what the client wants. Lenient in content, strict in shape."""

import json
from typing import Any, Never

from headstart.realtime.protocol.intents import (
    Address,
    Broadcast,
    Heartbeat,
    Intent,
    Join,
    Leave,
    Renew,
    Track,
    Unknown,
    Untrack,
)
from headstart.realtime.protocol.joining import join_config, token_of
from headstart.realtime.protocol.versions import Version

PHOENIX = "phoenix"  # the topic of the connection itself
KIND_CLIENT_BROADCAST = 3
ENCODING_RAW, ENCODING_JSON = 0, 1
_LENGTHS = ("join_ref", "ref", "topic", "event", "metadata")
_HEADER_BYTES = 1 + len(_LENGTHS) + 1


class Malformed(ValueError):
    """Not a message of this protocol; the text says what is wrong with it."""


def read(version: Version, message: str | bytes) -> Intent:
    """What the client wants; Malformed for what is no message."""
    if isinstance(message, bytes):
        if version is Version.V1:
            raise Malformed("version 1.0.0 has no binary messages")
        return _binary(message)
    decoded = _json(message)
    if version is Version.V1:
        if not isinstance(decoded, dict):
            raise Malformed("a message of version 1.0.0 is an object")
        parts = [decoded.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
    else:
        if not isinstance(decoded, list) or len(decoded) != 5:
            raise Malformed("a message of version 2.0.0 is an array of five")
        parts = decoded
    join_ref, ref, topic, event, payload = parts
    if not isinstance(topic, str) or not isinstance(event, str):
        raise Malformed("topic and event are strings")
    at = Address(topic, _ref(ref), _ref(join_ref))
    return _intent(at, event, payload if isinstance(payload, dict) else {})


def _intent(at: Address, event: str, payload: dict[str, Any]) -> Intent:
    if at.topic == PHOENIX:
        return Heartbeat(at) if event == "heartbeat" else Unknown(at, event)
    match event:
        case "phx_join":
            version = payload.get("version")
            known = version if isinstance(version, str) else None
            return Join(_joining(at), join_config(payload.get("config")), token_of(payload), known)
        case "phx_leave":
            return Leave(at)
        case "access_token":
            return Renew(at, token_of(payload))
        case "broadcast":
            name = payload.get("event")
            named = isinstance(name, str)
            return Broadcast(at, str(name), payload.get("payload")) if named else Unknown(at, event)
        case "presence":
            return _presence(at, payload)
        case _:
            return Unknown(at, event)


def _joining(at: Address) -> Address:
    """Some releases of the Python client join with a null join_ref: then the ref is meant."""
    return Address(at.topic, at.ref, at.ref if at.join_ref is None else at.join_ref)


def _presence(at: Address, payload: dict[str, Any]) -> Intent:
    event = payload.get("event")
    name = event.lower() if isinstance(event, str) else ""
    if name == "untrack":
        return Untrack(at)
    meta = payload.get("payload", {})
    if name == "track" and isinstance(meta, dict):
        return Track(at, meta)
    return Unknown(at, f"presence {name}".strip())


def _binary(message: bytes) -> Intent:
    """Kind, one length byte for each field, the encoding, the fields, the payload to the end."""
    if len(message) < _HEADER_BYTES:
        raise Malformed("a binary message is longer than this")
    if message[0] != KIND_CLIENT_BROADCAST:
        raise Malformed(f"binary kind {message[0]} is unknown")
    fields: dict[str, str] = {}
    place = _HEADER_BYTES
    for name, length in zip(_LENGTHS, message[1:], strict=False):
        field = message[place : place + length]
        if len(field) < length:
            raise Malformed(f"the message ends within its {name}")
        fields[name] = field.decode("utf-8", "replace")
        place += length
    at = Address(fields["topic"], fields["ref"] or None, fields["join_ref"] or None)
    payload, encoding = message[place:], message[_HEADER_BYTES - 1]
    if encoding == ENCODING_RAW:
        return Broadcast(at, fields["event"], payload)
    if encoding != ENCODING_JSON:
        raise Malformed(f"encoding {encoding} is unknown")
    return Broadcast(at, fields["event"], _json(payload.decode("utf-8", "replace")))


def _ref(ref: object) -> str | None:
    if ref is None or isinstance(ref, str):
        return ref
    if isinstance(ref, int) and not isinstance(ref, bool):
        return str(ref)
    raise Malformed("a ref is a string")


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is not a number")
