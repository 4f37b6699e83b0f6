"""The whole trail in one pass each way: every chain, every row, every checkpoint.

Streams only: what is in memory does not grow with the log.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.app.audit.canonical import (
    Hash,
    Raw,
    flag_change_hash,
    operator_action_hash,
)
from headstart.app.audit.merkle import Tree
from headstart.app.audit.notes import BadNote, Checkpoint, note_hash, opened
from headstart.app.ports import Cursor, Keys
from headstart.doctor.findings import Findings, Severity
from headstart.doctor.requests import RequestAudit, Row
from headstart.store.audit import AuditStore
from headstart.store.outside import notes_in

CHAINS, CHECKPOINTS, OUTSIDE = "chains", "checkpoints", "outside"
AT_ONCE = 500  # outside notes that are looked up together

Rows = AsyncIterator[Row]


async def check_requests(store: AuditStore, findings: Findings) -> None:
    """Every request with its events, side by side."""
    events, rows = _Ahead(store.read_events()), _Ahead(store.read_requests())
    requests = seen = 0
    while (event := await events.peek()) or (await rows.peek()):
        row = await rows.peek()
        ids = [one for one in (event and event["request_id"], row and row["id"]) if one]
        audit, requests = RequestAudit(min(ids)), requests + 1
        while event and event["request_id"] == min(ids):
            findings.fail(CHAINS, audit.event(event))
            seen += 1
            await events.take()
            event = await events.peek()
        own = row if row and row["id"] == min(ids) else None
        findings.fail(CHAINS, audit.row(own))
        if own:
            await rows.take()
    findings.conclude(CHAINS, f"{seen:,} events of {requests:,} requests fit hashes and rows")


class LogAudit:
    """The log in its own order, as a tree that grows."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.place = Cursor()

    def event(self, event: Row) -> None:
        """The next event."""
        self.tree.append(event["hash"])
        self.place = Cursor(event["xid"], event["id"])

    def checkpoint(self, said: Checkpoint) -> Iterator[str]:
        """What a checkpoint says that is not so, after as many events as it counts."""
        if self.tree.size < said.size:
            yield f"{said.number} counts {said.size:,} events, and there are {self.tree.size:,}"
        elif tuple(self.tree.peaks) != said.peaks or self.place != said.place:
            yield f"{said.number}: the log until {said.at} is not the one that was signed"


class ChainAudit:
    """A chain that runs through a whole table."""

    def __init__(self, name: str, hash_of: Hash) -> None:
        self._name = name
        self._hash_of = hash_of
        self.id = 0
        self.hash: bytes | None = None

    def entry(self, entry: Row) -> Iterator[str]:
        """What is wrong with the next entry."""
        known = {key: Raw(entry[key]) for key in ("was", "became") if entry.get(key) is not None}
        if entry["hash"] != self._hash_of({**entry, **known}, self.hash):
            yield f"{self._name}: entry {entry['id']} does not fit its hash"
        self.id, self.hash = entry["id"], entry["hash"]

    def checkpoint(self, said: Checkpoint) -> Iterator[str]:
        """What a checkpoint says that is not so, after the entries that it covers."""
        end = said.ends.get(self._name)
        if end and (end.id, end.hash) != (self.id, self.hash):
            yield f"{said.number}: {self._name} until {said.at} is not what was signed"


