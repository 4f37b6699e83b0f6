"""The document is a good one, complete, and true of every frame: see ``tests.documented``."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import ValidationError, validator_for

from headstart.realtime.topics import Kind
from headstart.web.asyncapi import document
from tests.conftest import CLIENTS_DID_NOT_RUN
from tests.documented import require_documented
from tests.realtime.clients import environment
from tests.realtime.conftest import FEED
from tests.realtime.test_official_clients import REQUIRED

SPECIFICATION = "node_modules/@asyncapi/specs/schemas/3.0.0.json"


def references(node: Any) -> Iterator[str]:
    """Everything that is referred to."""
    if isinstance(node, dict):
        if isinstance(found := node.get("$ref"), str):
            yield found
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from references(one)


def test_it_is_what_the_official_schema_asks_for() -> None:
    try:
        _, place = environment.node()
    except environment.Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(f"{CLIENTS_DID_NOT_RUN}: {missing}")
    official = validator_for(json.loads((place / SPECIFICATION).read_text()))
    official.validate(document())
    broken = document()
    del broken["info"]["version"]
    assert not official.is_valid(broken)


def test_every_reference_leads_somewhere_and_every_message_is_used() -> None:
    made = document()
    for one in references(made):
        found = made
        for part in one.removeprefix("#/").split("/"):
            found = found[part]
    used = {one.rpartition("/")[2] for one in references(made["channels"])}
    assert made["components"]["messages"].keys() - used == set()
    assert {kind.value for kind in Kind} <= made["channels"].keys()


@pytest.mark.parametrize(
    "frame",
    [
        [None, None, FEED, "broadcast", {"type": "broadcast", "event": "gossip", "payload": {}}],
        [None, None, FEED, "presence_diff", {"joins": {}, "leaves": {}}],
        ["1", "1", FEED, "phx_close", {}],
        ["1", "1", FEED, "phx_error", {"code": 1012, "reason": "restart"}],
        [None, None, FEED, "phx_reply", {"status": "ok"}],
    ],
    ids=["event", "topic", "kind", "code", "field"],
)
def test_a_frame_that_it_does_not_know_is_noticed(frame: list[Any]) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        require_documented(frame)
