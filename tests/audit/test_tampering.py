"""Whoever alters the trail is found out, however well they know how it is made.

By default a few hundred tamperings of a small log, and some in a whole database; TAMPERINGS=10000
TAMPERED_EVENTS=100000 TAMPERED_DATABASES=60 for the full depth.
"""

import json
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from heapq import merge
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from headstart.app.audit.checkpoints import Checkpoints
from headstart.app.audit.merkle import Tree
from headstart.app.audit.notes import Checkpoint, opened
from headstart.app.ports import Cursor
from headstart.doctor.findings import Findings
from headstart.doctor.requests import RequestAudit
from headstart.doctor.trail import (
    LogAudit,
    NotesAudit,
    check_checkpoints,
    check_outside,
    check_requests,
    whole_chains,
)
from headstart.identity.keys import Ed25519Keys
from headstart.store.audit import AuditStore
from headstart.store.outside import notes_in
from headstart.store.postgres import connected
from tests.audit.forgery import Altered, Log, Nothing, Row
from tests.audit.histories import fill
from tests.audit.tampering import TAMPERINGS
from tests.conftest import Cast, with_database

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

NUMBER = int(os.environ.get("TAMPERINGS", "300"))
EVENTS = int(os.environ.get("TAMPERED_EVENTS", "400"))
DATABASES = int(os.environ.get("TAMPERED_DATABASES", "4"))
SNAPSHOT_EVERY = 500  # events, so that a look at the log need not begin at its beginning
_numbers = count()


