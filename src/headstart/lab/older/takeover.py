"""A million older rows are taken over while people book and accept; nobody may notice.

The table is filled, a share of it broken on purpose. A real server has real traffic, first by
itself and then beside the command, which is killed once on its way and begun again.
"""

import asyncio
import csv
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType

from headstart.core.evolve import evolve
from headstart.lab.evidence import Evidence
from headstart.lab.older.planted import Planted, breakages
from headstart.lab.older.traffic import Heard, share_of, traffic
from headstart.lab.stage import Stage, put_up
from headstart.store.postgres import connected
from headstart.store.rows import event_from, request_row

PART = "takeover"
SOURCE = "public.session_requests"
STORIES_PER_S = 5.0
ALONE_S = (0.5, 20.0)  # the traffic by itself: a small table, a large one
LARGE = 100_000
KILLED_AFTER = 0.2  # of the rows
FOLDED_MAX = (200, 2_000)
LOOKS_EVERY_S = 0.02
COUNTS_EVERY_S = (0.02, 2.0)  # to count a large table is work, too
PATIENCE_S = 840.0
COMMAND_PATIENCE_S = 3600.0  # a million rows take minutes, on a busy machine many
NOT_EVERYTHING = 3
LAST_WORDS = 1_000
DUTY = 1.0  # to be over in a quarter of an hour: harder than an operator would
SLOW_DUTY = 0.1  # so that there is time to kill it
CANARY = "canary"

OF_THE_PAST = "from session_requests r join session_events e on e.request_id = r.id" + (
    " and e.version = 1 and e.actor = 'import'"
)
STATE = """
select (select count(*) from session_requests), (select count(*) from session_events),
       (select count(*) from intakes), (select count(*) from backfill_report),
       (select sum(hashtextextended(r::text, 0)) from session_requests r),
       (select sum(hashtextextended(e::text, 0)) from session_events e),
       (select sum(hashtextextended(b::text, 0)) from backfill_report b)"""

Tell = Callable[[str], None]


class CommandFailed(RuntimeError):
    """The command did not come to its end; the message has its last words."""


@dataclass(slots=True)
class Locks:
    """The longest that anybody was seen to wait for a lock."""

    longest_s: float = 0.0
    looks: int = 0
    _over: bool = field(default=False)

    async def watch(self, dsn: str) -> None:
        """Look again and again, on a connection of its own."""
        async with connected(dsn, connections_max=1, role=None) as pool:
            while not self._over:
                waited = await pool.fetchval(
                    "select extract(epoch from max(clock_timestamp() - waitstart))::float8"
                    " from pg_locks where not granted"
                )
                self.longest_s = max(self.longest_s, waited or 0.0)
                self.looks += 1
                await asyncio.sleep(LOOKS_EVERY_S)

    @contextmanager
    def watched(self, stage: Stage) -> Iterator[None]:
        """Within the block."""
        watching = stage.portal.start_task_soon(self.watch, stage.dsn)
        try:
            yield
        finally:
            self._over = True
            watching.result()


