"""The composition root: the only place that knows everyone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from headstart.app.attendance import Attendance
from headstart.app.audit.checkpoints import Checkpoints
from headstart.app.cashier import Cashier
from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.feed import Feed
from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.fulfilment import Fulfilment
from headstart.app.intake import Addresses, IntakeDesk
from headstart.app.reconciler import Reconciler
from headstart.app.terms import Terms
from headstart.app.wakeups import Wakeups
from headstart.core.policy import PolicyError, require_room_to_broadcast
from headstart.identity.key_sets import Documents
from headstart.payments.gateway import (
    SDK_API_VERSION,
    StripeConfiguration,
    StripeGateway,
    check_configuration,
)
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.settings import Mode, Settings
from headstart.store.audit import AuditStore
from headstart.store.embedded import InUse, default_data_directory, running
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.migrate import check_account, check_statements, migrate, wait_for_server
from headstart.store.offers import OfferStore
from headstart.store.operations import OperationStore
from headstart.store.outside import CheckpointFile
from headstart.store.people import PeopleStore
from headstart.store.postgres import SERVICE_ROLE, connected
from headstart.store.requests import RequestStore
from headstart.store.views import ViewStore
from headstart.web.service import MoneyLoops, Service
from headstart.wiring import identity
from headstart.wiring.identity import (
    DEMO_SECRET,
    audit_keys,
    real_time,
    tokens,
    trusted_issuers,
)
from headstart.wiring.telling import hub, line_between_processes, publisher

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

__all__ = ["DEMO_SECRET", "audit_keys", "real_time", "tokens", "trusted_issuers"]

START_PATIENCE_S = 10.0
LOOP_CONNECTIONS = 4  # of their own: a crowd of people must not hold up the deadlines
ADDRESS_FILE = "address"  # in the data directory, for commands beside a running service

log = structlog.get_logger()


def data_directory(settings: Settings) -> Path:
    """Where embedded PostgreSQL, and the demo beside it, keep what must survive."""
    return settings.data_directory or default_data_directory()


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of the database: the configured one, else embedded PostgreSQL."""
    if settings.database_url:
        yield settings.database_url
        return
    with running(directory := data_directory(settings)) as address:
        (directory / ADDRESS_FILE).write_text(address)
        yield address


@contextmanager
def database_of_service(settings: Settings) -> Iterator[str]:
    """Likewise, for a command beside a service that may be running on the embedded database."""
    try:
        with database(settings) as address:
            yield address
    except InUse as error:
        try:
            address = (data_directory(settings) / ADDRESS_FILE).read_text()
        except OSError:
            raise error from None
        yield address


@asynccontextmanager
async def records(settings: Settings, dsn: str) -> AsyncIterator["Pool"]:
    """Connections to the database, migrated and checked against this program."""
    await wait_for_server(dsn, patience_s=START_PATIENCE_S)
    await migrate(settings.owner_url or dsn)
    await check_account(dsn, role=SERVICE_ROLE if settings.prepared_statements else None)
    async with connected(
        dsn,
        connections_max=settings.database_connections,
        prepared_statements=settings.prepared_statements,
    ) as pool:
        await check_statements(pool)
        if ahead := await EventLogStore(pool).count_on():
            log.warning("log_was_restored", ahead=ahead)
        await IntakeStore(pool).introduce_flag(
            FAVORITES_PRIORITY, enabled=settings.enable_favorites_priority
        )
        yield pool


@asynccontextmanager
async def service(settings: Settings, dsn: str) -> AsyncIterator[Service]:
    """The service on a migrated database, without its loops."""
    payment = payment_configuration(settings)
    trusted_issuers(settings)  # before anything is started
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(records(settings, dsn))
        prepared = settings.prepared_statements
        loops_pool = connected(dsn, connections_max=LOOP_CONNECTIONS, prepared_statements=prepared)
        own = await stack.enter_async_context(loops_pool)
        await _require_plans_that_fit(IntakeStore(pool), settings)
        await _require_real_time(PeopleStore(pool), settings)
        gateway = None
        if payment:
            gateway = StripeGateway(secret_key=payment.secret_key, api_base=payment.api_base)
            stack.push_async_callback(gateway.close)
        documents = Documents()
        stack.push_async_callback(documents.close)
        yield _assemble(settings, pool, own, gateway, payment, documents)


async def _require_plans_that_fit(intakes: IntakeStore, settings: Settings) -> None:
    """PolicyError for a plan whose own window leaves no time to ask everybody."""
    policy = settings.policy(priority_enabled=True)
    for plan in await intakes.plans():
        if plan.priority_window is not None:
            try:
                require_room_to_broadcast(policy, plan.priority_window)
            except PolicyError as error:
                raise PolicyError(f"plan {plan.code}: {error}") from error


async def _require_real_time(people: PeopleStore, settings: Settings) -> None:
    """ValueError for production on a database whose test clock was moved."""
    ahead = await people.clock_ahead()
    if ahead and settings.mode is Mode.PRODUCTION:
        raise ValueError(
            f"the test clock of this database runs {ahead} ahead: it is a demo's or a test's"
        )