class NotesAudit:
    """Checkpoints in order: each signed, each naming the one before."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.number = 0
        self._note: str | None = None
        self._size = 0

    def note(self, number: int, note: str) -> Checkpoint | str:
        """The checkpoint, or what is wrong with it."""
        before = note_hash(self._note) if self._note is not None else None
        expected, self._note, self.number = self.number + 1, note, number
        try:
            said = opened(note, self._keys)
        except BadNote as error:
            return f"{number}: {error}"
        if said.number != number or number != expected or said.previous != before:
            return f"{number} does not follow the one before it"
        if said.size < self._size:
            return f"{number} counts fewer events than the one before it"
        self._size = said.size
        return said


def whole_chains() -> Mapping[str, ChainAudit]:
    """By the names of their tables."""
    return {
        "operator_actions": ChainAudit("operator_actions", operator_action_hash),
        "feature_flag_changes": ChainAudit("feature_flag_changes", flag_change_hash),
    }


async def check_checkpoints(store: AuditStore, keys: Keys, findings: Findings) -> None:
    """Every checkpoint against the log and the chains."""
    log, notes, chains = LogAudit(), NotesAudit(keys), whole_chains()
    events = _Ahead(store.read_log())
    entries = {
        "operator_actions": _Ahead(store.read_actions()),
        "feature_flag_changes": _Ahead(store.read_flag_changes()),
    }

    async def entries_until(name: str, last: int | None) -> None:
        while (entry := await entries[name].peek()) and (last is None or entry["id"] <= last):
            findings.fail(CHAINS, chains[name].entry(entry))
            await entries[name].take()

    async for kept in store.read_checkpoints():
        said = notes.note(kept["number"], kept["note"])
        if isinstance(said, str):
            findings.fail(CHECKPOINTS, [said])
            continue
        while log.tree.size < said.size and (event := await events.peek()):
            log.event(event)
            await events.take()
        findings.fail(CHECKPOINTS, log.checkpoint(said))
        for name, chain in chains.items():
            await entries_until(name, said.ends[name].id if name in said.ends else 0)
            findings.fail(CHECKPOINTS, chain.checkpoint(said))
    for name in chains:
        await entries_until(name, None)
    await _say_how_far(events, log, notes, findings)


async def _say_how_far(
    events: "_Ahead", log: LogAudit, notes: NotesAudit, findings: Findings
) -> None:
    covered = log.tree.size
    while await events.take():
        log.tree.size += 1
    since = log.tree.size - covered
    if not notes.number:
        findings.say(Severity.WARNING, CHECKPOINTS, "there are none: nothing is signed")
    findings.conclude(
        CHECKPOINTS, f"{notes.number:,} fit the log; {since:,} events are newer than the last"
    )


class OutsideAudit:
    """Copies of checkpoints, compared some at a time with what the database has."""

    def __init__(self, store: AuditStore, keys: Keys, findings: Findings) -> None:
        self._store = store
        self._keys = keys
        self._findings = findings
        self._waiting: dict[int, str] = {}
        self.compared = 0

    async def copy(self, where: str, note: str) -> None:
        """One that somebody kept."""
        try:
            number = opened(note, self._keys).number
        except BadNote as error:
            self._findings.fail(OUTSIDE, [f"{where}: {error}"])
            return
        if self._waiting.get(number, note) != note:
            self._findings.fail(OUTSIDE, [f"{where}: two different checkpoints are {number}"])
        self._waiting[number] = note
        self.compared += 1
        if len(self._waiting) >= AT_ONCE:
            await self.compare()

    async def compare(self) -> None:
        """Those that wait."""
        kept = await self._store.checkpoints(list(self._waiting))
        for number, note in self._waiting.items():
            if kept.get(number) != note:
                what = "another" if number in kept else "none"
                message = f"{number} was published, and the database has {what}"
                self._findings.fail(OUTSIDE, [message])
        self._waiting.clear()


async def check_outside(
    store: AuditStore, keys: Keys, copies: Sequence[Path], findings: Findings
) -> None:
    """What is kept elsewhere must be in the database as it was published."""
    audit = OutsideAudit(store, keys, findings)
    for path in copies:
        try:
            for note in notes_in(path):
                await audit.copy(path.name, note)
        except OSError as error:
            findings.fail(OUTSIDE, [f"{path} cannot be read: {error.strerror}"])
    await audit.compare()
    if not audit.compared:
        findings.say(Severity.WARNING, OUTSIDE, "no copy was looked at: --checkpoints FILE")
    findings.conclude(OUTSIDE, f"{audit.compared:,} copies say what the database says")


class _Ahead:
    """A stream whose next row can be looked at."""

    def __init__(self, rows: AsyncIterator[Any]) -> None:
        self._rows = rows
        self._next: Row | None = None
        self._ended = False

    async def peek(self) -> Row | None:
        """The next row; None at the end."""
        if self._next is None and not self._ended:
            self._next = await anext(self._rows, None)
            self._ended = self._next is None
        return self._next

    async def take(self) -> Row | None:
        """The next row, done with."""
        row = await self.peek()
        self._next = None
        return row