def run(
    count: int,
    seed: int,
    tell: Tell,
    *,
    database_url: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Evidence:
    """So many older rows. Chance decides nothing here: the rows follow from their number."""
    began_s, planted = time.perf_counter(), Planted(count)
    with put_up(database_url, environment) as stage:
        run = Takeover(stage, planted, tell)
        run.fill()
        run.compare_with_nothing()
        run.take_over()
        run.judge()
        run.repeat()
        return Evidence(
            part=PART,
            seeds=str(seed),
            figures=run.figures(),
            violations=run.violations,
            wall_s=round(time.perf_counter() - began_s, 1),
        )


class Takeover:
    """One run, step by step."""

    def __init__(self, stage: Stage, planted: Planted, tell: Tell) -> None:
        self.violations: list[str] = []
        self._stage = stage
        self._planted = planted
        self._tell = tell
        self._report = stage.directory / "report.csv"
        self._said = stage.directory / "backfill.log"
        self._alone = self._beside = Heard()
        self._locks = Locks()
        self._took_s = 0.0
        self._killed = False
        self._is_large = planted.rows >= LARGE
        self._folded = 0

    def fill(self) -> None:
        """The older table, sound, then broken, as old tables are."""
        here = files("headstart.lab.older")
        self._stage.portal.call(
            self._fill,
            here.joinpath("table.sql").read_text("utf-8"),
            here.joinpath("fill.sql").read_text("utf-8"),
        )
        self._tell(f"{self._planted.rows:,} rows, {self._planted.broken:,} of them broken")

    async def _fill(self, table: str, rows: str) -> None:
        owner = connected(self._stage.dsn, connections_max=1, role=None)
        async with owner as pool, pool.acquire() as connection:
            await connection.execute("set statement_timeout = 0")
            await connection.execute(table)
            await connection.execute(rows, self._planted.rows, timeout=PATIENCE_S)
            for breakage in breakages(self._planted.rows):
                await connection.execute(breakage, timeout=PATIENCE_S)
            await connection.execute(f"vacuum (analyze) {SOURCE}", timeout=PATIENCE_S)

    def compare_with_nothing(self) -> None:
        """What the traffic hears when nothing else goes on."""
        with traffic(self._stage, STORIES_PER_S) as heard:
            time.sleep(ALONE_S[self._is_large])
        self._alone = heard

    def take_over(self) -> None:
        """Killed once, begun again, to the end; the traffic goes on all the while."""
        listener = self._stage.operator().listen()
        with traffic(self._stage, STORIES_PER_S) as heard, self._locks.watched(self._stage):
            began_s = time.perf_counter()
            self._until_killed()
            status = self._command().wait(COMMAND_PATIENCE_S)
            self._took_s = time.perf_counter() - began_s
        self._beside = heard
        if status != NOT_EVERYTHING:
            raise CommandFailed(
                f"exit code {status}: {self._said.read_text('utf-8')[-LAST_WORDS:]}"
            )
        self.violations += [*self._alone.complaints, *heard.complaints]
        ours = {*map(str, self._alone.requests), *map(str, heard.requests)}
        told = {str(frame.payload.get("session_id")) for frame in listener.frames[1:]} - ours
        self._expect("told of the past", told - {"None"}, set())

    def _until_killed(self) -> None:
        process = self._command(duty=DUTY if self._is_large else SLOW_DUTY)
        enough = self._planted.taken_over * KILLED_AFTER
        while self._stage.rows(f"select count(*) as n {OF_THE_PAST}")[0]["n"] < enough:
            if process.poll() is not None:
                return
            time.sleep(COUNTS_EVERY_S[self._is_large])
        process.send_signal(signal.SIGKILL)
        self._killed = process.wait() == -signal.SIGKILL
        self._tell("killed on its way, and begun again")

    def _command(self, duty: float = DUTY) -> "subprocess.Popen[bytes]":
        options = ["--from", SOURCE, "--report", str(self._report), "--duty", str(duty)]
        with self._said.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "headstart", "backfill", *options],
                cwd=self._stage.directory,
                env=self._stage.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def judge(self) -> None:
        """What was taken over, what was reported, and whether log and rows agree."""
        rows, planted = self._stage.rows, self._planted
        self._expect(
            "requests taken over",
            rows(f"select count(*) as n {OF_THE_PAST}")[0]["n"],
            planted.taken_over,
        )
        reported = Counter(
            {
                (row["key"], row["why"], row["left_out"]): row["n"]
                for row in rows(
                    "select key, why, left_out, count(*) as n from backfill_report group by 1, 2, 3"
                )
            }
        )
        for what in reported | planted.reported:
            self._expect(f"reported: {what}", reported[what], planted.reported[what])
        with self._report.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))[1:]
        self._expect("lines of the report", len(lines), planted.reported.total())
        leaks = [line for line in lines if CANARY in " ".join(line).lower()]
        self._expect("lines of the report with personal data", leaks, [])
        self._expect(
            "alive or due",
            rows(
                f"select r.id {OF_THE_PAST}"
                " where r.due_at is not null or r.stage is not null limit 3"
            ),
            [],
        )
        self._expect(
            "owed",
            rows(
                f"select r.id {OF_THE_PAST} join stripe_operations o on o.request_id = r.id limit 3"
            ),
            [],
        )
        self._judge_folds()

    def _judge_folds(self) -> None:
        """Of so many requests: the row is what its events add up to."""
        some = self._stage.rows(
            f"select r.* {OF_THE_PAST} order by r.id limit {FOLDED_MAX[self._is_large]}"
        )
        for row in some:
            request = None
            for event in self._stage.events(row["id"]):
                told = [event_from(event["kind"], event["payload"])]
                request = evolve(row["id"], request, told, at=event["at"])
            assert request, "it has a first event"
            folded = request_row(request)
            mechanics = {
                name: folded.pop(name) for name in ("silent_mechanics", "excluded_mechanics")
            }
            stored = {name: row[name] for name in folded}
            self._expect(f"{row['id']}, folded", folded, stored)
            for name, listed in mechanics.items():
                self._expect(
                    f"{row['id']}, {name}",
                    listed.strip("{}").split(",") if listed != "{}" else [],
                    sorted(map(str, row[name])),
                )
        self._folded = len(some)

    def repeat(self) -> None:
        """A second run, without traffic, changes nothing at all."""
        before = self._stage.portal.call(self._state)
        self._expect(
            "the second exit code", self._command().wait(COMMAND_PATIENCE_S), NOT_EVERYTHING
        )
        after = self._stage.portal.call(self._state)
        self._expect("what a second run changes", after, before)

    async def _state(self) -> Mapping[str, object]:
        """To read every row takes longer than a statement of the service may."""
        owner = connected(self._stage.dsn, connections_max=1, role=None)
        async with owner as pool, pool.acquire() as connection:
            await connection.execute("set statement_timeout = 0")
            [row] = await connection.fetch(STATE, timeout=PATIENCE_S)
            return dict(row)

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.violations.append(f"{what}: {found}, not {wanted}")

    def figures(self) -> dict[str, int | float | str]:
        """In the order in which they are shown."""
        alone, beside = self._alone.all_s, self._beside.all_s
        return {
            "older rows": self._planted.rows,
            "rows broken on purpose": self._planted.broken,
            "unreadable values planted": self._planted.reported.total(),
            "unreadable values in the report": self._stage.rows(
                "select count(*) as n from backfill_report"
            )[0]["n"],
            "rows left out, and reported": self._planted.left_out,
            "rows still open there": self._planted.still_open,
            "requests taken over": self._planted.taken_over,
            "log and row compared": self._folded,
            "killed on its way": int(self._killed),
            "taken over in, s": round(self._took_s, 1),
            "rows per second": round(self._planted.rows / self._took_s),
            "longest wait for a lock, ms": round(self._locks.longest_s * 1000, 1),
            "looks at the locks": self._locks.looks,
            "answers alone": len(alone),
            "answers beside it": len(beside),
            "answers that were not as they should be": len(self._beside.complaints),
            "alone: p50, ms": round(share_of(alone, 0.5) * 1000, 1),
            "alone: p99, ms": round(share_of(alone, 0.99) * 1000, 1),
            "alone: slowest, ms": round(share_of(alone, 1.0) * 1000, 1),
            "beside it: p50, ms": round(share_of(beside, 0.5) * 1000, 1),
            "beside it: p99, ms": round(share_of(beside, 0.99) * 1000, 1),
            "beside it: slowest, ms": round(share_of(beside, 1.0) * 1000, 1),
        }
