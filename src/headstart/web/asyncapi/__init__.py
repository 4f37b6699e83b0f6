"""The AsyncAPI 3 document of the socket and the stream: their topics, and everything said on them.

Which messages there are, who is told them, with which fields and on which topic is read from the
code that makes and carries them. Only what a field means, and the protocol itself, stands here.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from headstart import __version__
from headstart.app.feed import Frame
from headstart.app.messages import MECHANIC, REQUEST, Message
from headstart.app.ports import Cursor
from headstart.core.access import Principal, Role
from headstart.core.audience import OneMechanic
from headstart.realtime.channel import RESYNC
from headstart.realtime.limits import SOCKET_PATH
from headstart.realtime.pushes import OFFER_SEEN
from headstart.realtime.topics import PREFIX, Kind, Topic, carries
from headstart.web.asyncapi.payloads import (
    by_name_and_reader,
    payload_name,
    payload_schemas,
    reader_of,
)
from headstart.web.asyncapi.protocol import (
    Json,
    broadcast,
    message,
    protocol_schemas,
    said_by_clients,
    said_by_the_server,
    said_on_the_stream,
    schema,
)

PATH = "/api/v1/asyncapi.json"
STREAM_PATH = "/api/v1/stream"

# Each topic as one of its readers has it; who else may join is told in words.
TOPICS: Mapping[Kind, tuple[Topic, str]] = {
    Kind.FEED: (Topic("", Kind.FEED), "For approved mechanics: each hears what is meant for them."),
    Kind.MECHANIC: (Topic("", Kind.MECHANIC, MECHANIC), "For that mechanic: what is theirs alone."),
    Kind.REQUEST: (
        Topic("", Kind.REQUEST, REQUEST),
        "For its customer, whoever serves it, and operators; to each what they may see.",
    ),
    Kind.ONLINE: (Topic("", Kind.ONLINE), "For anybody signed in: which mechanics are on duty."),
}
PARAMETERS = {Kind.MECHANIC: "mechanic_id", Kind.REQUEST: "session_id"}
EVERYWHERE = ("phx_reply", "phx_error", "presence_state")
BY_ANYBODY = ("phx_join", "phx_leave", "access_token")


def document(address: str = "https://app.example") -> Json:
    """For a service that is reached at this address."""
    news = {payload_name(*key): _news(*key, told) for key, told in by_name_and_reader().items()}
    by_server, by_clients = said_by_the_server(), said_by_clients()
    streamed = said_on_the_stream(payload_name(*key) for key in by_name_and_reader())
    channels = {kind.value: _channel(kind) for kind in TOPICS}
    channels["phoenix"] = _messages("phoenix", "The connection itself.", ["heartbeat", "phx_reply"])
    channels["stream"] = _messages(STREAM_PATH, "One person's news.", list(streamed), "stream")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headstart",
            "version": __version__,
            "description": "What people are told as it happens, and what they may say. A message "
            "is a hint and the snapshot is the truth: drop what is not newer, and ignore events "
            "and fields that you do not know.",
        },
        "defaultContentType": "application/json",
        "servers": _servers(address),
        "channels": channels,
        "operations": _operations(channels, set(by_clients)),
        "components": {
            "messages": {**news, **by_server, **by_clients, **streamed},
            "schemas": {**protocol_schemas(), **payload_schemas()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _servers(address: str) -> Json:
    parts = urlsplit(address)
    is_secure = parts.scheme == "https"
    return {
        "socket": {
            "host": parts.netloc,
            "pathname": SOCKET_PATH,
            "protocol": "wss" if is_secure else "ws",
            "description": "The protocol of Supabase Realtime, versions 1.0.0 and 2.0.0.",
        },
        "stream": {
            "host": parts.netloc,
            "protocol": "https" if is_secure else "http",
            "description": "Server-sent events, resumed by `Last-Event-ID`.",
            "security": [{"$ref": "#/components/securitySchemes/bearer"}],
        },
    }


def _news(event: str, reader: str, told: Sequence[Message]) -> Json:
    """Told to customers (and operators), or to mechanics."""
    summary = "; ".join(dict.fromkeys(one.when for one in told))
    examples = [
        {
            "type": "broadcast",
            "event": event,
            "payload": one.payload,
            "meta": {"id": "9f86d081884c"},
        }
        for one in told
    ]
    payload = broadcast(event, schema(payload_name(event, reader)))
    return message("broadcast", summary, payload, examples) | {"title": f"{event} to a {reader}"}


def _channel(kind: Kind) -> Json:
    topic, description = TOPICS[kind]
    carried = [
        payload_name(*key) for key, told in by_name_and_reader().items() if _carries(topic, told)
    ]
    said = [*BY_ANYBODY, *EVERYWHERE, *carried]
    if kind is not Kind.ONLINE:
        said.append(RESYNC)
    if kind in (Kind.FEED, Kind.MECHANIC):
        said.append(OFFER_SEEN)
    if kind is Kind.ONLINE:
        said += ["presence_diff", "track", "untrack"]
    parameter = PARAMETERS.get(kind)
    address = f"{PREFIX}{kind.value}" + (f":{{{parameter}}}" if parameter else "")
    made = _messages(address, description, said)
    return made | ({"parameters": {parameter: {"description": "A UUID."}}} if parameter else {})


def _messages(address: str, description: str, names: Sequence[str], server: str = "socket") -> Json:
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _carries(topic: Topic, told: Sequence[Message]) -> bool:
    """Does somebody hear it there? Asked of the rule that the socket goes by."""
    return any(
        carries(topic, Principal(role, MECHANIC))(_frame(one)) and _is_for(role, one)
        for one in told
        for role in Role
    )


def _is_for(role: Role, told: Message) -> bool:
    """Is it made for this role?"""
    return (reader_of(told) == "mechanic") == (role is Role.MECHANIC)


def _frame(told: Message) -> Frame:
    notice = told.notice
    personal = isinstance(notice.to, OneMechanic)
    return Frame(Cursor(), notice.topic, notice.event, told.payload, personal)


def _operations(channels: Json, by_clients: set[str]) -> Json:
    """On each channel the service sends, and on most of them it listens, too."""
    operations: Json = {}
    for name, channel in channels.items():
        for action, chosen in (
            ("send", [one for one in channel["messages"] if one not in by_clients]),
            ("receive", [one for one in channel["messages"] if one in by_clients]),
        ):
            if chosen:
                operations[f"{action}_{name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{name}"},
                    "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in chosen],
                }
    return operations
