"""The command line."""

import asyncio
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError

from headstart import demonstration, telemetry
from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.older.backfill import Backfill
from headstart.app.older.report import summary_lines, write_report
from headstart.app.ports import By, Unavailable
from headstart.core.access import Principal, Role
from headstart.doctor.examination import as_json, as_lines, examine
from headstart.doctor.findings import Findings
from headstart.lab import explain as explaining
from headstart.serving import run_service, serve_web, serve_worker
from headstart.settings import Settings
from headstart.store.embedded import EmbeddedError
from headstart.store.intakes import IntakeStore
from headstart.store.migrate import MigrationError, wait_for_server
from headstart.store.migrate import migrate as apply_migrations
from headstart.store.older import OlderStore
from headstart.store.postgres import connected
from headstart.store.views import ViewStore
from headstart.web.reasons import REASON_CHARACTERS_MAX
from headstart.wiring import (
    START_PATIENCE_S,
    audit_keys,
    database,
    database_of_service,
    real_time,
    records,
    tokens,
)

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

ACTOR = "operator:command-line"
HISTORY_MAX = 50
NOT_EVERYTHING = 3
BACKFILL_CONNECTIONS = 2  # one writes, one reads ahead

app = typer.Typer(
    help="The customer's favourite mechanic gets a head start on a paid job.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
flags = typer.Typer(help="Look at and change feature flags.", no_args_is_help=True)
app.add_typer(flags, name="flags")

Result = TypeVar("Result")


def main() -> None:
    """Run a command; what a person can put right is one line and exit code 1, never a trace."""
    try:
        app()
    except ValidationError as error:
        _fail("; ".join(_setting_error(dict(one)) for one in error.errors()))
    except (EmbeddedError, MigrationError, Unavailable, ValueError, LookupError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    first_line = message.strip().splitlines()[0] if message.strip() else "unknown error"
    typer.echo(f"headstart: {first_line}", err=True)
    sys.exit(1)


def _setting_error(error: dict[str, object]) -> str:
    place = error.get("loc")
    name = ".".join(map(str, place)) if isinstance(place, tuple) else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


@app.command()
def serve() -> None:
    """Serve pages, API, stream and webhook, and enforce deadlines."""
    settings = _settings()
    with database(settings) as dsn:
        run_service(serve_web(settings, dsn))


@app.command()
def worker() -> None:
    """Enforce deadlines only: run as many as you like beside the web servers."""
    settings = _settings()
    with database(settings) as dsn:
        run_service(serve_worker(settings, dsn))


@app.command()
def migrate() -> None:
    """Bring the database up to this program. Safe to repeat, and to run from many places."""
    settings = _settings()
    own = nullcontext(settings.owner_url) if settings.owner_url else database_of_service(settings)
    with own as owner:
        asyncio.run(wait_for_server(owner, patience_s=START_PATIENCE_S))
        applied = asyncio.run(apply_migrations(owner))
    for migration in applied:
        typer.echo(f"applied {migration.version:04d} {migration.name}")
    typer.echo("the database is up to date")


@app.command()
def backfill(
    source: Annotated[
        str, typer.Option("--from", help="The older table, such as `public.session_requests`.")
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write what could not be read there, as CSV.")
    ] = None,
    duty: Annotated[
        float, typer.Option(min=0.01, max=1, help="The share of time the database works for it.")
    ] = 0.5,
) -> None:
    """Take over the ended session requests of an older system. Safe to stop, and to repeat.

    Exit code 3: done, but not everything could be read.
    """

    async def run(owner: str) -> int:
        await wait_for_server(owner, patience_s=START_PATIENCE_S)
        await apply_migrations(owner)
        async with connected(owner, connections_max=BACKFILL_CONNECTIONS, role=None) as pool:
            return await take_over(OlderStore(pool))

    async def take_over(older: OlderStore) -> int:
        name = (await older.table(source)).name
        await Backfill(older, name, duty=duty, tell=lambda line: typer.echo(line, err=True)).run()
        unread = await summary_lines(older, name)
        typer.echo("\n".join(["what could not be read:", *unread]) if unread else "all was read")
        if report:
            typer.echo(f"{await write_report(older, name, report):,} lines in {report}")
        return NOT_EVERYTHING if unread else 0

    settings = _settings()
    own = nullcontext(settings.owner_url) if settings.owner_url else database_of_service(settings)
    with own as owner:
        sys.exit(asyncio.run(run(owner)))


@app.command()
def demo(
    window_minutes: Annotated[
        float, typer.Option(help="The priority window, in minutes.", min=0.05)
    ] = 2.0,
    port: Annotated[
        int, typer.Option(help="Of the pages; payments and the three screens get the next four.")
    ] = 8000,
) -> None:
    """Everything on this machine: database, payment sandbox, people to be, and the server."""
    telemetry.configure_logging(readable=True)
    demonstration.run(window_minutes=window_minutes, port=port)


@app.command()
def verify(
    report: Annotated[
        Path | None, typer.Option(help="Write the verification report here, as Markdown.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this scenario, 1 to 10; may be repeated.")
    ] = None,
) -> None:
    """Run the plan's five scenarios through real HTTP; exit code 1 if a check fails."""
    from headstart.lab import verify as verifying  # brings the whole test stage with it

    sys.exit(0 if verifying.run(report, only or ()) else 1)


@app.command()
def explain(request_id: Annotated[UUID, typer.Argument(help="A session request.")]) -> None:
    """Tell the story of one request."""
    typer.echo(_with_records(lambda pool: explaining.story(ViewStore(pool), request_id)))


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="Published checkpoints: a file of them, or a log. May be repeated."),
    ] = None,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="Only say whose checkpoints count.")
    ] = False,
) -> None:
    """Look whether everything is as it must be; exit code 1 if it is not. Changes nothing."""
    settings = _settings()
    keys = audit_keys(settings)
    if public_key:
        typer.echo("\n".join(b64encode(key).decode() for key in keys.public_keys))
        return
    copies = checkpoints or ([settings.checkpoint_file] if settings.checkpoint_file else [])

    async def look(dsn: str) -> Findings:
        await wait_for_server(dsn, patience_s=START_PATIENCE_S)
        prepared = settings.prepared_statements
        async with connected(dsn, connections_max=2, prepared_statements=prepared) as pool:
            return await examine(pool, settings, keys, copies, real_time)

    with database_of_service(settings) as dsn:
        findings = asyncio.run(look(dsn))
    typer.echo(as_json(findings) if json else as_lines(findings))
    sys.exit(1 if findings.failed else 0)


