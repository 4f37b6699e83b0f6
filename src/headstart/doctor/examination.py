"""Everything the doctor looks at, one after the other, each on its own feet."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.app.ports import Keys, Unavailable
from headstart.doctor.circumstances import (
    SCHEMA,
    check_clock,
    check_deadlines,
    check_feed,
    check_guards,
    check_money,
    check_secrets,
)
from headstart.doctor.findings import Findings
from headstart.doctor.trail import check_checkpoints, check_outside, check_requests
from headstart.settings import Settings
from headstart.store.audit import AuditStore
from headstart.store.migrate import MigrationError, check_statements, not_applied

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


async def examine(
    pool: "Pool",
    settings: Settings,
    keys: Keys,
    copies: Sequence[Path],
    real_time: Callable[[], datetime],
) -> Findings:
    """Reads only, and sees the whole trail as it was in one moment."""
    findings = Findings()
    check_secrets(settings, findings)
    if not await _fits(pool, findings):
        return findings
    store = AuditStore(pool)
    await check_guards(store, findings)
    await check_clock(store, settings, real_time, findings)
    await check_deadlines(store, findings)
    await check_feed(store, findings)
    await check_money(store, findings)
    async with store.transaction() as still:
        await still.hold_still()
        await check_requests(still, findings)
        await check_checkpoints(still, keys, findings)
        await check_outside(still, keys, copies, findings)
    return findings


async def _fits(pool: "Pool", findings: Findings) -> bool:
    """Whether the tables are those of this program; without them nothing else can be read."""
    try:
        missing = await not_applied(pool)
        if missing:
            names = ", ".join(f"{one.version:04d} {one.name}" for one in missing)
            findings.fail(SCHEMA, [f"not applied: {names}; run headstart migrate"])
        else:
            await check_statements(pool)
    except (MigrationError, Unavailable) as error:
        findings.fail(SCHEMA, [str(error)])
    findings.conclude(SCHEMA, "every migration is applied, and nothing was changed by hand")
    return not findings.counts[SCHEMA] or not findings.failed


def as_lines(findings: Findings) -> str:
    """For people."""
    return "\n".join(map(str, findings.shown))


def as_json(findings: Findings) -> str:
    """For programs."""
    shown = [
        {"severity": one.severity.value, "check": one.check, "message": one.message}
        for one in findings.shown
    ]
    return json.dumps({"healthy": not findings.failed, "findings": shown}, indent=1)
