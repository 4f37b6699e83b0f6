"""What the database saw, as plain values that a checker can judge. Times are seconds since the
beginning of a round, by the clock that the database and the people share."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.core.evolve import evolve
from headstart.core.request import RequestId, SessionRequest
from headstart.lab.chaos.books import money_of
from headstart.lab.chaos.sights import Playback, Sights, disagreements
from headstart.lab.checkers import History, Plain
from headstart.lab.checkers.history import Interval
from headstart.payments.sandbox.ledger import Ledger
from headstart.store import migrate
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore
from headstart.store.rows import event_from

if TYPE_CHECKING:
    from headstart.store.postgres import Connection, Pool

REQUESTS_AT_ONCE = 200
FOREVER_S = float("inf")

LOG = """
select e.xid, e.id, e.request_id, r.customer_id, e.version, e.kind, e.actor, e.at, e.payload,
       e.eligible, e.command_key, s.began, s.stated, pg_xact_commit_timestamp(e.xid::xid) as done
from headstart.session_events e
join headstart.session_requests r on r.id = e.request_id
left join witness.statements s on s.event = e.id
order by done, e.id
"""
APPROVALS = """
select mechanic::text, status = 'approved' as approved, pg_xact_commit_timestamp(xid::xid) as done
from witness.approvals order by done
"""
PRESENCES = """
select mechanic::text, on_duty, lease_until, pg_xact_commit_timestamp(xid::xid) as done
from witness.presences order by done
"""
FLAGS = """
select enabled, pg_xact_commit_timestamp(xmin) as done
from headstart.feature_flag_changes where name = $1 and was_enabled is not null order by done
"""
UNFINISHED = """
select (select count(*) from headstart.session_requests where due_at is not null)
     + (select count(*) from headstart.stripe_operations where due_at is not null)
"""
DEBTS = """
select key, kind, subject, request_id::text as request, state, result, attempts,
       created_at, due_at, settled_at
