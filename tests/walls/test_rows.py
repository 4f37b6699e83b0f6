"""Every role, table, verb and relation by direct SQL: all as ``headstart.lab.row_walls`` says."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from headstart.core.access import ANY, KNOWN, OWN, Principal, Relation, Role, relation
from headstart.core.request import RequestId, SessionRequest
from headstart.lab.row_walls import (
    CELLS,
    COLUMNS,
    TABLES,
    Answer,
    Asker,
    Cell,
    Holds,
    Verb,
    relations,
    selectable,
)
from headstart.store.requests import RequestStore
from tests.walls.asking import asking
from tests.walls.specimens import Town, settle

if TYPE_CHECKING:
    from headstart.store.postgres import Connection, Pool

CELLS_MIN = 500
SOMEBODY = UUID(int=7)
KEYS = {  # the column that names a row's owner, and the column of the request that it repeats
    "customers": ("id", "customer_id"),
    "intakes": ("id", "intake_id"),
    "session_requests": ("id", "id"),
    "session_events": ("request_id", "id"),
    "payments": ("payment_intent_id", "payment_intent_id"),
    "stripe_operations": ("request_id", "id"),
    "offer_cards": ("session_id", "id"),
    "customer_requests": ("session_id", "id"),
    "request_money": ("session_id", "id"),
    "favorites": ("customer_id", "customer_id"),
    "mechanics": ("id", ""),
    "presence": ("mechanic_id", ""),
    "attendance": ("mechanic_id", ""),
    "offer_notes": ("mechanic_id", ""),
}
FILL = """
insert into payments (payment_intent_id, status, amount, currency, amount_capturable,
                      amount_received, amount_refunded, disputed, seen_at)
