"""The report as people get it: what could not be read, without showing anybody's contact data.

The table ``backfill_report`` keeps each value as it stood. Here only what cannot be personal is
shown, whatever the key says: an id, a time, a small number, a word as programs write it.
"""

import csv
import re
from pathlib import Path

from headstart.app.ports import OlderSystem

PAGE_MAX = 1_000
HEAD = ("row", "key", "value", "why", "left out")
_HARMLESS = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d([T ][0-9:.]{5,15})?(Z|[+-]\d\d(:?\d\d)?)?"
    r"|-?\d{1,6}(\.\d{1,6})?"
    r"|[a-z]+(_[a-z]+){1,3}|true|false|null",
    re.IGNORECASE,
)


def shown(value: str) -> str:
    """The value where that is harmless, else only how long it is."""
    return value if _HARMLESS.fullmatch(value) else f"({len(value)} characters)"


async def write_report(older: OlderSystem, source: str, path: Path) -> int:
    """Everything that is reported of this table, as CSV; answers how much that is."""
    written, after = 0, ("", "")
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEAD)
        while page := await older.reported(source, after, PAGE_MAX):
            for one in page:
                left_out = "yes" if one.left_out else ""
                table.writerow((one.row, one.key, shown(one.value), one.why, left_out))
            written += len(page)
            after = (page[-1].row, page[-1].key)
    return written


async def summary_lines(older: OlderSystem, source: str) -> list[str]:
    """What could not be read, and how often."""
    return [
        f"  {times:,} x {key}: {why}" + (" (row left out)" if left_out else "")
        for key, why, left_out, times in await older.summary(source)
    ]