from headstart.stripe_operations order by id
"""
IDS = "select id from headstart.session_requests order by created_at"
FINGERPRINT = """
update headstart.schema_migrations set fingerprint = $1
where version = (select max(version) from headstart.schema_migrations)
"""


async def install(dsn: str) -> None:
    """On a migrated database. The tables keep their shape but for the triggers, which the service
    would take for a change by hand: they are entered as part of what it may find."""
    text = files("headstart.lab.chaos").joinpath("witness.sql").read_text("utf-8")
    async with connected(dsn, connections_max=1, role=None) as pool:
        await pool.execute(text)
        async with pool.acquire() as connection:
            shape = await migrate._fingerprint(cast("Connection", connection))
        await pool.execute(FINGERPRINT, shape)


class Witness:
    """Asks the database of one round what happened since its beginning."""

    def __init__(self, pool: "Pool", began: datetime) -> None:
        self._pool = pool
        self._began = began

    async def unfinished(self) -> int:
        """How many requests still wait for a deadline, and how much is to be done about money."""
        count: int = await self._pool.fetchval(UNFINISHED)
        return count

    async def testify(self, history: History, ledger: Ledger) -> None:
        """Fill in everything that the database knows, and the books of the payment service."""
        rows = await self._pool.fetch(LOG)
        history.log = [self._row(row) for row in rows]
        for row in history.log:
            row["began_s"] -= history.terms["slack_s"]  # what it read may have been that old
        history.suspensions = list(self._suspensions(await self._pool.fetch(APPROVALS)))
        history.presence = list(self._presences(await self._pool.fetch(PRESENCES)))
        flags = await self._pool.fetch(FLAGS, FAVORITES_PRIORITY)
        history.flags += [(self._seconds(row["done"]), row["enabled"]) for row in flags]
        history.final = await self._final(rows)
        history.debts = [self._debt(row) for row in await self._pool.fetch(DEBTS)]
        history.money = await money_of(ledger, self._pool, self._began.timestamp())

    async def judge(self, sights: Sights, history: History) -> Sequence[str]:
        """What row-level security says of everything that anybody saw."""
        log = await self._pool.fetch(LOG)
        committed_s = {row["id"]: self._seconds(row["done"]) for row in log}
        playback = Playback.of(log, committed_s)
        return await disagreements(self._pool, playback, sights, history.suspensions)

    def _seconds(self, at: datetime) -> float:
        return (at - self._began) / timedelta(seconds=1)

    def _row(self, row: Any) -> Plain:
        at_s = self._seconds(row["at"])
        return {
            "cursor": (row["xid"], row["id"]),
            "request": str(row["request_id"]),
            "customer": str(row["customer_id"]),
            "version": row["version"],
            "kind": row["kind"],
            "actor": row["actor"],
            "at_s": at_s,
            "began_s": self._seconds(row["began"]) if row["began"] else at_s,
            "stated_s": self._seconds(row["stated"]) if row["stated"] else at_s,
            "committed_s": self._seconds(row["done"]),
            "payload": row["payload"] | self._times(row["payload"]),
            "eligible": sorted(map(str, row["eligible"] or ())),
            "key": row["command_key"],
        }

    def _debt(self, row: Any) -> Plain:
        told = dict(row)
        times = {name: told.pop(f"{name}_at") for name in ("created", "due", "settled")}
        return told | {f"{name}_s": at and self._seconds(at) for name, at in times.items()}

    def _times(self, payload: Plain) -> Plain:
        times = {name: payload.get(name) for name in ("until", "join_by")}
        return {
            f"{name}_s": self._seconds(datetime.fromisoformat(at)) if at else None
            for name, at in times.items()
        }

    def _suspensions(self, rows: Sequence[Any]) -> Iterator[Interval]:
        since: dict[str, float] = {}
        for row in rows:
            who, at_s = row["mechanic"], self._seconds(row["done"])
            if not row["approved"]:
                since.setdefault(who, at_s)
            elif who in since:
                yield who, since.pop(who), at_s
        yield from ((who, at_s, FOREVER_S) for who, at_s in since.items())

    def _presences(self, rows: Sequence[Any]) -> Iterator[Interval]:
        """Each heartbeat's lease, cut short by going off duty, and joined with the next."""
        leases: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for row in rows:
            who, at_s = leases[row["mechanic"]], self._seconds(row["done"])
            if who and who[-1][1] >= at_s:
                since_s = who.pop()[0]
                who.append((since_s, at_s))
            if row["on_duty"]:
                until_s = self._seconds(row["lease_until"])
                joins = bool(who) and who[-1][1] == at_s
                who.append((who.pop()[0] if joins else at_s, until_s))
        for mechanic, held in leases.items():
            yield from ((mechanic, since_s, until_s) for since_s, until_s in held)

    async def _final(self, log: Sequence[Any]) -> list[Plain]:
        stories: dict[RequestId, list[Any]] = defaultdict(list)
        for row in log:
            stories[row["request_id"]].append(row)
        ids = [row["id"] for row in await self._pool.fetch(IDS)]
        found: list[Plain] = []
        for start in range(0, len(ids), REQUESTS_AT_ONCE):
            seen = await RequestStore(self._pool).see(ids[start : start + REQUESTS_AT_ONCE])
            found += [
                self._stored(one.request, stories[one.request.id]) for one in seen if one.request
            ]
        return found

    def _stored(self, request: SessionRequest, story: Sequence[Any]) -> Plain:
        who = getattr(request.state, "mechanic", None)
        return {
            "request": str(request.id),
            "version": request.version,
            "status": type(request.state).__name__.lower(),
            "who": str(who) if who else None,
            "due_s": self._seconds(request.due_at) if request.due_at else None,
            "fallback": request.fallback.reason.value if request.fallback else None,
            "silent": set(map(str, request.silent)),
            "excluded": set(map(str, request.excluded)),
            "replays": _replayed(story) == request,
        }


def _replayed(story: Sequence[Any]) -> SessionRequest | None:
    request = None
    for row in sorted(story, key=lambda one: one["version"]):
        event = event_from(row["kind"], row["payload"])
        try:
            request = evolve(row["request_id"], request, [event], at=row["at"])
        except AssertionError:
            return None
    return request


def moment(at_s: float) -> datetime:
    """A reading of this machine's clock."""
    return datetime.fromtimestamp(at_s, UTC)
