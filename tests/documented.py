"""Is what is told what the AsyncAPI document says? Asked of every frame that the tests overhear."""

from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from typing import Any

from jsonschema_rs import Draft7Validator, ValidationError

from headstart.web.asyncapi import document
from headstart.web.asyncapi.payloads import by_name_and_reader, payload_name

Json = dict[str, Any]


@cache
def strict() -> Json:
    """The document, and nothing beside it: a field that it does not know is an error."""
    found = deepcopy(document())
    for key in by_name_and_reader():
        found["components"]["schemas"][payload_name(*key)]["additionalProperties"] = False
    return found


@cache
def checker(kind: str, name: str) -> Draft7Validator:
    """Of a schema, or of the payload of a message."""
    found = strict()["components"][kind][name]
    schema = found["payload"] if kind == "messages" else found
    return Draft7Validator({**strict(), "allOf": [schema]}, validate_formats=True)


@cache
def said_on(channel: str, event: str) -> tuple[str, ...]:
    """The messages of a channel whose frames have this event."""
    listed = strict()["channels"].get(channel, {"messages": ["phx_reply"]})["messages"]
    messages = strict()["components"]["messages"]
    return tuple(one for one in listed if messages[one]["name"] == event)


def require_documented(frame: list[Any]) -> None:
    """AssertionError for a frame of the socket that the document does not know on its topic."""
    checker("schemas", "FrameV2").validate(frame)
    _, _, topic, event, payload = frame
    channel = topic.removeprefix("realtime:").partition(":")[0]
    _require_one(payload, [checker("messages", one) for one in said_on(channel, event)])


def require_documented_event(event: str, data: Json) -> None:
    """The same, for a server-sent event."""
    if f"stream_{event}" in strict()["channels"]["stream"]["messages"]:
        checker("messages", f"stream_{event}").validate(data)
        return
    told = {name: value for name, value in data.items() if name != "topic"}
    assert len(told) < len(data), "a frame of the stream names its topic"
    names = [payload_name(*key) for key in by_name_and_reader() if key[0] == event]
    _require_one(told, [checker("schemas", one) for one in names])


def _require_one(said: Json, checkers: Iterable[Draft7Validator]) -> None:
    """At least one of them has nothing against it."""
    errors: list[ValidationError] = []
    for one in checkers:
        try:
            one.validate(said)
        except ValidationError as error:
            errors.append(error)
        else:
            return
    raise AssertionError(f"nobody documents {said}: {[error.message for error in errors]}")