def payment_configuration(settings: Settings) -> StripeConfiguration | None:
    """What the settings say about Stripe; ValueError, in one line, for what cannot be right."""
    if settings.stripe_secret_key is None:
        return None
    secrets = ",".join(one.get_secret_value() for one in settings.stripe_webhook_secret)
    if settings.mode is Mode.PRODUCTION and SANDBOX_WEBHOOK_SECRET in secrets:
        raise ValueError("the sandbox's webhook secret, which everybody knows, is for demos only")
    return check_configuration(
        settings.stripe_secret_key.get_secret_value(), secrets, settings.stripe_api_base
    )


def _assemble(
    settings: Settings,
    pool: "Pool",
    own: "Pool",
    gateway: StripeGateway | None,
    payment: StripeConfiguration | None,
    documents: Documents,
) -> Service:
    requests, intakes, wakeups = RequestStore(pool), IntakeStore(pool), Wakeups()
    dispatcher = Dispatcher(requests, wakeups.announce)
    terms = Terms(settings.policy(priority_enabled=False), settings.priority_window)
    fulfilment = _fulfilment(intakes, dispatcher, gateway, terms, payment)
    operations = OperationStore(pool)
    feed = Feed(EventLogStore(own), wakeups)
    speaking = identity.speaking(settings, pool, own, documents, wakeups)
    return Service(
        settings=settings,
        requests=requests,
        switchboard=intakes,
        people=PeopleStore(pool),
        views=ViewStore(pool),
        wakeups=wakeups,
        dispatcher=dispatcher,
        fulfilment=fulfilment,
        desk=_desk(settings, intakes, fulfilment, gateway, terms),
        deadlines=_deadlines(own, wakeups),
        feed=feed,
        hub=hub(settings, feed, pool, wakeups, speaking),
        publisher=publisher(settings, own, wakeups, speaking),
        troubles=operations,
        actions=AuditStore(pool),
        money=_money_loops(operations, gateway, dispatcher, fulfilment, wakeups),
        checkpoints=_checkpoints(settings, AuditStore(own)),
        attendance=Attendance(OfferStore(pool), wakeups, settings.missed_windows_max),
        webhook_secrets=payment.webhook_secrets if payment else (),
        **speaking,
    )


def _fulfilment(
    intakes: IntakeStore,
    dispatcher: Dispatcher,
    gateway: StripeGateway | None,
    terms: Terms,
    payment: StripeConfiguration | None,
) -> Fulfilment:
    livemode = bool(payment and payment.livemode)
    return Fulfilment(
        intakes, dispatcher, gateway, terms, livemode=livemode, api_version=SDK_API_VERSION
    )


def _deadlines(own: "Pool", wakeups: Wakeups) -> Deadlines:
    dispatcher = Dispatcher(RequestStore(own), wakeups.announce)
    return Deadlines(dispatcher, RequestStore(own), wakeups)


def _desk(
    settings: Settings,
    intakes: IntakeStore,
    fulfilment: Fulfilment,
    gateway: StripeGateway | None,
    terms: Terms,
) -> IntakeDesk:
    return IntakeDesk(
        intakes,
        fulfilment,
        gateway,
        terms,
        addresses=Addresses(settings.address),
        checkout_lifetime=timedelta(minutes=settings.checkout_minutes),
        new_id=uuid4,
    )


def _money_loops(
    operations: OperationStore,
    gateway: StripeGateway | None,
    dispatcher: Dispatcher,
    fulfilment: Fulfilment,
    wakeups: Wakeups,
) -> MoneyLoops | None:
    """None where nothing can be paid."""
    if gateway is None:
        return None
    return MoneyLoops(
        Cashier(operations, gateway, fulfilment, dispatcher, wakeups),
        Reconciler(operations, gateway, fulfilment, wakeups, real_time),
    )


def _checkpoints(settings: Settings, trail: AuditStore) -> Checkpoints | None:
    """None where there is no key to sign with."""
    keys = audit_keys(settings)
    if not keys.can_sign:
        return None
    return Checkpoints(trail, keys, CheckpointFile(settings.checkpoint_file))


@asynccontextmanager
async def loops(assembled: Service, dsn: str, *, feed: bool) -> AsyncIterator[None]:
    """Run all loops meanwhile: without ``feed``, those that a worker needs."""
    line = line_between_processes(assembled.settings, dsn, assembled.wakeups)
    running_loops = [assembled.deadlines.run(), assembled.attendance.run()]
    running_loops.append(line.run())
    if feed:
        running_loops += [assembled.feed.run(), assembled.standing.run(), assembled.hub.run()]
    if assembled.publisher:
        running_loops.append(assembled.publisher.run())
    if assembled.checkpoints:
        running_loops.append(assembled.checkpoints.run())
    if assembled.money:
        running_loops += [assembled.money.cashier.run(), assembled.money.reconciler.run()]
    tasks = [asyncio.create_task(loop) for loop in running_loops]
    for task in tasks:
        task.add_done_callback(_report_an_end)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _report_an_end(loop: "asyncio.Task[None]") -> None:
    """Each goes on whatever happens; should one end all the same, a person must know."""
    if not loop.cancelled():
        called = getattr(loop.get_coro(), "__qualname__", "")
        log.error("loop_ended", loop=called, exc_info=loop.exception())
