"""The trail is written by everything that happens, stays as it was written, and can be checked."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from structlog.testing import capture_logs

from headstart.app.audit.checkpoints import BATCH_MAX, Checkpoints, Refused
from headstart.app.audit.merkle import EMPTY, Tree, leaf, node
from headstart.app.audit.notes import BadNote, opened
from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.identity.keys import Ed25519Keys
from headstart.lab.canaries import account_of
from headstart.store.audit import AuditStore
from headstart.store.intakes import IntakeStore
from headstart.store.outside import CheckpointFile, notes_in
from headstart.store.people import PeopleStore
from tests.audit.histories import BY, Histories, fill
from tests.conftest import Cast
from tests.payments.stand import until

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

KEPT_FOR_GOOD = ("session_events", "operator_actions", "feature_flag_changes", "audit_checkpoints")


@pytest.mark.parametrize("table", KEPT_FOR_GOOD)
@pytest.mark.parametrize("attempt", ["delete from {}", "truncate {} cascade", "update {} set {}"])
@pytest.mark.parametrize("setting", ["origin", "replica"])
async def test_what_is_written_stays(table: str, attempt: str, setting: str, pool: "Pool") -> None:
    column = "note = ''" if table == "audit_checkpoints" else "actor = 'nobody'"
    async with pool.acquire() as connection:
        await connection.execute(f"set session_replication_role = {setting}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"{table} is append-only"):
            await connection.execute(attempt.format(table, column))
        await connection.execute("reset session_replication_role")


async def test_emptying_the_requests_empties_no_log(pool: "Pool") -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="session_events is append-only"):
        await pool.execute("truncate session_requests cascade")


async def test_an_event_that_skips_one_is_refused(pool: "Pool", cast: Cast) -> None:
    [request, *_] = await Histories(pool, cast).all()
    with pytest.raises(asyncpg.NoDataFoundError):
        await pool.execute(
            "insert into session_events (request_id, version, kind, at, actor, round, payload)"
            " values ($1, 99, 'offer_declined', clock(), 'system', 0, '{}')",
            request,
        )


async def test_an_operator_without_a_reason_is_refused_by_the_table(
    pool: "Pool", cast: Cast
) -> None:
    [request, *_] = await Histories(pool, cast).all()
    version = await pool.fetchval("select version from session_requests where id = $1", request)
    with pytest.raises(asyncpg.CheckViolationError, match="operator_says_why"):
        await pool.execute(
            "insert into session_events (request_id, version, kind, at, actor, round, payload)"
            " values ($1, $2, 'session_completed', clock(), 'operator:7', 0, '{}')",
            request,
            version + 1,
        )


async def test_actions_at_once_make_one_chain(pool: "Pool", cast: Cast, trail: AuditStore) -> None:
    people, switchboard = PeopleStore(pool), IntakeStore(pool)
    await switchboard.introduce_flag(FAVORITES_PRIORITY, enabled=True)
    await asyncio.gather(
        *(people.put_mechanic(cast.favorite, "Fay", status="approved", by=BY) for _ in range(20)),
        *(
            switchboard.set_flag(FAVORITES_PRIORITY, enabled=True, rollout_percentage=share, by=BY)
            for share in range(20)
        ),
    )
    for table, function in (
        ("operator_actions", "operator_action_hash"),
        ("feature_flag_changes", "flag_change_hash"),
    ):
        chained = await pool.fetchval(
            f"select bool_and(hash = {function}(one, before)) from ("
            f" select one, hash, lag(hash) over (order by id) as before from {table} one) chain"
        )
        assert chained is True, table
    assert (await trail.ends())["operator_actions"].id >= 20


async def test_what_was_and_what_is_are_kept_and_no_contact_data(
    pool: "Pool", trail: AuditStore, cast: Cast
) -> None:
    people, by = PeopleStore(pool), By("operator:7", "moved")
    known = {**account_of("carla"), "phone": "", "email": "canary@example.org"}
    await people.put_customer(cast.customer, **known, by=by)
    await people.put_mechanic(cast.favorite, "Fay", status="suspended", by=by)
    suspended, moved = await trail.actions(2)
    assert (suspended["was"], suspended["became"]) == (
        {"status": "approved"},
        {"status": "suspended", "renamed": False},
    )
    assert moved["became"] == {"known": True, "changed": ["email"]}
    assert "canary" not in str(moved).lower()
    assert {(one["actor"], one["reason"]) for one in (suspended, moved)} == {
        ("operator:7", "moved")
    }


# --- checkpoints -----------------------------------------------------------------------------


def test_the_tree_is_that_of_the_standard() -> None:
    tree, leaves = Tree(), [bytes([number]) for number in range(7)]
    assert tree.root == EMPTY
    tree.extend(leaves)
    a, b, c, d, e, f, g = map(leaf, leaves)
    left, right = node(node(a, b), node(c, d)), node(node(e, f), g)
    assert tree.root == node(left, right)
    again = Tree(tree.size, list(tree.peaks))
    again.append(b"")
    assert again.root == node(left, node(node(e, f), node(g, leaf(b""))))


async def test_a_checkpoint_covers_everything_once(
    pool: "Pool", cast: Cast, checkpoints: Checkpoints, keys: Ed25519Keys, copy: Path
) -> None:
    await fill(pool, cast, 40, checkpoints)
    assert not await checkpoints.advance(behind=True), "nothing new"
    notes = [opened(note, keys) for note in notes_in(copy)]
    assert [one.number for one in notes] == list(range(1, len(notes) + 1))
    assert notes[-1].size == await pool.fetchval("select count(*) from session_events")
    kept = await pool.fetch("select note from audit_checkpoints order by number")
    assert [row["note"] for row in kept] == list(notes_in(copy))


async def test_what_costs_most_is_bounded(
    pool: "Pool", cast: Cast, checkpoints: Checkpoints
) -> None:
    """However much there is to catch up with, it is done in pieces."""
    await fill(pool, cast, 30, checkpoints)
    await pool.execute("alter table audit_checkpoints disable trigger append_only")
    await pool.execute("delete from audit_checkpoints")
    few = Checkpoints(AuditStore(pool), checkpoints._keys, CheckpointFile(None))
    assert not await few.advance()
    size = await pool.fetchval("select split_part(note, E'\\n', 2)::int from audit_checkpoints")
    assert 30 <= size <= BATCH_MAX


async def test_two_processes_make_one_chain_of_checkpoints(
    pool: "Pool", cast: Cast, trail: AuditStore, keys: Ed25519Keys, tmp_path: Path
) -> None:
    files = [tmp_path / "one", tmp_path / "other"]
    both = [Checkpoints(trail, keys, CheckpointFile(path)) for path in files]
    for _ in range(3):
        await Histories(pool, cast).all()
        await asyncio.gather(*(one.advance(behind=True) for one in both))
    await asyncio.gather(*(one.advance(behind=True) for one in both))
    one, other = (list(notes_in(path)) for path in files)
    assert one[-1] == other[-1]
    assert set(one) | set(other) == {
        row["note"] for row in await pool.fetch("select note from audit_checkpoints")
    }


async def test_nothing_is_signed_on_top_of_what_was_altered(
    pool: "Pool", cast: Cast, trail: AuditStore, keys: Ed25519Keys, checkpoints: Checkpoints
) -> None:
    await fill(pool, cast, 20, checkpoints)
    await Histories(pool, cast).all()
    await pool.execute("alter table audit_checkpoints disable trigger append_only")
    await pool.execute("update audit_checkpoints set note = replace(note, 'number', 'numbre')")
    with pytest.raises(BadNote, match="does not fit"):
        await checkpoints.advance(behind=True)
    await pool.execute("delete from audit_checkpoints")
    with pytest.raises(Refused, match="is gone"):
        await checkpoints.advance(behind=True)


async def test_after_a_restart_the_file_knows_what_was_signed(
    pool: "Pool", cast: Cast, trail: AuditStore, keys: Ed25519Keys, copy: Path
) -> None:
    await fill(pool, cast, 20, Checkpoints(trail, keys, CheckpointFile(copy)))
    await pool.execute("alter table audit_checkpoints disable trigger append_only")
    await pool.execute("delete from audit_checkpoints")
    restarted = Checkpoints(trail, keys, CheckpointFile(copy))
    await restarted.remember()
    with pytest.raises(Refused, match="is gone"):
        await restarted.advance()


async def test_a_copy_that_cannot_be_read_is_said_and_read_later(
    pool: "Pool",
    cast: Cast,
    trail: AuditStore,
    keys: Ed25519Keys,
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headstart.app.audit.checkpoints.EVERY_S", 0.01)
    await Histories(pool, cast).all()
    await asyncio.to_thread(copy.mkdir)
    signing = asyncio.create_task(Checkpoints(trail, keys, CheckpointFile(copy)).run())
    try:
        with capture_logs() as logged:
            await until(lambda: any(one["event"] == "checkpoint_failed" for one in logged))
            await asyncio.to_thread(copy.rmdir)
            await until(copy.is_file)
    finally:
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
    assert list(notes_in(copy))


def test_who_has_only_the_public_key_can_check_and_nobody_else_signs(keys: Ed25519Keys) -> None:
    auditor = Ed25519Keys(None, keys.public_keys)
    assert auditor.verify(keys.public_keys[0], keys.sign(b"so it was"), b"so it was")
    assert not auditor.verify(keys.public_keys[0], keys.sign(b"so it was"), b"so it was not")
    assert not auditor.can_sign
