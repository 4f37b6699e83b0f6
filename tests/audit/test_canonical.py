"""One canonical form, computed by PostgreSQL and by Python alike."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from headstart.app.audit.canonical import (
    Hash,
    canonical,
    eligible_digest,
    event_hash,
    flag_change_hash,
    operator_action_hash,
    parsed,
)

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

Row = Mapping[str, Any]
ROUNDS = 300
NASTY = ("", "a", "é", "日本", "🔧", '"', "\\", "/", "\n\t\r\b\f", "\x01\x1f\x7f", "\u2028")
NUMBERS = ("0", "-1", "1.50", "0.000001", "123456789012345678901234567890", "1e3", "-0.10")


class Chance:
    """Rows of all sorts, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def text(self) -> str:
        return "".join(self._random.choices(NASTY, k=self._random.randint(1, 5)))

    def json(self, depth: int = 3) -> str:
        """As somebody would write it: keys in any order, numbers as they come."""
        match self._random.randint(0, 6 if depth else 4):
            case 0:
                return self._random.choice(("null", "true", "false"))
            case 1:
                return self._random.choice(NUMBERS)
            case 2 | 3 | 4:
                return json.dumps(self.text(), ensure_ascii=self._random.random() < 0.5)
            case 5:
                inside = [self.json(depth - 1) for _ in range(self._random.randint(0, 4))]
                return f"[{','.join(inside)}]"
            case _:
                pairs = [
                    f"{json.dumps(self.text())}: {self.json(depth - 1)}"
                    for _ in range(self._random.randint(0, 6))
                ]
                return "{" + " , ".join(pairs) + "}"

    def maybe(self, value: Any) -> Any:
        return self._random.choice((value, value, None))

    def at(self) -> datetime:
        beginning = datetime(1969, 12, 1, tzinfo=UTC)
        return beginning + timedelta(microseconds=self._random.randrange(4 * 10**15))

    def number(self) -> int:
        return self._random.choice((0, 1, self._random.randrange(2**62)))

    def ids(self) -> list[UUID]:
        return [UUID(int=self._random.getrandbits(128)) for _ in range(self._random.randint(0, 3))]

    def switch(self) -> bool:
        return self._random.random() < 0.5


def an_event(chance: Chance) -> dict[str, Any]:
    return {
        "id": chance.number(),
        "xid": chance.number(),
        "request_id": UUID(int=chance.number()),
        "version": chance.number() % 2**31,
        "kind": chance.text(),
        "at": chance.at(),
        "actor": chance.text(),
        "round": chance.number() % 2**15,
        "payload": chance.json(),
        "eligible": chance.maybe(chance.ids()),
        "command_key": chance.maybe(chance.text()),
        "reason": chance.maybe(chance.text()),
    }


def an_action(chance: Chance) -> dict[str, Any]:
    return {
        "id": chance.number(),
        "at": chance.at(),
        "actor": chance.text(),
        "action": chance.text(),
        "subject": chance.text(),
        "was": chance.maybe(chance.json()),
        "became": chance.maybe(chance.json()),
        "reason": chance.text(),
    }


def a_change(chance: Chance) -> dict[str, Any]:
    return {
        "id": chance.number(),
        "at": chance.at(),
        "actor": chance.text(),
        "name": chance.text(),
        "was_enabled": chance.maybe(chance.switch()),
        "was_rollout_percentage": chance.maybe(chance.number() % 101),
        "enabled": chance.switch(),
        "rollout_percentage": chance.number() % 101,
        "reason": chance.maybe(chance.text()),
    }


def test_the_form_is_what_the_page_says() -> None:
    event = {
        "id": 7,
        "xid": 752,
        "request_id": UUID(int=1),
        "version": 1,
        "kind": "request_unfilled",
        "at": datetime(2026, 1, 1, 12, 30, 0, 5, tzinfo=UTC),
        "actor": "system",
        "round": 0,
        "payload": {"bb": 1, "a": "é\n", "c": [True, None]},
        "eligible": None,
        "command_key": None,
        "reason": None,
    }
    payload = '{"a": "é\\n", "c": [true, null], "bb": 1}'
    assert canonical(event["payload"]) == payload
    written = (
        '[null, 7, "752", "00000000-0000-0000-0000-000000000001", 1, "request_unfilled",'
        f' 1767270600000005, "system", 0, {payload}, null, null, null]'
    )
    assert event_hash(event, None) == sha256(written.encode()).digest()


JSON_COLUMNS = {"payload", "was", "became"}


@pytest.mark.parametrize(
    ("table", "function", "hash_of", "make"),
    [
        ("session_events", "event_hash", event_hash, an_event),
        ("operator_actions", "operator_action_hash", operator_action_hash, an_action),
        ("feature_flag_changes", "flag_change_hash", flag_change_hash, a_change),
    ],
)
async def test_both_compute_the_same(
    table: str, function: str, hash_of: Hash, make: Any, pool: "Pool"
) -> None:
    chance = Chance(20260101)
    rows = [make(chance) for _ in range(ROUNDS)]
    written = [as_json(row) for row in rows]
    theirs = await pool.fetch(
        f"select {function}(made, $2) as hash from unnest($1::text[]) with ordinality as given"
        f" (one, place), jsonb_populate_record(null::{table}, one::jsonb) made order by place",
        written,
        b"\x00\xff" * 16,
    )
    for row, their in zip(rows, theirs, strict=True):
        known = {name: parsed(row[name]) for name in JSON_COLUMNS & row.keys() if row[name]}
        assert hash_of({**row, **known}, b"\x00\xff" * 16) == their["hash"], row


async def test_both_compute_the_same_digest_of_who_was_asked(pool: "Pool") -> None:
    lists = [Chance(seed).ids() for seed in range(20)]
    assert {len(one) for one in lists} >= {0, 1, 3}
    for one in lists:
        row = await pool.fetchrow(
            "select eligible_digest($1) as theirs, array_send($1) as sent", one
        )
        assert row is not None
        assert eligible_digest(one) == eligible_digest(row["sent"]) == row["theirs"]


def as_json(row: Row) -> str:
    """The row, with its JSON columns as JSON and not as text."""
    plain = {name: value for name, value in row.items() if name not in JSON_COLUMNS}
    digest = eligible_digest(row.get("eligible"))
    plain["eligible_digest"] = f"\\x{digest.hex()}" if digest else None
    written = json.dumps(plain, default=str)[1:-1]
    more = [f'"{name}": {row[name]}' for name in JSON_COLUMNS & row.keys() if row[name]]
    return "{" + ", ".join([written, *more]) + "}"