select payment_intent_id, 'succeeded', 2999, 'cad', 0, 2999, 0, false, clock()
from session_requests;
insert into stripe_operations (key, kind, subject, request_id)
select 'look:' || payment_intent_id, 'look', payment_intent_id, id from session_requests;
insert into feature_flags (name, enabled) values ('A_FLAG', true);
insert into feature_flag_changes (name, actor, enabled, rollout_percentage, reason)
values ('A_FLAG', 'operator', true, 100, 'It was a test.');
insert into operator_actions (actor, action, subject, was, became, reason)
values ('operator', 'mechanic.write', '1', '{}', '{}', 'It was a test.');
insert into audit_checkpoints (number, note) values (1, 'A note.');
insert into stripe_events (id, type, object_id, livemode, outcome)
values ('evt_1', 'x', 'pi_1', false, 'received');
insert into trouble_dismissals (trouble_id, trouble, subject, actor, reason)
values ('1', 'refused', 'pi_1', 'operator', 'It was a test.');
insert into offer_notes (request_id, mechanic_id, author, note)
select (select id from session_requests limit 1), id, 'mechanic', 'busy' from mechanics;
insert into backfill_report (source, row_key, key, value, why, left_out)
values ('public.older', '1', 'status', 'live', 'unknown', true);
insert into logins (issuer, subject) values ('an issuer', 'a subject');
insert into realtime_processes (id, alive_until) values (gen_random_uuid(), now());
insert into realtime_bookmarks (role, person, topic, xid, event_id, moved_at)
values ('operator', gen_random_uuid(), 'a topic', '1', 1, now());
insert into publications (name, xid, event_id, held_until, moved_at)
values ('elsewhere', '1', 1, now(), now());
insert into sign_ins (key, role, person_id, lapses_at, ends_at)
select sha256('a secret'), 'operator', gen_random_uuid(), now(), now()"""


@dataclass(slots=True)
class Ground:
    """A town where everything has happened, and its owner, who may become anybody."""

    town: Town
    owner: "Connection"
    requests: Mapping[str, asyncpg.Record]

    def with_relation(self, being: Relation) -> Sequence[str]:
        """The specimens to which ``mia`` is this."""
        return [name for name, one in self.town.relations.items() if one & being]

    def keys(self, table: str, specimens: Sequence[str]) -> set[Any]:
        """Of the rows of a table that belong to these requests."""
        return {self.requests[name][KEYS[table][1]] for name in specimens}


@pytest.fixture
async def ground(pool: "Pool", database: str) -> AsyncIterator[Ground]:
    """Filled once for each test."""
    town = await settle(pool)
    owner = await asyncpg.connect(database, server_settings={"search_path": "headstart"})
    try:
        await owner.execute(FILL)
        rows = {row["id"]: row for row in await owner.fetch("select * from session_requests")}
        named = {name: rows[made.id] for name, made in town.requests.items()}
        yield Ground(town, owner, named)
    finally:
        await owner.close()


def select_cells(asker: Asker, holds: Holds) -> Sequence[Cell]:
    """What can be asked about tables of this kind."""
    return [
        cell
        for cell in CELLS
        if cell.asker is asker and cell.verb is Verb.SELECT and TABLES[cell.table].holds is holds
    ]


def test_there_are_hundreds_of_cells_and_none_twice() -> None:
    assert len(CELLS) >= CELLS_MIN
    places = {(cell.asker, cell.table, cell.verb, cell.relation) for cell in CELLS}
    assert len(places) == len(CELLS)


async def test_every_table_and_view_has_its_row(ground: Ground) -> None:
    """One that is new says here who may do what with it."""
    found = await ground.owner.fetch(
        "select relname from pg_class"
        " where relnamespace = 'headstart'::regnamespace and relkind in ('r', 'p', 'v', 'm')"
    )
    assert {row["relname"] for row in found} == set(TABLES)


# --- what a mechanic is to a request -----------------------------------------------------------


async def seen_by_the_rules(ground: Ground) -> Mapping[RequestId, tuple[SessionRequest, Relation]]:
    """What ``core.access`` says of every specimen."""
    requests = RequestStore(ground.town.pool)
    ids = [made.id for made in ground.town.requests.values()]
    found = await requests.see(ids, concerned=[ground.town.mia])
    who = Principal(Role.MECHANIC, ground.town.mia)
    return {
        one.request.id: (one.request, relation(who, one.request, one.facts))
        for one in found
        if one.request
    }


async def test_a_mechanic_selects_exactly_what_the_rules_let_them_see(ground: Ground) -> None:
    for status, many in (("approved", len(ground.requests) - 4), ("suspended", 2), ("applied", 2)):
        await ground.owner.execute("update mechanics set status = $1 where name = 'Mia'", status)
        said = await seen_by_the_rules(ground)
        visible = {key for key, (_, being) in said.items() if being & KNOWN}
        assert len(visible) == many
        async with asking(ground.owner, Asker.MECHANIC, ground.town.mia) as mia:
            assert set(await mia.column("select id from session_requests") or ()) == visible
            assert set(await mia.column("select session_id from offer_cards") or ()) == visible


# --- select --------------------------------------------------------------------------------------


def judged(rows: Sequence[Any] | None, wanted: set[Any]) -> Answer:
    """What an asker got of the rows in question: all of them, none, or a refusal."""
    if rows is None:
        return Answer.REFUSED
    found = wanted & set(rows)
    assert found in (wanted, set()), "a part of what is alike"
    return Answer.DONE if found else Answer.NO_SUCH_ROW


async def disagreements(
    ground: Ground, asker: Asker, person: UUID, of: Mapping[Relation, Sequence[str]]
) -> AsyncIterator[str]:
    """Cells of tables with requests' rows that are not as written. ``of`` are the specimens."""
    async with asking(ground.owner, asker, person) as asked:
        for cell in select_cells(asker, Holds.REQUESTS):
            rows = await asked.column(f"select {KEYS[cell.table][0]} from {cell.table}")
            wanted = ground.keys(cell.table, of[cell.relation])
            if (answer := judged(rows, wanted)) is not cell.answer:
                yield f"{cell}: {answer}"


