"""What clients of all ages send, and what is made of it."""

import json
import random
from dataclasses import replace

import pytest

from headstart.realtime.protocol.intents import (
    Address,
    Broadcast,
    Heartbeat,
    Intent,
    Join,
    JoinConfig,
    Leave,
    Renew,
    Replay,
    Track,
    Unknown,
    Untrack,
)
from headstart.realtime.protocol.reading import Malformed, read
from headstart.realtime.protocol.versions import Version, version_asked
from tests.realtime.fuzzing import FRAMES_FUZZED, mutilated

TOPIC = "realtime:mechanic:m-42"
AT = Address(TOPIC, "7", "6")
BINARY = (
    b"\x03\x01\x01\x16\x0a\x00\x01"
    b'67realtime:mechanic:m-42offer_seen{"session_id":"s-7","version":3}'
)
SEEN = Broadcast(AT, "offer_seen", {"session_id": "s-7", "version": 3})

# The same wish in both versions: event, payload, intent.
WISHES = [
    pytest.param("phx_leave", {}, Leave(AT), id="leave"),
    pytest.param("access_token", {"access_token": "a.b.c"}, Renew(AT, "a.b.c"), id="renewal"),
    pytest.param("access_token", {"access_token": None}, Renew(AT, None), id="signed out"),
    pytest.param("access_token", {"access_token": "sb_x"}, Renew(AT, None), id="project key"),
    pytest.param(
        "broadcast",
        {"type": "broadcast", "event": "offer_seen", "payload": SEEN.payload},
        SEEN,
        id="broadcast",
    ),
    pytest.param("broadcast", {"type": "broadcast"}, Unknown(AT, "broadcast"), id="nameless"),
    pytest.param(
        "presence",
        {"type": "presence", "event": "track", "payload": {"status": "available"}},
        Track(AT, {"status": "available"}),
        id="track",
    ),
    pytest.param("presence", {"event": "TRACK", "payload": 1}, Unknown(AT, "presence track")),
    pytest.param("presence", {"type": "presence", "event": "untrack"}, Untrack(AT), id="untrack"),
    pytest.param("system", {}, Unknown(AT, "system"), id="unknown"),
    pytest.param("phx_leave", None, Leave(AT), id="no payload"),
]


def sent(version: Version, at: Address, event: str, payload: object) -> str:
    """The message as a client of that version writes it."""
    if version is Version.V2:
        return json.dumps([at.join_ref, at.ref, at.topic, event, payload])
    fields = {"topic": at.topic, "event": event, "payload": payload}
    return json.dumps({**fields, "ref": at.ref, "join_ref": at.join_ref})


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(("event", "payload", "intent"), WISHES)
def test_a_wish_is_understood(
    version: Version, event: str, payload: object, intent: Intent
) -> None:
    assert read(version, sent(version, AT, event, payload)) == intent


@pytest.mark.parametrize("version", Version)
def test_a_heartbeat_may_come_without_a_ref(version: Version) -> None:
    at = Address("phoenix", None, None)
    assert read(version, sent(version, at, "heartbeat", {})) == Heartbeat(at)


def test_the_version_is_the_old_one_unless_asked() -> None:
    assert [version_asked(vsn) for vsn in (None, "", "1.0.0", "2.0.0", "3.0.0")] == [
        Version.V1,
        Version.V1,
        Version.V1,
        Version.V2,
        None,
    ]


def test_a_binary_broadcast_is_what_the_newer_clients_send() -> None:
    assert read(Version.V2, BINARY) == SEEN


def test_a_binary_broadcast_may_be_raw_and_its_names_may_be_mangled() -> None:
    raw = b"\x03\x00\x01\x02\x01\x02\x007t\xff\xe9{}\x00\xff"
    at = Address("t�", "7", None)
    assert read(Version.V2, raw) == Broadcast(at, "�", b"\x00\xff")


def joining(config: object, **more: object) -> Join:
    """The join that this config makes."""
    payload = {"config": config, **more}
    intent = read(Version.V2, sent(Version.V2, replace(AT, ref="6"), "phx_join", payload))
    assert isinstance(intent, Join)
    return intent


