"""What is sent, byte for byte, and why it must be so."""

import json
from typing import Any

import pytest

from headstart.realtime.protocol import writing
from headstart.realtime.protocol.intents import Address
from headstart.realtime.protocol.presence import change_frames, state_frames
from headstart.realtime.protocol.versions import Version

TOPIC = "realtime:mechanic:m-42"
AT = Address(TOPIC, "7", "6")
V1, V2 = Version.V1, Version.V2


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            writing.reply(V1, AT, "ok", {}),
            '{"topic":"realtime:mechanic:m-42","event":"phx_reply",'
            '"payload":{"status":"ok","response":{}},"ref":"7"}',
        ),
        (
            writing.reply(V2, AT, "ok", {}),
            '["6","7","realtime:mechanic:m-42","phx_reply",{"status":"ok","response":{}}]',
        ),
        (
            writing.refusal(V2, AT, "Unauthorized: no"),
            '["6","7","realtime:mechanic:m-42","phx_reply",'
            '{"status":"error","response":{"reason":"Unauthorized: no"}}]',
        ),
        (
            writing.failure(V2, TOPIC, "6", 4401, "token_expired"),
            '["6","6","realtime:mechanic:m-42","phx_error",{"code":4401,"reason":"token_expired"}]',
        ),
        (
            writing.failure(V1, TOPIC, "6", 4401, "token_expired"),
            '{"topic":"realtime:mechanic:m-42","event":"phx_error",'
            '"payload":{"code":4401,"reason":"token_expired"},"ref":"6"}',
        ),
        (
            writing.broadcast(V2, TOPIC, "request_cancelled", {"version": 4}, {"id": "a"}),
            '[null,null,"realtime:mechanic:m-42","broadcast",{"type":"broadcast",'
            '"event":"request_cancelled","payload":{"version":4},"meta":{"id":"a"}}]',
        ),
        (
            writing.system(V2, "realtime:online_mechanics", "6", "draining"),
            '["6",null,"realtime:online_mechanics","system",{"extension":"system","status":"ok",'
            '"message":"draining","channel":"online_mechanics"}]',
        ),
    ],
)
def test_a_frame_is_written_so(written: str, expected: str) -> None:
    assert written == expected


def test_a_push_of_the_old_version_has_a_ref_that_is_null() -> None:
    """Without the key the Python client drops the frame."""
    state: dict[str, Any] = {}
    for push in (
        writing.broadcast(V1, TOPIC, "x", {}),
        writing.presence_state(V1, TOPIC, "6", state),
        writing.presence_diff(V1, TOPIC, state, state),
        writing.system(V1, TOPIC, "6", "x"),
    ):
        assert json.loads(push)["ref"] is None


def test_what_everybody_is_told_has_no_join_ref() -> None:
    """The JavaScript client drops a frame whose join_ref is set and is not its own."""
    for push in (writing.broadcast(V2, TOPIC, "x", {}), writing.presence_diff(V2, TOPIC, {}, {})):
        assert json.loads(push)[:2] == [None, None]


def test_bindings_come_back_as_they_were_asked_for() -> None:
    bindings = [{"event": "*", "filter": "b"}, {"event": "INSERT", "filter": "a"}]
    [*_, payload] = json.loads(writing.joined(V2, AT, bindings))
    assert payload["response"]["postgres_changes"] == [
        {"event": "*", "filter": "b", "id": 1},
        {"event": "INSERT", "filter": "a", "id": 2},
    ]


def test_binary_is_of_the_one_kind_that_clients_know() -> None:
    written = writing.binary_broadcast(
        TOPIC, "priority_session_request", {"id": "000000000173"}, {"version": 3}
    )
    assert written == (
        b"\x04\x16\x18\x15\x01realtime:mechanic:m-42priority_session_request"
        b'{"id":"000000000173"}{"version":3}'
    )
    assert writing.binary_broadcast("t", "e", {}, b"\xff") == b"\x04\x01\x01\x00\x00te\xff"
    with pytest.raises(ValueError, match="255"):
        writing.binary_broadcast("t" * 256, "e", {}, b"")


def test_a_frame_can_always_be_written() -> None:
    """A lone surrogate in a client's ref must not break the answer to it."""
    assert writing.reply(V2, Address(TOPIC, "\ud800", None), "ok", {}).encode()


def test_a_state_is_sent_empty_and_then_full() -> None:
    state = {"m-1": {"F1": {"status": "available"}, "F2": {}}}
    empty, full = (json.loads(frame) for frame in state_frames(V2, TOPIC, "6", state))
    assert empty == ["6", None, TOPIC, "presence_state", {}]
    assert full[4] == {
        "m-1": {"metas": [{"status": "available", "phx_ref": "F1"}, {"phx_ref": "F2"}]}
    }


def test_an_empty_state_is_sent_too() -> None:
    """Without one the JavaScript client keeps all diffs to itself for ever."""
    [only] = state_frames(V2, TOPIC, "6", {})
    assert json.loads(only)[3:] == ["presence_state", {}]


def test_an_update_is_two_frames_with_all_that_a_key_has() -> None:
    tab, phone = {"F1": {"status": "available"}}, {"F2": {"status": "busy"}}
    leaving, joining = (
        json.loads(frame)[4]
        for frame in change_frames(
            V2, TOPIC, {"m-1": tab, "m-2": tab}, {"m-1": tab | phone, "m-2": tab}
        )
    )
    assert leaving == {
        "joins": {},
        "leaves": {"m-1": {"metas": [{"status": "available", "phx_ref": "F1"}]}},
    }
    assert joining["leaves"] == {}
    assert [meta["phx_ref"] for meta in joining["joins"]["m-1"]["metas"]] == ["F1", "F2"]
    assert joining["joins"].keys() == {"m-1"}


def test_no_change_is_no_frame() -> None:
    state = {"m-1": {"F1": {"status": "available"}}}
    assert list(change_frames(V2, TOPIC, state, state)) == []


def test_one_who_goes_makes_one_frame() -> None:
    [only] = change_frames(V1, TOPIC, {"m-1": {"F1": {}}}, {})
    assert json.loads(only)["payload"]["joins"] == {}