async def test_a_mechanic_selects_by_what_they_are_to_a_request(ground: Ground) -> None:
    said = await seen_by_the_rules(ground)
    for name, made in ground.town.requests.items():
        assert said[made.id][1] is ground.town.relations[name], name
    of = {being: ground.with_relation(being) for being in KNOWN | Relation.OTHER}
    found = disagreements(ground, Asker.MECHANIC, ground.town.mia, of)
    assert [line async for line in found] == []


async def test_every_customer_selects_what_is_theirs(ground: Ground) -> None:
    for name, made in ground.town.requests.items():
        others = [other for other in ground.town.requests if other != name]
        of = {Relation.OWN: [name], Relation.OTHER: others}
        found = disagreements(ground, Asker.CUSTOMER, made.customer, of)
        assert [line async for line in found] == [], name


async def test_a_customer_has_their_own_favourites(ground: Ground) -> None:
    [table] = [name for name, one in TABLES.items() if one.holds is Holds.CUSTOMERS]
    made = ground.requests["held_for_another_and_then_for_them"]
    async with asking(ground.owner, Asker.CUSTOMER, made["customer_id"]) as carla:
        rows = await carla.column(f"select {KEYS[table][0]} from {table}")
    assert rows == [made["customer_id"]] * 2
    for cell in select_cells(Asker.CUSTOMER, Holds.CUSTOMERS):
        assert cell.answer is (Answer.DONE if cell.relation is OWN else Answer.NO_SUCH_ROW)


async def test_a_strangers_id_does_not_become_a_name(ground: Ground) -> None:
    """A customer knows by name their favourites, and who was asked for them or accepted."""
    mia, otto = ground.town.mia, ground.town.otto
    everybody = {row["id"] for row in await ground.owner.fetch("select id from mechanics")}
    known = defaultdict[str, set[Any]](set)
    known |= {name: {otto} for name in ("held_for_another", "won_by_another_after_a_broadcast")}
    known |= {"held_for_another_and_then_for_them": {mia, otto}, "open_to_everybody": set()}
    askers: list[tuple[Asker, UUID, set[Any]]] = [
        (Asker.CUSTOMER, ground.requests[name]["customer_id"], own) for name, own in known.items()
    ]
    for asker, person, own in [*askers, (Asker.MECHANIC, mia, {mia})]:
        of = {Relation.OWN: own, Relation.OTHER: everybody - own}
        async with asking(ground.owner, asker, person) as asked:
            for cell in select_cells(asker, Holds.MECHANICS):
                rows = await asked.column(f"select {_key(cell.table)} from {cell.table}")
                if of[cell.relation]:
                    assert judged(rows, of[cell.relation]) is cell.answer, (cell, own)


def _key(table: str) -> str:
    return KEYS.get(table, ("id", ""))[0]


CLAIMS = {  # somebody else's kind of claims is as good as none
    Asker.SERVICE: (None,),
    Asker.OPERATOR: ("operator",),
    Asker.REPORTING: (None,),
    Asker.UNNAMED_CUSTOMER: (None, "mechanic", "operator"),
    Asker.UNNAMED_MECHANIC: (None, "customer", "operator"),
    Asker.UNNAMED_OPERATOR: (None, "customer", "mechanic"),
    Asker.STRANGER: (None, "operator"),
}


async def test_who_is_related_to_all_rows_alike_selects_all_or_none(ground: Ground) -> None:
    counts = {
        table: await ground.owner.fetchval(f"select count(*) from {table}") for table in TABLES
    }
    assert all(counts.values()), "there is something to see everywhere"
    wrong = [
        f"{cell} with the claims of {claims}: {answer}"
        for asker, kinds in CLAIMS.items()
        for claims in kinds
        for cell, answer in [one async for one in _counted(ground, asker, claims, counts)]
        if answer is not cell.answer
    ]
    assert wrong == []


