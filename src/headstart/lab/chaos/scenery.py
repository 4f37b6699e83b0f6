"""What a round is played with: what was promised, who lives there, and where they pay."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import uvicorn

from headstart.core.access import Principal, Role
from headstart.core.policy import OfflinePolicy
from headstart.core.request import MechanicId
from headstart.identity.sessions import SECRET_BYTES, key_of
from headstart.identity.tokens import Tokens
from headstart.lab.backstage import HOST, free_port, server_environment
from headstart.lab.chaos.front import Front
from headstart.lab.chaos.house import POLL_S
from headstart.lab.chaos.people import PLANS, Customer, Mechanic
from headstart.lab.chaos.town import Person, Town
from headstart.lab.chaos.witness import moment
from headstart.lab.checkers import Plain
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.serving import Server as Serving
from headstart.store.people import PeopleStore
from headstart.store.sign_ins import SignInStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

TOKEN_LIFETIME = timedelta(hours=12)
BACKDATED = timedelta(hours=2)  # most tokens: so old that a clock an hour slow believes them
FRESH_TOKENS = 0.1
FAVORITES_EACH = 3
LISTENING_CUSTOMERS = 0.1
HELD_SHARES = (0.0, 0.5, 0.5, 1.0)  # of the plans: the others are charged at once
RETRY_DELAYS_S = (0.05, 0.1, *[0.5] * 1_000)
PAGE_WAIT_S = 0.5
CONNECTIONS = 6  # of one server, and three for its loops: all of them anew after each outage
PRESENCE_LEASE_S = 6
SOON_S = 5.0  # what the liveness target allows a healthy service
TOLD_S = 8.0
SLACK_S = 0.5  # from the commit time in a record to when everybody sees it, on a busy machine
SLACK_PAUSED_S = 3.0  # the same, where the process that commits may be made to stand still

ADD_CUSTOMERS = """
insert into headstart.customers (id, first_name) select unnest($1::uuid[]), 'Carla'
"""
HELD_PLANS = "update headstart.plans set capture = 'hold' where code = any($1)"
ADD_FAVORITES = """
insert into headstart.favorites (customer_id, mechanic_id)
select * from unnest($1::uuid[], $2::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a round is, and how long its times are. Times in seconds."""

    requests: int
    per_s: float
    mechanics: int
    window_s: float
    offline_window_s: float
    overall_limit_s: float
    broadcast_minimum_s: float
    join_limit_s: float
    extension_s: float


def terms_of(random: Random, size: Size, mechanics: Sequence[Person], *, paused: bool) -> Plain:
    """What is promised in this round."""
    return {
        "window_s": size.window_s,
        "offline_window_s": size.offline_window_s,
        "overall_limit_s": size.overall_limit_s,
        "broadcast_minimum_s": size.broadcast_minimum_s,
        "join_limit_s": random.choice((None, size.join_limit_s)),
        "extension_s": size.extension_s,
        "offline": random.choice(list(OfflinePolicy)).value,
        "mechanics": [mechanic.id for mechanic in mechanics],
        "slack_s": SLACK_PAUSED_S if paused else SLACK_S,
        "soon_s": SOON_S,
        "told_s": TOLD_S,
    }


def settings_of(terms: Plain, sandbox_port: int, secret: str) -> Mapping[str, str]:
    """The environment of the servers."""

    def minutes(name: str) -> str:
        return repr(terms[name] / 60)

    names = ["HEADSTART_JOIN_LIMIT_MINUTES"] if terms["join_limit_s"] else []
    return server_environment(
        {
            "HEADSTART_MODE": "test",
            "HEADSTART_DATABASE_CONNECTIONS": str(CONNECTIONS),
            "HEADSTART_PUBLIC_URL": "http://headstart.test",  # one for all: Stripe is told of it
            "HEADSTART_STRIPE_API_BASE": f"http://{HOST}:{sandbox_port}",
            "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": SANDBOX_WEBHOOK_SECRET,
            "HEADSTART_JWT_SECRET": secret,
            "ENABLE_FAVORITES_PRIORITY": "true",
            "HEADSTART_OFFLINE_POLICY": terms["offline"],
            "PRIORITY_WINDOW_MINUTES": minutes("window_s"),
            "HEADSTART_EXTENSION_MINUTES": minutes("extension_s"),
            "HEADSTART_OFFLINE_WINDOW_MINUTES": minutes("offline_window_s"),
            "HEADSTART_OVERALL_LIMIT_MINUTES": minutes("overall_limit_s"),
            "HEADSTART_BROADCAST_MINIMUM_MINUTES": minutes("broadcast_minimum_s"),
            "HEADSTART_PRESENCE_LEASE_S": str(PRESENCE_LEASE_S),
            **{name: minutes("join_limit_s") for name in names},
        }
    )


@dataclass(slots=True)
class Signs:
    """Makes people, and what proves who they are."""

    secret: str
    random: Random

    def person(self, role: Role) -> Person:
        """Somebody new."""
        who = Principal(role, UUID(int=self.random.getrandbits(128), version=4))
        fresh = self.random.random() < FRESH_TOKENS
        age = timedelta() if fresh else BACKDATED
        tokens = Tokens(self.secret, lambda: moment(time.time()) - age)
        session = self.random.randbytes(SECRET_BYTES).hex()
        return Person(who, tokens.mint(who, lifetime=TOKEN_LIFETIME + age), session)


async def populate(
    pool: "Pool", town: Town, signs: Signs, mechanics: Sequence[Person], size: Size
) -> tuple[Sequence[Customer], Sequence[Mechanic]]:
    """Everybody is known before it begins, and how each plan is charged."""
    share = town.random.choice(HELD_SHARES)
    await pool.execute(HELD_PLANS, [plan for plan in PLANS if town.chance(share)])
    for mechanic in mechanics:
        await PeopleStore(pool).add_mechanic(MechanicId(mechanic.who.id), "Somebody")
    customers = [_customer(town, signs, mechanics) for _ in range(size.requests)]
    await pool.execute(ADD_CUSTOMERS, [one.person.who.id for one in customers])
    for one in customers:
        key, who = key_of(one.person.session), one.person.who
        await SignInStore(pool).begin(key, who, None, idle=TOKEN_LIFETIME, at_most=TOKEN_LIFETIME)
    pairs = [(one.person.id, favorite) for one in customers for favorite in one.favorites]
    await pool.execute(ADD_FAVORITES, *(list(column) for column in zip(*pairs, strict=True)))
    town.history.favorites = set(pairs)
    return customers, [Mechanic(town, one, len(mechanics)) for one in mechanics]


def _customer(town: Town, signs: Signs, mechanics: Sequence[Person]) -> Customer:
    known = [one.id for one in town.random.sample(mechanics, FAVORITES_EACH)]
    strangers = [one.id for one in mechanics if one.id not in known][:2]
    person, listens = signs.person(Role.CUSTOMER), town.chance(LISTENING_CUSTOMERS)
    return Customer(town, person, known, strangers, listens)


@dataclass(frozen=True, slots=True)
class Till:
    """Where people pay, and the books of it."""

    port: int
    ledger: Ledger


@asynccontextmanager
async def sandbox(front: Front) -> AsyncIterator[Till]:
    """A payment sandbox of this round's own."""
    port = free_port()
    settings = SandboxSettings(
        public_url=f"http://{HOST}:{port}",
        webhook_url=f"http://{HOST}/webhooks/stripe",
        transport=front,
        webhook_secret=SANDBOX_WEBHOOK_SECRET,
        retry_delays_s=RETRY_DELAYS_S,
        page_wait_s=PAGE_WAIT_S,
        seed=front.random.getrandbits(32),
    )
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=HOST,
        port=port,
        log_level="critical",
        access_log=False,
        ws="none",
    )
    server = Serving(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(POLL_S)
        yield Till(port, app.state.ledger)
    finally:
        server.should_exit = True
        await serving
