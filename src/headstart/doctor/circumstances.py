"""What surrounds the trail: the schema and its guards, what is late or stuck, clocks, secrets."""

from collections.abc import Callable
from datetime import datetime

from headstart.app.watch import OVERDUE_AFTER, UNSETTLED_AFTER
from headstart.doctor.findings import Findings, Severity
from headstart.secrecy import is_weak
from headstart.settings import Mode, Settings
from headstart.store.audit import AuditStore

SCHEMA, GUARDS, DEADLINES = "schema", "guards", "deadlines"
MONEY, CLOCK, SECRETS, FEED = "money", "clock", "secrets", "feed"

KEPT_FOR_GOOD = ("session_events", "operator_actions", "feature_flag_changes", "audit_checkpoints")
ALWAYS = "A"
NEVER = "D"
GUARDIANS = frozenset(
    {
        *((table, "append_only") for table in KEPT_FOR_GOOD),
        *((table, "chain") for table in KEPT_FOR_GOOD[:-1]),
        *((table, "one_after_the_other") for table in KEPT_FOR_GOOD[1:-1]),
    }
)
SKEW_S_WARNING = 2.0
SKEW_S_MAX = 30.0


async def check_guards(store: AuditStore, findings: Findings) -> None:
    """Triggers that fire for everybody, and a role that cannot do more than it needs."""
    triggers = await store.triggers()
    for table, name in sorted(GUARDIANS):
        if triggers.get((table, name)) != ALWAYS:
            state = "missing" if (table, name) not in triggers else "not always on"
            findings.fail(GUARDS, [f"trigger {name} of {table} is {state}"])
    off = sorted(f"{table}.{name}" for (table, name), on in triggers.items() if on == NEVER)
    findings.fail(GUARDS, (f"trigger {one} is switched off" for one in off))
    unguarded = await store.unguarded_tables()
    findings.fail(GUARDS, (f"{one} has no row-level security, or not forced" for one in unguarded))
    powers = await store.powers(KEPT_FOR_GOOD)
    if powers["unbound"]:
        findings.say(
            Severity.WARNING, GUARDS, f"{powers['role']} is bound by nothing: run as another role"
        )
    elif powers["too_much"]:
        findings.say(
            Severity.WARNING, GUARDS, f"{powers['role']} may {', '.join(powers['too_much'])}"
        )
    findings.conclude(GUARDS, "append-only for everybody, and the role may do no more")


async def check_deadlines(store: AuditStore, findings: Findings) -> None:
    """Nothing waits for a sweep that does not come."""
    found = await store.overdue(OVERDUE_AFTER)
    if found["number"]:
        findings.fail(
            DEADLINES, [f"{found['number']:,} overdue, the first {found['late_s']:.0f} s"]
        )
    findings.conclude(DEADLINES, "none is overdue")


async def check_feed(store: AuditStore, findings: Findings) -> None:
    """News and checkpoints follow the numbers of transactions, which a new server counts anew."""
    if await store.log_is_ahead():
        message = "the log is ahead of the server: restored from a dump? New events stay untold"
        findings.fail(FEED, [message])
    findings.conclude(FEED, "the log is in the server's order")


async def check_money(store: AuditStore, findings: Findings) -> None:
    """Nothing is owed for long, and nothing was refused."""
    found = await store.stuck_operations(UNSETTLED_AFTER)
    if found["stuck"]:
        findings.fail(MONEY, [f"{found['stuck']:,} operations are due and do not get done"])
    if found["refused"]:
        findings.say(Severity.WARNING, MONEY, f"{found['refused']:,} operations need a person")
    findings.conclude(MONEY, "no operation is stuck")


async def check_clock(
    store: AuditStore, settings: Settings, real_time: Callable[[], datetime], findings: Findings
) -> None:
    """The database's clock is the only clock: it must be right."""
    before = real_time()
    found = await store.real_clock()
    skew_s = max((before - found["now"]), (found["now"] - real_time())).total_seconds()
    if skew_s > SKEW_S_WARNING:
        severity = Severity.FAILURE if skew_s > SKEW_S_MAX else Severity.WARNING
        findings.say(severity, CLOCK, f"ours and the database's are {skew_s:.1f} s apart")
    if found["ahead"]:
        bad = settings.mode is Mode.PRODUCTION
        severity = Severity.FAILURE if bad else Severity.WARNING
        findings.say(severity, CLOCK, f"the test clock runs {found['ahead']} ahead")
    findings.conclude(CLOCK, "ours and the database's agree")


def check_secrets(settings: Settings, findings: Findings) -> None:
    """Secrets that could be guessed. Nothing of them is said."""
    jwt = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    production = settings.mode is Mode.PRODUCTION
    severity = Severity.FAILURE if production else Severity.WARNING
    if production and not jwt:
        findings.say(severity, SECRETS, "HEADSTART_JWT_SECRET is not set")
    elif jwt and is_weak(jwt):
        findings.say(
            severity, SECRETS, "HEADSTART_JWT_SECRET could be guessed: openssl rand -hex 32"
        )
    stripe = settings.stripe_secret_key
    if production and stripe and "_test_" in stripe.get_secret_value():
        findings.say(Severity.WARNING, SECRETS, "STRIPE_SECRET_KEY is one of Stripe's test mode")
    if production and settings.checkpoint_key is None:
        findings.say(Severity.WARNING, SECRETS, "HEADSTART_CHECKPOINT_KEY is not set")
    findings.conclude(SECRETS, "none is weak")
