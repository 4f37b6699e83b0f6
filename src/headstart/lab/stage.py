"""The real thing, put up for a while: PostgreSQL, a payment sandbox, and servers as processes.

Nothing here is pretended but Stripe: people book, pay, listen and accept over HTTP, and time passes
by the test clock. Scenarios, browser tests and tests with a hammer stand on the same stage.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.identity.seals import Seals
from headstart.identity.tokens import Tokens
from headstart.lab import explain
from headstart.lab.backstage import (
    HOST,
    Server,
    free_port,
    sandbox,
    scratch_database,
    scratch_directory,
    server_environment,
    wait_until,
)
from headstart.lab.canaries import account_of, contact_of
from headstart.lab.visitors import PATIENCE_S, Json, Listener, Person
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.store.views import ViewStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

WINDOW_MINUTES = 10
OVERALL_LIMIT_MINUTES = 30
TOKEN_LIFETIME = timedelta(hours=12)

ACCOUNT, CONTACT = account_of("stage"), contact_of("stage")  # what no mechanic may ever read

_NAMESPACE = UUID("0f5e7b0c-52a5-5f0e-8b39-6f3a2f6c1d11")


@dataclass(frozen=True, slots=True)
class Booking:
    """What a customer filled in, and where it is paid."""

    intake_id: UUID
    checkout_url: str

    @property
    def checkout_session(self) -> str:
        """The id of the payment page."""
        return urlsplit(self.checkout_url).path.rpartition("/")[2]


@dataclass(slots=True)
class Stage:
    """What stands, and what can be done to it."""

    dsn: str
    server: Server
    sandbox_url: str
    environment: Mapping[str, str]
    directory: Path
    tokens: Tokens
    portal: BlockingPortal
    pool: "Pool"
    http: httpx.Client
    streams: httpx.AsyncClient
    _listeners: list[Listener] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _names: dict[UUID, str] = field(default_factory=dict)

    # People

    def customer(self, name: str, *favorites: Person) -> Person:
        """A new customer, who saves these favourites in this order."""
        who = self._person(Role.CUSTOMER, name)
        self.portal.call(self._introduce_customer, who)
        for favorite in favorites:
            who.put(f"/favorites/{favorite.id}").raise_for_status()
        return who

    async def _introduce_customer(self, who: Person) -> None:
        surname, email = ACCOUNT["last_name"], ACCOUNT["email"]
        people = PeopleStore(self.pool)
        await people.add_customer(CustomerId(who.id), who.name, last_name=surname, email=email)

    def mechanic(self, name: str) -> Person:
        """A new, approved mechanic, who is not on duty yet."""
        who = self._person(Role.MECHANIC, name)
        self.portal.call(PeopleStore(self.pool).add_mechanic, MechanicId(who.id), name)
        return who

    @property
    def beginning(self) -> str:
        """Of the log, sealed: a stream from there replays whatever was ever meant for somebody."""
        return Seals(self.tokens.secret, secrets.token_bytes).seal(0, 0)

    def operator(self) -> Person:
        """Somebody of the house."""
        return self._person(Role.OPERATOR, "the operator")

    def _person(self, role: Role, name: str) -> Person:
        who = Principal(role, uuid5(_NAMESPACE, str(next(self._numbers))))
        self._names[who.id] = name
        token = self.tokens.mint(who, lifetime=TOKEN_LIFETIME)
        return Person(role, who.id, name, token, self.server.url, self.http, self._listen)

    def _listen(self, who: Person, after: str) -> Listener:
        listener = Listener(self.portal, self.streams, who, after)
        self._listeners.append(listener)
        listener.wait_for("ready")
        return listener

    def catch_up(self, *listeners: Listener) -> None:
        """Return when these streams of mechanics and operators have shown all there was so far.

        A stranger's request is opened and withdrawn, of which all of them are told. A stream keeps
        the order of the log, so who has seen that has seen everything before it.
        """
        stranger = self.customer("Marker")
        marker = self.request_of(self.submit(stranger, plan="free").intake_id)
        stranger.post(f"/session-requests/{marker}/cancellation").raise_for_status()
        for listener in listeners:
            listener.wait_for("request_cancelled", marker)

    # Bookings

    def book(self, customer: Person, favorite: Person | None = None, **more: Any) -> UUID:
        """Fill in the intake, pay on the hosted page, and answer with the session request."""
        booking = self.submit(customer, favorite, **more)
        self.pay(booking)
        return self.request_of(booking.intake_id)

    def submit(
        self, customer: Person, favorite: Person | None = None, plan: str = "standard", **more: Any
    ) -> Booking:
        """Fill in the intake, with contact data that no mechanic must ever see."""
        body = {"plan": plan, "concern": "It squeaks.", "vehicle": "2016 Golf", **CONTACT, **more}
        if favorite is not None:
            body["preferred_mechanic_id"] = str(favorite.id)
            body["routing_type"] = "priority_broadcast"
        answer = customer.post("/intakes", body)
        answer.raise_for_status()
        return Booking(UUID(answer.json()["intake_id"]), answer.json()["checkout_url"])

    def pay(self, booking: Booking) -> str:
        """Press "pay" on the hosted page; answers with where that sends the customer."""
        self.http.get(booking.checkout_url).raise_for_status()
        pressed = self.http.post(booking.checkout_url, data={"action": "pay"})
        assert pressed.status_code == httpx.codes.SEE_OTHER, f"not paid: {pressed.status_code}"
        return pressed.headers["Location"]

    def request_of(self, intake_id: UUID) -> UUID:
        """The session request of an intake; a late webhook is waited for."""
        query = (  # by the customer, whose requests have an index
            "select r.id from intakes i join session_requests r"
            " on r.customer_id = i.customer_id and r.intake_id = i.id where i.id = $1"
        )
        wait_until(lambda: bool(self.rows(query, intake_id)), "nothing came of what was paid for")
        found: UUID = self.rows(query, intake_id)[0]["id"]
        return found

    def stripe(self, path: str) -> Json:
        """What the payment service knows, below ``/v1``."""
        headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
        answer = self.http.get(f"{self.sandbox_url}/v1{path}", headers=headers)
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def resend(self, stripe_event: str) -> int:
        """Have a payment event delivered once more; answers with the status that met it."""
        before = len(self._deliveries(stripe_event))
        self.http.post(f"{self.sandbox_url}/_sandbox/resend/{stripe_event}").raise_for_status()
        wait_until(
            lambda: len(self._deliveries(stripe_event)) > before, "the event was not sent again"
        )
        status: int = self._deliveries(stripe_event)[-1]["status"]
        return status

    def _deliveries(self, stripe_event: str) -> Sequence[Json]:
        attempts = self.http.get(f"{self.sandbox_url}/_sandbox/deliveries").json()["attempts"]
        return [one for one in attempts if one["event"] == stripe_event]

    # Time

    def now(self) -> datetime:
        """What time it is, by the one clock."""
        moment: datetime = self.rows("select clock() as now")[0]["now"]
        return moment

    def advance(self, minutes: float) -> None:
        """Let time pass: by the server, or, while that is down, as time does anyway."""
        if self.server.is_running:
            body = {"seconds": minutes * 60, "reason": "a rehearsal"}
            self.http.post(f"{self.server.url}/demo/clock", json=body).raise_for_status()
        else:
            passing = timedelta(minutes=minutes)
            self.portal.call(PeopleStore(self.pool).advance_clock, passing)

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until then; not at all when that is past."""
        ahead = moment - self.now()
        if ahead > timedelta():
            self.advance(ahead / timedelta(minutes=1))

    # What is stored

    def rows(self, sql: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """Read the database itself."""
        return self.portal.call(self._fetch, sql, values)

    async def _fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        return [dict(row) for row in await self.pool.fetch(sql, *values)]

    def execute(self, sql: str) -> None:
        """Do to the database what no program of ours would do."""
        self.portal.call(self.pool.execute, sql)

    def request(self, request_id: UUID) -> Mapping[str, Any]:
        """The stored row."""
        [row] = self.rows("select * from session_requests where id = $1", request_id)
        return row

    def events(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """The stored log of one request, in order."""
        query = "select kind, at, actor, payload from session_events where request_id = $1"
        return self.rows(f"{query} order by version", request_id)

    def story(self, request_id: UUID) -> str:
        """The log of one request, as a person reads it: with people's names."""
        told = self.portal.call(explain.story, ViewStore(self.pool), request_id)
        for person, name in self._names.items():
            told = told.replace(str(person), name)
        return told

    def metrics(self) -> str:
        """What the server counts."""
        return self.http.get(f"{self.server.url}/metrics").text

    # More of it, and the end

    @contextmanager
    def another_server(self) -> Iterator[Server]:
        """A second server on the same database, for as long as the block lasts."""
        other = Server(self.environment, self.directory, free_port())
        try:
            other.start()
            yield other
        finally:
            other.stop()

    def close_streams(self) -> None:
        """End every stream that was opened so far."""
        while self._listeners:
            self._listeners.pop().close()


@contextmanager
def put_up(
    database_url: str | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Stage]:
    """Put everything up, and take it down whatever happens.

    The database is embedded, or a fresh one on the server of ``database_url``, which is dropped
    afterwards. ``environment`` overrides the server's settings.
    """
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        directory = stack.enter_context(scratch_directory())
        dsn = stack.enter_context(scratch_database(portal, directory, database_url))
        port, secret = free_port(), secrets.token_hex(32)
        webhook_url = f"http://{HOST}:{port}/webhooks/stripe"
        sandbox_url = stack.enter_context(sandbox(portal, webhook_url))
        settings = server_environment(_settings(dsn, sandbox_url, secret) | {**environment})
        server = Server(settings, directory, port)
        stack.callback(server.stop)
        server.start()
        pool = stack.enter_context(
            portal.wrap_async_context_manager(connected(dsn, connections_max=4, role=None))
        )
        streams = httpx.AsyncClient(
            trust_env=False, timeout=httpx.Timeout(PATIENCE_S, read=None), limits=_NO_LIMITS
        )
        stage = Stage(
            dsn=dsn,
            server=server,
            sandbox_url=sandbox_url,
            environment=settings,
            directory=directory,
            tokens=Tokens(secret, lambda: datetime.fromtimestamp(time.time(), UTC)),
            portal=portal,
            pool=pool,
            http=stack.enter_context(httpx.Client(trust_env=False, timeout=PATIENCE_S * 2)),
            streams=stack.enter_context(portal.wrap_async_context_manager(streams)),
        )
        stack.callback(stage.close_streams)
        yield stage


_NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


def _settings(dsn: str, sandbox_url: str, secret: str) -> dict[str, str]:
    return {
        "HEADSTART_MODE": "test",
        "DATABASE_URL": dsn,
        "HEADSTART_STRIPE_API_BASE": sandbox_url,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": SANDBOX_WEBHOOK_SECRET,
        "HEADSTART_JWT_SECRET": secret,
        "ENABLE_FAVORITES_PRIORITY": "true",
        "PRIORITY_WINDOW_MINUTES": str(WINDOW_MINUTES),
        "HEADSTART_OVERALL_LIMIT_MINUTES": str(OVERALL_LIMIT_MINUTES),
        "HEADSTART_PRESENCE_LEASE_S": "86400",  # nobody goes offline by a jump of the clock
    }
