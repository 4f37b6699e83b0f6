"""What the protocol says beside the news: joins and answers, presence, and how things end."""

from collections.abc import Iterable, Mapping
from typing import Any

from headstart.app.ports import Ending
from headstart.realtime.channel import RESYNC
from headstart.realtime.presences import META_CHARACTERS_MAX, META_FIELDS
from headstart.realtime.pushes import OFFER_SEEN
from headstart.realtime.reasons import JoinRefusal, ends_of_channels

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}


def schema(name: str) -> Json:
    """A reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def shape(required: Mapping[str, Json] | None = None, **optional: Json) -> Json:
    """An object with these properties."""
    required = required or {}
    made: Json = {"type": "object", "properties": {**required, **optional}}
    return made | ({"required": list(required)} if required else {})


def message(event: str, summary: str, payload: Json, examples: Iterable[Json] = ()) -> Json:
    """A frame of the socket, by its event and its payload."""
    made: Json = {
        "name": event,
        "summary": summary,
        "contentType": "application/json",
        "headers": shape({"event": {"const": event}}),
        "payload": payload,
    }
    listed = [{"headers": {"event": event}, "payload": one} for one in examples]
    return made | ({"examples": listed} if listed else {})


def broadcast(event: str, payload: Json) -> Json:
    """What a listener for ``event`` is handed."""
    envelope = shape({"event": {"const": event}, "payload": payload})
    return {"allOf": [schema("Broadcast"), envelope]}


def protocol_schemas() -> Json:
    """The shapes that more than one message needs."""
    named = {"topic": TEXT, "event": TEXT, "payload": {"type": "object"}}
    metas = {"type": "array", "items": schema("PresenceMeta"), "minItems": 1}
    shown = {name: {**TEXT, "maxLength": META_CHARACTERS_MAX} for name in META_FIELDS}
    return {
        "FrameV1": shape({**named, "ref": TEXT_OR_NULL}, join_ref=TEXT_OR_NULL)
        | {"description": "Version 1.0.0: one object. Headers are its `event`."},
        "FrameV2": {
            "description": "Version 2.0.0: join_ref, ref, topic, event, payload.",
            "type": "array",
            "items": [TEXT_OR_NULL, TEXT_OR_NULL, *named.values()],
            "minItems": 5,
            "maxItems": 5,
        },
        "Meta": shape(
            {"id": {**TEXT, "description": "Names an event: the same for every copy of it."}},
            replayed={"const": True, "description": "It was missed, or asked for again."},
        ),
        "Broadcast": shape(
            {"type": {"const": "broadcast"}, "event": TEXT, "payload": {"type": "object"}},
            meta=schema("Meta"),
        ),
        "PresenceMeta": shape({"phx_ref": TEXT}, **shown),
        "Presences": {
            "description": "By mechanic.",
            "type": "object",
            "additionalProperties": shape({"metas": metas}),
        },
    }


def said_by_the_server() -> Json:
    """By the name of the message: what the socket says beside the news."""
    response = {"type": "object"}
    statuses = {"enum": ["ok", "error"]}
    reasons = {"type": "string", "description": "A refusal; its first word is the code."}
    codes = ", ".join(f"`{one.code}`" for one in JoinRefusal)
    ends = ends_of_channels()
    return {
        "phx_reply": message(
            "phx_reply",
            f"The answer to a push. Joins are refused with {codes}.",
            shape({"status": statuses, "response": {**response, **shape(reason=reasons)}}),
        ),
        "phx_error": message(
            "phx_error",
            "The end of a channel that may be joined again.",
            shape(
                {
                    "code": {"enum": sorted({end.code for end in ends})},
                    "reason": {"enum": [end.value for end in ends]},
                }
            ),
        ),
        "presence_state": message(
            "presence_state", "Who is there: empty first, then everybody.", schema("Presences")
        ),
        "presence_diff": message(
            "presence_diff",
            "A change: first everything of a mechanic leaves, then everything joins.",
            shape({"joins": schema("Presences"), "leaves": schema("Presences")}),
        ),
        RESYNC: message(
            "broadcast",
            "You were away for too long: start again from the snapshot.",
            broadcast(RESYNC, shape({"reason": TEXT})),
        ),
    }


def said_by_clients() -> Json:
    """By the name of the message: what the socket takes. Everything else is refused by name."""
    seen = shape({"session_id": {**TEXT, "format": "uuid"}}, version={"type": "integer"})
    shown = dict.fromkeys(META_FIELDS, TEXT)
    token = {"access_token": TEXT_OR_NULL}
    return {
        "phx_join": message(
            "phx_join",
            "Begin a channel; what is missing in `config` is the default.",
            shape(config={"type": "object"}, **token),
        ),
        "phx_leave": message("phx_leave", "End it for good.", {"type": "object"}),
        "access_token": message("access_token", "A new token for the channel.", shape(token)),
        "heartbeat": message("heartbeat", "Is anybody there?", {"type": "object"}),
        OFFER_SEEN: message(
            "broadcast", "The offer was shown to a person.", broadcast(OFFER_SEEN, seen)
        ),
        "track": message(
            "presence",
            "Go on duty.",
            shape({"event": {"const": "track"}}, payload=shape(**shown)),
        ),
        "untrack": message("presence", "Go off duty.", shape({"event": {"const": "untrack"}})),
    }


def said_on_the_stream(payloads: Iterable[str]) -> Json:
    """By the name of the message: server-sent events. A frame is named by its event."""
    told = {"allOf": [shape({"topic": TEXT}), {"anyOf": [schema(one) for one in payloads]}]}
    ended: dict[str, Json] = {
        "code": {"const": 4401},
        "reason": {"enum": [one.value for one in Ending]},
    }
    now = {"server_now": {**TEXT, "format": "date-time"}}
    return {
        "stream_snapshot": _sent("snapshot", "How things are, to begin with.", shape(now)),
        "stream_frame": _sent("the name of the event", "News, or what was missed of it.", told),
        "stream_ready": _sent("ready", "From here on it is live.", {"type": "object"}),
        "stream_heartbeat": _sent("heartbeat", "Nothing happened.", {"type": "object"}),
        "stream_resync": _sent("resync", "Start again from the snapshot.", {"type": "object"}),
        "stream_ended": _sent("ended", "The sign-in behind the stream is over.", shape(ended)),
    }


def _sent(event: str, summary: str, payload: Json) -> Json:
    return {
        "name": event,
        "summary": summary,
        "contentType": "application/json",
        "payload": payload,
    }
