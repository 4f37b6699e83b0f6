"""What somebody may do to the trail who can write to every table, and knows how it is made.

Each of these takes a log that is in order and answers with what it changes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from random import Random
from uuid import UUID

from headstart.app.audit.canonical import (
    Raw,
    eligible_digest,
    flag_change_hash,
    operator_action_hash,
    parsed,
)
from headstart.app.audit.notes import opened, signed
from headstart.core.evolve import evolve
from headstart.core.request import RequestId
from headstart.doctor.requests import expected_row
from headstart.store.rows import event_from
from tests.audit.forgery import (
    FORGER,
    OF_AN_EVENT,
    Altered,
    Cover,
    Log,
    Nothing,
    Row,
    another,
    hash_of,
    rechained,
    row_after,
)

# --- one request ----------------------------------------------------------------------------

Edit = Callable[[list[Row], Log, Random], list[Row]]


def edited(events: list[Row], _: Log, random: Random) -> list[Row]:
    """Any field of any event says something else."""
    event, name = random.choice(events), random.choice(OF_AN_EVENT)
    empty = event[name] is None and name.startswith("eligible")
    event[name] = bytes(32) if empty else another(event[name], random)
    return events


def relabelled(events: list[Row], _: Log, random: Random) -> list[Row]:
    """Somebody else did it, at another time, or for another reason: nothing that the rules see."""
    event, name = random.choice(events), random.choice(("actor", "at", "reason", "command_key"))
    event[name] = another(event[name], random)
    return events


def reworded(events: list[Row], _: Log, random: Random) -> list[Row]:
    """Something within a payload is different."""
    event = random.choice(events)
    payload = parsed(event["payload"])
    if not payload:
        raise Nothing
    name = random.choice(list(payload))
    payload[name] = another(payload[name], random)
    event["payload"] = json.dumps(payload, default=str)
    return events


def another_winner(events: list[Row], log: Log, random: Random) -> list[Row]:
    """Everything that one mechanic did was done by another."""
    named = [str(parsed(one["payload"]).get("mechanic")) for one in events]
    somebody = random.choice([one for one in named if one != "None"] or [""])
    if not somebody:
        raise Nothing
    other = str(UUID(int=random.getrandbits(128)))
    for event in events:
        event["payload"] = event["payload"].replace(somebody, other)
        event["actor"] = event["actor"].replace(somebody, other)
    return events


def one_deleted(events: list[Row], _: Log, random: Random) -> list[Row]:
    """One event is gone."""
    events.pop(random.randrange(len(events)))
    return events


def tail_cut(events: list[Row], _: Log, random: Random) -> list[Row]:
    """The end has not happened."""
    return events[: random.randrange(len(events))]


def one_inserted(events: list[Row], log: Log, random: Random) -> list[Row]:
    """Something has happened as well, and long ago. What is added behind the newest checkpoint
    cannot be told from what the service adds."""
    like = deepcopy(random.choice(random.choice(list(log.events.values()))))
    oldest = min(one["xid"] for one in random.choice(list(log.events.values())))
    newest = max(one["xid"] for chain in log.chains_of_events() for one in chain)
    if oldest == newest:
        raise Nothing
    place = random.randint(0, len(events))
    like |= {"request_id": events[0]["request_id"], "version": place + 1, "xid": oldest}
    like["id"] = log.next_id() + random.randrange(10**6)
    events.insert(place, like)
    return events


def two_swapped(events: list[Row], _: Log, random: Random) -> list[Row]:
    """Two events have changed places."""
    if len(events) < 2:
        raise Nothing
    one, other = random.sample(range(len(events)), 2)
    fields = random.choice((("payload", "kind"), ("id", "xid"), ("at", "actor"), ("version",)))
    for name in fields:
        events[one][name], events[other][name] = events[other][name], events[one][name]
    return events


OF_ONE_REQUEST: Mapping[str, Edit] = {
    "a field edited": edited,
    "who, when or why edited": relabelled,
    "a payload edited": reworded,
    "another winner": another_winner,
    "an event deleted": one_deleted,
    "the tail of a chain cut": tail_cut,
    "an event inserted": one_inserted,
    "two events swapped": two_swapped,
}


def on_one_request(edit: Edit, log: Log, random: Random) -> Altered:
    """An edit, covered up more or less."""
    request_id = random.choice(log.ids)
    before = log.events[request_id]
    after = edit(deepcopy(before), log, random)
    cover = random.choice(list(Cover))
    if cover is Cover.ONE_HASH:
        for place, event in enumerate(after):
            if place >= len(before) or event != before[place]:
                event["eligible_digest"] = eligible_digest(event["eligible"])
                event["hash"] = hash_of(event, after[place - 1]["hash"] if place else None)
                break
    elif cover >= Cover.CHAIN:
        after = rechained(after)
    altered = Altered(events={request_id: after})
    if cover is Cover.ROW_TOO:
        row = log.rows[request_id]
        altered.rows[request_id] = row_after(row, after) if after else None
    if after == before:
        raise Nothing
    return altered


# --- more than one --------------------------------------------------------------------------


def request_gone(log: Log, random: Random) -> Altered:
    """There never was such a request."""
    request_id = random.choice(log.ids)
    return Altered({request_id: None}, {request_id: []})


def identities_swapped(log: Log, random: Random) -> Altered:
    """What happened to one happened to the other, in events and rows, with new chains."""
    one, other = random.sample(log.ids, 2)
    altered = Altered()
    for mine, theirs in ((one, other), (other, one)):
        moved = [{**event, "request_id": mine} for event in log.events[theirs]]
        altered.events[mine] = rechained(moved)
        altered.rows[mine] = {**log.rows[theirs], "id": mine}
    return altered


def payloads_swapped(log: Log, random: Random) -> Altered:
    """Events of two requests have changed places in part."""
    one, other = (random.choice(list(log.events.values())) for _ in range(2))
    mine, theirs = (deepcopy(events) for events in (one, other))
    first, second = random.choice(mine), random.choice(theirs)
    name = random.choice(("payload", "at", "actor", "id"))
    if one is other or first[name] == second[name]:
        raise Nothing
    first[name], second[name] = second[name], first[name]
    return Altered(events={mine[0]["request_id"]: mine, theirs[0]["request_id"]: theirs})


def log_cut(log: Log, random: Random) -> Altered:
    """The last things that happened have not happened, and all rows are as they were before."""
    places = sorted((e["xid"], e["id"]) for events in log.events.values() for e in events)
    last = places[-random.randint(1, min(50, len(places)))]
    altered = Altered()
    for request_id, events in log.events.items():
        kept = [one for one in events if (one["xid"], one["id"]) < last]
        if len(kept) < len(events):
            altered.events[request_id] = kept
            row = log.rows[request_id]
            altered.rows[request_id] = row_after(row, kept) if kept else None
    return altered


def row_edited(log: Log, random: Random) -> Altered:
    """Any column of a row."""
    request_id = random.choice(log.ids)
    row = dict(log.rows[request_id])
    name = random.choice([*expected_columns(log), "mirrored"])
    match name:
        case "mirrored":
            row[name] = False
        case "policy_text":
            row[name] = json.dumps({**parsed(row[name]), "offline": "forged"})
        case _:
            row[name] = another(row[name], random)
    return Altered({request_id: row})


def row_restored(log: Log, random: Random) -> Altered:
    """The row as it once was; the log goes on."""
    request_id = random.choice(log.ids)
    events = log.events[request_id]
    if len(events) < 3:
        raise Nothing
    old = row_after(log.rows[request_id], events[: random.randrange(2, len(events))])
    return Altered({request_id: old})


def row_gone(log: Log, random: Random) -> Altered:
    """The row alone."""
    return Altered({random.choice(log.ids): None})


def expected_columns(log: Log) -> Sequence[str]:
    """The columns that follow from events."""
    request_id = log.ids[0]
    events = log.events[request_id][:2]
    happened = [event_from(one["kind"], parsed(one["payload"])) for one in events]
    request = evolve(RequestId(request_id), None, happened, at=events[0]["at"])
    names = expected_row(happened[0], request)
    return [name for name in names if name not in ("id", "policy")] + ["policy_text"]


# --- checkpoints ----------------------------------------------------------------------------


def checkpoint_altered(log: Log, random: Random) -> Altered:
    """One character of one checkpoint."""
    notes = list(log.notes)
    place = random.randrange(len(notes))
    note = notes[place]
    at = random.randrange(len(note))
    notes[place] = note[:at] + random.choice("0aZ\n—") + note[at + 1 :]
    if notes == log.notes:
        raise Nothing
    return Altered(notes=notes)


def checkpoint_gone(log: Log, random: Random) -> Altered:
    """One is gone, or all from there on."""
    place = random.randrange(len(log.notes))
    rest = log.notes[place + 1 :] if random.random() < 0.5 else []
    return Altered(notes=log.notes[:place] + rest)


def checkpoints_swapped(log: Log, random: Random) -> Altered:
    """Two in each other's place."""
    notes = list(log.notes)
    one, other = random.sample(range(len(notes)), 2)
    notes[one], notes[other] = notes[other], notes[one]
    return Altered(notes=notes)


