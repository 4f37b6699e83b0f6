"""The sandbox's memory: objects, what was promised to whom, and what was sent. SQLite, so that a
killed sandbox goes on where it stopped; in memory when no file is given.

Everything here is synchronous and runs on the event loop's thread: a stretch of code without an
`await` sees and changes the whole ledger alone, and a transaction makes it survive as a whole.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.refusals import Refusal

_SCHEMA = """
create table if not exists objects (
    seq integer primary key, kind text not null, id text not null, body text not null,
    unique (kind, id)
);
create table if not exists endings (id text primary key, ends_at integer not null);
create index if not exists endings_in_order on endings (ends_at);
create table if not exists kept_answers (
    key text primary key, path text not null, digest text not null, status integer not null,
    body text not null, created real not null
);
create table if not exists clock (only integer primary key check (only = 1), ahead_s real not null);
create table if not exists deliveries (
    id integer primary key, event_id text not null, due_at real not null,
    attempts integer not null default 0,
    state text not null check (state in ('pending', 'delivered', 'given_up', 'dropped'))
);
create index if not exists deliveries_due on deliveries (due_at, id) where state = 'pending';
create index if not exists deliveries_of_event on deliveries (event_id);
create table if not exists attempts (
    seq integer primary key, delivery_id integer not null, event_id text not null,
    attempt integer not null, at real not null, outcome text not null, status integer
);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to an idempotency key, and to which request."""

    path: str
    digest: str
    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Delivery:
    """One copy of one event that is still to be sent. `attempts` counts those already made."""

    id: int
    event_id: str
    attempts: int


class Ledger:
    """One sandbox's state. Close it at the end."""

    def __init__(self, path: Path | None) -> None:
        # Made where the application is created, used where it is served: maybe another thread.
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        # A killed process loses nothing this way; only a power cut could cost the last moments.
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. Never nested, never across an `await`."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    # Objects

    def put(self, kind: str, id: str, body: Mapping[str, Any]) -> None:
        """Add an object, or replace it under the same id, keeping its place in the order."""
        self._db.execute(
            "insert into objects (kind, id, body) values (?, ?, ?)"
            " on conflict (kind, id) do update set body = excluded.body",
            (kind, id, json.dumps(body)),
        )

    def get(self, kind: str, id: str) -> Json | None:
        """A copy of the object, or None."""
        row = self._db.execute(
            "select body from objects where kind = ? and id = ?", (kind, id)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def need(self, kind: str, id: str, param: str = "id") -> Json:
        """A copy of the object; a Refusal when there is none."""
        found = self.get(kind, id)
        if found is None:
            raise Refusal.missing(kind, id, param)
        return found

    def newest(
        self, kind: str, *, limit: int, after: str | None, wanted: Callable[[Json], bool]
    ) -> tuple[list[Json], bool]:
        """Up to `limit` wanted objects, newest first, those older than `after`; and whether there
        are more."""
        rows = self._db.execute(
            "select body from objects where kind = ?1 and (?2 is null or seq <"
            " (select seq from objects where kind = ?1 and id = ?2)) order by seq desc",
            (kind, after),
        )
        found: list[Json] = []
        for (body,) in rows:
            each = json.loads(body)
            if wanted(each):
                found.append(each)
            if len(found) > limit:
                return found[:limit], True
        return found, False

    # Sessions and holds that end by themselves

    def expect_ending(self, id: str, ends_at: int) -> None:
        """Remember when an open Session, or a hold, ends."""
        self._db.execute("insert into endings values (?, ?)", (id, ends_at))

    def forget_ending(self, id: str) -> None:
        """It has ended another way, or just now."""
        self._db.execute("delete from endings where id = ?", (id,))

    def ended(self, now: float) -> list[str]:
        """What is still there though its time has come, earliest first."""
        rows = self._db.execute(
            "select id from endings where ends_at <= ? order by ends_at", (now,)
        )
        return [row[0] for row in rows]

    # Time

    def ahead_s(self) -> float:
        """How far the sandbox's clock was put forward."""
        row = self._db.execute("select ahead_s from clock").fetchone()
        return 0.0 if row is None else float(row[0])

    def put_ahead(self, ahead_s: float) -> None:
        """Put the sandbox's clock forward."""
        self._db.execute("insert or replace into clock values (1, ?)", (ahead_s,))

    # Idempotency

    def answer(self, key: str, *, since: float) -> Answer | None:
        """What was answered to this key, unless that is older than `since`."""
        row = self._db.execute(
            "select path, digest, status, body from kept_answers where key = ? and created >= ?",
            (key, since),
        ).fetchone()
        return None if row is None else Answer(row[0], row[1], row[2], json.loads(row[3]))

    def keep_answer(self, key: str, answer: Answer, *, now: float) -> None:
        """Keep it for whoever repeats the request."""
        body = json.dumps(answer.body)
        self._db.execute(
            "insert or replace into kept_answers values (?, ?, ?, ?, ?, ?)",
            (key, answer.path, answer.digest, answer.status, body, now),
        )

    def answers(self) -> Iterator[tuple[str, Answer, float]]:
        """Every key with what was answered to it first, and when."""
        rows = self._db.execute(
            "select key, path, digest, status, body, created from kept_answers order by created"
        )
        for key, path, digest, status, body, created in rows:
            yield key, Answer(path, digest, status, json.loads(body)), created

    # Deliveries

    def promise(self, event_id: str, *, due_at: float, dropped: bool = False) -> int:
        """Queue one copy of an event, or note that it gets lost. Returns the delivery's number."""
        cursor = self._db.execute(
            "insert into deliveries (event_id, due_at, state) values (?, ?, ?)",
            (event_id, due_at, "dropped" if dropped else "pending"),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def due(self, now: float, *, limit: int) -> list[Delivery]:
        """Copies to be sent now, in the order in which they fell due."""
        rows = self._db.execute(
            "select id, event_id, attempts from deliveries where state = 'pending'"
            " and due_at <= ? order by due_at, id limit ?",
            (now, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_moment(self) -> float | None:
        """When there is something to do again: a delivery or an ending."""
        (moment,) = self._db.execute(
            "select min(at) from (select min(due_at) as at from deliveries where state = 'pending'"
            " union all select min(ends_at) from endings)"
        ).fetchone()
        return None if moment is None else float(moment)

    def hurry(self, now: float) -> None:
        """Make everything unsent due at once, after a restart."""
        self._db.execute(
            "update deliveries set due_at = min(due_at, ?) where state = 'pending'", (now,)
        )

    def note_attempt(
        self, delivery: Delivery, *, at: float, outcome: str, status: int | None
    ) -> None:
        """Write down what came of an attempt."""
        self._db.execute(
            "insert into attempts (delivery_id, event_id, attempt, at, outcome, status)"
            " values (?, ?, ?, ?, ?, ?)",
            (delivery.id, delivery.event_id, delivery.attempts + 1, at, outcome, status),
        )

    def settle(self, delivery: Delivery, *, delivered: bool, retry_at: float | None) -> None:
        """Count the attempt; a delivery without another one ends here."""
        state = "delivered" if delivered else "given_up" if retry_at is None else "pending"
        self._db.execute(
            "update deliveries set attempts = attempts + 1, state = ?, due_at = ifnull(?, due_at)"
            " where id = ?",
            (state, retry_at, delivery.id),
        )

    def awaits_first_attempt(self, event_id: str) -> bool:
        """Whether a copy of this event is still to be sent for the first time."""
        row = self._db.execute(
            "select max(attempts) from deliveries where event_id = ? and state != 'dropped'",
            (event_id,),
        ).fetchone()
        return bool(row[0] == 0)

    def pending_webhooks(self, event_id: str) -> int:
        """Stripe's field: 1 while the endpoint has not acknowledged the event, else 0."""
        states = self._db.execute(
            "select state from deliveries where event_id = ?", (event_id,)
        ).fetchall()
        return int(bool(states) and ("delivered",) not in states)

    def pending_deliveries(self) -> int:
        """How many copies are still to be sent."""
        (count,) = self._db.execute(
            "select count(*) from deliveries where state = 'pending'"
        ).fetchone()
        return int(count)

    def attempts(self, *, limit: int) -> list[Json]:
        """The latest attempts, oldest of them first."""
        names = ("delivery", "event", "attempt", "at", "outcome", "status")
        rows = self._db.execute(
            "select delivery_id, event_id, attempt, at, outcome, status from attempts"
            " order by seq desc limit ?",
            (limit,),
        ).fetchall()
        return [dict(zip(names, row, strict=True)) for row in reversed(rows)]
