"""What every field of a message means. Which message has which is read from the messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from headstart.app.messages import Message, messages
from headstart.app.views import PAYLOAD_VERSION
from headstart.core.audience import BroadcastReason, ItsCustomer
from headstart.core.events import Stage
from headstart.core.request import FallbackReason

Json = dict[str, Any]

SCHEMA_REF = "#/components/schemas/{model}"


class Told(BaseModel):
    """Every field that there is."""

    payload_version: int = Field(
        description="Fields may be added to a version; whatever else changes, raises it.",
        json_schema_extra={"const": PAYLOAD_VERSION},
    )
    session_id: UUID = Field(description="The session request.")
    version: int = Field(
        ge=1, description="Of the request. Drop a message whose version is not newer than yours."
    )
    at: datetime = Field(description="When it happened.")
    server_now: datetime = Field(description="Count down from here, never by your own clock.")
    plan: str = Field(description="The code of what was bought.")
    plan_name: str = Field(description="The same, as people call it.")
    minutes: int = Field(description="How long the session lasts.")
    session_type: str = Field(description="What kind of session it is.")
    pay: int = Field(description="What the mechanic is paid, in the minor unit of the currency.")
    currency: str = Field(description="ISO 4217, lower case.")
    customer_first_name: str
    vehicle: str
    concern: str = Field(description="In the customer's words.")
    urgent: bool
    specialist: bool = Field(description="A specialist was asked for.")
    created_at: datetime = Field(description="When it was paid for.")
    reason: BroadcastReason = Field(
        description="`priority_timeout` after a favourite let the window pass, else `standard`."
    )
    mechanic_id: UUID = Field(description="The favourite whose turn it is.")
    priority_window_minutes: float = Field(description="How long the request is theirs alone.")
    message: str = Field(description="For the favourite's screen.")
    due_at: datetime = Field(description="When the system acts if nobody else did.")
    stage: Stage
    status: Literal["pending"]
    priority: bool = Field(description="Is it reserved for whoever reads this?")
    fallback_reason: FallbackReason = Field(
        description="Why a favourite's turn ended, or never began. Only after a fallback."
    )


def reader_of(message: Message) -> str:
    """For whom a message is made: not the same is told to all."""
    return "customer" if isinstance(message.notice.to, ItsCustomer) else "mechanic"


def by_name_and_reader() -> Mapping[tuple[str, str], Sequence[Message]]:
    """Every message there is, with all the occasions on which it is told."""
    found: dict[tuple[str, str], list[Message]] = {}
    for message in messages():
        found.setdefault((message.notice.event, reader_of(message)), []).append(message)
    return found


def payload_name(event: str, reader: str) -> str:
    """The schema of what is told under a name."""
    return f"{event}_to_{reader}"


def payload_schemas() -> Json:
    """A schema for each message, and those of the fields that need one of their own."""
    told = Told.model_json_schema(mode="serialization", ref_template=SCHEMA_REF)
    fields = {name: _field(schema) for name, schema in told["properties"].items()}
    payloads = {
        payload_name(*key): _payload([one.payload for one in occasions], fields)
        for key, occasions in by_name_and_reader().items()
    }
    return {**told["$defs"], **payloads}


def _payload(examples: Sequence[Mapping[str, Any]], fields: Mapping[str, Json]) -> Json:
    """Required is what is there on every occasion."""
    named = dict.fromkeys(name for example in examples for name in example)
    always = [name for name in named if all(name in example for example in examples)]
    return {
        "type": "object",
        "properties": {name: fields[name] for name in named},
        "required": always,
    }


def _field(schema: Json) -> Json:
    """Without pydantic's titles; a reference that has a description needs a level of its own."""
    plain = {name: value for name, value in schema.items() if name != "title"}
    if len(plain) > 1 and (reference := plain.pop("$ref", None)):
        return {"allOf": [{"$ref": reference}], **plain}
    return plain