def checkpoint_forged(log: Log, random: Random) -> Altered:
    """Signed again, to fit what was done, by somebody who does not have the key."""
    altered = on_one_request(relabelled, log, random)
    place = random.randrange(len(log.notes))
    said = replace(opened(log.notes[place], log.keys), size=random.choice((0, 1)), peaks=())
    said = replace(said, peaks=() if not said.size else (b"\0" * 32,))
    altered.notes = [*log.notes[:place], signed(said, FORGER), *log.notes[place + 1 :]]
    return altered


def everything_rewritten(log: Log, random: Random) -> Altered:
    """A chain is rewritten with its row, and every checkpoint that knew better is gone: only the
    copies outside know."""
    altered = on_one_request(relabelled, log, random)
    for request_id, events in altered.events.items():
        altered.events[request_id] = rechained(events)
        altered.rows[request_id] = row_after(log.rows[request_id], events)
    first = min((one["xid"], one["id"]) for events in altered.events.values() for one in events)
    places = [opened(note, log.keys).place for note in log.notes]
    altered.notes = [
        note for note, place in zip(log.notes, places, strict=True) if (place.xid, place.id) < first
    ]
    return altered


# --- operators ------------------------------------------------------------------------------

HASHES = {"operator_actions": operator_action_hash, "feature_flag_changes": flag_change_hash}