@app.command()
def token(
    role: Annotated[Role, typer.Option()],
    id: Annotated[UUID, typer.Option(help="The customer's or mechanic's id.")],
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 365)] = 12,
) -> None:
    """Mint a bearer token from the configured secret."""
    lifetime = timedelta(hours=hours)
    typer.echo(tokens(_settings()).mint(Principal(role, id), lifetime=lifetime))


@flags.command("list")
def list_flags() -> None:
    """Show the flag and its history."""
    typer.echo(_with_records(_flag_lines))


@flags.command("set")
def set_flag(
    state: Annotated[str, typer.Argument(help="on or off")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the change.")],
    name: Annotated[str, typer.Option(help="Which flag.")] = FAVORITES_PRIORITY,
    rollout: Annotated[
        int | None, typer.Option(min=0, max=100, help="For how many in a hundred customers.")
    ] = None,
) -> None:
    """Switch a flag, at once and for every process. Requests in flight keep their policy."""
    if name != FAVORITES_PRIORITY:
        raise LookupError(
            f"there is no flag called {name}: the one there is is {FAVORITES_PRIORITY}"
        )
    if state not in ("on", "off"):
        raise ValueError(f"a flag is on or off, not {state}")
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise ValueError(f"a reason has 1 to {REASON_CHARACTERS_MAX} characters")
    by = By(ACTOR, reason.strip())

    async def change(pool: "Pool") -> str:
        await IntakeStore(pool).set_flag(
            name, enabled=state == "on", rollout_percentage=rollout, by=by
        )
        return await _flag_lines(pool)

    typer.echo(_with_records(change))


async def _flag_lines(pool: "Pool") -> str:
    switchboard = IntakeStore(pool)
    flag = await switchboard.flag(FAVORITES_PRIORITY)
    changes = await switchboard.flag_changes(FAVORITES_PRIORITY, HISTORY_MAX)
    now = f"{flag.name} is {_on(flag.enabled)} for {flag.rollout_percentage} % of customers"
    history = [
        f"  {change['at']:%Y-%m-%d %H:%M:%S} UTC  {change['actor']}:"
        f" {_on(change['was_enabled'])} {change['was_rollout_percentage']} %"
        f" → {_on(change['enabled'])} {change['rollout_percentage']} %"
        + (f" ({change['reason']})" if change["reason"] else "")
        for change in changes
    ]
    return "\n".join([now, *history])


def _on(enabled: bool | None) -> str:
    return {True: "on", False: "off", None: "new"}[enabled]


def _settings() -> Settings:
    settings = Settings()
    telemetry.configure_logging(readable=sys.stderr.isatty())
    return settings


def _with_records(act: "Callable[[Pool], Awaitable[Result]]") -> Result:
    """Do something with the database, beside a service that may be running."""

    async def run(settings: Settings, dsn: str) -> Result:
        async with records(settings, dsn) as pool:
            return await act(pool)

    settings = _settings()
    with database_of_service(settings) as dsn:
        return asyncio.run(run(settings, dsn))