def test_a_join_says_what_it_wants() -> None:
    binding = {"event": "*", "schema": "public", "table": "t", "filter": "a=eq.b"}
    join = joining(
        {
            "broadcast": {"ack": True, "self": "true", "replay": {"since": 17, "limit": 40}},
            "presence": {"key": "m-42", "enabled": False},
            "private": True,
            "postgres_changes": [binding],
        },
        access_token="a.b.c",
        version="realtime-js/2.109.0",
    )
    config = JoinConfig(True, True, Replay(17, 40), False, False, (binding,))
    assert join == Join(replace(AT, ref="6"), config, "a.b.c", "realtime-js/2.109.0")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, JoinConfig()),
        ({"broadcast": None, "presence": None, "postgres_changes": None}, JoinConfig()),
        ({"broadcast": {"ack": "false"}, "presence": {"key": ""}}, JoinConfig()),
        ({"broadcast": {"replay": None}}, JoinConfig()),
        ({"broadcast": {"replay": {"since": "17"}}}, JoinConfig(replay=Replay(17, None))),
        ({"broadcast": {"replay": {"since": "soon"}}}, JoinConfig(bad_replay=True)),
        ({"broadcast": {"replay": {"since": 1, "limit": -1}}}, JoinConfig(bad_replay=True)),
        ({"broadcast": {"replay": {"since": 1e300}}}, JoinConfig(bad_replay=True)),
        ({"presence": {"enabled": "false"}, "extra": [1]}, JoinConfig(presence=False)),
        ({"postgres_changes": [1, {"event": "*"}]}, JoinConfig(bindings=({"event": "*"},))),
        ([], JoinConfig()),
    ],
)
def test_a_join_is_read_leniently(config: object, expected: JoinConfig) -> None:
    assert joining(config).config == expected


def test_a_join_without_a_join_ref_means_its_ref() -> None:
    """As some releases of the Python client send it."""
    at = Address(TOPIC, "3", None)
    intent = read(Version.V1, sent(Version.V1, at, "phx_join", {"config": {}}))
    assert intent == Join(Address(TOPIC, "3", "3"), JoinConfig(), None, None)


@pytest.mark.parametrize("name", ["access_token", "user_token"])
def test_the_token_has_an_old_name_too(name: str) -> None:
    assert joining({}, **{name: " a.b.c "}).token == "a.b.c"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (Version.V1, "[]"),
        (Version.V1, "{"),
        (Version.V1, '{"topic":1,"event":"x"}'),
        (Version.V1, '{"topic":"t","event":"x","ref":[]}'),
        (Version.V1, BINARY),
        (Version.V2, "{}"),
        (Version.V2, "[1,2,3,4]"),
        (Version.V2, '[null,true,"t","x",{}]'),
        (Version.V2, '[null,null,"t","x",NaN]'),
        (Version.V2, "[" * 100_000),
        (Version.V2, b""),
        (Version.V2, b"\x04" + BINARY[1:]),
        (Version.V2, BINARY[:20]),
        (Version.V2, BINARY[:6] + b"\x02" + BINARY[7:]),
        (Version.V2, BINARY[:-1]),
    ],
)
def test_what_is_no_message_is_named(version: Version, message: str | bytes) -> None:
    with pytest.raises(Malformed):
        read(version, message)


def test_whatever_comes_is_understood_or_named() -> None:
    """The seed is fixed; HEADSTART_TEST_FUZZED_FRAMES says how many."""
    chance = random.Random(20_251_102)
    seeds: list[bytes] = [BINARY, BINARY[:3]]
    for wish in WISHES:
        event, payload, _ = wish.values
        seeds += [sent(version, AT, str(event), payload).encode() for version in Version]
    understood = 0
    for _ in range(FRAMES_FUZZED):
        message = mutilated(chance, chance.choice(seeds))
        text = message.decode("utf-8", "replace") if chance.random() < 0.7 else message
        try:
            read(chance.choice(list(Version)), text)
            understood += 1
        except Malformed:
            pass
    assert 0 < understood < FRAMES_FUZZED