def deed_altered(log: Log, random: Random) -> Altered:
    """What an operator did: edited, gone, added or moved, with or without a new chain."""
    name = random.choice(list(HASHES))
    entries = deepcopy(log.chains[name])
    place = random.randrange(len(entries))
    match random.randrange(5):
        case 0:
            column = random.choice(list(entries[place]))
            entries[place][column] = another(entries[place][column], random)
        case 1:
            entries.pop(place)
        case 2:
            entries = entries[:place]
        case 3:
            entries.insert(place, {**entries[place], "id": entries[place]["id"] - 1})
        case _:
            other = random.randrange(len(entries))
            entries[place], entries[other] = (
                {**entries[other], "id": entries[place]["id"]},
                {**entries[place], "id": entries[other]["id"]},
            )
    if random.random() < 0.5:
        previous: bytes | None = None
        for entry in entries:
            entry["hash"] = previous = HASHES[name](_raw(entry), previous)
    if entries == log.chains[name]:
        raise Nothing
    return Altered(chains={name: entries})


def _raw(entry: Row) -> Row:
    known = {key: Raw(entry[key]) for key in ("was", "became") if entry.get(key) is not None}
    return {**entry, **known}


Tampering = Callable[[Log, Random], Altered]

TAMPERINGS: Mapping[str, Tampering] = {
    **{name: partial(on_one_request, edit) for name, edit in OF_ONE_REQUEST.items()},
    "a request deleted": request_gone,
    "two requests swapped": identities_swapped,
    "parts of two requests swapped": payloads_swapped,
    "the tail of the log cut": log_cut,
    "a row edited": row_edited,
    "an old row restored": row_restored,
    "a row deleted": row_gone,
    "a checkpoint altered": checkpoint_altered,
    "checkpoints deleted": checkpoint_gone,
    "checkpoints swapped": checkpoints_swapped,
    "a checkpoint forged": checkpoint_forged,
    "all rewritten, checkpoints deleted": everything_rewritten,
    "an operator's deed altered": deed_altered,
}