class Examiner:
    """What the doctor finds, looking only at what may be affected."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._notes = [opened(note, log.keys) for note in log.notes]
        self._order = sorted(
            (event["xid"], event["id"], event["hash"])
            for events in log.events.values()
            for event in events
        )
        self._snapshots: list[tuple[int, list[bytes], Cursor]] = []
        audit = LogAudit()
        for place, (xid, event_id, content) in enumerate(self._order):
            if place % SNAPSHOT_EVERY == 0:
                self._snapshots.append((place, list(audit.tree.peaks), audit.place))
            audit.event({"xid": xid, "id": event_id, "hash": content})

    def findings(self, altered: Altered) -> dict[str, str]:
        """The first finding of each kind of look."""
        looks = {
            "chains and rows": self._of_requests(altered),
            "checkpoints": self._of_the_log(altered),
            "signatures": self._of_notes(altered),
            "copies": self._of_copies(altered),
            "chains of operators": self._of_chains(altered),
        }
        found = {name: next(look, None) for name, look in looks.items()}
        return {name: message for name, message in found.items() if message is not None}

    def _of_requests(self, altered: Altered) -> Iterator[str]:
        for request_id in altered.rows.keys() | altered.events.keys():
            row = altered.rows.get(request_id, self._log.rows[request_id])
            events = altered.events.get(request_id, self._log.events[request_id])
            if row is None and not events:
                continue
            audit = RequestAudit(request_id)
            ordered = sorted(events, key=lambda one: (one["request_id"], one["version"]))
            for event in ordered:
                yield from audit.event(event)
            yield from audit.row(row)

    def _of_the_log(self, altered: Altered) -> Iterator[str]:
        """From the last snapshot before the first difference."""
        gone, come = set[tuple[int, int, bytes]](), set[tuple[int, int, bytes]]()
        for request_id, events in altered.events.items():
            gone |= {(one["xid"], one["id"], one["hash"]) for one in self._log.events[request_id]}
            come |= {(one["xid"], one["id"], one["hash"]) for one in events}
        gone, come = gone - come, come - gone
        if not gone and not come:
            return
        first = bisect_left(self._order, min(gone | come)) // SNAPSHOT_EVERY
        place, peaks, cursor = self._snapshots[min(first, len(self._snapshots) - 1)]
        audit = LogAudit()
        audit.tree, audit.place = Tree(place, list(peaks)), cursor
        rest = (self._order[index] for index in range(place, len(self._order)))
        log = merge((one for one in rest if one not in gone), sorted(come))
        left = self._log.notes if altered.notes is None else altered.notes
        for note, said in zip(self._log.notes, self._notes, strict=True):
            if said.size > place and note in left:
                yield from self._until(said, audit, log)

    def _until(
        self, said: Checkpoint, audit: LogAudit, log: Iterator[tuple[int, int, bytes]]
    ) -> Iterator[str]:
        while audit.tree.size < said.size and (event := next(log, None)):
            audit.event({"xid": event[0], "id": event[1], "hash": event[2]})
        yield from audit.checkpoint(said)

    def _of_notes(self, altered: Altered) -> Iterator[str]:
        audit = NotesAudit(self._log.keys)
        if altered.notes is not None:
            for number, note in enumerate(altered.notes, 1):
                said = audit.note(number, note)
                if isinstance(said, str):
                    yield said

    def _of_copies(self, altered: Altered) -> Iterator[str]:
        if altered.notes is not None:
            yield from (note for note in self._log.notes if note not in altered.notes)

    def _of_chains(self, altered: Altered) -> Iterator[str]:
        for name, entries in altered.chains.items():
            audit, notes = whole_chains()[name], iter(self._notes)
            said = next(notes, None)
            for entry in [*entries, None]:
                while said and (entry is None or entry["id"] > said.ends[name].id):
                    yield from audit.checkpoint(said)
                    said = next(notes, None)
                if entry is not None:
                    yield from audit.entry(entry)


@pytest.fixture
async def log(
    pool: "Pool", cast: Cast, checkpoints: Checkpoints, keys: Ed25519Keys, copy: Path
) -> Log:
    """A log in order."""
    await fill(pool, cast, EVENTS, checkpoints)
    return await read(pool, keys)


async def read(pool: "Pool", keys: Ed25519Keys) -> Log:
    """All of it."""
    async with AuditStore(pool).transaction() as store:
        rows = {row["id"]: dict(row) async for row in store.read_requests()}
        events: dict[UUID, list[Row]] = {request_id: [] for request_id in rows}
        async for event in store.read_events():
            events[event["request_id"]].append(dict(event))
        notes = [row["note"] async for row in store.read_checkpoints()]
        chains = {
            "operator_actions": [dict(row) async for row in store.read_actions()],
            "feature_flag_changes": [dict(row) async for row in store.read_flag_changes()],
        }
    return Log(rows, events, notes, chains, keys)


def tamperings(log: Log, number: int, seed: int) -> Iterator[tuple[str, Altered]]:
    """So many, of all kinds in turn."""
    random, names = Random(seed), list(TAMPERINGS)
    made = 0
    while made < number:
        name = names[made % len(names)]
        try:
            yield name, TAMPERINGS[name](log, random)
        except Nothing:
            continue
        made += 1


async def test_whatever_is_altered_is_found(log: Log) -> None:
    examiner = Examiner(log)
    missed, told = [], Counter[str]()
    assert not examiner.findings(untouched(log))
    for name, altered in tamperings(log, NUMBER, seed=7):
        found = examiner.findings(altered)
        told.update(f"{name}: {by}" for by in found or ["nothing"])
        told[name] += 1
        if not found:
            missed.append((name, altered))
    keep(told)
    assert missed == []


def keep(told: Counter[str]) -> None:
    """What found what, for who wants to publish it."""
    path = os.environ.get("TAMPERINGS_TOLD")
    if path:
        Path(path).write_text(json.dumps(told, indent=1, sort_keys=True))


def untouched(log: Log) -> Altered:
    """What is in order gives nothing to find."""
    some = log.ids[:20]
    return Altered(
        {one: log.rows[one] for one in some},
        {one: log.events[one] for one in some},
        log.notes,
        log.chains,
    )


# --- in a database ---------------------------------------------------------------------------


async def test_the_doctor_finds_it_in_a_whole_database(
    log: Log, database: str, pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    assert await failures(pool, keys, copy) == []
    await pool.close()
    done = 0
    for name, altered in tamperings(log, DATABASES * 20, seed=8):
        async with copied(database) as other:
            try:
                await write(other, altered)
            except (asyncpg.PostgresError, ValueError):
                continue  # the schema itself refuses it
            async with connected(other, connections_max=2) as tampered:
                assert await failures(tampered, keys, copy), name
        done += 1
        if done == DATABASES:
            break
    assert done == DATABASES


async def failures(pool: "Pool", keys: Ed25519Keys, copy: Path) -> list[str]:
    """What the doctor says of the trail."""
    findings = Findings()
    async with AuditStore(pool).transaction() as store:
        await store.hold_still()
        await check_requests(store, findings)
        await check_checkpoints(store, keys, findings)
        await check_outside(store, keys, [copy], findings)
    return [str(one) for one in findings.shown] if findings.failed else []


@asynccontextmanager
async def copied(database: str) -> AsyncIterator[str]:
    """The same database once more."""
    name, template = f"tampered_{next(_numbers)}", urlsplit(database).path.strip("/")
    admin = await asyncpg.connect(with_database(database, "postgres"))
    try:
        await admin.execute(f"create database {name} template {template}")
        yield with_database(database, name)
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


TABLES = ("session_requests", "session_events", "audit_checkpoints")


async def write(dsn: str, altered: Altered) -> None:
    """As the owner of the tables, with every guard off for the while."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "headstart"})
    try:
        async with connection.transaction():
            for table in (*TABLES, *altered.chains):
                await connection.execute(f"alter table {table} disable trigger all")
            await _write(connection, altered)
            for table in (*TABLES, *altered.chains):
                await connection.execute(f"alter table {table} enable trigger all")
    finally:
        await connection.close()


