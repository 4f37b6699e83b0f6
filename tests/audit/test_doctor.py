"""The doctor says what is wrong, and nothing else."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from headstart.app.audit.checkpoints import Checkpoints
from headstart.app.audit.notes import Checkpoint, signed
from headstart.app.ports import Cursor
from headstart.doctor.circumstances import check_secrets
from headstart.doctor.examination import as_json, as_lines, examine
from headstart.doctor.findings import SHOWN_MAX, Findings, Severity
from headstart.identity.keys import Ed25519Keys
from headstart.settings import Mode, Settings
from headstart.store.outside import notes_in
from tests.audit.forgery import FORGER
from tests.audit.histories import Histories, fill
from tests.conftest import Cast

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

SECRET = "f3a81c0d9e7b2465a8c1f0e3d6b97254"


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def later_by(off: timedelta) -> Callable[[], datetime]:
    """A clock that goes wrong."""
    return lambda: now() + off


def settings(**changes: Any) -> Settings:
    usual = {"HEADSTART_MODE": Mode.TEST, "HEADSTART_JWT_SECRET": SECRET}
    return Settings(_env_file=None, **(usual | changes))


@pytest.fixture
async def healthy(pool: "Pool", cast: Cast, checkpoints: Checkpoints) -> None:
    """Some history, signed."""
    await fill(pool, cast, 30, checkpoints)


async def failures(
    pool: "Pool",
    keys: Ed25519Keys,
    copy: Path,
    real_time: Callable[[], datetime] = now,
    **changes: Any,
) -> list[str]:
    findings = await examine(pool, settings(**changes), keys, [copy], real_time)
    failed = [one for one in findings.shown if one.severity is Severity.FAILURE]
    assert findings.failed is bool(failed)
    return [f"{one.check}: {one.message}" for one in failed]


@pytest.mark.usefixtures("healthy")
async def test_of_the_healthy_it_says_one_line_for_each_check(
    pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    findings = await examine(pool, settings(), keys, [copy], now)
    assert not findings.failed
    fine = {one.check for one in findings.shown if one.severity is Severity.OK}
    assert fine == {
        *("secrets", "schema", "deadlines", "feed", "money", "chains", "checkpoints", "outside"),
    }
    assert 'healthy": true' in as_json(findings)
    assert as_lines(findings).count("\n") == len(findings.shown) - 1


BROKEN = {
    "alter table session_events disable trigger append_only": "guards: trigger append_only of",
    "alter table session_events enable trigger chain": "guards: trigger chain of session_events",
    "drop trigger append_only on operator_actions": "schema: the tables in schema",
    "alter table session_requests disable trigger money_follows_a_changed_request": (
        "guards: trigger session_requests.money_follows_a_changed_request is switched off"
    ),
    "alter table mechanics add column nickname text": "schema: the tables in schema",
    "insert into schema_migrations (version, name, checksum) values (9999, 'later', '')": (
        "schema: the database has migration 9999"
    ),
    "update session_requests set customer_id = '{other}'": "customer_id is not what the events say",
    "update test_clock set ahead = ahead + interval '1 year'": "deadlines: 2 overdue",
    "alter table session_events disable trigger append_only;"
    "update session_events set xid = '999999999999'": "feed: the log is ahead of the server",
    "update stripe_operations set due_at = clock() - interval '1 day' where state = 'due'": (
        "money: "
    ),
}


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("sabotage", BROKEN)
async def test_what_is_broken_is_said(
    sabotage: str, pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    other = uuid4()
    await pool.execute("insert into customers (id, first_name) values ($1, 'Ned')", other)
    await pool.execute(sabotage.replace("{other}", str(other)))
    said = await failures(pool, keys, copy)
    assert any(BROKEN[sabotage] in one for one in said), said


async def test_a_database_that_is_not_ours_is_said(
    pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    await pool.execute("drop schema headstart cascade")
    [said] = await failures(pool, keys, copy)
    assert said == "schema: there is no Headstart in this database"


@pytest.mark.usefixtures("healthy")
async def test_clocks_that_differ_are_said(pool: "Pool", keys: Ed25519Keys, copy: Path) -> None:
    for off in (timedelta(minutes=1), -timedelta(minutes=1)):
        [said] = await failures(pool, keys, copy, later_by(off))
        assert said.startswith("clock: ours and the database's are 60.0 s apart")


@pytest.mark.usefixtures("healthy")
async def test_a_test_clock_has_no_place_in_production(
    pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    said = await failures(pool, keys, copy, HEADSTART_MODE=Mode.PRODUCTION)
    assert [one.partition(" runs")[0] for one in said] == ["clock: the test clock"]


@pytest.mark.usefixtures("healthy")
async def test_copies_that_say_something_else_are_said(
    pool: "Pool", keys: Ed25519Keys, copy: Path, tmp_path: Path
) -> None:
    note = list(notes_in(copy))[-1]
    later = Checkpoint(99, "", 0, (), Cursor())
    for other, said in (
        (signed(later, keys), "outside: 99 was published, and the database has none"),
        (signed(later, FORGER), "it was signed with another key"),
        (note.replace("at ", "at 1"), "the signature does not fit"),
        ("number 1", "this is no signed note"),
        (signed(Checkpoint(1, "", 0, (), Cursor()), keys), "the database has another"),
    ):
        path = tmp_path / "other"
        path.write_text(line_of_a_log(other))
        found = await failures(pool, keys, path)
        assert any(said in one for one in found), (said, found)


def line_of_a_log(note: str) -> str:
    """As a log has it."""
    return json.dumps({"event": "audit_checkpoint", "note": note}) + "\n"


async def test_without_any_history_nothing_fails(
    pool: "Pool", keys: Ed25519Keys, copy: Path
) -> None:
    [said] = await failures(pool, keys, copy)
    assert said == f"outside: {copy} cannot be read: No such file or directory"
    copy.touch()  # noqa: ASYNC240 - a file of the test
    assert await failures(pool, keys, copy) == []


@pytest.mark.parametrize(
    ("secret", "weak"),
    [
        (SECRET, False),
        ("x" * 40, True),
        ("abcd" * 10, True),
        ("0123456789abcdef" * 3, True),
        ("correct horse battery staple, and so on", False),
    ],
)
def test_secrets_that_could_be_guessed_are_said(secret: str, weak: bool) -> None:
    findings = Findings()
    past_the_start = {"jwt_secret": SecretStr(secret), "mode": Mode.PRODUCTION}
    check_secrets(settings().model_copy(update=past_the_start), findings)
    assert findings.failed is weak
    assert secret not in as_lines(findings)


async def test_what_it_keeps_in_mind_is_bounded(
    pool: "Pool", cast: Cast, keys: Ed25519Keys, copy: Path
) -> None:
    for _ in range(SHOWN_MAX // 6 + 2):
        await Histories(pool, cast).all()
    await pool.execute("update session_requests set window_shortened = not window_shortened")
    copy.touch()  # noqa: ASYNC240 - a file of the test
    said = await failures(pool, keys, copy)
    assert len([one for one in said if one.startswith("chains")]) == SHOWN_MAX + 1