async def _counted(
    ground: Ground, asker: Asker, claims: str | None, counts: Mapping[str, int]
) -> AsyncIterator[tuple[Cell, Answer]]:
    person = SOMEBODY if claims else None
    async with asking(ground.owner, asker, person, claims_of=claims) as asked:
        for cell in CELLS:
            if cell.asker is asker and cell.verb is Verb.SELECT and cell.relation is ANY:
                found = await asked.column(f"select count(*) from headstart.{cell.table}")
                yield cell, _how_many(found, counts[cell.table])


def _how_many(found: Sequence[int] | None, count: int) -> Answer:
    if found is None:
        return Answer.REFUSED
    assert found[0] in (0, count), "a part of what is alike"
    return Answer.DONE if found[0] else Answer.NO_SUCH_ROW


# --- columns, and writing ------------------------------------------------------------------------


async def columns_of(owner: "Connection", table: str) -> Sequence[asyncpg.Record]:
    return await owner.fetch(
        "select attname as name, attgenerated = '' and attidentity = '' as free"
        " from pg_attribute where attrelid = $1::text::regclass and attnum > 0"
        " and not attisdropped order by attnum",
        table,
    )


async def test_every_column_is_readable_or_not_as_written(ground: Ground) -> None:
    for table, expected in TABLES.items():
        columns = [row["name"] for row in await columns_of(ground.owner, table)]
        for asker in (one for one in Asker if one.value == one.role):
            listed = COLUMNS.get((asker, table), " ".join(columns)).split()
            wanted = set() if selectable(asker, expected) is None else set(listed)
            async with asking(ground.owner, asker, SOMEBODY) as asked:
                read = f"select {{}} from headstart.{table} limit 0"
                answers = {name: await asked.may(read.format(name)) for name in columns}
            got = {name for name, answer in answers.items() if answer is Answer.DONE}
            assert got == wanted, (asker, table)


HIDDEN_FROM_MECHANICS = {
    "customers": {"email", "phone", "last_name"},
    "intakes": {"contact_email", "contact_phone", "checkout_session_id", "checkout_url"},
    "session_requests": {"payment_intent_id", "checkout_session_id", "matched_mechanic_id"},
}


def test_what_no_mechanic_may_read_is_in_no_list() -> None:
    for table, hidden in HIDDEN_FROM_MECHANICS.items():
        assert not hidden & set(COLUMNS[Asker.MECHANIC, table].split())


async def test_everybody_writes_what_is_written_here_and_nothing_else(ground: Ground) -> None:
    columns = {table: await columns_of(ground.owner, table) for table in TABLES}
    free = {table: [row["name"] for row in rows if row["free"]] for table, rows in columns.items()}
    writing = [cell for cell in CELLS if cell.verb is not Verb.SELECT]
    answers = [(cell, await _written(ground.owner, cell, free[cell.table])) for cell in writing]
    assert [f"{cell}: {got}" for cell, got in answers if got is not cell.answer] == []


async def _written(owner: "Connection", cell: Cell, free: Sequence[str]) -> Answer:
    """By statements that touch no row: one for each column, where columns have rights."""
    table = f"headstart.{cell.table}"
    match cell.verb:
        case Verb.INSERT:
            statements = [f"insert into {table} ({free[0]}) select null where false"]
            if cell.answer is Answer.DONE:
                every = ", ".join(free)
                statements = [f"insert into {table} ({every}) select {every} from {table} limit 0"]
        case Verb.UPDATE:
            statements = [f"update {table} set {name} = null where false" for name in free]
        case _:
            statements = [f"delete from {table} where false"]
    async with asking(owner, cell.asker, SOMEBODY) as asked:
        answers = {await asked.may(one) for one in statements}
    return Answer.DONE if Answer.DONE in answers else Answer.REFUSED


def test_relations_are_told_apart_only_where_rows_belong_to_somebody() -> None:
    for table in TABLES.values():
        for asker in Asker:
            told_apart = len(relations(asker, table)) > 1
            assert not told_apart or table.holds is not Holds.NOBODY