async def _write(connection: Any, altered: Altered) -> None:
    await connection.execute(
        "delete from session_events where request_id = any($1)", list(altered.events)
    )
    for events in altered.events.values():
        await put(connection, "session_events", events)
    gone = [one for one, row in altered.rows.items() if row is None]
    await connection.execute("delete from session_requests where id = any($1)", gone)
    for request_id, row in altered.rows.items():
        if row is not None:
            await replace_row(connection, request_id, row)
    if altered.notes is not None:
        await connection.execute("delete from audit_checkpoints")
        notes = [{"number": n, "note": one} for n, one in enumerate(altered.notes, 1)]
        await put(connection, "audit_checkpoints", notes)
    for name, entries in altered.chains.items():
        await connection.execute(f"delete from {name}")
        await put(connection, name, entries)


async def put(connection: Any, table: str, rows: list[Row]) -> None:
    """As they are, numbers and hashes included."""
    for row in rows:
        names = ", ".join(row)
        await connection.execute(
            f"insert into {table} ({names}) overriding system value"
            f" select {names} from jsonb_populate_record(null::{table}, $1::text::jsonb)",
            as_json(row),
        )


async def replace_row(connection: Any, request_id: UUID, row: Row) -> None:
    """Every column but those that the database makes."""
    made = {"acts_when_offline", "policy_text", "mirrored", "policy"}
    plain = {name: value for name, value in row.items() if name not in made}
    if not row["mirrored"]:
        plain["metadata"] = {"routing_type": "forged"}
    names = ", ".join(plain)
    await connection.execute(
        f"update session_requests set ({names}) = (select {names}"
        " from jsonb_populate_record(null::session_requests, $1::text::jsonb)) where id = $2",
        as_json(plain),
        request_id,
    )
    await connection.execute(
        "update session_requests set policy = $1::text::jsonb where id = $2",
        row["policy_text"],
        row["id"],
    )


def as_json(row: Row) -> str:
    """A row, for PostgreSQL to take apart."""
    plain = {}
    for name, value in row.items():
        if name in ("payload", "was", "became") and value is not None:
            plain[name] = json.loads(value)
        elif name == "eligible" and value is not None:
            plain[name] = ids_sent(value)
        elif isinstance(value, bytes):
            plain[name] = "\\x" + value.hex()
        elif isinstance(value, list):
            plain[name] = [one if isinstance(one, float) else str(one) for one in value]
        else:
            plain[name] = value
    return json.dumps(plain, default=str)


def ids_sent(sent: bytes) -> list[str]:
    """A list of mechanics, as PostgreSQL sends it: 20 bytes before the first, 4 before each."""
    places = range(24, len(sent), 20)
    return [str(UUID(bytes=sent[place : place + 16])) for place in places]


def test_copies_of_checkpoints_are_read_from_any_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"event": "started"}\nnot json\n{"note": "one"}\n{"note": 2}\n{"note": "two"}')
    assert list(notes_in(path)) == ["one", "two"]
